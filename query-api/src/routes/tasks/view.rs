//! A task as readers see it, and the row that it is made of.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_platform::http::openapi::parsed;
use serde::Serialize;
use sqlx::{FromRow, Row as _, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a task stands.
#[derive(ToSchema)]
#[schema(as = TaskStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Status {
    Backlog,
    Open,
    InProgress,
    Waiting,
    Done,
    Pending,
    Dismissed,
}

/// How much a task matters.
#[derive(ToSchema)]
#[schema(as = TaskPriority, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as numbers")]
pub enum Priority {
    Low,
    Medium,
    High,
}

/// Who wrote a task down.
#[derive(ToSchema)]
#[schema(as = TaskAuthor, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Author {
    User,
    Agent,
}

/// The statuses by their names.
pub const STATUSES: [&str; 7] = ["backlog", "open", "in_progress", "waiting", "done", "pending", "dismissed"];
/// The priorities by their names; in the table they are numbered from 1.
pub const PRIORITIES: [&str; 3] = ["low", "medium", "high"];
/// The authors by their names.
pub const AUTHORS: [&str; 2] = ["user", "agent"];

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-000000000001", "list_id": "0197f0a0-0000-7000-8000-0000000000a1", "parent_id": null,
    "title": "Buy milk", "description": null, "priority": "medium", "status": "open", "due_date": "2026-11-23",
    "completed_at": null, "position": "a0", "labels": ["0197f0a0-0000-7000-8000-0000000000b1"], "created_by": "user",
    "extracted_from": null, "dismiss_reason": null, "deleted_at": null, "created_at": "2026-11-22T20:28:00Z",
    "updated_at": "2026-11-22T20:28:00Z", "version": 1, "progress": {"done": 0, "total": 0}
}"#)))]
pub struct Task {
    /// Its id.
    pub id: Uuid,
    /// The list it stands in.
    pub list_id: Uuid,
    /// The task it is part of.
    pub parent_id: Option<Uuid>,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: Option<String>,
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
    /// Why it was turned down, while it is dismissed.
    pub dismiss_reason: Option<String>,
    /// When it was put into the trash; null outside of it.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
    /// How far its sub-tasks are.
    pub progress: Progress,
}

/// What a task was read out of.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = TaskSource, example = json!(parsed(r#"{"type": "email", "id": "0197f0a0-0000-7000-8000-0000000000c1"}"#)))]
pub struct Source {
    /// `email`, `message`, `document` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: Uuid,
}

/// How far the direct sub-tasks of a task are. Those in the trash or dismissed do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TaskProgress, example = json!(parsed(r#"{"done": 1, "total": 3}"#)))]
pub struct Progress {
    /// How many are done.
    pub done: i64,
    /// How many there are.
    pub total: i64,
}

/// Hands a macro the columns of a [`Row`], of a snapshot `c`, a task `t` that may be missing and its progress `p`; and
/// the join that makes `p`. `$2` is the user. A macro, because a checked query must be made of literals.
macro_rules! pieces {
    ($then:ident $($rest:tt)*) => {
        $then!(r#"c.as_of AS "as_of!", t.id AS "id?", t.list_id AS "list_id?", t.parent_id AS "parent_id?",
 t.title AS "title?", t.description AS "description?", t.priority AS "priority?", t.status AS "status?",
 t.due_date AS "due_date?", t.completed_at AS "completed_at?", t.position AS "position?", t.labels AS "labels?",
 t.created_by AS "created_by?", t.extracted_from_type AS "extracted_from_type?",
 t.extracted_from_id AS "extracted_from_id?", t.dismiss_reason AS "dismiss_reason?", t.deleted_at AS "deleted_at?",
 t.created_at AS "created_at?", t.updated_at AS "updated_at?", t.version AS "version?",
 p.done AS "done?", p.total AS "total?""#
        r" LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE s.status = 'done') AS done, count(*) AS total FROM tasks s
  WHERE s.parent_id = t.id AND s.user_id = $2 AND s.deleted_at IS NULL AND s.status <> 'dismissed'
 ) p ON true" $($rest)*)
    };
}
pub(super) use pieces;

macro_rules! columns {
    ($columns:tt $progress:tt) => {
        $columns
    };
}
macro_rules! progress {
    ($columns:tt $progress:tt) => {
        $progress
    };
}

/// The columns of a [`Row`] as text, for questions that are put together at run time.
pub const COLUMNS: &str = pieces!(columns);
/// The join of a task's progress as text.
pub const PROGRESS: &str = pieces!(progress);
/// How many columns [`COLUMNS`] are: further ones begin here.
pub const WIDTH: usize = 22;

/// A row of a statement that answers even if there is no task: as of when that is.
#[derive(Debug)]
pub struct Row {
    pub as_of: i64,
    pub id: Option<Uuid>,
    pub list_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub priority: Option<i16>,
    pub status: Option<String>,
    pub due_date: Option<NaiveDate>,
    pub completed_at: Option<DateTime<Utc>>,
    pub position: Option<String>,
    pub labels: Option<Vec<Uuid>>,
    pub created_by: Option<String>,
    pub extracted_from_type: Option<String>,
    pub extracted_from_id: Option<Uuid>,
    pub dismiss_reason: Option<String>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub version: Option<i64>,
    pub done: Option<i64>,
    pub total: Option<i64>,
}

impl Row {
    /// The task, if there is one.
    pub fn task(self) -> Option<Task> {
        Some(Task {
            id: self.id?,
            list_id: self.list_id?,
            parent_id: self.parent_id,
            title: self.title?,
            description: self.description,
            priority: self.priority.and_then(priority_name)?,
            status: self.status?,
            due_date: self.due_date,
            completed_at: self.completed_at,
            position: self.position?,
            labels: self.labels?,
            created_by: self.created_by?,
            extracted_from: self.extracted_from_type.zip(self.extracted_from_id).map(|(kind, id)| Source { kind, id }),
            dismiss_reason: self.dismiss_reason,
            deleted_at: self.deleted_at,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
            progress: Progress { done: self.done?, total: self.total? },
        })
    }
}

/// By place and unchecked: these columns are those of [`pieces!`], whose order and types the build checks, and looking up
/// 22 names and types for each row costs more than the values.
impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            as_of: row.try_get_unchecked(0)?,
            id: row.try_get_unchecked(1)?,
            list_id: row.try_get_unchecked(2)?,
            parent_id: row.try_get_unchecked(3)?,
            title: row.try_get_unchecked(4)?,
            description: row.try_get_unchecked(5)?,
            priority: row.try_get_unchecked(6)?,
            status: row.try_get_unchecked(7)?,
            due_date: row.try_get_unchecked(8)?,
            completed_at: row.try_get_unchecked(9)?,
            position: row.try_get_unchecked(10)?,
            labels: row.try_get_unchecked(11)?,
            created_by: row.try_get_unchecked(12)?,
            extracted_from_type: row.try_get_unchecked(13)?,
            extracted_from_id: row.try_get_unchecked(14)?,
            dismiss_reason: row.try_get_unchecked(15)?,
            deleted_at: row.try_get_unchecked(16)?,
            created_at: row.try_get_unchecked(17)?,
            updated_at: row.try_get_unchecked(18)?,
            version: row.try_get_unchecked(19)?,
            done: row.try_get_unchecked(20)?,
            total: row.try_get_unchecked(21)?,
        })
    }
}

/// A priority's name, by its number in the table.
pub fn priority_name(number: i16) -> Option<&'static str> {
    PRIORITIES.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}

/// A priority's number in the table.
pub fn priority_number(name: &str) -> Option<i16> {
    let at = PRIORITIES.iter().position(|known| *known == name)?;
    i16::try_from(at + 1).ok()
}
