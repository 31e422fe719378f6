//! Forgetting those whose time of grace is over.
//!
//! Who is due stands in the log's claims in order of time, so looking costs one probe of an index. Every process looks:
//! the fact is appended once whoever is faster, and all that follows it may be done twice. A process that dies on the
//! way leaves the claim, or the fact without the destroyed key, which the log's own sweep finishes.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use orbit_adapters::blobs::Blobs;
use orbit_domain::{
    Context,
    users::{
        ApiToken, Connection, Email, User,
        api_token::{self, Command as TokenCommand},
        connection::{self, Command as ConnectionCommand},
        user::{Command, ERASURE_DUE, Rejection, erasure_key},
    },
};
use orbit_event_store::{EventStore, Fault, Mode, Origin, Refused, Unit};
use orbit_events::{Actor, Metadata, UserId, users::login::Reason};
use orbit_platform::{ids, shutdown::Shutdown};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    routes::users::{MAX_CONNECTIONS, MAX_TOKENS, end_logins, registration_scope},
    sessions::Sessions,
};

/// How long somebody may be kept who is due, when another process took the request.
const POLL: Duration = Duration::from_mins(1);
/// Users forgotten one after the other before the next look.
const AT_ONCE: i64 = 100;
/// How often logins that come at the very moment of the erasure are looked for.
const PASSES: u32 = 3;

/// Wakes the task when an erasure was requested. Clones wake the same.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Looks again at who is due next.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Forgets whoever is due.
#[derive(Clone)]
pub struct Erasures {
    /// The log.
    pub store: EventStore,
    /// Logins that this process has seen to be active.
    pub sessions: Sessions,
    /// Messages and files, if it was said where they lie.
    pub blobs: Option<Blobs>,
}

impl Erasures {
    /// Goes on until `shutdown`.
    pub async fn run(self, wake: Wake, shutdown: Shutdown) {
        loop {
            let next = match self.run_once().await {
                Ok(next) => next,
                Err(Error::Fault(fault)) => {
                    tracing::warn!(error = &fault as &dyn std::error::Error, "erasing failed, will try again");
                    None
                }
                Err(Error::Answer(answer)) => {
                    tracing::warn!(code = answer.code(), "an erasure was refused, will try again");
                    None
                }
            };
            let until_next = next.and_then(|at| (at - self.store.clock().now()).to_std().ok());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = wake.0.notified() => {}
                () = tokio::time::sleep(until_next.unwrap_or(POLL).min(POLL)) => {}
            }
        }
    }

    /// Forgets everybody who is due by now; says when the next one is.
    pub async fn run_once(&self) -> Result<Option<DateTime<Utc>>> {
        loop {
            let now = self.store.clock().now();
            let held = self.store.scan(ERASURE_DUE, &[], AT_ONCE).await?;
            let end = erasure_key(now + TimeDelta::microseconds(1));
            let (mut erased, mut failure) = (0, None);
            for held in held.iter().filter(|held| held.key.as_slice() < end.as_slice()) {
                match self.erase(UserId(held.stream_id)).await {
                    Ok(()) => erased += 1,
                    // Others are due as well, and have no part in it.
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
            let next = held.iter().find(|held| held.key.as_slice() >= end.as_slice());
            if next.is_some() || erased == 0 {
                return Ok(next.and_then(|held| due_at(&held.key)));
            }
        }
    }

    async fn erase(&self, user: UserId) -> Result<()> {
        match self.append(user).await {
            // They changed their mind: the key stays.
            Err(Refused::Rejected(Rejection::ErasureNotDue)) => return Ok(()),
            // Another process was faster.
            Err(Refused::Fault(Fault::Forgotten)) => {}
            Err(refused) => return Err(refused.into()),
            Ok(()) => tracing::info!(%user, "the time of grace is over, the user is forgotten"),
        }
        // If the process dies before this, the sweep of the log does it.
        self.store.forget(user).await?;
        self.sessions.recheck();
        // Nobody can read them any more. If it fails, or the process dies, the reactor deletes them within a day.
        if let Some(blobs) = &self.blobs
            && let Err(fault) = blobs.forget(user.0).await
        {
            tracing::warn!(error = &fault as &dyn std::error::Error, %user, "an erased user's blobs were not deleted");
        }
        Ok(())
    }

    /// The facts: the user is erased, and nothing of theirs goes on.
    async fn append(&self, user: UserId) -> Result<(), Refused<Rejection>> {
        let known = self.store.load::<User>(user.0).await?;
        let email =
            known.as_ref().and_then(|user| user.state.present()).and_then(|user| Email::parse(&user.email).ok());
        if let Some(email) = email {
            // The answer to the registration is kept under no user.
            self.store.forget_answers(registration_scope(self.store.vault(), &email)).await?;
        }
        self.store.transact(self.origin(user), Mode::default(), |unit| end(unit, user.0)).await?;
        if let Err(fault) = self.end_late(user).await {
            // Without the key they are of no use to anybody.
            tracing::warn!(error = &fault as &dyn std::error::Error, "late logins of an erased user were not ended");
        }
        Ok(())
    }

    /// Ends logins that were made while the erasure was decided: a scan does not guard what is not there yet.
    async fn end_late(&self, user: UserId) -> Result<(), Fault> {
        for _ in 0..PASSES {
            let late = |unit: Unit| async move { end_logins(&unit, None, Reason::AccountErased).await.map_err(fault) };
            if self.store.transact::<_, Fault, _>(self.origin(user), Mode::default(), late).await?.answer == 0 {
                break;
            }
        }
        Ok(())
    }

    fn origin(&self, user: UserId) -> Origin {
        let actor = Actor::System;
        let correlation_id = ids::new_event_id();
        Origin {
            context: Context { now: self.store.clock().now(), user_id: user, actor },
            metadata: Metadata { actor, correlation_id, causation_id: None, session_id: None, traceparent: None },
        }
    }
}

async fn end(unit: Unit, id: Uuid) -> Result<(), Refused<Rejection>> {
    unit.decide::<User>(id, Command::Erase).await?;
    end_logins(&unit, None, Reason::AccountErased).await.map_err(fault)?;
    for held in unit.scan(api_token::USER, id.as_bytes(), 2 * MAX_TOKENS).await? {
        unit.decide::<ApiToken>(held.stream_id, TokenCommand::Revoke).await.map_err(|refused| fault(refused.into()))?;
    }
    for held in unit.scan(connection::USER, id.as_bytes(), 2 * MAX_CONNECTIONS).await? {
        let ended = unit.decide::<Connection>(held.stream_id, ConnectionCommand::Disconnect).await;
        ended.map_err(|refused| fault(refused.into()))?;
    }
    Ok(())
}

/// Ending what is there is never refused; should it be, the erasure is tried again.
fn fault(error: Error) -> Fault {
    match error {
        Error::Fault(fault) => fault,
        Error::Answer(answer) => Fault::Corrupt { what: "what a user leaves behind", source: answer.code().into() },
    }
}

/// The moment at the beginning of a claim's key.
fn due_at(key: &[u8]) -> Option<DateTime<Utc>> {
    let micros = u64::from_be_bytes(*key.first_chunk()?);
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}
