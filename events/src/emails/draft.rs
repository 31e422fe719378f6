//! What happens to a draft. Nothing here leads outside: what is sent is a submission.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Author, Content};
use crate::{SubmissionId, codec::facts};

facts! {
    /// What happens to a draft.
    category "drafts" bulky
    #[doc = "A draft was begun."]
    Drafted(Drafted) = "drafts.drafted" 1 []
    #[doc = "A draft became this."]
    Edited(Edited) = "drafts.edited" 1 []
    #[doc = "A draft was thrown away."]
    Discarded(Discarded) = "drafts.discarded" 1 []
    #[doc = "A draft was handed over to be sent."]
    Submitted(Submitted) = "drafts.submitted" 1 []
    #[doc = "A draft is being written again, because its sending was cancelled."]
    Reopened(Reopened) = "drafts.reopened" 1 []
}

/// A draft was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drafted {
    /// What it says.
    pub content: Content,
    /// Who wrote it.
    pub created_by: Author,
}

/// A draft became this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// All of it, changed or not.
    pub content: Content,
}

/// A draft was thrown away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {}

/// A draft was handed over to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// What became of it.
    pub submission_id: SubmissionId,
}

/// A draft is being written again, because its sending was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Drafted(drafted) => drafted.content.mentioned().collect(),
            Self::Edited(edited) => edited.content.mentioned().collect(),
            Self::Submitted(submitted) => vec![submitted.submission_id.0],
            Self::Discarded(_) | Self::Reopened(_) => Vec::new(),
        }
    }
}
