//! Facts as readers see them, and what they changed.

use chrono::{DateTime, Utc};
use orbit_events::Outward;
use orbit_platform::http::openapi::parsed;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that happened, as the log holds it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000aa", "type": "tasks.retitled", "version": 1, "position": 4711,
    "recorded_at": "2026-11-22T20:28:00Z", "actor": {"type": "user"},
    "entity": {"type": "task", "id": "0197f0a0-0000-7000-8000-000000000001"},
    "correlation_id": "0197f0a0-0000-7000-8000-0000000000ab", "causation_id": null, "data": {"title": "Buy oat milk"}
}"#)))]
pub struct Fact {
    /// The fact's own id.
    pub id: Uuid,
    /// The fact's wire type.
    #[serde(rename = "type")]
    pub wire_type: String,
    /// Version of the shape of `data`.
    pub version: i16,
    /// Place in the log.
    pub position: i64,
    /// When it was recorded. The order is the position's.
    pub recorded_at: DateTime<Utc>,
    /// Who did it: `{"type": "user" | "system"}`, `{"type": "agent", "run_id": …}`, `{"type": "integration", "connection_id": …}`.
    #[schema(value_type = Object)]
    pub actor: Value,
    /// What it happened to.
    pub entity: FactEntity,
    /// What everything in one chain of cause and effect shares.
    pub correlation_id: Uuid,
    /// The fact that this one answers.
    pub causation_id: Option<Uuid>,
    /// What it says, without secrets; null once its user was forgotten, and if it cannot be read.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Value>,
    /// Why it cannot be read: `unknown_type`, `newer_version`, `malformed` or `does_not_open`. Absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unreadable: Option<&'static str>,
}

/// What a fact happened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"type": "task", "id": "0197f0a0-0000-7000-8000-000000000001"}"#)))]
pub struct FactEntity {
    /// `task`, `list`, `label`, `user`, `login` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: Uuid,
}

impl From<Outward> for Fact {
    fn from(fact: Outward) -> Self {
        Self {
            id: fact.id.0,
            wire_type: fact.wire_type,
            version: fact.version,
            position: fact.position,
            recorded_at: fact.recorded_at,
            actor: json!(fact.actor),
            entity: FactEntity { kind: fact.entity.kind, id: fact.entity.id },
            correlation_id: fact.correlation_id,
            causation_id: fact.causation_id.map(Uuid::from),
            data: fact.data,
            unreadable: fact.unreadable,
        }
    }
}

/// A fact in the history of one thing, with what it changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000aa", "type": "tasks.retitled", "version": 1, "position": 4711,
    "recorded_at": "2026-11-22T20:28:00Z", "actor": {"type": "user"},
    "entity": {"type": "task", "id": "0197f0a0-0000-7000-8000-000000000001"},
    "correlation_id": "0197f0a0-0000-7000-8000-0000000000ab", "causation_id": null, "data": {"title": "Buy oat milk"},
    "entity_version": 2,
    "cause": {"actor": {"type": "user"}, "session_id": "0197f0a0-0000-7000-8000-0000000000d1", "fact": null},
    "changes": [{"field": "title", "before": "Buy milk", "after": "Buy oat milk"}]
}"#)))]
pub struct Entry {
    /// The fact itself.
    #[serde(flatten)]
    pub fact: Fact,
    /// The version of the thing that this fact made: its `ETag` from then on.
    pub entity_version: i64,
    /// What brought it about.
    pub cause: Cause,
    /// What it changed, field by field, as the thing's own routes call them. Null if that is not known: this fact, or one
    /// before it, cannot be read.
    pub changes: Option<Vec<Change>>,
}

/// What brought a fact about.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"actor": {"type": "user"}, "session_id": "0197f0a0-0000-7000-8000-0000000000d1", "fact": null}"#)))]
pub struct Cause {
    /// Who acted, as in the fact.
    #[schema(value_type = Object)]
    pub actor: Value,
    /// The login or API token under which it was done.
    pub session_id: Option<Uuid>,
    /// The fact that this one answers.
    pub fact: Option<CausingFact>,
}

/// The fact that another one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"id": "0197f0a0-0000-7000-8000-0000000000a9", "type": "tasks.completed", "position": 4710}"#)))]
pub struct CausingFact {
    /// Its id.
    pub id: Uuid,
    /// Its wire type; null if it is not the caller's own.
    #[serde(rename = "type")]
    pub wire_type: Option<String>,
    /// Its place in the log; null if it is not the caller's own.
    pub position: Option<i64>,
}

/// What became of one field.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"field": "title", "before": "Buy milk", "after": "Buy oat milk"}"#)))]
pub struct Change {
    /// The field, as the thing's own routes call it.
    pub field: &'static str,
    /// What it was before; null too if there was nothing.
    pub before: Value,
    /// What it was from then on; null too if there is nothing any more.
    pub after: Value,
}
