//! What was sent becomes an e-mail of its sender's, and a copy lies in the mailbox among what was sent: once, however often
//! its server is away and whoever dies meanwhile.
//!
//! That it is owed stands in the book before the message leaves. Whoever takes it from there has it to himself, looks
//! whether the copy is there, and lays it only if it is not; so whatever was cut short may be done again. The message is
//! written anew each time: it is the same at each.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::FuturesUnordered};
use orbit_adapters::net;
use orbit_domain::emails::{
    Email, Submission, email,
    submission::{Sheet, Standing, retry_after},
};
use orbit_event_store::Fault as LogFault;
use orbit_events::{
    Actor, ConnectionId, SubmissionId, UserId,
    emails::{Origin, Role},
};
use orbit_platform::shutdown::Shutdown;
use uuid::Uuid;

use super::{
    GRACE, POLL, Sender, message,
    owed::{Copy, LEASE},
    sent,
};
use crate::{
    ingest::{Again, Cause, Incoming},
    work,
};

/// Copies that are laid at a time.
const AT_ONCE: usize = 4;
/// How long before its lease ends laying a copy is given up: another worker may look from then on.
const MARGIN: Duration = Duration::from_mins(1);
/// A copy that could not be laid for so long is given up.
const PATIENCE: TimeDelta = TimeDelta::days(3);
/// A password that was refused is not tried sooner: others lock accounts for less.
const AFTER_LOGIN: TimeDelta = TimeDelta::hours(4);
/// What is being sent is looked at again so long after it should have ended.
const MOMENT: TimeDelta = TimeDelta::minutes(1);

/// Why a copy could not be laid.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Log(#[from] LogFault),
    #[error(transparent)]
    Message(#[from] message::Fault),
    #[error(transparent)]
    Ingest(#[from] crate::ingest::Fault),
    #[error("the account could not be read")]
    Account(#[source] super::Fault),
    #[error(transparent)]
    Mailbox(#[from] net::Fault),
    #[error("it took too long")]
    TooLong,
}

impl Fault {
    /// A stable name.
    fn code(&self) -> &'static str {
        match self {
            Self::Log(_) | Self::Ingest(_) | Self::Account(_) => "internal",
            Self::Message(_) => "message_unreadable",
            Self::Mailbox(fault) => fault.code(),
            Self::TooLong => "timeout",
        }
    }

    /// Whether there is nobody any more whose message it is.
    fn is_forgotten(&self) -> bool {
        let is_forgotten = |fault: &LogFault| matches!(fault, LogFault::Forgotten);
        match self {
            Self::Log(fault)
            | Self::Message(message::Fault::Log(fault))
            | Self::Ingest(crate::ingest::Fault::Log(fault))
            | Self::Account(super::Fault::Log(fault)) => is_forgotten(fault),
            Self::Message(_) | Self::Ingest(_) | Self::Account(_) | Self::Mailbox(_) | Self::TooLong => false,
        }
    }
}

/// What became of a copy.
enum End {
    /// Nothing is owed any more, which metrics call so.
    Settled(&'static str),
    /// Nobody knows yet whether one is owed: it is being sent.
    NotYet(DateTime<Utc>),
}

/// Lays what is owed until `shutdown`.
pub(super) async fn run(sender: Arc<Sender>, shutdown: Shutdown) {
    let mut running = FuturesUnordered::new();
    loop {
        let free = i64::try_from(AT_ONCE.saturating_sub(running.len())).unwrap_or(0);
        match sender.owed.take(sender.worker, sender.now(), free).await {
            Ok(taken) => {
                for copy in taken {
                    let sender = sender.clone();
                    // Aside from the stack: the steps of it take some space.
                    running.push(Box::pin(async move { sender.attend_copy(&copy).await }));
                }
            }
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "looking for copies that are owed failed");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(()) = running.next() => {}
            () = sender.due.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    // What is cut short is looked for when its lease is over; better that it ends.
    let _ = tokio::time::timeout(GRACE, async { while running.next().await.is_some() {} }).await;
}

impl Sender {
    /// A copy is owed from now on.
    pub(super) async fn lay_soon(&self, submission: Uuid) {
        if let Err(fault) = self.owed.is_due(submission, self.now()).await {
            let error = &fault as &dyn std::error::Error;
            tracing::warn!(error, %submission, "a copy of what was sent comes late");
        }
        self.due.notify_one();
    }

    async fn attend_copy(&self, copy: &Copy) {
        let noted = match self.lay_in_time(copy).await {
            Ok(End::Settled(outcome)) => self.settle_copy(copy, outcome).await,
            Ok(End::NotYet(until)) => self.owed.put_off(self.worker, copy, until, copy.attempts, None).await,
            Err(fault) if fault.is_forgotten() => self.settle_copy(copy, "forgotten").await,
            Err(fault) => self.copy_failed(copy, &fault).await,
        };
        if let Err(fault) = noted {
            // Then somebody takes it when the lease is over, and finds the copy.
            let error = &fault as &dyn std::error::Error;
            tracing::warn!(error, submission = %copy.submission_id, "what became of a copy was not noted");
        }
    }

    async fn settle_copy(&self, copy: &Copy, outcome: &'static str) -> Result<(), work::Fault> {
        metrics::counter!("orbit_mail_copies_total", "outcome" => outcome).increment(1);
        self.owed.settle(self.worker, copy).await
    }

    async fn copy_failed(&self, copy: &Copy, fault: &Fault) -> Result<(), work::Fault> {
        let (submission, now) = (copy.submission_id, self.now());
        if now - copy.since >= PATIENCE {
            tracing::warn!(error = fault as &dyn std::error::Error, %submission, "a copy of what was sent is given up");
            return self.settle_copy(copy, "given_up").await;
        }
        let attempts = copy.attempts.saturating_add(1);
        tracing::info!(error = fault as &dyn std::error::Error, %submission, attempts, "a copy could not be laid, will try again");
        metrics::counter!("orbit_mail_copies_total", "outcome" => "failed").increment(1);
        let pause = match fault {
            Fault::Mailbox(net::Fault::Login(_)) => AFTER_LOGIN,
            Fault::Log(_)
            | Fault::Message(_)
            | Fault::Ingest(_)
            | Fault::Account(_)
            | Fault::Mailbox(_)
            | Fault::TooLong => retry_after(u32::try_from(attempts).unwrap_or(u32::MAX)),
        };
        self.owed.put_off(self.worker, copy, now + pause, attempts, Some(fault.code())).await
    }

    async fn lay_in_time(&self, copy: &Copy) -> Result<End, Fault> {
        let time = LEASE.saturating_sub(MARGIN);
        tokio::time::timeout(time, self.lay(copy)).await.unwrap_or(Err(Fault::TooLong))
    }

    async fn lay(&self, copy: &Copy) -> Result<End, Fault> {
        let id = copy.submission_id;
        let Some(found) = self.deps.store.load::<Submission>(id).await? else { return Ok(End::Settled("unsent")) };
        let Some((sheet, standing)) = found.state.wanted() else { return Ok(End::Settled("unsent")) };
        if !sheet.has_reached_anybody() {
            return Ok(match standing {
                Standing::Attempting { lease_until } => End::NotYet((*lease_until).max(self.now()) + MOMENT),
                // Whoever said that a copy is owed may be about to send it.
                Standing::Held { .. } | Standing::Deferred { .. } if self.now() < copy.since + self.lease() => {
                    End::NotYet(copy.since + self.lease())
                }
                // Whoever sends it after all says so first.
                Standing::Held { .. }
                | Standing::Deferred { .. }
                | Standing::Sent { .. }
                | Standing::Failed { .. }
                | Standing::Uncertain { .. }
                | Standing::Cancelled => End::Settled("unsent"),
            });
        }
        let sent_at = if let Standing::Sent { sent_at } = standing { *sent_at } else { self.now() };
        let message = self.write(found.user_id, sheet).await?;
        let email_id = self.take_in(found.user_id, id, &message, sent_at).await?;
        self.lay_there(found.user_id, email_id, sheet, &message, sent_at).await
    }

    /// Lays the copy into the mailbox, where there is one and its server does not do so itself.
    async fn lay_there(
        &self,
        user: UserId,
        email_id: Uuid,
        sheet: &Sheet,
        message: &[u8],
        sent_at: DateTime<Utc>,
    ) -> Result<End, Fault> {
        let account = sheet.content.connection_id.unwrap_or(ConnectionId(Uuid::nil()));
        let account = self.account(user, account).await.map_err(Fault::Account)?;
        let account = account.filter(|account| account.saves_sent != Some(true));
        let Some((mailbox, saves_sent)) = account.and_then(|it| Some((it.mailbox?, it.saves_sent))) else {
            return Ok(End::Settled("not_ours"));
        };
        let email = self.deps.store.load::<Email>(email_id).await?;
        if email.is_some_and(|email| matches!(email.state, email::State::Deleted { .. })) {
            return Ok(End::Settled("deleted"));
        }
        if saves_sent.is_none() {
            // A server that keeps copies by itself, and was not known to, may need a moment.
            tokio::time::sleep(self.pace.look_after / 4).await;
        }
        let is_new = sent::keep(&mailbox, &sheet.message_id, sent_at, message).await?;
        Ok(End::Settled(if is_new { "laid" } else { "there" }))
    }

    /// The message becomes an e-mail of its sender's, unless it is one.
    async fn take_in(
        &self,
        user: UserId,
        submission: Uuid,
        message: &[u8],
        sent_at: DateTime<Utc>,
    ) -> Result<Uuid, crate::ingest::Fault> {
        let cause = Cause { user, actor: Actor::System, correlation_id: submission, again: Again::No };
        self.ingest.ensure_folders(&cause).await?;
        let incoming = Incoming {
            raw: message.to_vec(),
            place: self.ingest.place(user, Role::Sent),
            is_read: true,
            is_starred: false,
            labels: vec![],
            received_at: sent_at,
            origin: Origin::Submission { submission_id: SubmissionId(submission) },
        };
        let taken = self.ingest.take(&cause, vec![incoming]).await?;
        // One is brought, so one is taken.
        Ok(taken.first().map_or_else(Uuid::nil, |taken| taken.email_id))
    }
}
