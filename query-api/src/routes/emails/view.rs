//! An e-mail as lists show it, and the row that it is made of.

use chrono::{DateTime, Utc};
use orbit_platform::http::openapi::parsed;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row as _, postgres::PgRow, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Whoever wrote a draft, or had something sent.
#[derive(ToSchema)]
#[schema(as = EmailAuthor, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Author {
    User,
    Agent,
}

/// Somebody's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EmailAddress, example = json!(parsed(r#"{"email": "ada@example.org", "name": "Ada Lovelace"}"#)))]
pub struct Address {
    /// As it was written; empty, if it could not be read.
    pub email: String,
    /// The name beside it.
    pub name: Option<String>,
}

/// Whom an e-mail is for, as tables hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Recipients {
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub bcc: Vec<Address>,
    /// Only of e-mails that came in.
    #[serde(default)]
    pub reply_to: Vec<Address>,
}

/// An e-mail.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000c1", "thread_id": "0197f0a0-0000-7000-8000-0000000000c1",
    "message_id": "1@example.org", "subject": "Lunch?", "from_email": "bob@example.org", "from_name": "Bob",
    "to_emails": ["ada@example.org"], "cc_emails": [], "bcc_emails": [], "snippet": "Are you free at noon?",
    "has_attachments": false, "is_read": false, "is_starred": false, "is_archived": false, "folder": "inbox",
    "folder_id": "0197f0a0-0000-7000-8000-0000000000d1", "labels": ["friends"], "size": 2048,
    "date": "2026-11-22T20:28:00Z", "synced_at": "2026-11-22T20:28:05Z", "trashed_at": null, "snoozed_until": null,
    "created_at": "2026-11-22T20:28:05Z", "updated_at": "2026-11-22T20:28:05Z", "version": 1
}"#)))]
#[expect(clippy::struct_excessive_bools, reason = "each is a mark of its own")]
#[expect(clippy::struct_field_names, reason = "an address is called an e-mail too")]
pub struct Email {
    /// Its id.
    pub id: Uuid,
    /// The oldest e-mail of its thread. Null where one e-mail is read as of a moment: it would take all of them to
    /// know.
    pub thread_id: Option<Uuid>,
    /// As the sender made it, without angle brackets; some messages have none.
    pub message_id: Option<String>,
    /// One line; may be empty.
    pub subject: String,
    /// Whose it is; empty, if that could not be read.
    pub from_email: String,
    /// The name beside it.
    pub from_name: Option<String>,
    /// Whom it is for.
    pub to_emails: Vec<String>,
    /// Who got a copy.
    pub cc_emails: Vec<String>,
    /// Who got a copy that the others do not know of.
    pub bcc_emails: Vec<String>,
    /// The beginning of its text, in one line.
    pub snippet: String,
    /// Whether there is a file with it that is not shown within its text.
    pub has_attachments: bool,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it was starred.
    pub is_starred: bool,
    /// Whether it was put into the archive.
    pub is_archived: bool,
    /// Where it is to be found: `inbox`, `sent`, `drafts`, `archive`, `trash` or `junk`; in a folder of the user's own,
    /// that folder's path.
    pub folder: String,
    /// The folder that it lies in, also while it is archived or in the trash.
    pub folder_id: Uuid,
    /// The labels on it.
    pub labels: Vec<String>,
    /// How many bytes the message has.
    pub size: i64,
    /// When it says that it was written; when it came in, if it does not say.
    pub date: DateTime<Utc>,
    /// When it was last taken in.
    pub synced_at: DateTime<Utc>,
    /// When it was put into the trash; null outside of it.
    pub trashed_at: Option<DateTime<Utc>>,
    /// Until when it was put off.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// When it came in.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

/// Hands a macro the columns of a [`Row`], of a snapshot `c`, an e-mail `e` that may be missing, its link `k` and its
/// folder `f`; and the joins that make those. `$2` is the user. A macro, because a checked query must be made of
/// literals.
macro_rules! pieces {
    ($then:ident $($rest:tt)*) => {
        $then!(r#"c.as_of AS "as_of!", e.id AS "id?", k.thread_id AS "thread_id?", e.message_id AS "message_id?",
 e.subject AS "subject?", e.from_email AS "from_email?", e.from_name AS "from_name?",
 e.recipients AS "recipients?: Json<Recipients>", e.snippet AS "snippet?", e.has_attachments AS "has_attachments?",
 e.is_read AS "is_read?", e.is_starred AS "is_starred?", e.is_archived AS "is_archived?", e.role AS "role?",
 f.path AS "path?", e.folder_id AS "folder_id?", e.labels AS "labels?", e.size AS "size?", e.date AS "date?",
 e.synced_at AS "synced_at?", e.trashed_at AS "trashed_at?", e.snoozed_until AS "snoozed_until?",
 e.created_at AS "created_at?", e.updated_at AS "updated_at?", e.version AS "version?""#
        r" LEFT JOIN email_links k ON k.email_id = e.id
 LEFT JOIN email_folders f ON f.id = e.folder_id AND f.user_id = $2" $($rest)*)
    };
}
pub(super) use pieces;

macro_rules! columns {
    ($columns:tt $joins:tt) => {
        $columns
    };
}
macro_rules! joins {
    ($columns:tt $joins:tt) => {
        $joins
    };
}

/// The columns of a [`Row`] as text, for questions that are put together at run time.
pub const COLUMNS: &str = pieces!(columns);
/// The joins of an e-mail's link and folder as text.
pub const JOINS: &str = pieces!(joins);
/// How many columns [`COLUMNS`] are: further ones begin here.
pub const WIDTH: usize = 25;

/// A row of a statement that answers even if there is no e-mail: as of when that is.
#[derive(Debug)]
pub struct Row {
    pub as_of: i64,
    pub id: Option<Uuid>,
    pub thread_id: Option<Uuid>,
    pub message_id: Option<String>,
    pub subject: Option<String>,
    pub from_email: Option<String>,
    pub from_name: Option<String>,
    pub recipients: Option<Json<Recipients>>,
    pub snippet: Option<String>,
    pub has_attachments: Option<bool>,
    pub is_read: Option<bool>,
    pub is_starred: Option<bool>,
    pub is_archived: Option<bool>,
    pub role: Option<String>,
    pub path: Option<String>,
    pub folder_id: Option<Uuid>,
    pub labels: Option<Vec<String>>,
    pub size: Option<i64>,
    pub date: Option<DateTime<Utc>>,
    pub synced_at: Option<DateTime<Utc>>,
    pub trashed_at: Option<DateTime<Utc>>,
    pub snoozed_until: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub version: Option<i64>,
}

impl Row {
    /// The e-mail, if there is one.
    pub fn email(self) -> Option<Email> {
        let Json(recipients) = self.recipients?;
        Some(Email {
            id: self.id?,
            thread_id: self.thread_id,
            message_id: self.message_id,
            subject: self.subject?,
            from_email: self.from_email?,
            from_name: self.from_name,
            to_emails: addresses(recipients.to),
            cc_emails: addresses(recipients.cc),
            bcc_emails: addresses(recipients.bcc),
            snippet: self.snippet?,
            has_attachments: self.has_attachments?,
            is_read: self.is_read?,
            is_starred: self.is_starred?,
            is_archived: self.is_archived?,
            folder: folder(self.role?, self.path),
            folder_id: self.folder_id?,
            labels: self.labels?,
            size: self.size?,
            date: self.date?,
            synced_at: self.synced_at?,
            trashed_at: self.trashed_at,
            snoozed_until: self.snoozed_until,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }
}

/// The name of a place: folders of the user's own are told apart by their paths.
fn folder(role: String, path: Option<String>) -> String {
    match path {
        Some(path) if role == "other" => path,
        Some(_) | None => role,
    }
}

fn addresses(people: Vec<Address>) -> Vec<String> {
    people.into_iter().map(|address| address.email).collect()
}

/// By place and unchecked: these columns are those of [`pieces!`], whose order and types the build checks.
impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            as_of: row.try_get_unchecked(0)?,
            id: row.try_get_unchecked(1)?,
            thread_id: row.try_get_unchecked(2)?,
            message_id: row.try_get_unchecked(3)?,
            subject: row.try_get_unchecked(4)?,
            from_email: row.try_get_unchecked(5)?,
            from_name: row.try_get_unchecked(6)?,
            recipients: row.try_get_unchecked(7)?,
            snippet: row.try_get_unchecked(8)?,
            has_attachments: row.try_get_unchecked(9)?,
            is_read: row.try_get_unchecked(10)?,
            is_starred: row.try_get_unchecked(11)?,
            is_archived: row.try_get_unchecked(12)?,
            role: row.try_get_unchecked(13)?,
            path: row.try_get_unchecked(14)?,
            folder_id: row.try_get_unchecked(15)?,
            labels: row.try_get_unchecked(16)?,
            size: row.try_get_unchecked(17)?,
            date: row.try_get_unchecked(18)?,
            synced_at: row.try_get_unchecked(19)?,
            trashed_at: row.try_get_unchecked(20)?,
            snoozed_until: row.try_get_unchecked(21)?,
            created_at: row.try_get_unchecked(22)?,
            updated_at: row.try_get_unchecked(23)?,
            version: row.try_get_unchecked(24)?,
        })
    }
}
