//! E-mails and what belongs to them as writes answer them. Names of fields are those of the query API.

mod outgoing;

use chrono::{DateTime, Utc};
use orbit_domain::emails::{Attachment, Email, Folder, ROLES, Thread};
use orbit_event_store::{Loaded, Unit};
use orbit_events::{
    ConnectionId, EmailId, FolderId,
    emails::{Address, Role},
};
use orbit_platform::{http::openapi::parsed, problem::ApiError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::place;
use crate::error::Result;

pub use outgoing::{WrittenDraft, WrittenSubmission};

/// The name of a role.
pub fn role_name(role: Role) -> &'static str {
    ROLES.iter().find(|(_, known)| *known == role).map_or("other", |(name, _)| name)
}

/// An e-mail after a write: what can be changed of it, and what it is known by. What it says is in the query API.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b50", "message_id": "4711@example.org", "subject": "Tickets to Vienna",
    "folder": "inbox", "folder_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b51", "is_read": true, "is_starred": false,
    "is_archived": false, "labels": ["travel"], "trashed_at": null, "snoozed_until": null,
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:30:00Z", "version": 3
}"#)))]
pub struct WrittenEmail {
    /// Its id.
    pub id: Uuid,
    /// The message id that it came with.
    pub message_id: Option<String>,
    /// What it is about; its first 200 characters.
    pub subject: String,
    /// Where it is to be looked for: `inbox`, `sent`, `drafts`, `archive`, `trash`, `junk`, or the path of its folder.
    pub folder: String,
    /// The folder it lies in, also while it is in the archive or the trash.
    #[schema(value_type = Uuid)]
    pub folder_id: FolderId,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is starred.
    pub is_starred: bool,
    /// Whether it is in the archive.
    pub is_archived: bool,
    /// Labels on it, in alphabetical order.
    pub labels: Vec<String>,
    /// When it was put into the trash, if it is there.
    pub trashed_at: Option<DateTime<Utc>>,
    /// Until when it was put off.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// When it came in here.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl WrittenEmail {
    /// The e-mail as it is now in this unit of work.
    pub async fn of(unit: &Unit, email: Loaded<Email>) -> Result<Self> {
        let state = email.state.present().ok_or_else(ApiError::not_found)?;
        let role = state.role();
        let path = match role {
            Role::Other => place::find(unit, state.place.folder_id).await?.map(|folder| folder.path),
            _ => None,
        };
        Ok(Self {
            id: email.id,
            message_id: state.message_id.clone(),
            subject: state.subject.clone(),
            folder: path.unwrap_or_else(|| role_name(role).to_owned()),
            folder_id: state.place.folder_id,
            is_read: state.is_read,
            is_starred: state.is_starred,
            is_archived: state.is_archived,
            labels: state.labels.iter().cloned().collect(),
            trashed_at: state.trashed_at,
            snoozed_until: state.snoozed_until,
            created_at: email.created_at,
            updated_at: email.updated_at,
            version: email.version,
        })
    }
}

/// An address.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = EmailAddress, example = json!(parsed(r#"{"email": "grace@example.org", "name": "Grace"}"#)))]
pub struct Mailbox {
    /// The address itself.
    pub email: String,
    /// The name beside it.
    pub name: Option<String>,
}

fn mailboxes(addresses: Vec<Address>) -> Vec<Mailbox> {
    addresses.into_iter().map(|Address { email, name }| Mailbox { email, name }).collect()
}

/// A decision about threads after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b53", "kind": "merged",
    "email_ids": ["019302d5-6f3c-7b1e-9c53-0d6a3c1f2b50", "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b52"],
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct WrittenThreadDecision {
    /// Its id.
    pub id: Uuid,
    /// `merged` or `split`
    pub kind: String,
    /// About which e-mails.
    #[schema(value_type = Vec<Uuid>)]
    pub email_ids: Vec<EmailId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<Thread>> for WrittenThreadDecision {
    type Error = ApiError;

    fn try_from(decision: Loaded<Thread>) -> Result<Self, ApiError> {
        let state = decision.state.present().ok_or_else(ApiError::not_found)?;
        Ok(Self {
            id: decision.id,
            kind: state.ruling.as_str().to_owned(),
            email_ids: state.email_ids.clone(),
            created_at: decision.created_at,
            updated_at: decision.updated_at,
            version: decision.version,
        })
    }
}

/// A folder after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b51", "connection_id": null, "path": "Travel", "name": "Travel",
    "role": "other", "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct WrittenFolder {
    /// Its id.
    pub id: Uuid,
    /// The account it lies in; `null` for Orbit's own.
    #[schema(value_type = Option<Uuid>)]
    pub connection_id: Option<ConnectionId>,
    /// Where it lies among the folders.
    pub path: String,
    /// What it is called.
    pub name: String,
    /// What it is for: `inbox`, `sent`, `drafts`, `archive`, `trash`, `junk` or `other`.
    pub role: String,
    /// When it was first seen.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<Folder>> for WrittenFolder {
    type Error = ApiError;

    fn try_from(folder: Loaded<Folder>) -> Result<Self, ApiError> {
        let state = folder.state.present().ok_or_else(ApiError::not_found)?;
        Ok(Self {
            id: folder.id,
            connection_id: state.connection_id,
            path: state.path.clone(),
            name: state.name.clone(),
            role: role_name(state.role).to_owned(),
            created_at: folder.created_at,
            updated_at: folder.updated_at,
            version: folder.version,
        })
    }
}

/// A file that waits to be sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = UploadedAttachment, example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b54", "filename": "tickets.pdf", "content_type": "application/pdf",
    "size": 48213, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct Upload {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub filename: String,
    /// What the client says it is.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
    /// How often it was written.
    pub version: i64,
}

impl TryFrom<Loaded<Attachment>> for Upload {
    type Error = ApiError;

    fn try_from(file: Loaded<Attachment>) -> Result<Self, ApiError> {
        let state = file.state.present().ok_or_else(ApiError::not_found)?;
        Ok(Self {
            id: file.id,
            filename: state.filename.clone(),
            content_type: state.content_type.clone(),
            size: state.size,
            sha256: state.raw.digest().map(hex::encode).unwrap_or_default(),
            created_at: file.created_at,
            version: file.version,
        })
    }
}
