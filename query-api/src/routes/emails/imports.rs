//! `GET /emails/imports` and `/emails/imports/{id}`: mailboxes that are being taken in, or were. No facts, so no past.

use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::RawEmails;
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::fixed::{self, Begin, PageParameters},
};

/// How an import stands.
#[derive(ToSchema)]
#[schema(as = ImportStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Status {
    Queued,
    Running,
    Complete,
    Failed,
    Cancelled,
}

/// A mailbox that is being taken in, or was.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000f3", "status": "running", "progress": 25, "name": "old.mbox", "folder": null,
    "bytes": 4096, "messages": 3, "created": 1, "known": 1, "noted": 0, "refused": 1,
    "errors": [{"at": {"offset": 512}, "code": "too_large", "detail": "the message has more than 64 MiB"}], "failure": null,
    "created_at": "2026-11-24T17:00:00Z", "updated_at": "2026-11-24T17:00:01Z", "finished_at": null
}"#)))]
pub struct Import {
    /// Its id.
    pub id: Uuid,
    /// How it stands.
    #[schema(value_type = Status)]
    pub status: String,
    /// How far it is, in percent: a hundred only when it is complete.
    #[schema(minimum = 0, maximum = 100)]
    pub progress: i64,
    /// What it is called.
    pub name: Option<String>,
    /// Where all of it goes; where the mailbox says, if absent.
    pub folder: Option<String>,
    /// How many bytes it has.
    pub bytes: i64,
    /// Messages that were found so far.
    pub messages: i64,
    /// Those that are e-mails now and were not before.
    pub created: i64,
    /// Those that were there already.
    pub known: i64,
    /// Those that something was odd about.
    pub noted: i64,
    /// Those that could not be taken in.
    pub refused: i64,
    /// The first hundred of these: where in the mailbox, and why.
    #[schema(value_type = Vec<Object>)]
    pub errors: Value,
    /// Why it was given up, as a code.
    pub failure: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it moved last.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    status: Option<String>,
    progress: Option<i64>,
    name: Option<String>,
    folder: Option<String>,
    bytes: Option<i64>,
    messages: Option<i64>,
    created: Option<i64>,
    known: Option<i64>,
    noted: Option<i64>,
    refused: Option<i64>,
    errors: Option<Value>,
    failure: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl Row {
    fn import(self) -> Option<Import> {
        Some(Import {
            id: self.id?,
            status: self.status?,
            progress: self.progress?,
            name: self.name,
            folder: self.folder,
            bytes: self.bytes?,
            messages: self.messages?,
            created: self.created?,
            known: self.known?,
            noted: self.noted?,
            refused: self.refused?,
            errors: self.errors?,
            failure: self.failure,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            finished_at: self.finished_at,
        })
    }
}

/// The caller's imports, the newest first.
#[utoipa::path(
    get, path = "/emails/imports", tag = "emails", operation_id = "list_imports", params(PageParameters),
    responses((status = 200, description = "A page of imports", body = Page<Import>))
)]
pub async fn all(reader: Reader<RawEmails>, query: Query) -> Result<Snapshot<Page<Import>>, ApiError> {
    let (page, begin) = fixed::page::<DateTime<Utc>>(query, "created_at", true, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, begin).await }).await?;
    Ok(found.map(|imports| page.page(imports, None, |import| vec![json!(import.created_at), json!(import.id)])))
}

/// One import, and how far it is.
#[utoipa::path(
    get, path = "/emails/imports/{id}", tag = "emails", operation_id = "get_import",
    params(("id" = Uuid, Path, description = "The import")),
    responses((status = 200, description = "The import", body = Import))
)]
pub async fn get(reader: Reader<RawEmails>, PathId(id): PathId, query: Query) -> Result<Snapshot<Import>, ApiError> {
    query.finish()?;
    reader.ask(|mut db, whose| async move { find(&mut db, whose, id).await }).await?.found()
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    begin: &Begin<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Import>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", i.id AS "id?", i.status AS "status?", i.progress AS "progress?", i.name AS "name?",
                  i.folder AS "folder?", i.bytes_total AS "bytes?", i.messages AS "messages?", i.created AS "created?",
                  i.known AS "known?", i.noted AS "noted?", i.refused AS "refused?", i.errors AS "errors?",
                  i.failure AS "failure?", i.created_at AS "created_at?", i.updated_at AS "updated_at?",
                  i.finished_at AS "finished_at?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT i.*, CASE WHEN i.status = 'complete' THEN 100
                                ELSE least(99, i.bytes_done * 100 / greatest(i.bytes_total, 1)) END AS progress
               FROM work.imports i
               WHERE i.user_id = $2 AND ($3::timestamptz IS NULL OR (i.created_at, i.id) < ($3, $4))
               ORDER BY i.created_at DESC, i.id DESC LIMIT $5) i ON true
           ORDER BY i.created_at DESC, i.id DESC"#,
        whose.partition,
        whose.user_id,
        begin.value,
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::import).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Import>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", i.id AS "id?", i.status AS "status?",
                  CASE WHEN i.status = 'complete' THEN 100
                       ELSE least(99, i.bytes_done * 100 / greatest(i.bytes_total, 1)) END AS "progress?",
                  i.name AS "name?", i.folder AS "folder?", i.bytes_total AS "bytes?", i.messages AS "messages?",
                  i.created AS "created?", i.known AS "known?", i.noted AS "noted?", i.refused AS "refused?",
                  i.errors AS "errors?", i.failure AS "failure?", i.created_at AS "created_at?",
                  i.updated_at AS "updated_at?", i.finished_at AS "finished_at?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN work.imports i ON i.user_id = $2 AND i.id = $3 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.import() })
}
