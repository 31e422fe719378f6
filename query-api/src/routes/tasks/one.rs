//! `GET /tasks/{id}`: one task, also from the trash.

use axum::response::Response;
use orbit_platform::{
    http::{path::PathId, query::Query},
    problem::ApiError,
};
use sqlx::{Execute, PgConnection};
use uuid::Uuid;

use super::{
    Tasks,
    view::{Row, Task, pieces},
};
use crate::{
    answer::Snapshot,
    past::About,
    reader::{Reader, Whose},
};

macro_rules! one {
    ($columns:tt $progress:tt $whose:expr, $id:expr) => {
        sqlx::query_as!(
            Row,
            "SELECT "
                + $columns
                + " FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
  WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
 LEFT JOIN tasks t ON t.id = $3 AND t.user_id = $2"
                + $progress
                + " LIMIT 1",
            $whose.partition,
            $whose.user_id,
            $id
        )
    };
}

/// One task of the caller's, whether in the trash or not.
#[utoipa::path(
    get, path = "/tasks/{id}", tag = "tasks", operation_id = "get_task",
    params(("id" = Uuid, Path, description = "The task")),
    responses((status = 200, description = "The task", body = Task, headers(
        ("ETag" = String, description = "The task's version, to be sent as If-Match"),
    )))
)]
pub async fn get(reader: Reader<Tasks>, PathId(id): PathId, query: Query) -> Result<Response, ApiError> {
    query.finish()?;
    // Of the past it takes its sub-tasks too, which mention it, and its labels, which may be gone.
    let task = reader
        .about(About::Kin(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    // No If-None-Match: the version is the task's own, and says nothing of the progress of its sub-tasks.
    let version = task.body.version;
    Ok(task.tagged(version))
}

/// A task by its id.
pub async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Task>>> {
    let row = pieces!(one whose, id).fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.task() })
}

/// The text of the statement behind `GET /tasks/{id}`: `$1` partition, `$2` user, `$3` task.
pub fn sql() -> String {
    let nobody = Whose { partition: 0, user_id: Uuid::nil() };
    let statement = pieces!(one nobody, Uuid::nil());
    statement.sql().as_str().to_owned()
}
