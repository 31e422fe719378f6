//! `GET /tasks/board`: the lists in their order, each with its first tasks in theirs.

use chrono::{DateTime, Utc};
use orbit_platform::{
    http::query::{self, LIMIT_AT_MOST, LIMIT_DEFAULT, Query},
    problem::ApiError,
};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, Row as _, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Tasks,
    lists::TaskList,
    view::{COLUMNS, PROGRESS, Row, Task, WIDTH},
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
};

/// Lists on a board at most. Further ones are found under `/task-lists`.
const LISTS_AT_MOST: i64 = 100;

/// The board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({"lists": [], "has_more": false}))]
pub struct Board {
    /// The lists in order; at most 100.
    pub lists: Vec<Column>,
    /// Whether there are more lists than these.
    pub has_more: bool,
}

/// A list with its first tasks.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = BoardColumn, example = json!({
    "id": "0197f0a0-0000-7000-8000-0000000000a1", "name": "Today", "color": "#aabbcc", "position": "a1",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1,
    "tasks": [], "has_more": false
}))]
pub struct Column {
    /// The list itself.
    #[serde(flatten)]
    pub list: TaskList,
    /// Its tasks in order, without those in the trash or dismissed.
    pub tasks: Vec<Task>,
    /// Whether it has more tasks than these: `GET /tasks?list_id=…&status[ne]=dismissed&sort=position` has them all.
    pub has_more: bool,
}

/// The board: lists in order, each with its tasks in order.
#[utoipa::path(
    get, path = "/tasks/board", tag = "tasks", operation_id = "get_board",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "The most tasks of each list; 50 if not given")),
    responses((status = 200, description = "The board", body = Board))
)]
pub async fn get(reader: Reader<Tasks>, mut query: Query) -> Result<Snapshot<Board>, ApiError> {
    let limit = query.value("limit", |text| match query::number(text) {
        Ok(limit) if (1..=i64::from(LIMIT_AT_MOST)).contains(&limit) => Ok(limit),
        _ => Err(("invalid", format!("a whole number from 1 to {LIMIT_AT_MOST} is expected"))),
    });
    query.finish()?;
    let limit = limit.unwrap_or(i64::from(LIMIT_DEFAULT));
    reader.ask(|mut db, whose| async move { board(&mut db, whose, limit).await }).await
}

struct Cell {
    task: Row,
    list: Option<TaskList>,
}

impl FromRow<'_, PgRow> for Cell {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let list = match row.try_get::<Option<Uuid>, _>(WIDTH)? {
            None => None,
            Some(id) => Some(TaskList {
                id,
                name: row.try_get(WIDTH + 1)?,
                color: row.try_get(WIDTH + 2)?,
                position: row.try_get(WIDTH + 3)?,
                created_at: row.try_get::<DateTime<Utc>, _>(WIDTH + 4)?,
                updated_at: row.try_get(WIDTH + 5)?,
                version: row.try_get(WIDTH + 6)?,
            }),
        };
        Ok(Self { task: Row::from_row(row)?, list })
    }
}

async fn board(db: &mut PgConnection, whose: Whose, limit: i64) -> sqlx::Result<Snapshot<Board>> {
    let statement = format!(
        "SELECT {COLUMNS}, l.id, l.name, l.color, l.position, l.created_at, l.updated_at, l.version
         FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
         LEFT JOIN LATERAL (
             SELECT l.id, l.name, l.color, l.position, l.created_at, l.updated_at, l.version FROM task_lists l
             WHERE l.user_id = $2 ORDER BY l.position, l.id LIMIT $3) l ON true
         LEFT JOIN LATERAL (
             SELECT t.id, t.list_id, t.parent_id, t.title, t.description, t.priority, t.status, t.due_date,
                    t.completed_at, t.position, t.labels, t.created_by, t.extracted_from_type, t.extracted_from_id,
                    t.dismiss_reason, t.deleted_at, t.created_at, t.updated_at, t.version FROM tasks t
             WHERE t.list_id = l.id AND t.user_id = $2 AND t.deleted_at IS NULL AND t.status <> 'dismissed'
             ORDER BY t.position, t.id LIMIT $4) t ON true
         {PROGRESS}
         ORDER BY l.position, l.id, t.position, t.id"
    );
    let cells: Vec<Cell> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(whose.partition)
        .bind(whose.user_id)
        .bind(LISTS_AT_MOST + 1)
        .bind(limit + 1)
        .fetch_all(db)
        .await?;
    let as_of = cells.first().map_or(0, |cell| cell.task.as_of);
    Ok(Snapshot { as_of, body: arrange(cells, limit) })
}

/// One row for each task, or for a list without any, in the order of the board.
fn arrange(cells: Vec<Cell>, limit: i64) -> Board {
    let mut lists: Vec<Column> = Vec::new();
    for Cell { task, list } in cells {
        let Some(list) = list else { continue };
        if lists.last().is_none_or(|column| column.list.id != list.id) {
            lists.push(Column { list, tasks: Vec::new(), has_more: false });
        }
        if let Some(column) = lists.last_mut() {
            column.tasks.extend(task.task());
        }
    }
    let at_most = |limit: i64| usize::try_from(limit).unwrap_or(usize::MAX);
    for column in &mut lists {
        column.has_more = column.tasks.len() > at_most(limit);
        column.tasks.truncate(at_most(limit));
    }
    let has_more = lists.len() > at_most(LISTS_AT_MOST);
    lists.truncate(at_most(LISTS_AT_MOST));
    Board { lists, has_more }
}
