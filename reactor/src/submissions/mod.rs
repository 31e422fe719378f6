//! Sending what is to be sent, once: what is due is found in the log's claims in order of time, whoever wanted it.
//!
//! `attempted` is recorded before the server hears of a message, so whatever ends a process leaves a trace. How far an
//! attempt came decides what follows: what the server has not seen to its end is sent again, and what it may have taken
//! is looked for among what was sent. If it is not there, it is sent again only if the user has said that the server keeps
//! copies, and only once; otherwise the user decides. In reading order: `attempt` · `message` · `copies` (what was sent
//! becomes an e-mail and lies among what was sent, however long that takes) · `owed` (which of that is still to be done)
//! · `sent` (the mailbox where copies lie).

mod attempt;
mod copies;
mod message;
mod owed;
mod results;
mod sent;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::FuturesUnordered};
use orbit_adapters::net;
use orbit_domain::emails::{
    Attachment, Submission, attachment,
    submission::{Command, DUE, Rejection, Sheet, Standing, due_key},
};
use orbit_event_store::{Mode, Origin, Refused, Unit};
use orbit_events::{Actor, ConnectionId, UserId};
use orbit_platform::{ids, shutdown::Shutdown};
use tokio::sync::Notify;
use uuid::Uuid;

use self::owed::Owed;
use crate::{
    app::Deps,
    ingest::{Again, Cause, Ingest},
    wake::Wake,
};

/// Messages that are being sent at a time.
pub const AT_ONCE: usize = 8;
/// How often a process looks for what is due, if nobody tells it.
const POLL: Duration = Duration::from_secs(1);
/// How much of what is due is looked at: those whose account is busy stand before others.
const DUE_AT_ONCE: i64 = 200;
/// How long what is under way may take to end when the process stops.
const GRACE: Duration = Duration::from_secs(8);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// After which a message that was being sent is given up for lost; sending ends a minute before.
    pub lease: Duration,
    /// How long a server may say nothing.
    pub timeout: Duration,
    /// How often a copy is looked for.
    pub looks: u32,
    /// How long before each look.
    pub look_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { lease: Duration::from_mins(12), timeout: net::TIMEOUT, looks: 5, look_after: Duration::from_secs(20) }
    }
}

/// Why a message could not be dealt with. It stays what it was and is looked at again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    #[error(transparent)]
    Book(#[from] crate::work::Fault),
    #[error("the rules say no: {0}")]
    Rejected(Rejection),
}

impl From<Refused<Rejection>> for Fault {
    fn from(refused: Refused<Rejection>) -> Self {
        match refused {
            Refused::Rejected(rejection) => Self::Rejected(rejection),
            Refused::Fault(fault) => Self::Log(fault),
        }
    }
}

impl Fault {
    /// Whether somebody else was faster, or there is nobody any more whose message it is.
    fn is_no_matter(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Log(orbit_event_store::Fault::Forgotten))
    }
}

/// What every attempt has at hand.
struct Sender {
    deps: Deps,
    ingest: Ingest,
    pace: Pace,
    /// By what the book knows who lays a copy.
    worker: Uuid,
    owed: Owed,
    /// A copy is due.
    due: Notify,
    /// Accounts that a message goes through just now: one at a time, as servers like it.
    busy: Mutex<HashSet<ConnectionId>>,
}

/// Sends what is due until `shutdown`, at this pace.
pub fn start(deps: Deps, pace: Pace, shutdown: &Shutdown) {
    let wake = Wake::listen(deps.nats.clone(), &deps.prefix, shutdown);
    let sender = Arc::new(Sender {
        ingest: Ingest::new(deps.store.clone(), deps.blobs.clone()),
        worker: ids::new_event_id(),
        owed: Owed::new(deps.store.log().pool().clone()),
        due: Notify::new(),
        busy: Mutex::default(),
        deps,
        pace,
    });
    shutdown.spawn("mail.send", run(sender.clone(), wake, shutdown.clone()));
    shutdown.spawn("mail.copies", copies::run(sender, shutdown.clone()));
}

async fn run(sender: Arc<Sender>, mut wake: Wake, shutdown: Shutdown) {
    let (mut under_way, mut running) = (HashSet::new(), FuturesUnordered::new());
    loop {
        match sender.due().await {
            Ok(due) => {
                for id in due {
                    if under_way.len() < AT_ONCE && under_way.insert(id) {
                        let sender = sender.clone();
                        // Aside from the stack: the steps of an attempt take some space.
                        running.push(Box::pin(async move {
                            sender.attend(id).await;
                            id
                        }));
                    }
                }
            }
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "looking for what is to be sent failed");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(id) = running.next() => {
                under_way.remove(&id);
            }
            () = wake.called() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    // What is cut short is looked for when its time is over; better that it ends.
    let _ = tokio::time::timeout(GRACE, async { while running.next().await.is_some() {} }).await;
}

impl Sender {
    fn now(&self) -> DateTime<Utc> {
        self.deps.store.clock().now()
    }

    /// What is due by now, the oldest first.
    async fn due(&self) -> Result<Vec<Uuid>, orbit_event_store::Fault> {
        let end = due_key(self.now() + TimeDelta::microseconds(1));
        let held = self.deps.store.scan(DUE, &[], DUE_AT_ONCE).await?;
        let due = held.into_iter().take_while(|held| held.key.as_slice() < end.as_slice());
        Ok(due.map(|held| held.stream_id).collect())
    }

    async fn attend(&self, id: Uuid) {
        match self.attempt(id).await {
            Ok(()) => {}
            Err(fault) if fault.is_no_matter() => {}
            Err(fault) => {
                let error = &fault as &dyn std::error::Error;
                tracing::warn!(error, submission = %id, "a message that is to be sent could not be dealt with");
            }
        }
    }

    /// Decides and records. How the message stands then.
    async fn record(&self, user: UserId, id: Uuid, command: Command) -> Result<String, Fault> {
        let decide = |unit: Unit| {
            let command = command.clone();
            async move {
                let decided = unit.decide::<Submission>(id, command).await?;
                if let Some((sheet, Standing::Sent { .. })) = decided.state.wanted() {
                    give_files_free(&unit, sheet).await?;
                }
                Ok(decided.state.wanted().map_or("", |(_, standing)| standing.name()).to_owned())
            }
        };
        let done: Result<_, Refused<Rejection>> =
            self.deps.store.transact(self.origin(user, id), Mode::default(), decide).await;
        Ok(done?.answer)
    }

    fn origin(&self, user: UserId, id: Uuid) -> Origin {
        Cause { user, actor: Actor::System, correlation_id: id, again: Again::No }.origin(self.now())
    }

    /// Takes an account for one message; `None` while another goes through it.
    fn take(&self, account: ConnectionId) -> Option<Taken<'_>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        // Made only if it is ours: what is dropped gives the account back.
        busy.insert(account).then(|| Taken { sender: self, account })
    }
}

/// What was uploaded for a message that was sent waits for nothing any more.
async fn give_files_free(unit: &Unit, sheet: &Sheet) -> Result<(), orbit_event_store::Fault> {
    for file in &sheet.attachments {
        match unit.decide::<Attachment>(file.attachment_id.0, attachment::Command::Discard).await {
            // It may be gone already.
            Ok(_) | Err(Refused::Rejected(_)) => {}
            Err(Refused::Fault(fault)) => return Err(fault),
        }
    }
    Ok(())
}

/// An account that a message goes through.
struct Taken<'a> {
    sender: &'a Sender,
    account: ConnectionId,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.sender.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.account);
    }
}
