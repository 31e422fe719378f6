//! Imports: the jobs that take mailboxes in. How a message becomes an e-mail is the matter of who works on them.
//!
//! A job is one row. Whoever works on it writes after every group of messages how far it is, which keeps it alive; one that
//! has been silent for `SILENCE` has died, and another worker goes on where it was. A group that was taken in and not
//! written down is taken in again, which changes nothing. The reactor takes what was uploaded; what lies in a file is
//! read by the command that was given it.

mod work;

use chrono::{DateTime, Utc};
use orbit_events::emails::BlobRef;
use orbit_platform::{clock::Clock, postgres::Pool};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Fault;

/// Most uploads of a user that are not worked off.
pub const AT_ONCE: i64 = 3;
/// Most errors of a job that are kept.
pub const ERRORS: usize = 100;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody works on it yet.
    Queued,
    /// Somebody works on it.
    Running,
    /// All of it was taken in.
    Complete,
    /// It was given up.
    Failed,
    /// Its user wanted no more of it.
    Cancelled,
}

/// Where the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Among the blobs.
    Upload,
    /// In a file, where a command reads it.
    File,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages that were found.
    pub messages: i64,
    /// Those that are e-mails now and were not before.
    pub created: i64,
    /// Those that were there already.
    pub known: i64,
    /// Those that something was odd about.
    pub noted: i64,
    /// Those that could not be taken in.
    pub refused: i64,
}

/// A message that could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where in the mailbox it is, as the mailbox's reader says it.
    pub at: Value,
    /// Why, as a code.
    pub code: String,
    /// Why, as a sentence.
    pub detail: String,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Bytes worked off.
    pub bytes_done: i64,
    /// What was counted so far.
    pub counts: Counts,
    /// The first that could not be taken in, at most [`ERRORS`].
    pub errors: Vec<Problem>,
    /// Where to go on, as the mailbox's reader says it.
    pub resume: Option<Value>,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// Whose mailbox it becomes.
    pub user_id: Uuid,
    /// How it stands.
    pub status: Status,
    /// Where the bytes are.
    pub source: Source,
    /// What its user called it.
    pub name: Option<String>,
    /// `eml`, `mbox` or `tar`; none: its first bytes tell.
    pub format: Option<String>,
    /// Where all of it goes; none: where the mailbox says.
    pub folder: Option<String>,
    /// Where among the blobs its bytes lie, while they do.
    pub upload: Option<BlobRef>,
    /// How many bytes there are.
    pub bytes_total: i64,
    /// How far it is.
    pub progress: Progress,
    /// Why it was given up, as a code.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it moved last.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Import {
    /// How far it is, in percent: a hundred only when it is complete.
    pub fn percent(&self) -> u8 {
        if self.status == Status::Complete {
            return 100;
        }
        let total = self.bytes_total.max(1);
        u8::try_from(self.progress.bytes_done.saturating_mul(100) / total).unwrap_or(99).min(99)
    }
}

/// What is to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub id: Uuid,
    /// Whose mailbox it becomes.
    pub user_id: Uuid,
    /// What its user calls it.
    pub name: Option<String>,
    /// `eml`, `mbox` or `tar`, if that was said.
    pub format: Option<String>,
    /// Where all of it goes, if that was said.
    pub folder: Option<String>,
    /// How many bytes there are.
    pub bytes: u64,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// Yes.
    On,
    /// Its user wants no more of it.
    Cancelled,
    /// Somebody else works on it by now, or it is gone.
    Lost,
}

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it was taken in.
    Complete,
    /// Its user wanted no more of it.
    Cancelled,
    /// It cannot be read, for this reason.
    Failed(&'static str),
}

/// The columns that make an [`Import`].
struct Row {
    id: Uuid,
    user_id: Uuid,
    status: String,
    source: String,
    name: Option<String>,
    format: Option<String>,
    folder: Option<String>,
    upload: Option<Json<BlobRef>>,
    bytes_total: i64,
    bytes_done: i64,
    messages: i64,
    created: i64,
    known: i64,
    noted: i64,
    refused: i64,
    errors: Json<Vec<Problem>>,
    resume: Option<Json<Value>>,
    failure: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Row> for Import {
    fn from(row: Row) -> Self {
        let status = match row.status.as_str() {
            "queued" => Status::Queued,
            "running" => Status::Running,
            "complete" => Status::Complete,
            "cancelled" => Status::Cancelled,
            // The table knows no other.
            _ => Status::Failed,
        };
        let Row { messages, created, known, noted, refused, .. } = row;
        Self {
            id: row.id,
            user_id: row.user_id,
            status,
            source: if row.source == "file" { Source::File } else { Source::Upload },
            name: row.name,
            format: row.format,
            folder: row.folder,
            upload: row.upload.map(|Json(upload)| upload),
            bytes_total: row.bytes_total,
            progress: Progress {
                bytes_done: row.bytes_done,
                counts: Counts { messages, created, known, noted, refused },
                errors: row.errors.0,
                resume: row.resume.map(|Json(resume)| resume),
            },
            failure: row.failure,
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
        }
    }
}

/// The jobs of all users.
#[derive(Clone)]
pub struct Imports {
    pool: Pool,
    clock: Clock,
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imports").finish_non_exhaustive()
    }
}

impl Imports {
    /// Jobs in the database of `pool`.
    pub fn new(pool: Pool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// How many uploads of a user are not worked off.
    pub async fn unfinished(&self, user: Uuid) -> Result<i64, Fault> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM work.imports
               WHERE user_id = $1 AND source = 'upload' AND status IN ('queued', 'running')"#,
            user
        )
        .fetch_one(&self.pool)
        .await
        .map_err(Fault::database("count imports"))
    }

    /// Asks for what was uploaded to be taken in. `None` if as many wait already as may.
    pub async fn request(&self, wanted: &Wanted, upload: &BlobRef) -> Result<Option<Import>, Fault> {
        let row = sqlx::query_as!(
            Row,
            r#"INSERT INTO work.imports (id, user_id, status, source, name, format, folder, upload, bytes_total, created_at,
                                         updated_at)
               SELECT $1, $2, 'queued', 'upload', $3, $4, $5, $6, $7, $8, $8
               WHERE (SELECT count(*) FROM work.imports
                      WHERE user_id = $2 AND source = 'upload' AND status IN ('queued', 'running')) < $9
               RETURNING id, user_id, status, source, name, format, folder, upload AS "upload: Json<BlobRef>",
                         bytes_total, bytes_done, messages, created, known, noted, refused,
                         errors AS "errors: Json<Vec<Problem>>", resume AS "resume: Json<Value>", failure, created_at,
                         updated_at, finished_at"#,
            wanted.id,
            wanted.user_id,
            wanted.name,
            wanted.format,
            wanted.folder,
            Json(upload) as _,
            i64::try_from(wanted.bytes).unwrap_or(i64::MAX),
            self.clock.now(),
            AT_ONCE
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("ask for an import"))?;
        Ok(row.map(Import::from))
    }

    /// One of a user's jobs.
    pub async fn find(&self, user: Uuid, id: Uuid) -> Result<Option<Import>, Fault> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT id, user_id, status, source, name, format, folder, upload AS "upload: Json<BlobRef>", bytes_total,
                      bytes_done, messages, created, known, noted, refused, errors AS "errors: Json<Vec<Problem>>",
                      resume AS "resume: Json<Value>", failure, created_at, updated_at, finished_at
               FROM work.imports WHERE id = $1 AND user_id = $2 LIMIT 1"#,
            id,
            user
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("read an import"))?;
        Ok(row.map(Import::from))
    }

    /// Its user wants no more of it: at once, if nobody works on it, else with the next group. `None` if it has ended, or
    /// there is none.
    pub async fn cancel(&self, user: Uuid, id: Uuid) -> Result<Option<Import>, Fault> {
        let row = sqlx::query_as!(
            Row,
            r#"UPDATE work.imports
               SET cancel = true, updated_at = $3,
                   status = CASE WHEN status = 'queued' OR alive_until < $3 THEN 'cancelled' ELSE status END,
                   finished_at = CASE WHEN status = 'queued' OR alive_until < $3 THEN $3 END,
                   worker = CASE WHEN status = 'queued' OR alive_until < $3 THEN NULL ELSE worker END
               WHERE id = $1 AND user_id = $2 AND status IN ('queued', 'running')
               RETURNING id, user_id, status, source, name, format, folder, upload AS "upload: Json<BlobRef>",
                         bytes_total, bytes_done, messages, created, known, noted, refused,
                         errors AS "errors: Json<Vec<Problem>>", resume AS "resume: Json<Value>", failure, created_at,
                         updated_at, finished_at"#,
            id,
            user,
            self.clock.now()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("cancel an import"))?;
        Ok(row.map(Import::from))
    }

    /// Deletes all jobs of a user who is being forgotten, or was.
    pub async fn forget(&self, user: Uuid) -> Result<(), Fault> {
        forget(&self.pool, user).await
    }
}

/// Deletes all jobs of a user who is being forgotten.
pub(crate) async fn forget(pool: &Pool, user: Uuid) -> Result<(), Fault> {
    sqlx::query!("DELETE FROM work.imports WHERE user_id = $1", user)
        .execute(pool)
        .await
        .map_err(Fault::database("forget a user's imports"))?;
    Ok(())
}
