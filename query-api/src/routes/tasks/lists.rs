//! `GET /task-lists` and `/task-lists/{id}`: the columns of the board.

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

/// A list of tasks: a column of the board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r##"{
    "id": "0197f0a0-0000-7000-8000-0000000000a1", "name": "Today", "color": "#aabbcc", "position": "a1",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"##)))]
pub struct TaskList {
    /// Its id.
    pub id: Uuid,
    /// Unique among the caller's lists, without regard to case.
    pub name: String,
    /// `#rrggbb`
    pub color: Option<String>,
    /// Its place on the board: compared byte by byte.
    pub position: String,
    /// When it was added.
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
    color: Option<String>,
    position: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn list(self) -> Option<TaskList> {
        Some(TaskList {
            id: self.id?,
            name: self.name?,
            color: self.color,
            position: self.position?,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }
}

/// The caller's lists, in the order of the board.
#[utoipa::path(
    get, path = "/task-lists", tag = "task lists", operation_id = "list_task_lists", params(PageParameters),
    responses((status = 200, description = "A page of lists", body = Page<TaskList>))
)]
pub async fn all(reader: Reader<Tasks>, query: Query) -> Result<Snapshot<Page<TaskList>>, ApiError> {
    let (page, begin) = fixed::page::<String>(query, "position", false, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, begin).await }).await?;
    Ok(found.map(|lists| page.page(lists, None, |list| vec![json!(list.position), json!(list.id)])))
}

/// One list.
#[utoipa::path(
    get, path = "/task-lists/{id}", tag = "task lists", operation_id = "get_task_list",
    params(("id" = Uuid, Path, description = "The list"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The list", body = TaskList, headers(("ETag" = String, description = "Its version"))),
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
    let list = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    let version = list.body.version;
    Ok(list.unless_known(version, &known))
}

async fn list(db: &mut PgConnection, whose: Whose, begin: &Begin<String>) -> sqlx::Result<Snapshot<Vec<TaskList>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.id AS "id?", l.name AS "name?", l.color AS "color?", l.position AS "position?",
                  l.created_at AS "created_at?", l.updated_at AS "updated_at?", l.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT l.id, l.name, l.color, l.position, l.created_at, l.updated_at, l.version FROM task_lists l
               WHERE l.user_id = $2 AND ($3::text IS NULL OR (l.position, l.id) > ($3 COLLATE "C", $4))
               ORDER BY l.position, l.id LIMIT $5) l ON true
           ORDER BY l.position, l.id"#,
        whose.partition,
        whose.user_id,
        begin.value.as_deref(),
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::list).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<TaskList>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.id AS "id?", l.name AS "name?", l.color AS "color?", l.position AS "position?",
                  l.created_at AS "created_at?", l.updated_at AS "updated_at?", l.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN task_lists l ON l.id = $3 AND l.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.list() })
}
