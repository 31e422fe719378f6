//! A committed fact on its way out of the process: what the relay publishes, wherever it got it from.

use chrono::{DateTime, Utc};
use orbit_events::{Metadata, Partition};
use uuid::Uuid;

/// A fact on its way out. Its metadata stays the text that it is.
pub(crate) struct Outgoing {
    pub position: i64,
    pub event_id: Uuid,
    pub user_id: Uuid,
    pub partition: Partition,
    pub stream_id: Uuid,
    pub version: i64,
    pub wire_type: String,
    pub schema_version: i16,
    pub data: Vec<u8>,
    pub metadata: String,
    pub recorded_at: DateTime<Utc>,
}

impl Outgoing {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.wire_type.len() + self.data.len() + self.metadata.len()
    }

    /// The trace that the fact belongs to. Few facts have one, and only those are worth being read for it.
    pub fn traceparent(&self) -> Option<String> {
        self.metadata.contains(r#""traceparent""#).then_some(())?;
        serde_json::from_str::<Metadata>(&self.metadata).ok()?.traceparent
    }
}
