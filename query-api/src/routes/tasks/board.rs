//! `GET /tasks/board`: the lists in their order, each with its first tasks in theirs.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_platform::{
    http::{
        openapi::parsed,
        query::{self, LIMIT_AT_MOST, LIMIT_DEFAULT, Query},
    },
    problem::ApiError,
};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Tasks,
    lists::TaskList,
    view::{Author, Priority, Progress, Source, Status, priority_name},
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
};

/// Lists on a board at most. Further ones are found under `/task-lists`.
const LISTS_AT_MOST: i64 = 100;

/// Cards on a board at most. More of them are more than anybody looks at, and tens of megabytes to read and to send. The
/// default limit fits, however many lists there are.
const CARDS_AT_MOST: i64 = LISTS_AT_MOST * LIMIT_DEFAULT as i64;

/// The board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"lists": [], "has_more": false}"#)))]
pub struct Board {
    /// The lists in order; at most 100.
    pub lists: Vec<Column>,
    /// Whether there are more lists than these.
    pub has_more: bool,
}

/// A list with its first tasks.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = BoardColumn, example = json!(parsed(r##"{
    "id": "0197f0a0-0000-7000-8000-0000000000a1", "name": "Today", "color": "#aabbcc", "position": "a1",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1,
    "tasks": [], "has_more": false
}"##)))]
pub struct Column {
    /// The list itself.
    #[serde(flatten)]
    pub list: TaskList,
    /// Its tasks in order, without those in the trash or dismissed.
    pub tasks: Vec<Card>,
    /// Whether it has more tasks than these: `GET /tasks?list_id=…&status[ne]=dismissed&sort=position` has them all.
    pub has_more: bool,
}

/// A task as its card shows it: all but the description, which `GET /tasks/{id}` has.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TaskCard, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-000000000001", "list_id": "0197f0a0-0000-7000-8000-0000000000a1", "parent_id": null,
    "title": "Buy milk", "has_description": false, "priority": "medium", "status": "open", "due_date": "2026-11-23",
    "completed_at": null, "position": "a0", "labels": ["0197f0a0-0000-7000-8000-0000000000b1"], "created_by": "user",
    "extracted_from": null, "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1,
    "progress": {"done": 0, "total": 0}
}"#)))]
pub struct Card {
    /// The task's id.
    pub id: Uuid,
    /// The list it stands in.
    pub list_id: Uuid,
    /// The task it is part of.
    pub parent_id: Option<Uuid>,
    /// One line.
    pub title: String,
    /// Whether there is a description to open.
    pub has_description: bool,
    /// How much it matters.
    #[schema(value_type = Priority)]
    pub priority: &'static str,
    /// Where it stands.
    #[schema(value_type = Status)]
    pub status: String,
    /// The day by which it is to be done, in the user's zone.
    pub due_date: Option<NaiveDate>,
    /// When it was done.
    pub completed_at: Option<DateTime<Utc>>,
    /// Its place in its list: compared byte by byte.
    pub position: String,
    /// Ids of the labels on it.
    pub labels: Vec<Uuid>,
    /// Who wrote it down.
    #[schema(value_type = Author)]
    pub created_by: String,
    /// What it was read out of.
    pub extracted_from: Option<Source>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: to be sent as `If-Match`.
    pub version: i64,
    /// How far its sub-tasks are.
    pub progress: Progress,
}

/// The board: lists in order, each with its tasks in order. Cards carry no description, and there are at most 5000 of
/// them: where a greater `limit` would give more, each list ends earlier and says that it `has_more`.
#[utoipa::path(
    get, path = "/tasks/board", tag = "tasks", operation_id = "get_board",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "The most tasks of each list; 50 if not given. On a board of more than 25 lists at most 5000 / lists")),
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

/// A list, and one of its tasks if it has any. One row without a list if there is none.
struct Row {
    as_of: i64,
    list_id: Option<Uuid>,
    list_name: Option<String>,
    list_color: Option<String>,
    list_position: Option<String>,
    list_created_at: Option<DateTime<Utc>>,
    list_updated_at: Option<DateTime<Utc>>,
    list_version: Option<i64>,
    at_most: Option<i64>,
    id: Option<Uuid>,
    parent_id: Option<Uuid>,
    title: Option<String>,
    has_description: Option<bool>,
    priority: Option<i16>,
    status: Option<String>,
    due_date: Option<NaiveDate>,
    completed_at: Option<DateTime<Utc>>,
    position: Option<String>,
    labels: Option<Vec<Uuid>>,
    created_by: Option<String>,
    extracted_from_type: Option<String>,
    extracted_from_id: Option<Uuid>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
    done: Option<i64>,
    total: Option<i64>,
}

impl Row {
    /// The list, and how many tasks it may have here.
    fn list(&mut self) -> Option<(TaskList, i64)> {
        let list = TaskList {
            id: self.list_id?,
            name: self.list_name.take()?,
            color: self.list_color.take(),
            position: self.list_position.take()?,
            created_at: self.list_created_at?,
            updated_at: self.list_updated_at?,
            version: self.list_version?,
        };
        Some((list, self.at_most?))
    }

    fn card(self) -> Option<Card> {
        Some(Card {
            id: self.id?,
            list_id: self.list_id?,
            parent_id: self.parent_id,
            title: self.title?,
            has_description: self.has_description?,
            priority: self.priority.and_then(priority_name)?,
            status: self.status?,
            due_date: self.due_date,
            completed_at: self.completed_at,
            position: self.position?,
            labels: self.labels?,
            created_by: self.created_by?,
            extracted_from: self.extracted_from_type.zip(self.extracted_from_id).map(|(kind, id)| Source { kind, id }),
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
            progress: Progress { done: self.done?, total: self.total? },
        })
    }
}

/// One list and one task of each more than the board has tell whether there are more.
async fn board(db: &mut PgConnection, whose: Whose, limit: i64) -> sqlx::Result<Snapshot<Board>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.id AS "list_id?", l.name AS "list_name?", l.color AS "list_color?",
                  l.position AS "list_position?", l.created_at AS "list_created_at?", l.updated_at AS "list_updated_at?",
                  l.version AS "list_version?", l.at_most AS "at_most?", t.id AS "id?", t.parent_id AS "parent_id?",
                  t.title AS "title?", t.has_description AS "has_description?", t.priority AS "priority?",
                  t.status AS "status?", t.due_date AS "due_date?", t.completed_at AS "completed_at?",
                  t.position AS "position?", t.labels AS "labels?", t.created_by AS "created_by?",
                  t.extracted_from_type AS "extracted_from_type?", t.extracted_from_id AS "extracted_from_id?",
                  t.created_at AS "created_at?", t.updated_at AS "updated_at?", t.version AS "version?",
                  p.done AS "done?", p.total AS "total?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'tasks' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT l.id, l.name, l.color, l.position, l.created_at, l.updated_at, l.version,
                      least($4::bigint, $5::bigint / least(count(*) OVER (), $3)) AS at_most FROM (
                   SELECT l.id, l.name, l.color, l.position, l.created_at, l.updated_at, l.version FROM task_lists l
                   WHERE l.user_id = $2 ORDER BY l.position, l.id LIMIT $3::bigint + 1) l) l ON true
           LEFT JOIN LATERAL (
               SELECT t.id, t.parent_id, t.title, t.description IS NOT NULL AS has_description, t.priority, t.status,
                      t.due_date, t.completed_at, t.position, t.labels, t.created_by, t.extracted_from_type,
                      t.extracted_from_id, t.created_at, t.updated_at, t.version FROM tasks t
               WHERE t.list_id = l.id AND t.user_id = $2 AND t.deleted_at IS NULL AND t.status <> 'dismissed'
               ORDER BY t.position, t.id LIMIT l.at_most + 1) t ON true
           LEFT JOIN LATERAL (
               SELECT count(*) FILTER (WHERE s.status = 'done') AS done, count(*) AS total FROM tasks s
               WHERE s.parent_id = t.id AND s.user_id = $2 AND s.deleted_at IS NULL AND s.status <> 'dismissed') p ON true
           ORDER BY l.position, l.id, t.position, t.id"#,
        whose.partition,
        whose.user_id,
        LISTS_AT_MOST,
        limit,
        CARDS_AT_MOST
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: arrange(rows) })
}

/// One row for each task, or for a list without any, in the order of the board.
fn arrange(rows: Vec<Row>) -> Board {
    let mut lists: Vec<Column> = Vec::new();
    let mut room = 0;
    for mut row in rows {
        if lists.last().is_none_or(|column| Some(column.list.id) != row.list_id) {
            let Some((list, at_most)) = row.list() else { continue };
            lists.push(Column { list, tasks: Vec::new(), has_more: false });
            room = usize::try_from(at_most).unwrap_or(usize::MAX);
        }
        let Some(column) = lists.last_mut() else { continue };
        if column.tasks.len() == room {
            column.has_more |= row.id.is_some();
        } else {
            column.tasks.extend(row.card());
        }
    }
    let lists_at_most = usize::try_from(LISTS_AT_MOST).unwrap_or(usize::MAX);
    let has_more = lists.len() > lists_at_most;
    lists.truncate(lists_at_most);
    Board { lists, has_more }
}
