//! `GET /emails/attachments` and `/emails/attachments/{id}`: files that wait to be sent with an e-mail.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_events::emails::BlobRef;
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Emails, whole::hex_digest};
use crate::{
    answer::{IfNoneMatch, Snapshot},
    past::About,
    reader::{Reader, Whose},
    routes::fixed::{self, Begin, PageParameters},
};

/// A file that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EmailUpload, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000aa", "filename": "menu.pdf", "content_type": "application/pdf",
    "size": 1024, "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "created_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct Upload {
    /// Its id: what goes into `attachments` of a draft or of what is sent.
    pub id: Uuid,
    /// What the file is called.
    pub filename: String,
    /// What it is.
    pub content_type: String,
    /// How many bytes it has.
    pub size: i64,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: Option<String>,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    filename: Option<String>,
    content_type: Option<String>,
    size: Option<i64>,
    raw: Option<Json<BlobRef>>,
    created_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn upload(self) -> Option<Upload> {
        let Json(raw) = self.raw?;
        Some(Upload {
            id: self.id?,
            filename: self.filename?,
            content_type: self.content_type?,
            size: self.size?,
            sha256: hex_digest(&raw.sha256),
            created_at: self.created_at?,
            version: self.version?,
        })
    }
}

/// The caller's uploads, newest first.
#[utoipa::path(
    get, path = "/emails/attachments", tag = "emails", operation_id = "list_attachments", params(PageParameters),
    responses((status = 200, description = "A page of uploads", body = Page<Upload>))
)]
pub async fn all(reader: Reader<Emails>, query: Query) -> Result<Snapshot<Page<Upload>>, ApiError> {
    let (page, begin) = fixed::page::<DateTime<Utc>>(query, "created_at", true, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, begin).await }).await?;
    Ok(found.map(|uploads| page.page(uploads, None, |upload| vec![json!(upload.created_at), json!(upload.id)])))
}

/// One upload.
#[utoipa::path(
    get, path = "/emails/attachments/{id}", tag = "emails", operation_id = "get_attachment",
    params(("id" = Uuid, Path, description = "The upload"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The upload", body = Upload, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
    )
)]
pub async fn get(
    reader: Reader<Emails>,
    PathId(id): PathId,
    known: IfNoneMatch,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let upload = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    let version = upload.body.version;
    Ok(upload.unless_known(version, &known))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    begin: &Begin<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Upload>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", u.id AS "id?", u.filename AS "filename?", u.content_type AS "content_type?",
                  u.size AS "size?", u.raw AS "raw?: Json<BlobRef>", u.created_at AS "created_at?",
                  u.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT u.id, u.filename, u.content_type, u.size, u.raw, u.created_at, u.version FROM email_uploads u
               WHERE u.user_id = $2 AND ($3::timestamptz IS NULL OR (u.created_at, u.id) < ($3, $4))
               ORDER BY u.created_at DESC, u.id DESC LIMIT $5) u ON true
           ORDER BY u.created_at DESC, u.id DESC"#,
        whose.partition,
        whose.user_id,
        begin.value,
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::upload).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Upload>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", u.id AS "id?", u.filename AS "filename?", u.content_type AS "content_type?",
                  u.size AS "size?", u.raw AS "raw?: Json<BlobRef>", u.created_at AS "created_at?",
                  u.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN email_uploads u ON u.id = $3 AND u.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.upload() })
}
