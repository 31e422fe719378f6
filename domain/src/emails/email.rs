//! An e-mail: where it lies and how it is marked. What it says is in its first fact and in no state.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use orbit_events::{
    UserId,
    emails::{
        Address, Role, Where,
        email::{Archived, Deleted, Event, Read, Received, Restored, Starred, Unarchived, Unread, Unstarred},
    },
};
use uuid::Uuid;

use super::{Label, values::cut};
use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

mod decide;
mod set_back;

pub use set_back::Marks;

/// Scope of the claim on a message, by which it is known when it comes again.
pub const MESSAGE: &str = "emails.message";

/// Most labels on an e-mail.
pub const MAX_LABELS: usize = orbit_events::emails::LABELS;
/// For how many days an e-mail can be put off.
pub const SNOOZE_DAYS: i64 = 5 * 365;
/// Most characters of a subject that a state keeps.
const SUBJECT_KEPT: usize = 200;

/// The aggregate.
#[derive(Debug)]
pub struct Email;

/// What is known of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// In the mailbox; perhaps in the trash.
    Present(Box<Present>),
    /// Deleted for good. What it was is still known, so that a sync does not bring it back.
    Deleted {
        /// What makes its message one and the same.
        key: Key,
    },
}

/// What makes a message one and the same, wherever it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Its message id.
    MessageId(String),
    /// Of a message without one: the SHA-256 of all its bytes, as facts write it.
    Raw(String),
}

impl Key {
    /// The key of a message with this id and this digest.
    pub fn new(message_id: Option<&str>, sha256: &str) -> Self {
        match message_id {
            Some(id) => Self::MessageId(id.to_owned()),
            None => Self::Raw(sha256.to_owned()),
        }
    }

    fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::MessageId(id) => [b"m", id.as_bytes()],
            Self::Raw(sha256) => [b"r", sha256.as_bytes()],
        }
    }
}

/// An e-mail in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What makes its message one and the same.
    pub key: Key,
    /// The folder it lies in, also while it is archived or in the trash: both are marks, and nothing is moved for them.
    pub place: Where,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is starred.
    pub is_starred: bool,
    /// Whether it is in the archive.
    pub is_archived: bool,
    /// Labels on it.
    pub labels: BTreeSet<String>,
    /// When it was put into the trash; set exactly while it is there.
    pub trashed_at: Option<DateTime<Utc>>,
    /// Until when it was put off.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// The beginning of its subject: for answers, and for sentences.
    pub subject: String,
    /// Its message id: for answers.
    pub message_id: Option<String>,
    /// Message ids of what went before it, as an answer to it continues them (RFC 5322 section 3.6.4).
    pub references: Vec<String>,
    /// Where an answer goes: what it says itself, else whom it is from.
    pub reply_to: Vec<Address>,
}

impl Present {
    fn of(received: &Received) -> Self {
        let references = match (received.references.as_slice(), received.in_reply_to.as_slice()) {
            ([], [one]) => vec![one.clone()],
            (references, _) => references.to_vec(),
        };
        let reply_to = match received.reply_to.as_slice() {
            [] => received.from.iter().cloned().collect(),
            reply_to => reply_to.to_vec(),
        };
        Self {
            key: Key::new(received.message_id.as_deref(), &received.raw.sha256),
            place: received.place,
            is_read: received.is_read,
            is_starred: received.is_starred,
            is_archived: false,
            labels: received.labels.iter().cloned().collect(),
            trashed_at: None,
            snoozed_until: None,
            subject: received.subject.as_deref().map(|subject| cut(subject, SUBJECT_KEPT)).unwrap_or_default(),
            message_id: received.message_id.clone(),
            references,
            reply_to,
        }
    }

    /// Where it is to be looked for: in the trash, else in the archive, else where its folder says.
    pub fn role(&self) -> Role {
        match (self.trashed_at, self.is_archived) {
            (Some(_), _) => Role::Trash,
            (None, true) => Role::Archive,
            (None, false) => self.place.role,
        }
    }
}

impl State {
    /// The e-mail, in the trash or not.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(email) => Some(email),
            Self::Absent | Self::Deleted { .. } => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Present(email) => Ok(email),
            Self::Deleted { .. } => Err(Rejection::Deleted),
        }
    }

    /// The e-mail, unless it is in the trash, where little can be done to it.
    fn live(&self) -> Result<&Present, Rejection> {
        let email = self.get()?;
        if email.trashed_at.is_some() { Err(Rejection::InTrash) } else { Ok(email) }
    }

    fn with(mut self, change: impl FnOnce(&mut Present)) -> Self {
        if let Self::Present(email) = &mut self {
            change(email);
        }
        self
    }
}

/// Whether a message that was deleted may come in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The user brings it.
    Yes,
    /// It was only found where it had been.
    No,
}

/// What can be asked of an e-mail. Folders in commands were looked up by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Take it in. From a folder for trash or the archive it is marked as such at once.
    Receive(Box<Received>, Again),
    /// Mark it as read or unread, starred or not; what is absent stays.
    Mark {
        /// Whether it was read.
        read: Option<bool>,
        /// Whether it is starred.
        starred: Option<bool>,
    },
    /// Change several marks; what `PATCH` becomes.
    Edit(Edit),
    /// Put it into the archive.
    Archive,
    /// Take it out of the archive. What came in there goes to the given folder.
    Unarchive(Option<Where>),
    /// Put it into another folder. A folder for trash or the archive means the mark, and back.
    Move(Where),
    /// Put a label on it.
    Label(Label),
    /// Take a label off it.
    Unlabel(Label),
    /// Put it into the trash.
    Trash,
    /// Take it out of the trash. What came in there goes to the given folder.
    Restore(Option<Where>),
    /// Delete it for good, out of the trash.
    Delete,
    /// Put it off until then; or have it there again.
    Snooze(Option<DateTime<Utc>>),
    /// Make its marks what they were.
    SetBack(Box<Marks>),
    /// It is like this in the mailbox that it came from.
    Observe(Observed),
}

/// Marks to change; each that is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// Whether it was read.
    pub read: Option<bool>,
    /// Whether it is starred.
    pub starred: Option<bool>,
    /// Whether it is in the archive.
    pub archived: Option<bool>,
    /// All its labels.
    pub labels: Option<Vec<Label>>,
}

/// What a sync saw of an e-mail; what is absent, it does not know or does not believe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Whether it was read.
    pub read: Option<bool>,
    /// Whether it is starred.
    pub starred: Option<bool>,
    /// All its labels; those beyond [`MAX_LABELS`] are left out.
    pub labels: Option<Vec<Label>>,
    /// The folder it lies in; one for trash or the archive means the mark.
    pub place: Option<Where>,
    /// Whether it is no more.
    pub gone: bool,
}

rejections! {
    /// Why an e-mail may say no.
    NotFound = "email_not_found", NotFound, "there is no such e-mail";
    Deleted = "email_deleted", Gone, "the e-mail was deleted";
    InTrash = "email_in_trash", Conflict, "the e-mail is in the trash; restore it first";
    NotInTrash = "email_not_in_trash", Conflict, "only what is in the trash can be deleted; put it there first";
    TooManyLabels = "too_many_email_labels", Invalid on "labels", "an e-mail has at most {MAX_LABELS} labels";
    SnoozeInThePast = "snooze_in_the_past", Invalid on "until", "must lie in the future";
    SnoozeTooFar = "snooze_too_far", Invalid on "until", "must lie within {SNOOZE_DAYS} days";
}

impl Aggregate for Email {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Received(received) => State::Present(Box::new(Present::of(received))),
            Event::Read(Read {}) => state.with(|email| email.is_read = true),
            Event::Unread(Unread {}) => state.with(|email| email.is_read = false),
            Event::Starred(Starred {}) => state.with(|email| email.is_starred = true),
            Event::Unstarred(Unstarred {}) => state.with(|email| email.is_starred = false),
            Event::Archived(Archived {}) => state.with(|email| email.is_archived = true),
            Event::Unarchived(Unarchived {}) => state.with(|email| email.is_archived = false),
            Event::Moved(moved) => state.with(|email| email.place = moved.place),
            Event::Labelled(labelled) => state.with(|email| {
                email.labels.insert(labelled.label.clone());
            }),
            Event::Unlabelled(unlabelled) => state.with(|email| {
                email.labels.remove(&unlabelled.label);
            }),
            Event::Trashed(trashed) => state.with(|email| email.trashed_at = Some(trashed.trashed_at)),
            Event::Restored(Restored {}) => state.with(|email| email.trashed_at = None),
            Event::Deleted(Deleted {}) => match state {
                State::Present(email) => State::Deleted { key: email.key },
                State::Absent | State::Deleted { .. } => state,
            },
            Event::Snoozed(snoozed) => state.with(|email| email.snoozed_until = snoozed.until),
        }
    }

    fn claims(state: &State, _: Uuid, user: UserId) -> Vec<Claim> {
        match state {
            State::Absent => vec![],
            State::Present(email) => vec![message_claim(user, &email.key)],
            State::Deleted { key } => vec![message_claim(user, key)],
        }
    }

    fn fields(state: &State) -> Fields {
        state.present().map(Present::fields).unwrap_or_default()
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Received(_) => Reversal::Never("what came in has come in; put it into the trash"),
            Event::Deleted(_) => Reversal::Never("what was deleted is gone"),
            Event::Read(_)
            | Event::Unread(_)
            | Event::Starred(_)
            | Event::Unstarred(_)
            | Event::Archived(_)
            | Event::Unarchived(_)
            | Event::Moved(_)
            | Event::Labelled(_)
            | Event::Unlabelled(_)
            | Event::Trashed(_)
            | Event::Restored(_)
            | Event::Snoozed(_) => Reversal::ByFacts,
        }
    }
}

/// The claim on a message, by which an e-mail is found.
pub fn message_claim(user: UserId, key: &Key) -> Claim {
    let [kind, bytes] = key.parts();
    Claim::hashed(MESSAGE, &[user.0.as_bytes(), kind, bytes])
}

#[cfg(test)]
mod tests;
