//! An activity as readers see it: a fact in its outward shape (contract), and its sentence.

use chrono::{DateTime, Utc};
use orbit_platform::http::openapi::parsed;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{FromRow, Row as _, postgres::PgRow, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000aa", "type": "tasks.completed",
    "action_type": "tasks.completed", "version": 1, "position": 4711,
    "recorded_at": "2026-11-22T20:28:00Z", "actor": {"type": "user"},
    "entity": {"type": "task", "id": "0197f0a0-0000-7000-8000-000000000001"},
    "correlation_id": "0197f0a0-0000-7000-8000-0000000000ab", "causation_id": null,
    "data": {"completed_at": "2026-11-22T20:28:00Z"}, "description": "Completed task \"Buy milk\"", "session_id": null
}"#)))]
pub struct Activity {
    /// The fact's own id.
    pub id: Uuid,
    /// The fact's wire type, as in every fact that leaves Orbit.
    #[serde(rename = "type")]
    pub wire_type: String,
    /// The same, under the name that activities are filtered by.
    pub action_type: String,
    /// Version of the shape of `data`.
    pub version: i16,
    /// Place in the log.
    pub position: i64,
    /// When it was recorded. The order is the position's.
    pub recorded_at: DateTime<Utc>,
    /// Who did it: `{"type": "user" | "system"}`, `{"type": "agent", "run_id": …}`, `{"type": "integration", "connection_id": …}`.
    #[schema(value_type = Object)]
    pub actor: Box<RawValue>,
    /// What it was done to.
    pub entity: Entity,
    /// What everything in one chain of cause and effect shares.
    pub correlation_id: Uuid,
    /// The fact that this one answers.
    pub causation_id: Option<Uuid>,
    /// What the fact says, without secrets.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    /// The fact as a sentence.
    pub description: String,
    /// The login or API token under which it was done.
    pub session_id: Option<Uuid>,
}

/// What something was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ActivityEntity, example = json!(parsed(r#"{"type": "task", "id": "0197f0a0-0000-7000-8000-000000000001"}"#)))]
pub struct Entity {
    /// `task`, `list`, `label`, `user`, `login` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: Uuid,
}

/// The columns of an [`Activity`] `a`, of a snapshot `c`, in the order in which [`Row`] reads them.
pub const COLUMNS: &str = "c.as_of, a.id, a.action_type, a.schema_version, a.position, a.at, a.actor, a.entity_type,
 a.entity_id, a.correlation_id, a.causation_id, a.metadata, a.description, a.session_id";
/// How many columns these are: further ones begin here.
pub const WIDTH: usize = 14;
/// The columns of the table that [`COLUMNS`] needs.
pub const STORED: &str = "a.id, a.action_type, a.schema_version, a.position, a.at, a.actor, a.entity_type, a.entity_id,
 a.correlation_id, a.causation_id, a.metadata, a.description, a.session_id";

/// A row of a statement that answers even if there is no activity.
#[derive(Debug)]
pub struct Row {
    /// As of when that is.
    pub as_of: i64,
    /// The activity, if there is one.
    pub activity: Option<Activity>,
}

impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let as_of = row.try_get(0)?;
        let Some(id) = row.try_get(1)? else { return Ok(Self { as_of, activity: None }) };
        let action_type: String = row.try_get(2)?;
        let activity = Activity {
            id,
            wire_type: action_type.clone(),
            action_type,
            version: row.try_get(3)?,
            position: row.try_get(4)?,
            recorded_at: row.try_get(5)?,
            actor: row.try_get::<Json<_>, _>(6)?.0,
            entity: Entity { kind: row.try_get(7)?, id: row.try_get(8)? },
            correlation_id: row.try_get(9)?,
            causation_id: row.try_get(10)?,
            data: row.try_get::<Option<Json<_>>, _>(11)?.map(|Json(data)| data),
            description: row.try_get(12)?,
            session_id: row.try_get(13)?,
        };
        Ok(Self { as_of, activity: Some(activity) })
    }
}
