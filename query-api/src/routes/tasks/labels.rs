//! `GET /labels` and `/labels/{id}`.

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

use super::Tasks;
use crate::{
    answer::{IfNoneMatch, Snapshot},
    past::About,
    reader::{Reader, Whose},
    routes::fixed::{self, Begin, PageParameters},
};

/// A label of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000b1", "name": "errand", "color": null,
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct Label {
    /// Its id.
    pub id: Uuid,
    /// Unique among the caller's labels, without regard to case.
    pub name: String,
    /// `#rrggbb`
    pub color: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    name: Option<String>,
    folded: Option<String>,
    color: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    /// The label, and its name as the database folds it.
    fn label(self) -> Option<(Label, String)> {
        let label = Label {
            id: self.id?,
            name: self.name?,
            color: self.color,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        };
        Some((label, self.folded?))
    }
}

/// The caller's labels, by name.
#[utoipa::path(
    get, path = "/labels", tag = "labels", operation_id = "list_labels", params(PageParameters),
    responses((status = 200, description = "A page of labels", body = Page<Label>))
)]
pub async fn all(reader: Reader<Tasks>, query: Query) -> Result<Snapshot<Page<Label>>, ApiError> {
    let (page, begin) = fixed::page::<String>(query, "name", false, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, begin).await }).await?;
    let page = found.map(|labels| page.page(labels, None, |(label, folded)| vec![json!(folded), json!(label.id)]));
    Ok(page.map(|page| page.map(|(label, _)| label)))
}

/// One label.
#[utoipa::path(
    get, path = "/labels/{id}", tag = "labels", operation_id = "get_label",
    params(("id" = Uuid, Path, description = "The label"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The label", body = Label, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
    )
)]
pub async fn get(
    reader: Reader<Tasks>,
    PathId(id): PathId,
    known: IfNoneMatch,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let label = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    let version = label.body.version;
    Ok(label.unless_known(version, &known))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    begin: &Begin<String>,
) -> sqlx::Result<Snapshot<Vec<(Label, String)>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.id AS "id?", l.name AS "name?", l.folded AS "folded?", l.color AS "color?",
                  l.created_at AS "created_at?", l.updated_at AS "updated_at?", l.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT l.id, l.name, lower(l.name) AS folded, l.color, l.created_at, l.updated_at, l.version FROM labels l
               WHERE l.user_id = $2 AND ($3::text IS NULL OR (lower(l.name), l.id) > ($3, $4))
               ORDER BY lower(l.name), l.id LIMIT $5) l ON true
           ORDER BY l.folded, l.id"#,
        whose.partition,
        whose.user_id,
        begin.value.as_deref(),
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::label).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Label>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.id AS "id?", l.name AS "name?", lower(l.name) AS "folded?", l.color AS "color?",
                  l.created_at AS "created_at?", l.updated_at AS "updated_at?", l.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN labels l ON l.id = $3 AND l.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.label().map(|(label, _)| label) })
}
