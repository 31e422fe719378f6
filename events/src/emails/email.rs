//! What happens to an e-mail.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Address, BlobRef, Bounce, Origin, Part, Where};
use crate::codec::facts;

facts! {
    /// What happens to an e-mail.
    category "emails" bulky
    #[doc = "An e-mail came in."]
    Received(Box<Received>) = "emails.received" 1 []
    #[doc = "An e-mail was read."]
    Read(Read) = "emails.read" 1 []
    #[doc = "An e-mail is to be read again."]
    Unread(Unread) = "emails.unread" 1 []
    #[doc = "An e-mail was starred."]
    Starred(Starred) = "emails.starred" 1 []
    #[doc = "An e-mail is starred no more."]
    Unstarred(Unstarred) = "emails.unstarred" 1 []
    #[doc = "An e-mail went to the archive."]
    Archived(Archived) = "emails.archived" 1 []
    #[doc = "An e-mail came back from the archive."]
    Unarchived(Unarchived) = "emails.unarchived" 1 []
    #[doc = "An e-mail went to another folder."]
    Moved(Moved) = "emails.moved" 1 []
    #[doc = "A label was put on an e-mail."]
    Labelled(Labelled) = "emails.labelled" 1 []
    #[doc = "A label was taken off an e-mail."]
    Unlabelled(Unlabelled) = "emails.unlabelled" 1 []
    #[doc = "An e-mail was put into the trash."]
    Trashed(Trashed) = "emails.trashed" 1 []
    #[doc = "An e-mail was taken out of the trash."]
    Restored(Restored) = "emails.restored" 1 []
    #[doc = "An e-mail was deleted for good."]
    Deleted(Deleted) = "emails.deleted" 1 []
    #[doc = "An e-mail was put off until later, or is there again."]
    Snoozed(Snoozed) = "emails.snoozed" 1 []
}

/// An e-mail came in. The limits of all that is in it are in [`super`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says something else about the message")]
pub struct Received {
    /// As the sender made it, without angle brackets; some messages have none.
    pub message_id: Option<String>,
    /// One line.
    pub subject: Option<String>,
    /// Who wrote it.
    pub from: Option<Address>,
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Who got a copy.
    pub cc: Vec<Address>,
    /// Who got a copy that the others do not know of; only messages of the user's own tell.
    pub bcc: Vec<Address>,
    /// Where answers are wanted.
    pub reply_to: Vec<Address>,
    /// Message ids of what it answers.
    pub in_reply_to: Vec<String>,
    /// Message ids of what went before, oldest first.
    pub references: Vec<String>,
    /// When it says that it was written; when it came in, if it does not say.
    pub date: DateTime<Utc>,
    /// Whether it does not say.
    pub date_missing: bool,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// Its text, derived from the HTML if there is no other.
    pub text: String,
    /// Whether there is more of it.
    pub text_truncated: bool,
    /// Files and what the HTML shows; not the text and the HTML themselves.
    pub parts: Vec<Part>,
    /// Whether there is HTML.
    pub has_html: bool,
    /// How many bytes the message has.
    pub size: u64,
    /// What was odd about it, as codes.
    pub notes: Vec<String>,
    /// What language the text is in (ISO 639-1), if that can be told.
    pub language: Option<String>,
    /// The folder it lies in.
    pub place: Where,
    /// Whether it was read already.
    pub is_read: bool,
    /// Whether it was starred already.
    pub is_starred: bool,
    /// Labels on it.
    pub labels: Vec<String>,
    /// How it came in.
    pub origin: Origin,
    /// The message itself.
    pub raw: BlobRef,
    /// What it says about something that was sent, if it is a report.
    pub bounce: Option<Bounce>,
}

impl From<Received> for Event {
    fn from(received: Received) -> Self {
        Self::Received(Box::new(received))
    }
}

/// An e-mail was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {}

/// An e-mail is to be read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {}

/// An e-mail was starred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starred {}

/// An e-mail is starred no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstarred {}

/// An e-mail went to the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {}

/// An e-mail came back from the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unarchived {}

/// An e-mail went to another folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The folder it lies in now.
    pub place: Where,
}

/// A label was put on an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// The label.
    pub label: String,
}

/// A label was taken off an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlabelled {
    /// The label.
    pub label: String,
}

/// An e-mail was put into the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trashed {
    /// When.
    pub trashed_at: DateTime<Utc>,
}

/// An e-mail was taken out of the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {}

/// An e-mail was deleted for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {}

/// An e-mail was put off until later, or is there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snoozed {
    /// Until when; absent, if it is there again.
    pub until: Option<DateTime<Utc>>,
}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Received(received) => {
                let origin = match &received.origin {
                    Origin::Import => None,
                    Origin::Connection { connection_id, .. } => Some(connection_id.0),
                    Origin::Submission { submission_id } => Some(submission_id.0),
                };
                [received.place.folder_id.0].into_iter().chain(origin).collect()
            }
            Self::Moved(moved) => vec![moved.place.folder_id.0],
            Self::Read(_)
            | Self::Unread(_)
            | Self::Starred(_)
            | Self::Unstarred(_)
            | Self::Archived(_)
            | Self::Unarchived(_)
            | Self::Labelled(_)
            | Self::Unlabelled(_)
            | Self::Trashed(_)
            | Self::Restored(_)
            | Self::Deleted(_)
            | Self::Snoozed(_) => Vec::new(),
        }
    }
}
