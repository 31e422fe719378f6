//! Taking messages in: bytes become blobs, what they say becomes facts, many messages at a time.
//!
//! Whoever brings messages (an import, a sync, what was just sent) gives groups of them, and may give the same ones again
//! after a crash: a message is known by its id, or by its bytes if it has none, and the claim on that decides. In reading
//! order: `prepare` (bytes to what a fact says, no waiting) · `commit` (blobs first, then facts) · `bounces` (what reports
//! about messages that were sent) · `folders`.

mod bounces;
mod commit;
mod folders;
mod prepare;

use chrono::{DateTime, Utc};
use orbit_adapters::blobs::Blobs;
use orbit_domain::{
    Context,
    emails::{email, folder},
};
use orbit_event_store::{EventStore, Origin, Refused};
use orbit_events::{
    Actor, Metadata, UserId,
    emails::{self, Where},
};
use uuid::Uuid;

pub use email::Again;
pub use prepare::Prepared;

/// A message as it is brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// All its bytes.
    pub raw: Vec<u8>,
    /// The folder that it lies in. In one for trash or the archive it is marked as such.
    pub place: Where,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is starred.
    pub is_starred: bool,
    /// Labels on it.
    pub labels: Vec<String>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// How it comes in.
    pub origin: emails::Origin,
}

/// Who brings messages, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Whose mailbox it is.
    pub user: UserId,
    /// Who brings them.
    pub actor: Actor,
    /// The job that they belong to.
    pub correlation_id: Uuid,
    /// Whether what was deleted may come in again.
    pub again: Again,
}

impl Cause {
    /// What facts say of where they come from.
    pub(crate) fn origin(&self, now: DateTime<Utc>) -> Origin {
        let Self { user, actor, correlation_id, again: _ } = *self;
        Origin {
            context: Context { now, user_id: user, actor },
            metadata: Metadata { actor, correlation_id, causation_id: None, session_id: None, traceparent: None },
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is an e-mail now.
    Created,
    /// It was deleted, and is there again.
    Back,
    /// It was there already, or was deleted and stays so.
    Known,
    /// It cannot be taken in: the code says why.
    Refused(&'static str),
}

impl Outcome {
    /// How metrics call it.
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Back => "back",
            Self::Known => "known",
            Self::Refused(_) => "refused",
        }
    }
}

/// A message that was taken, or was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The e-mail that it is.
    pub email_id: Uuid,
    /// What became of it.
    pub outcome: Outcome,
    /// How much was odd about it.
    pub notes: usize,
}

/// Why messages could not be taken in. What was brought may be brought again.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The log did not do it.
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    /// The store of blobs did not do it.
    #[error(transparent)]
    Blobs(#[from] orbit_adapters::blobs::Fault),
    /// The rules of e-mails said no, which they never do to a message that comes in.
    #[error("an e-mail was refused: {0}")]
    Email(email::Rejection),
    /// The rules of folders said no, which they never do to a folder that is seen.
    #[error("a folder was refused: {0}")]
    Folder(folder::Rejection),
    /// The thread that read messages has panicked.
    #[error("the messages could not be read")]
    Reading(#[source] tokio::task::JoinError),
}

impl From<Refused<email::Rejection>> for Fault {
    fn from(refused: Refused<email::Rejection>) -> Self {
        match refused {
            Refused::Rejected(rejection) => Self::Email(rejection),
            Refused::Fault(fault) => Self::Log(fault),
        }
    }
}

impl From<Refused<folder::Rejection>> for Fault {
    fn from(refused: Refused<folder::Rejection>) -> Self {
        match refused {
            Refused::Rejected(rejection) => Self::Folder(rejection),
            Refused::Fault(fault) => Self::Log(fault),
        }
    }
}

/// Takes messages in. Clones share log and blobs.
#[derive(Clone)]
pub struct Ingest {
    store: EventStore,
    blobs: Blobs,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").field("blobs", &self.blobs).finish_non_exhaustive()
    }
}

impl Ingest {
    /// Over this log and these blobs.
    pub fn new(store: EventStore, blobs: Blobs) -> Self {
        Self { store, blobs }
    }

    /// Takes a group of messages in, and says of each in its order what became of it. Meant for some hundred messages, or
    /// some megabytes, at a time: all of them are held in memory. Whoever brings many groups reads one with
    /// [`Prepared::read`] while another is committed.
    pub async fn take(&self, cause: &Cause, group: Vec<Incoming>) -> Result<Vec<Taken>, Fault> {
        self.commit(cause, Prepared::read(group).await?).await
    }

    fn origin(&self, cause: &Cause) -> Origin {
        cause.origin(self.store.clock().now())
    }
}
