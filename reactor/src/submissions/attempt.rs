//! One attempt, and what follows from how far it came.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use orbit_adapters::{
    net::{self, Server},
    smtp::{Delivery, Envelope, Outcome, send},
};
use orbit_domain::{
    emails::{
        Submission,
        submission::{Command, Reason, Sheet, Standing},
    },
    users::Connection,
};
use orbit_events::{
    Actor, ConnectionId, SubmissionId, UserId,
    emails::{Origin, Role},
    users::connection::{Kind, Settings},
};
use uuid::Uuid;

use super::{Fault, Sender, message, results, sent};
use crate::{
    ingest::{Again, Cause, Incoming},
    servers,
};

/// How long before its lease ends sending is given up: what is recorded after it could come too late.
const MARGIN: Duration = Duration::from_mins(1);

/// Whose message it is, and what is known of it.
struct Job {
    id: Uuid,
    user: UserId,
    sheet: Sheet,
}

/// The account that a message goes through, and where copies lie.
struct Account {
    server: Server,
    /// Where copies are looked for and laid.
    mailbox: Option<Server>,
    /// Whether the server is known to keep copies itself.
    saves_sent: bool,
}

impl Sender {
    /// Sends a message that is due, or finds out what became of one that was being sent when its process ended.
    pub(super) async fn attempt(&self, id: Uuid) -> Result<(), Fault> {
        let Some(found) = self.deps.store.load::<Submission>(id).await? else { return Ok(()) };
        let Some((sheet, standing)) = found.state.wanted() else { return Ok(()) };
        let now = self.now();
        if standing.due_at().is_none_or(|at| at > now) {
            return Ok(());
        }
        let job = Job { id, user: found.user_id, sheet: sheet.clone() };
        // One that names no account never gets here; should it, it fails as one whose account is gone.
        let account = job.sheet.content.connection_id.unwrap_or(ConnectionId(Uuid::nil()));
        let Some(_taken) = self.take(account) else { return Ok(()) };
        match standing {
            Standing::Held { .. } | Standing::Deferred { .. } => self.begin(&job, account).await,
            Standing::Attempting { .. } => {
                let account = self.account(job.user, account).await?;
                self.resolve(&job, account.as_ref(), None).await
            }
            Standing::Sent { .. } | Standing::Failed { .. } | Standing::Uncertain { .. } | Standing::Cancelled => {
                Ok(())
            }
        }
    }

    async fn begin(&self, job: &Job, account: ConnectionId) -> Result<(), Fault> {
        let lease = TimeDelta::from_std(self.pace.lease).unwrap_or(TimeDelta::MAX);
        // Before the server hears of it: whoever does not get this recorded does not send.
        self.record(job.user, job.id, Command::Begin { lease_until: self.now() + lease }).await?;
        metrics::counter!("orbit_submission_attempts_total").increment(1);
        let Some(account) = self.account(job.user, account).await? else {
            let detail = "The account that it was to be sent through is not connected any more.".to_owned();
            return self.fail(job, Reason { code: "connection_gone".to_owned(), detail }, vec![]).await;
        };
        let message = match self.write(job.user, &job.sheet).await {
            Ok(message) => message,
            Err(message::Fault::Log(fault)) => return Err(fault.into()),
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, submission = %job.id, "a message was not written");
                let detail = "The message could not be put together: a file may be missing.".to_owned();
                return self.defer(job, Reason { code: "message_unreadable".to_owned(), detail }, vec![]).await;
            }
        };
        let to: Vec<String> = job.sheet.outstanding().into_iter().map(str::to_owned).collect();
        let envelope = Envelope { from: &job.sheet.from.email, to: &to };
        let time = self.pace.lease.saturating_sub(MARGIN);
        let sending = tokio::time::timeout(time, send(&account.server, &envelope, &message));
        let delivery = sending.await.unwrap_or_else(|_| Delivery {
            recipients: vec![],
            // How far it came is not known any more.
            outcome: Outcome::Unknown(net::Fault::Timeout),
        });
        self.conclude(job, &account, &delivery, &message).await
    }

    async fn conclude(&self, job: &Job, account: &Account, delivery: &Delivery, message: &[u8]) -> Result<(), Fault> {
        let finals = results::finals(delivery, false);
        match &delivery.outcome {
            Outcome::Accepted(_) => {
                self.settle(job, delivery, false).await?;
                self.keep(job, account, message, false).await;
                Ok(())
            }
            Outcome::Temporary(reply) => self.defer(job, results::reason(reply), finals).await,
            Outcome::Permanent(reply) => self.fail(job, results::reason(reply), finals).await,
            Outcome::NotSent(fault) => self.defer(job, results::fault(fault), finals).await,
            Outcome::Unknown(_) => self.resolve(job, Some(account), Some((delivery, message))).await,
        }
    }

    /// The server took it: sent, unless some are still to be tried.
    async fn settle(&self, job: &Job, delivery: &Delivery, found: bool) -> Result<(), Fault> {
        let recipients = results::finals(delivery, found);
        match results::open(delivery, found) {
            Some(reason) => self.defer(job, reason, recipients).await,
            None => self.end(job, "sent", Command::Sent { recipients, found_in_sent: found }).await,
        }
    }

    /// Nobody answered after the end of the message: looks whether it is among what was sent.
    async fn resolve(
        &self,
        job: &Job,
        account: Option<&Account>,
        attempt: Option<(&Delivery, &[u8])>,
    ) -> Result<(), Fault> {
        let uncertain = |why: &str| {
            let detail = format!("The server may have taken the message, but did not say so. {why}");
            self.end(job, "uncertain", Command::Uncertain { detail })
        };
        // A copy of an earlier attempt, which went to others, would tell nothing of this one.
        let was_sent_before = job.sheet.results.iter().any(|result| result.accepted);
        let Some((account, mailbox)) = account.and_then(|account| Some((account, account.mailbox.as_ref()?))) else {
            return uncertain("There is no mailbox to look for a copy in.").await;
        };
        if was_sent_before {
            return uncertain("Some have got it before, so a copy among what was sent tells nothing.").await;
        }
        let own = job.sheet.from.email.to_lowercase();
        let to_itself = job.sheet.recipients().iter().any(|email| email.to_lowercase() == own);
        let pace = (self.pace.looks, self.pace.look_after);
        match sent::look(mailbox, &job.sheet.message_id, to_itself, pace).await {
            Ok(true) => {
                let message = if let Some((delivery, message)) = attempt {
                    self.settle(job, delivery, true).await?;
                    Some(message.to_vec())
                } else {
                    let told = Command::Sent { recipients: vec![], found_in_sent: true };
                    self.end(job, "sent", told).await?;
                    self.write(job.user, &job.sheet).await.ok()
                };
                if let Some(message) = message {
                    self.keep(job, account, &message, true).await;
                }
                Ok(())
            }
            Ok(false) if account.saves_sent => {
                let detail = "The server did not answer, and there is no copy among what was sent.".to_owned();
                let recipients = attempt.map(|(delivery, _)| results::finals(delivery, false)).unwrap_or_default();
                self.defer(job, Reason { code: "unanswered".to_owned(), detail }, recipients).await
            }
            Ok(false) => uncertain("There is no copy among what was sent.").await,
            Err(_) => uncertain("The mailbox where a copy would lie could not be looked into.").await,
        }
    }

    async fn defer(
        &self,
        job: &Job,
        reason: Reason,
        recipients: Vec<orbit_events::emails::Recipient>,
    ) -> Result<(), Fault> {
        self.end(job, "deferred", Command::Defer { reason, recipients }).await
    }

    async fn fail(
        &self,
        job: &Job,
        reason: Reason,
        recipients: Vec<orbit_events::emails::Recipient>,
    ) -> Result<(), Fault> {
        self.end(job, "failed", Command::Fail { reason, recipients }).await
    }

    async fn end(&self, job: &Job, outcome: &'static str, command: Command) -> Result<(), Fault> {
        self.record(job.user, job.id, command).await?;
        metrics::counter!("orbit_submissions_total", "outcome" => outcome).increment(1);
        tracing::info!(submission = %job.id, outcome, "an attempt to send a message has ended");
        Ok(())
    }

    /// The message becomes an e-mail of the user's, and a copy lies where what was sent lies. It is sent, whatever comes
    /// of this.
    async fn keep(&self, job: &Job, account: &Account, message: &[u8], is_there: bool) {
        let now = self.now();
        if let Err(fault) = self.take_in(job, message, now).await {
            let error = &fault as &dyn std::error::Error;
            tracing::warn!(error, submission = %job.id, "what was sent did not become an e-mail");
        }
        if is_there || account.saves_sent {
            return;
        }
        let Some(mailbox) = &account.mailbox else { return };
        // A server that keeps copies by itself, and was not known to, may need a moment.
        tokio::time::sleep(self.pace.look_after / 4).await;
        if let Err(fault) = sent::keep(mailbox, &job.sheet.message_id, now, message).await {
            let error = &fault as &dyn std::error::Error;
            tracing::warn!(error, submission = %job.id, "no copy of what was sent could be laid into its mailbox");
        }
    }

    async fn take_in(&self, job: &Job, message: &[u8], now: DateTime<Utc>) -> Result<(), crate::ingest::Fault> {
        let cause = Cause { user: job.user, actor: Actor::System, correlation_id: job.id, again: Again::No };
        self.ingest.ensure_folders(&cause).await?;
        let incoming = Incoming {
            raw: message.to_vec(),
            place: self.ingest.place(job.user, Role::Sent),
            is_read: true,
            is_starred: false,
            labels: vec![],
            received_at: now,
            origin: Origin::Submission { submission_id: SubmissionId(job.id) },
        };
        self.ingest.take(&cause, vec![incoming]).await.map(drop)
    }

    /// The account of this id, if it is the user's, connected, and one to send through.
    async fn account(&self, user: UserId, id: ConnectionId) -> Result<Option<Account>, Fault> {
        let Some((server, settings)) = self.connection(user, id, Kind::Smtp).await? else { return Ok(None) };
        let mailbox = match settings.imap_connection_id {
            Some(mailbox) => self.connection(user, mailbox, Kind::Imap).await?.map(|(server, _)| server),
            None => None,
        };
        Ok(Some(Account { server, mailbox, saves_sent: settings.saves_sent == Some(true) }))
    }

    async fn connection(
        &self,
        user: UserId,
        id: ConnectionId,
        kind: Kind,
    ) -> Result<Option<(Server, Settings)>, Fault> {
        let Some(found) = self.deps.store.load::<Connection>(id.0).await? else { return Ok(None) };
        let Some(present) = found.state.present().filter(|one| one.kind == kind && found.user_id == user) else {
            return Ok(None);
        };
        let mail = &self.deps.mail;
        let server = servers::server(present, &mail.roots, mail.private_hosts);
        Ok(Some((Server { timeout: self.pace.timeout, ..server }, present.settings.clone())))
    }
}
