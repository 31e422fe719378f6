//! Lists, tasks and labels as writes answer them. Names of fields are those of the query API.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_domain::tasks::{Label, List, Task, label, list, task};
use orbit_event_store::{Loaded, Unit};
use orbit_events::{EntityRef, LabelId, ListId, TaskId};
use orbit_platform::{http::openapi::parsed, problem::ApiError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Result;

/// How much a task matters.
#[derive(ToSchema)]
#[schema(as = TaskPriority, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the values are those of the facts")]
pub enum Priority {
    /// Can wait.
    Low,
    /// As usual.
    Medium,
    /// Comes first.
    High,
}

/// Where a task stands.
#[derive(ToSchema)]
#[schema(as = TaskStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used: the values are those of the facts")]
pub enum Status {
    /// Some day, not now.
    Backlog,
    /// To be done.
    Open,
    /// Being done.
    InProgress,
    /// Waiting for somebody else.
    Waiting,
    /// Completed.
    Done,
    /// Suggested by the agent, not yet accepted.
    Pending,
    /// Turned down.
    Dismissed,
}

/// What a task was read out of.
#[derive(ToSchema)]
#[schema(as = TaskSource)]
#[expect(dead_code, reason = "only its schema is used: the values are those of the facts")]
pub struct Source {
    /// `email`, `task`, `calendar`, `document`, `message` or `person`.
    #[schema(rename = "type", example = "email")]
    kind: String,
    /// Which one.
    id: Uuid,
}

/// A task after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a", "list_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b40", "parent_id": null,
    "title": "Call the bank", "description": null, "priority": "medium", "status": "open", "due_date": "2026-11-30",
    "completed_at": null, "position": "V08Djg3FINI001", "labels": [], "created_by": "user", "extracted_from": null,
    "deleted_at": null, "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct WrittenTask {
    /// Its id.
    pub id: Uuid,
    /// The list it stands in.
    #[schema(value_type = Uuid)]
    pub list_id: ListId,
    /// The task it is part of.
    #[schema(value_type = Option<Uuid>)]
    pub parent_id: Option<TaskId>,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: Option<String>,
    /// How much it matters.
    #[schema(value_type = Priority)]
    pub priority: orbit_events::tasks::Priority,
    /// Where it stands.
    #[schema(value_type = Status)]
    pub status: orbit_events::tasks::Status,
    /// The day by which it is to be done, in the user's zone.
    pub due_date: Option<NaiveDate>,
    /// When it was done.
    pub completed_at: Option<DateTime<Utc>>,
    /// Its place in the list: compare byte by byte.
    pub position: String,
    /// Its labels, in the order in which they were put on.
    #[schema(value_type = Vec<Uuid>)]
    pub labels: Vec<LabelId>,
    /// Who wrote it down: `user` or `agent`.
    #[schema(value_type = String)]
    pub created_by: orbit_events::tasks::Author,
    /// What it was read out of.
    #[schema(value_type = Option<Source>)]
    pub extracted_from: Option<EntityRef>,
    /// When it was put into the trash.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it was written down.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl WrittenTask {
    /// The task as it is now in this unit of work. Labels that were removed meanwhile are not shown.
    pub async fn of(unit: &Unit, task: Loaded<Task>) -> Result<Self> {
        let task::State::Present(state) = task.state else { return Err(ApiError::not_found().into()) };
        let mut labels = Vec::with_capacity(state.labels.len());
        for label in state.labels {
            if unit.load::<Label>(label.0).await?.is_some_and(|label| label.state.present().is_some()) {
                labels.push(label);
            }
        }
        Ok(Self {
            id: task.id,
            list_id: state.list_id,
            parent_id: state.parent_id,
            title: state.title,
            description: state.description,
            priority: state.priority,
            status: state.status,
            due_date: state.due_date,
            completed_at: state.completed_at,
            position: state.position,
            labels,
            created_by: state.created_by,
            extracted_from: state.extracted_from,
            deleted_at: state.deleted_at,
            created_at: task.created_at,
            updated_at: task.updated_at,
            version: task.version,
        })
    }
}

/// A list after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r##"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b40", "name": "Errands", "color": "#1e90ff", "position": "V08Djg3FINI001",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"##)))]
pub struct WrittenList {
    /// Its id.
    pub id: Uuid,
    /// Unique among the user's lists, without regard to case.
    pub name: String,
    /// `#rrggbb`
    pub color: Option<String>,
    /// Its place among the user's lists: compare byte by byte.
    pub position: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<List>> for WrittenList {
    type Error = ApiError;

    fn try_from(list: Loaded<List>) -> Result<Self, ApiError> {
        let list::State::Present(state) = list.state else { return Err(ApiError::not_found()) };
        Ok(Self {
            id: list.id,
            name: state.name,
            color: state.color,
            position: state.position,
            created_at: list.created_at,
            updated_at: list.updated_at,
            version: list.version,
        })
    }
}

/// A label after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r##"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b41", "name": "urgent", "color": "#d62728",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"##)))]
pub struct WrittenLabel {
    /// Its id.
    pub id: Uuid,
    /// Unique among the user's labels, without regard to case.
    pub name: String,
    /// `#rrggbb`
    pub color: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<Label>> for WrittenLabel {
    type Error = ApiError;

    fn try_from(label: Loaded<Label>) -> Result<Self, ApiError> {
        let label::State::Present(state) = label.state else { return Err(ApiError::not_found()) };
        Ok(Self {
            id: label.id,
            name: state.name,
            color: state.color,
            created_at: label.created_at,
            updated_at: label.updated_at,
            version: label.version,
        })
    }
}
