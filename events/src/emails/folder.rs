//! What happens to a folder of e-mails.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Role;
use crate::{ConnectionId, codec::facts};

facts! {
    /// What happens to a folder of e-mails.
    category "folders"
    #[doc = "A folder is there, and is this."]
    Observed(Observed) = "folders.observed" 1 []
    #[doc = "The server counts a folder's e-mails anew, and they were found again."]
    ResetObserved(ResetObserved) = "folders.reset_observed" 1 []
    #[doc = "A folder is no more."]
    Removed(Removed) = "folders.removed" 1 []
}

/// A folder is there, and is this. Said again whenever any of it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The account it lies in; absent, if it is Orbit's own.
    pub connection_id: Option<ConnectionId>,
    /// Where it lies among the folders; of Orbit's own, its role or the path it was imported with.
    pub path: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What stands between the parts of its path.
    pub delimiter: Option<String>,
}

/// The server counts a folder's e-mails anew, and they were found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetObserved {
    /// The new numbering.
    pub uid_validity: u32,
    /// How many e-mails were found again.
    pub rematched: u64,
    /// How many were not.
    pub missing: u64,
}

/// A folder is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Observed(observed) => observed.connection_id.map(Uuid::from).into_iter().collect(),
            Self::ResetObserved(_) | Self::Removed(_) => Vec::new(),
        }
    }
}
