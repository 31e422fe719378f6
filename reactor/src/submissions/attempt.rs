//! One attempt, and what follows from how far it came.

use std::time::Duration;

use chrono::TimeDelta;
use orbit_adapters::{
    net::{self, Server},
    smtp::{Delivery, Envelope, Outcome, send},
};
use orbit_domain::{
    emails::{
        Submission, email,
        submission::{Command, Reason, Sheet, Standing, UNANSWERED},
    },
    users::Connection,
};
use orbit_events::{
    ConnectionId, UserId,
    emails::Recipient,
    users::connection::{Kind, Settings},
};
use uuid::Uuid;

use super::{Fault, Sender, message, results, sent};
use crate::servers;

/// How long before its lease ends sending is given up: what is recorded after it could come too late.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a copy is looked for at most, however slow its server is.
const LOOKING: Duration = Duration::from_mins(5);

/// Whose message it is, which try of it this is, and what was known of it before.
struct Job {
    id: Uuid,
    user: UserId,
    attempt: u32,
    sheet: Sheet,
}

/// Whether a message arrived of whose end nothing was heard.
enum Arrival {
    /// There is a copy.
    Certain,
    /// There is none, and the server keeps one of what it takes.
    Unlikely,
    /// That cannot be known: why, as a sentence.
    Unknown(&'static str),
}

/// The account that a message goes through, and where copies lie.
pub(super) struct Account {
    server: Server,
    /// Where copies are looked for and laid.
    pub mailbox: Option<Server>,
    /// Whether the server keeps copies itself, as far as that is known.
    pub saves_sent: Option<bool>,
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
        let is_under_way = matches!(standing, Standing::Attempting { .. });
        let attempt = if is_under_way { sheet.attempts } else { sheet.next_attempt() };
        let job = Job { id, user: found.user_id, attempt, sheet: sheet.clone() };
        // One that names no account never gets here; should it, it fails as one whose account is gone.
        let account = job.sheet.content.connection_id.unwrap_or(ConnectionId(Uuid::nil()));
        let Some(_taken) = self.take(account) else { return Ok(()) };
        // Before anything leaves: whatever ends this process then, the copy is not forgotten.
        self.owed.owe(id, job.user, now, now + self.lease()).await?;
        match standing {
            Standing::Held { .. } | Standing::Deferred { .. } => {
                let account = self.account(job.user, account).await?;
                // Before the try begins, since it takes minutes. The copy of an earlier one may have come late.
                let arrival =
                    if job.sheet.unanswered { Some(self.has_arrived(&job, account.as_ref()).await?) } else { None };
                self.begin(&job, account.as_ref(), arrival).await
            }
            Standing::Attempting { .. } => {
                let account = self.account(job.user, account).await?;
                self.resolve(&job, account.as_ref(), None).await
            }
            Standing::Sent { .. } | Standing::Failed { .. } | Standing::Uncertain { .. } | Standing::Cancelled => {
                Ok(())
            }
        }
    }

    /// Tries it, unless it turns out that an earlier try may have reached somebody.
    async fn begin(&self, job: &Job, account: Option<&Account>, before: Option<Arrival>) -> Result<(), Fault> {
        // Before the server hears of it: whoever does not get this recorded does not send.
        let (attempt, lease_until) = (job.attempt, self.now() + self.lease());
        self.record(job.user, job.id, Command::Begin { attempt, lease_until }).await?;
        metrics::counter!("orbit_submission_attempts_total").increment(1);
        match before {
            None | Some(Arrival::Unlikely) => {}
            Some(Arrival::Certain) => return self.arrived(job).await,
            Some(Arrival::Unknown(why)) => return self.uncertain(job, why).await,
        }
        let Some(account) = account else {
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
        // By the clock on the wall, as the lease: once that is over, others look what became of it.
        let left = (lease_until - self.now()).to_std().unwrap_or_default();
        let time = left.min(self.pace.lease).saturating_sub(MARGIN);
        let outcome = |outcome| Delivery { recipients: vec![], outcome };
        let delivery = if time.is_zero() {
            outcome(Outcome::NotSent(net::Fault::Timeout))
        } else {
            let sending = tokio::time::timeout(time, send(&account.server, &envelope, &message));
            // How far it came is not known any more.
            sending.await.unwrap_or_else(|_| outcome(Outcome::Unknown(net::Fault::Timeout)))
        };
        self.conclude(job, account, &delivery).await
    }

    /// A copy tells that the server took it for all whom it was shown to.
    async fn arrived(&self, job: &Job) -> Result<(), Fault> {
        self.sent(job, vec![], true).await?;
        self.lay_soon(job.id).await;
        Ok(())
    }

    /// Whether a message of whose end nothing was heard has arrived.
    async fn has_arrived(&self, job: &Job, account: Option<&Account>) -> Result<Arrival, Fault> {
        if self.came_in(job).await? {
            return Ok(Arrival::Certain);
        }
        let own = job.sheet.from.email.to_lowercase();
        let to_itself = job.sheet.recipients().iter().any(|email| email.to_lowercase() == own);
        let pace = (self.pace.looks, self.pace.look_after);
        let Some((account, mailbox)) = account.and_then(|account| Some((account, account.mailbox.as_ref()?))) else {
            return Ok(Arrival::Unknown("There is no mailbox to look for a copy in."));
        };
        let look = sent::look(mailbox, &job.sheet.message_id, to_itself, pace);
        let is_there = tokio::time::timeout(LOOKING, look).await.unwrap_or(Err(net::Fault::Timeout));
        // What came in while that took may have been moved there since.
        if is_there.as_ref().is_ok_and(|there| *there) || self.came_in(job).await? {
            return Ok(Arrival::Certain);
        }
        Ok(match is_there {
            Ok(_) if account.saves_sent == Some(true) => Arrival::Unlikely,
            Ok(_) => Arrival::Unknown("There is no copy among what was sent."),
            Err(_) => Arrival::Unknown("The mailbox where a copy would lie could not be looked into."),
        })
    }

    /// Whether a copy came in as an e-mail, whatever became of that.
    async fn came_in(&self, job: &Job) -> Result<bool, Fault> {
        let key = email::Key::MessageId(job.sheet.message_id.clone());
        Ok(self.deps.store.holder(&email::message_claim(job.user, &key)).await?.is_some())
    }

    async fn conclude(&self, job: &Job, account: &Account, delivery: &Delivery) -> Result<(), Fault> {
        let finals = results::finals(delivery, false);
        match &delivery.outcome {
            Outcome::Accepted(_) => self.settle(job, delivery, false).await,
            Outcome::Temporary(reply) => self.defer(job, results::reason(reply), finals).await,
            Outcome::Permanent(reply) => self.fail(job, results::reason(reply), finals).await,
            Outcome::NotSent(fault) => self.defer(job, results::fault(fault), finals).await,
            Outcome::Unknown(_) => self.resolve(job, Some(account), Some(delivery)).await,
        }
    }

    /// The server took it: sent, unless some are still to be tried.
    async fn settle(&self, job: &Job, delivery: &Delivery, found: bool) -> Result<(), Fault> {
        let recipients = results::finals(delivery, found);
        match results::open(delivery, found) {
            Some(reason) => self.defer(job, reason, recipients).await?,
            None => self.sent(job, recipients, found).await?,
        }
        self.lay_soon(job.id).await;
        Ok(())
    }

    /// Nobody answered after the end of the message: looks whether it is among what was sent.
    async fn resolve(&self, job: &Job, account: Option<&Account>, attempt: Option<&Delivery>) -> Result<(), Fault> {
        // A copy of an earlier attempt, which went to others, would tell nothing of this one.
        if job.sheet.has_reached_anybody() {
            return self.uncertain(job, "Some have got it before, so a copy among what was sent tells nothing.").await;
        }
        match self.has_arrived(job, account).await? {
            Arrival::Certain => match attempt {
                Some(delivery) => self.settle(job, delivery, true).await,
                None => self.arrived(job).await,
            },
            // Nobody would know any more that these are not among those whom a late copy speaks of.
            Arrival::Unlikely if attempt.is_some_and(|delivery| results::open(delivery, true).is_some()) => {
                self.uncertain(job, "Some of the recipients were put off, and there is no copy among what was sent.")
                    .await
            }
            Arrival::Unlikely => {
                let detail = "The server did not answer, and there is no copy among what was sent.".to_owned();
                let recipients = attempt.map(|delivery| results::finals(delivery, false)).unwrap_or_default();
                self.defer(job, Reason { code: UNANSWERED.to_owned(), detail }, recipients).await
            }
            Arrival::Unknown(why) => self.uncertain(job, why).await,
        }
    }

    async fn uncertain(&self, job: &Job, why: &str) -> Result<(), Fault> {
        let detail = format!("The server may have taken the message, but did not say so. {why}");
        self.end(job, Command::Uncertain { attempt: job.attempt, detail }).await
    }

    /// After how long an attempt of which nothing is heard is given up for lost.
    pub(super) fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.pace.lease).unwrap_or(TimeDelta::MAX)
    }

    async fn sent(&self, job: &Job, recipients: Vec<Recipient>, found_in_sent: bool) -> Result<(), Fault> {
        self.end(job, Command::Sent { attempt: job.attempt, recipients, found_in_sent }).await
    }

    async fn defer(&self, job: &Job, reason: Reason, recipients: Vec<Recipient>) -> Result<(), Fault> {
        self.end(job, Command::Defer { attempt: job.attempt, reason, recipients }).await
    }

    async fn fail(&self, job: &Job, reason: Reason, recipients: Vec<Recipient>) -> Result<(), Fault> {
        self.end(job, Command::Fail { attempt: job.attempt, reason, recipients }).await
    }

    async fn end(&self, job: &Job, command: Command) -> Result<(), Fault> {
        let outcome = self.record(job.user, job.id, command).await?;
        tracing::info!(submission = %job.id, outcome, "an attempt to send a message has ended");
        metrics::counter!("orbit_submissions_total", "outcome" => outcome).increment(1);
        Ok(())
    }

    /// The account of this id, if it is the user's, connected, and one to send through.
    pub(super) async fn account(&self, user: UserId, id: ConnectionId) -> Result<Option<Account>, Fault> {
        let Some((server, settings)) = self.connection(user, id, Kind::Smtp).await? else { return Ok(None) };
        let mailbox = match settings.imap_connection_id {
            Some(mailbox) => self.connection(user, mailbox, Kind::Imap).await?.map(|(server, _)| server),
            None => None,
        };
        Ok(Some(Account { server, mailbox, saves_sent: settings.saves_sent }))
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
