//! What happens to a file that was uploaded to be sent.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::BlobRef;
use crate::codec::facts;

facts! {
    /// What happens to a file that was uploaded to be sent.
    category "attachments"
    #[doc = "A file was uploaded, to be sent with a message."]
    Uploaded(Uploaded) = "attachments.uploaded" 1 []
    #[doc = "An uploaded file is not to be sent any more."]
    Discarded(Discarded) = "attachments.discarded" 1 []
}

/// A file was uploaded, to be sent with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// What it is called.
    pub filename: String,
    /// What the client says it is.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// Where they lie.
    pub raw: BlobRef,
}

/// An uploaded file is not to be sent any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Uploaded(_) | Self::Discarded(_) => Vec::new(),
        }
    }
}
