//! What makes a worker, or the whole runner, start over.

use orbit_event_store::relay::Malformed;
use uuid::Uuid;

use crate::projection::ApplyFault;

/// Why work on a partition, the feed or the claims was given up and begun again.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database did not do what was asked.
    #[error("{attempt}")]
    Database {
        /// What was attempted.
        attempt: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The log could not be read, or the keys to it.
    #[error("read the log to project it")]
    Log(#[from] orbit_event_store::Fault),
    /// The database went away while facts were applied.
    #[error("apply facts")]
    Apply(#[from] ApplyFault),
    /// Somebody else has moved the checkpoint: nothing was written.
    #[error("another projector has moved the checkpoint; it no longer stands at {0}")]
    LostClaim(i64),
    /// The read models are of a log that was longer than this one.
    #[error("the checkpoint ({checkpoint}) is beyond the end of the log ({head}): the read models must be rebuilt")]
    AheadOfLog {
        /// How far the read model has got.
        checkpoint: i64,
        /// How long the log is.
        head: i64,
    },
    /// The log was restored from a backup.
    #[error("the log has a new epoch, {0}")]
    NewEpoch(Uuid),
    /// The broker did not do what was asked, or somebody did not answer in time.
    #[error("{attempt}")]
    Broker {
        /// What was attempted.
        attempt: &'static str,
        /// What the client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message that the relay did not publish.
    #[error("read a message of the stream")]
    Message(#[from] Malformed),
    /// The stream skipped a message.
    #[error("the stream went from sequence {expected} to {found}")]
    Gap {
        /// The sequence that was due.
        expected: i64,
        /// The one that came.
        found: i64,
    },
    /// Facts are in the log and do not come over the stream.
    #[error("the stream has been silent since position {0} though the log has grown")]
    Silent(i64),
    /// There is no such projection.
    #[error("there is no projection {0}")]
    NoSuchProjection(String),
}

impl Fault {
    /// A database fault that says what was attempted.
    pub(crate) fn database(attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { attempt, source }
    }

    /// A broker fault that says what was attempted.
    pub(crate) fn broker<E>(attempt: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Broker { attempt, source: source.into() }
    }
}

/// An error and its causes in one line, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
