//! Reports about delivery (RFC 3464) find the message that they are about.
//!
//! Such a report is an e-mail like any other. Whom it is about is looked up once for a group; what it says is recorded in
//! the unit of work that makes it an e-mail, so that it can neither be lost nor be recorded twice.

use orbit_domain::{
    Claim,
    emails::{
        Submission,
        submission::{Command, message_claim},
    },
};
use orbit_event_store::{Fault as LogFault, Refused, Unit};
use orbit_events::{
    EmailId, UserId,
    emails::{Bounce, email::Received},
};
use uuid::Uuid;

use super::{Fault, Ingest};

impl Ingest {
    /// The messages that reports are about; `None` for what reports about none of the user's.
    ///
    /// A message has its id before it is sent, so there is none that comes to be known later.
    pub(super) async fn reported(&self, claims: Vec<Option<Claim>>) -> Result<Vec<Option<Uuid>>, Fault> {
        let asked: Vec<Claim> = claims.iter().flatten().cloned().collect();
        if asked.is_empty() {
            return Ok(vec![None; claims.len()]);
        }
        let mut holders = self.store.holders(&asked).await?.into_iter();
        Ok(claims.into_iter().map(|claim| claim.and_then(|_| holders.next().flatten())).collect())
    }
}

/// By what the message is found that this reports about, if it is a report.
pub(super) fn claim(user: UserId, received: &Received) -> Option<Claim> {
    let original = received.bounce.as_ref()?.original_message_id.as_deref()?;
    Some(message_claim(user, original))
}

/// Records in this unit of work what the report that becomes this e-mail says about a message.
pub(super) async fn record(unit: &Unit, submission: Uuid, email_id: Uuid, bounce: &Bounce) -> Result<(), LogFault> {
    let command = Command::Bounce { email_id: EmailId(email_id), recipients: bounce.recipients.clone() };
    match unit.decide::<Submission>(submission, command).await {
        // The rules know no such message: then it is an e-mail and no more.
        Ok(_) | Err(Refused::Rejected(_)) => Ok(()),
        Err(Refused::Fault(fault)) if fault.is_temporary() => Err(fault),
        // A message that cannot be read any more must not keep a mailbox from coming in.
        Err(Refused::Fault(fault)) => {
            let error = &fault as &dyn std::error::Error;
            tracing::error!(error, %submission, "a report about a message could not be recorded with it");
            Ok(())
        }
    }
}
