//! The language of Orbit: ids, the envelope, the codec, subjects, and one file of facts per context.
//!
//! Pure: no I/O, no clock, no randomness. A fact once written decodes for ever; `tests/golden.rs` holds us to it.

pub mod catalog;
mod codec;
mod envelope;
mod ids;
#[cfg(test)]
mod mentions;
mod outward;
pub mod subjects;
mod values;

pub mod emails;
pub mod tasks;
pub mod users;

pub use codec::{DecodeError, Fact, FactType};
pub use envelope::{Actor, Content, EntityRef, Envelope, Metadata, Recorded, entity_type};
pub use ids::{
    ApiTokenId, AttachmentId, ConnectionId, DraftId, EmailId, EventId, FolderId, LabelId, ListId, LoginId,
    ParseIdError, SubmissionId, TaskId, ThreadId, UserId,
};
pub use outward::{BULKY, Outward, SECRETS, brief, told, without_secrets};
pub use subjects::{Partition, Partitions};

codec::events! {
    // One line per aggregate. Reading order: the context, then its aggregates.
    User(users::user::Event),
    Login(users::login::Event),
    ApiToken(users::api_token::Event),
    Connection(users::connection::Event),
    List(tasks::list::Event),
    Task(tasks::task::Event),
    Label(tasks::label::Event),
    Email(emails::email::Event),
    Draft(emails::draft::Event),
    Submission(emails::submission::Event),
    Thread(emails::thread::Event),
    Folder(emails::folder::Event),
    Attachment(emails::attachment::Event),
}
