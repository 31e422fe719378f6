//! Why a sealer stops: for a while, or until somebody has looked.

use super::TIMEOUT;
use crate::Fault;

/// Why the sealer had to start over.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// The log could not be read, or the tree not be written.
    #[error("seal the log")]
    Log(#[from] Fault),
    /// The connection that holds the sealer's lock failed.
    #[error("hold the sealer's lock")]
    Lock(#[source] sqlx::Error),
    /// The database took too long.
    #[error("the database did not answer within {TIMEOUT:?}")]
    Slow,
    /// A position has no fact, though later ones have.
    #[error("position {0} is missing in the log: nothing from there on is sealed; run orbit verify")]
    Missing(i64),
    /// A fact cannot be written as the bytes that are sealed.
    #[error("the metadata at position {0} are not readable: nothing from there on is sealed")]
    Unreadable(i64),
    /// The log ends before what was sealed.
    #[error("the log ends at {head}, and {sealed} positions were sealed: facts are gone; run orbit verify")]
    Shorter {
        /// Where the log ends.
        head: i64,
        /// How far it was sealed.
        sealed: i64,
    },
    /// Tiles are missing, or not what was signed.
    #[error("the tiles do not give the root of the newest checkpoint, of {0} facts: run orbit verify")]
    Damaged(i64),
    /// A task that hashes was cut short.
    #[error("hash a batch of facts")]
    Hashing(#[source] tokio::task::JoinError),
}

impl SealFault {
    /// Whether a person must look: time alone does not mend it.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Unreadable(_) | Self::Shorter { .. } | Self::Damaged(_))
    }
}
