//! `GET /emails/folders` and `/emails/folders/{id}`: folders, and how much is in them.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Emails;
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::{
        fixed::{self, Begin, PageParameters},
        mailboxes::Failure,
    },
};

/// A folder.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = EmailFolder, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000d1", "connection_id": null, "path": "inbox", "name": "Inbox",
    "role": "inbox", "delimiter": null, "emails": 120, "unread": 3, "sync": null,
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct Folder {
    /// Its id.
    pub id: Uuid,
    /// The connection at whose other end it is; null, if it is only here.
    pub connection_id: Option<Uuid>,
    /// Its names from the outermost on.
    pub path: String,
    /// The last of them.
    pub name: String,
    /// What it is for: `inbox`, `sent`, `drafts`, `archive`, `trash`, `junk` or `other`.
    pub role: String,
    /// What stands between the names in its path.
    pub delimiter: Option<String>,
    /// How many e-mails are to be found in it: those that were archived or put into the trash since count there, in the
    /// first folder for that.
    pub emails: i64,
    /// How many of them were not read.
    pub unread: i64,
    /// How it is kept in step with the account that it is in, as of now: also `ETag` and `version` know nothing of it. Null
    /// if it is only here, and whenever the past is asked for (`as_of`).
    pub sync: Option<Sync>,
    /// When it was first seen.
    pub created_at: DateTime<Utc>,
    /// When it last changed itself.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change of the folder itself: the `ETag`.
    pub version: i64,
}

/// What is done with a folder of an account elsewhere.
#[derive(ToSchema)]
#[schema(as = FolderSyncPhase, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Phase {
    /// Its turn is still to come, or nobody keeps the account in step at the moment.
    Waiting,
    /// The server has numbered its messages anew: which is which e-mail is found out.
    Rematching,
    /// Marks are compared, and what is there no more is found.
    Comparing,
    /// New messages are taken in.
    Fetching,
    /// All of it was in step at `synced_at`; what happens later is told by the server, or found by the next pass.
    Idle,
    /// It failed, or all of its account did, and is tried again at `next_retry_at`.
    Failed,
}

/// How a folder is kept in step with the account elsewhere that it is in.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = FolderSync, example = json!(parsed(r#"{
    "phase": "fetching", "done": 400, "total": 5120, "last_error": null, "next_retry_at": null, "synced_at": null
}"#)))]
pub struct Sync {
    /// What is done with it.
    #[schema(value_type = Phase)]
    pub phase: String,
    /// Messages that are worked off in this phase; where it stopped, if it failed.
    #[schema(minimum = 0)]
    pub done: i64,
    /// Messages that there are to work off in this phase; zero between passes.
    #[schema(minimum = 0)]
    pub total: i64,
    /// Why it was last out of step, or all of its account; null as soon as it is in step again.
    pub last_error: Option<Failure>,
    /// When it is tried again, if it failed; null if not before the settings of the connection change.
    pub next_retry_at: Option<DateTime<Utc>>,
    /// When all of it was last in step; null if it never was.
    pub synced_at: Option<DateTime<Utc>>,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    connection_id: Option<Uuid>,
    path: Option<String>,
    name: Option<String>,
    role: Option<String>,
    delimiter: Option<String>,
    emails: Option<i64>,
    unread: Option<i64>,
    phase: Option<String>,
    done: Option<i64>,
    total: Option<i64>,
    error_code: Option<String>,
    error_detail: Option<String>,
    error_at: Option<DateTime<Utc>>,
    next_retry_at: Option<DateTime<Utc>>,
    synced_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn folder(mut self) -> Option<Folder> {
        let sync = self.sync();
        Some(Folder {
            id: self.id?,
            connection_id: self.connection_id,
            path: self.path?,
            name: self.name?,
            role: self.role?,
            delimiter: self.delimiter,
            emails: self.emails?,
            unread: self.unread?,
            sync,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }

    fn sync(&mut self) -> Option<Sync> {
        Some(Sync {
            phase: self.phase.take()?,
            done: self.done?,
            total: self.total?,
            last_error: Failure::of(self.error_code.take(), self.error_detail.take(), self.error_at),
            next_retry_at: self.next_retry_at,
            synced_at: self.synced_at,
        })
    }
}

/// The caller's folders by their paths, with how much is in them.
#[utoipa::path(
    get, path = "/emails/folders", tag = "emails", operation_id = "list_email_folders", params(PageParameters),
    responses((status = 200, description = "A page of folders", body = Page<Folder>))
)]
pub async fn all(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Folder>>, ApiError> {
    let (page, begin) = fixed::page::<String>(query, "path", false, reader.cursors())?;
    let (begin, now) = (&begin, now(&reader));
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, None, begin, now).await }).await?;
    Ok(found.map(|folders| page.page(folders, None, |folder| vec![json!(folder.path), json!(folder.id)])))
}

/// One folder, with how much is in it.
#[utoipa::path(
    get, path = "/emails/folders/{id}", tag = "emails", operation_id = "get_email_folder",
    params(("id" = Uuid, Path, description = "The folder")),
    responses((status = 200, description = "The folder", body = Folder, headers(
        ("ETag" = String, description = "Its version, to be sent as If-Match"),
    )))
)]
pub async fn get(reader: Reader<Emails>, PathId(id): PathId, query: Query) -> Result<Response, ApiError> {
    query.finish()?;
    let (begin, now) = (&Begin { value: None, id: None, fetch: 1 }, now(&reader));
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, Some(id), begin, now).await }).await?;
    let folder = found.map(|folders| folders.into_iter().next()).found()?;
    // No If-None-Match: the version is the folder's own, and says nothing of the e-mails in it or of how it is kept in step.
    let version = folder.body.version;
    Ok(folder.tagged(version))
}

/// What time it is; none in the past, of which nobody knows how far anything was in step.
fn now(reader: &Reader<Emails>) -> Option<DateTime<Utc>> {
    (!reader.is_past()).then(|| reader.now())
}

/// Folders, or one of them. What is archived or in the trash by a mark, while it lies in a folder that is for something
/// else, counts in the first folder that is for it. What its account failed with counts for a folder until that is in step
/// again; whoever kept the account in step and has not said so for too long is dead.
async fn list(
    db: &mut PgConnection,
    whose: Whose,
    id: Option<Uuid>,
    begin: &Begin<String>,
    now: Option<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Folder>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", f.id AS "id?", f.connection_id AS "connection_id?", f.path AS "path?",
                  f.name AS "name?", f.role AS "role?", f.delimiter AS "delimiter?", n.emails AS "emails?",
                  n.unread AS "unread?", p.phase AS "phase?", s.done AS "done?", s.total AS "total?",
                  e.code AS "error_code?", e.detail AS "error_detail?", e.at AS "error_at?",
                  CASE WHEN p.phase = 'failed' THEN s.next_try_at END AS "next_retry_at?", s.synced_at AS "synced_at?",
                  f.created_at AS "created_at?", f.updated_at AS "updated_at?", f.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT f.id, f.connection_id, f.path, f.name, f.role, f.delimiter, f.created_at, f.updated_at, f.version
               FROM email_folders f
               WHERE f.user_id = $2 AND ($3::uuid IS NULL OR f.id = $3)
                 AND ($4::text IS NULL OR (f.path, f.id) > ($4, $5))
               ORDER BY f.path, f.id LIMIT $6) f ON true
           LEFT JOIN LATERAL (
               SELECT coalesce(sum(m.emails), 0)::bigint AS emails, coalesce(sum(m.unread), 0)::bigint AS unread
               FROM email_counts m LEFT JOIN email_folders o ON o.id = m.folder_id AND o.user_id = $2
               WHERE m.user_id = $2 AND m.role = f.role
                 AND (m.folder_id = f.id OR f.role IN ('archive', 'trash') AND o.role IS DISTINCT FROM f.role
                      AND f.id = (SELECT g.id FROM email_folders g WHERE g.user_id = $2 AND g.role = f.role
                                  ORDER BY g.path, g.id LIMIT 1))) n ON true
           LEFT JOIN LATERAL (
               SELECT w.phase, w.done, w.total, w.synced_at, w.error_code, w.error_detail, w.error_at,
                      a.phase AS account_phase, a.error_code AS account_code, a.error_detail AS account_detail,
                      a.error_at AS account_at, coalesce(a.worker IS NOT NULL AND a.alive_until >= $7, false) AS is_attended,
                      CASE WHEN a.phase = 'failed' THEN a.next_try_at ELSE w.next_try_at END AS next_try_at
               FROM work.mail_folders w JOIN work.mail_accounts a ON a.connection_id = w.connection_id
               WHERE w.folder_id = f.id AND w.user_id = $2 AND a.user_id = $2 AND $7::timestamptz IS NOT NULL
           ) s ON true
           LEFT JOIN LATERAL (
               SELECT e.code, e.detail, e.at
               FROM (VALUES (s.error_code, s.error_detail, s.error_at),
                            (s.account_code, s.account_detail, s.account_at)) AS e (code, detail, at)
               WHERE e.at > coalesce(s.synced_at, '-infinity') ORDER BY e.at DESC LIMIT 1) e ON true
           LEFT JOIN LATERAL (
               SELECT CASE WHEN s.account_phase = 'failed' THEN 'failed'
                           WHEN NOT s.is_attended OR s.phase = 'idle' AND e.at IS NOT NULL THEN 'waiting'
                           ELSE s.phase END AS phase) p ON true
           ORDER BY f.path, f.id"#,
        whose.partition,
        whose.user_id,
        id,
        begin.value.as_deref(),
        begin.id,
        begin.fetch,
        now
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::folder).collect() })
}
