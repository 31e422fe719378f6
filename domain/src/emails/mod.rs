//! Rules of the emails context: e-mails, drafts, submissions (what is being sent), decisions about threads, folders, and
//! uploads that wait to be sent. Which e-mails are one thread, how words are looked up and what a search may ask are
//! rules too, shared by those who write the read model and those who read it.

pub mod attachment;
pub mod draft;
pub mod email;
pub mod folder;
pub mod query;
pub mod submission;
pub mod thread;
pub mod threads;
mod values;
pub mod words;

pub use attachment::Attachment;
pub use draft::Draft;
pub use email::Email;
pub use folder::Folder;
pub use submission::Submission;
pub use thread::Thread;
pub use values::{
    ATTACHMENT_BYTES, AttachmentIds, Body, Compose, ContentType, FileName, FolderName, Label, MESSAGE_BYTES, ROLES,
    Recipients, SCHEDULE_DAYS, Subject, fits_a_message, parse_role,
};

use crate::Taken;

/// What to tell a caller whose command lost a claim of this context.
pub fn taken(scope: &str) -> Option<Taken> {
    let taken = |code, field, detail| Some(Taken { code, field, detail });
    match scope {
        email::MESSAGE => taken("email_exists", None, "this message is in the mailbox already"),
        draft::USER => taken("draft_exists", None, "a draft with this id exists already"),
        submission::DUE | submission::MESSAGE_ID => {
            taken("submission_exists", None, "a message with this id is being sent already")
        }
        folder::USER => taken("folder_exists", None, "a folder with this id exists already"),
        attachment::USER => taken("attachment_exists", None, "an upload with this id exists already"),
        _ => None,
    }
}
