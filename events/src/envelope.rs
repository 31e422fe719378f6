//! The envelope: who did what to which stream, when, and because of what. It carries no personal data (invariant 6).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Event, EventId, UserId};

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    /// The user, by hand.
    User,
    /// The user's agent, in one of its runs.
    Agent {
        /// The run in which the agent acted.
        run_id: Uuid,
    },
    /// Orbit itself.
    System,
    /// Something the user connected.
    Integration {
        /// The connection that acted.
        connection_id: Uuid,
    },
}

/// What a fact carries beside its payload. Stored in the clear, so never personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who acted.
    pub actor: Actor,
    /// The request or job that everything in one chain of cause and effect shares.
    pub correlation_id: Uuid,
    /// The fact that this one answers, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// The login or API token under which the command came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// W3C trace context of the write, so that one trace runs to the projection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// A reference to something in Orbit, as `(type, id)`: `{"type": "email", "id": …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRef {
    /// What it is: `email`, `task`, `document`, `message` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: Uuid,
}

/// Everything that is known of a recorded fact without opening its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Place in the log; contiguous from 1.
    pub position: i64,
    /// The fact's own id.
    pub event_id: EventId,
    /// Whose fact it is.
    pub user_id: UserId,
    /// The aggregate's category (`tasks`); the part of the wire type before the dot.
    pub category: String,
    /// The aggregate.
    pub stream_id: Uuid,
    /// Place in the stream; contiguous from 1.
    pub version: i64,
    /// Wire type, `tasks.created`.
    pub wire_type: String,
    /// Version of the payload's shape.
    pub schema_version: i16,
    /// When the command was decided, UTC, in microseconds. The order is the position's, not the time's.
    pub recorded_at: DateTime<Utc>,
    /// Actor, correlation, causation, session, trace.
    pub metadata: Metadata,
}

/// The payload of a recorded fact, opened.
#[derive(Debug, Clone, PartialEq)]
pub enum Content<E = Event> {
    /// The user's key opened it.
    Open(E),
    /// The user was forgotten: the key is gone, only the envelope remains.
    Forgotten,
}

/// A fact as the log holds it, payload opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<E = Event> {
    /// Who, where, when.
    pub envelope: Envelope,
    /// What.
    pub content: Content<E>,
}

impl<E> Recorded<E> {
    /// The fact, unless its user was forgotten.
    pub fn event(&self) -> Option<&E> {
        match &self.content {
            Content::Open(event) => Some(event),
            Content::Forgotten => None,
        }
    }
}

/// The entity type of a category: its singular (`tasks` → `task`).
pub fn entity_type(category: &str) -> &str {
    category.strip_suffix('s').unwrap_or(category)
}
