//! Facts of the emails context: e-mails, drafts, submissions (what is being sent), decisions about threads, folders,
//! and attachments that wait to be sent.
//!
//! The message as it came lies among the blobs; a fact holds the reading of it, cut to the limits below, because a fact
//! travels as one message of the broker. HTML is never in a fact: it is read from the message when somebody asks.

pub mod attachment;
pub mod draft;
pub mod email;
pub mod folder;
pub mod submission;
pub mod thread;
mod values;

pub use crate::values::Author;
pub use values::{
    Action, Address, Attached, BlobRef, Bounce, BouncedRecipient, Content, Encoding, Origin, Part, Recipient, Role,
    Where,
};

/// Most bytes of a message's text, cut between characters.
pub const TEXT_BYTES: usize = 65_536;
/// Most characters of a subject.
pub const SUBJECT_CHARS: usize = 998;
/// Most addresses in each of to, cc, bcc and reply-to.
pub const ADDRESSES_EACH: usize = 500;
/// Most bytes of all addresses and names of a message together.
pub const ADDRESSES_BYTES: usize = 65_536;
/// Most message ids in References (the first, and the last 99), and in In-Reply-To.
pub const REFERENCES: usize = 100;
/// Most bytes of all message ids in References and In-Reply-To together.
pub const REFERENCES_BYTES: usize = 32_768;
/// Most parts that are told.
pub const PARTS: usize = 200;
/// Most bytes of all texts of the parts together.
pub const PARTS_BYTES: usize = 65_536;
/// Most characters of a file's name.
pub const FILENAME_CHARS: usize = 255;
/// Most labels on an e-mail.
pub const LABELS: usize = 50;
/// Most characters of a label.
pub const LABEL_CHARS: usize = 100;
/// Most notes about the reading of a message.
pub const NOTES: usize = 50;
/// Most bytes of a message id; RFC 5322 allows no longer line.
pub const MESSAGE_ID_BYTES: usize = 998;
/// Most characters of the text that a list shows of an e-mail.
pub const SNIPPET_CHARS: usize = 150;
/// Most recipients that a report of non-delivery is read for.
pub const BOUNCED: usize = 100;
/// Most bytes of what a report of non-delivery says about all of them together.
pub const BOUNCED_BYTES: usize = 32_768;

#[cfg(test)]
mod tests;
