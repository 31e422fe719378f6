//! What can go wrong between a command and the log, other than a no of the rules.

/// The log could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database did not answer or refused.
    #[error("{attempt}")]
    Database {
        /// What was attempted.
        attempt: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// Nobody knows yet whether the facts were appended: the database went away at commit and did not come back.
    #[error("the database went away while facts were appended; whether they were is not known")]
    OutcomeUnknown,
    /// The queue of appends is full, or the batcher has stopped.
    #[error("the log takes no more appends at the moment")]
    Busy,
    /// The same streams changed again and again while the command was decided.
    #[error("the same streams kept changing while the command was decided, {0} times over")]
    Contended(u32),
    /// Another stream holds this claim.
    #[error("{scope} is taken")]
    Taken {
        /// The claim's scope, `lists.name`.
        scope: String,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user was forgotten: the key to these facts is destroyed.
    #[error("the user was forgotten")]
    Forgotten,
    /// The keys in the database were wrapped with another master key.
    #[error("the users' keys in this database were wrapped with another master key: set ORBIT_MASTER_KEY to that one")]
    WrongMasterKey,
    /// Bytes in the log or the vault are not what they should be.
    #[error("{what} is not readable")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault {
    /// A database fault that says what was attempted.
    pub(crate) fn database(attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { attempt, source }
    }

    /// Whether it is worth trying again later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Database { .. } | Self::OutcomeUnknown | Self::Busy | Self::Contended(_))
    }
}
