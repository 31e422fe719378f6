//! `GET /emails/folders` and `/emails/folders/{id}`: folders, and how much is in them.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{page::Page, path::PathId, query::Query},
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
    routes::fixed::{self, Begin, PageParameters},
};

/// A folder.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = EmailFolder, example = json!({
    "id": "0197f0a0-0000-7000-8000-0000000000d1", "connection_id": null, "path": "inbox", "name": "Inbox",
    "role": "inbox", "delimiter": null, "emails": 120, "unread": 3, "created_at": "2026-11-22T20:28:00Z",
    "updated_at": "2026-11-22T20:28:00Z", "version": 1
}))]
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
    /// When it was first seen.
    pub created_at: DateTime<Utc>,
    /// When it last changed itself.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change of the folder itself: the `ETag`.
    pub version: i64,
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
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn folder(self) -> Option<Folder> {
        Some(Folder {
            id: self.id?,
            connection_id: self.connection_id,
            path: self.path?,
            name: self.name?,
            role: self.role?,
            delimiter: self.delimiter,
            emails: self.emails?,
            unread: self.unread?,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
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
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, None, begin).await }).await?;
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
    let begin = &Begin { value: None, id: None, fetch: 1 };
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, Some(id), begin).await }).await?;
    let folder = found.map(|folders| folders.into_iter().next()).found()?;
    // No If-None-Match: the version is the folder's own, and says nothing of the e-mails in it.
    let version = folder.body.version;
    Ok(folder.tagged(version))
}

/// Folders, or one of them. What is archived or in the trash by a mark, while it lies in a folder that is for something
/// else, counts in the first folder that is for it.
async fn list(
    db: &mut PgConnection,
    whose: Whose,
    id: Option<Uuid>,
    begin: &Begin<String>,
) -> sqlx::Result<Snapshot<Vec<Folder>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", f.id AS "id?", f.connection_id AS "connection_id?", f.path AS "path?",
                  f.name AS "name?", f.role AS "role?", f.delimiter AS "delimiter?", n.emails AS "emails?",
                  n.unread AS "unread?", f.created_at AS "created_at?", f.updated_at AS "updated_at?",
                  f.version AS "version?"
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
           ORDER BY f.path, f.id"#,
        whose.partition,
        whose.user_id,
        id,
        begin.value.as_deref(),
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::folder).collect() })
}
