//! What happens to a submission: a message that is to be sent, from the wish to the last answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Address, Attached, Author, BouncedRecipient, Content, Recipient};
use crate::{DraftId, EmailId, codec::facts};

facts! {
    /// What happens to a message that is to be sent.
    category "submissions" bulky
    #[doc = "Somebody wants a message to be sent."]
    Submitted(Box<Submitted>) = "submissions.submitted" 1 []
    #[doc = "A message waits until it is to be sent."]
    Held(Held) = "submissions.held" 1 []
    #[doc = "Sending begins; recorded before the first byte of the message leaves."]
    Attempted(Attempted) = "submissions.attempted" 1 []
    #[doc = "A message could not be sent yet and is tried again."]
    Deferred(Deferred) = "submissions.deferred" 1 []
    #[doc = "The server took a message."]
    Sent(Sent) = "submissions.sent" 1 []
    #[doc = "The server refused a message for good, or for too long."]
    DeliveryFailed(DeliveryFailed) = "submissions.delivery_failed" 1 []
    #[doc = "Nobody knows whether the server took a message; the user decides."]
    Uncertain(Uncertain) = "submissions.uncertain" 1 []
    #[doc = "A report said what became of a message that was sent."]
    Bounced(Bounced) = "submissions.bounced" 1 []
    #[doc = "A message is not to be sent after all."]
    Cancelled(Cancelled) = "submissions.cancelled" 1 []
}

/// Somebody wants a message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// What it says.
    pub content: Content,
    /// Whom it is from.
    pub from: Address,
    /// Chosen before the first try, so that a copy can be recognised; without angle brackets.
    pub message_id: String,
    /// Message id of what it answers.
    pub in_reply_to: Option<String>,
    /// Message ids of what went before, oldest first.
    pub references: Vec<String>,
    /// The files, as they were at that time.
    pub attachments: Vec<Attached>,
    /// The draft that it was.
    pub draft_id: Option<DraftId>,
    /// The date that it bears.
    pub date: DateTime<Utc>,
    /// How often it is tried.
    pub attempts_at_most: u8,
    /// Who wants it.
    pub created_by: Author,
}

impl From<Submitted> for Event {
    fn from(submitted: Submitted) -> Self {
        Self::Submitted(Box::new(submitted))
    }
}

/// A message waits until it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether the user chose that time.
    pub scheduled: bool,
}

/// Sending begins; recorded before the first byte of the message leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it is lost, if nothing was heard of it.
    pub lease_until: DateTime<Utc>,
}

/// A message could not be sent yet and is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// When.
    pub until: DateTime<Utc>,
    /// Why, as a code.
    pub code: String,
    /// Why, as a sentence.
    pub detail: String,
    /// Those about whom the server has decided: they are not tried again.
    pub recipients: Vec<Recipient>,
}

/// The server took a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When.
    pub sent_at: DateTime<Utc>,
    /// What it said about each recipient.
    pub recipients: Vec<Recipient>,
    /// Whether this is known from the copy among what was sent, because the answer was lost.
    pub found_in_sent: bool,
}

/// The server refused a message for good, or for too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFailed {
    /// Why, as a code.
    pub code: String,
    /// Why, as a sentence.
    pub detail: String,
    /// What it said about each recipient.
    pub recipients: Vec<Recipient>,
}

/// Nobody knows whether the server took a message; the user decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncertain {
    /// What is known, as a sentence.
    pub detail: String,
}

/// A report said what became of a message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounced {
    /// The report.
    pub email_id: EmailId,
    /// What it says about each recipient.
    pub recipients: Vec<BouncedRecipient>,
}

/// A message is not to be sent after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Submitted(submitted) => {
                let files = submitted.attachments.iter().map(|file| file.attachment_id.0);
                let draft = submitted.draft_id.map(Uuid::from);
                submitted.content.mentioned().chain(files).chain(draft).collect()
            }
            Self::Bounced(bounced) => vec![bounced.email_id.0],
            Self::Held(_)
            | Self::Attempted(_)
            | Self::Deferred(_)
            | Self::Sent(_)
            | Self::DeliveryFailed(_)
            | Self::Uncertain(_)
            | Self::Cancelled(_) => Vec::new(),
        }
    }
}
