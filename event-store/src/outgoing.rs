//! A committed fact on its way out of the process: what the relay publishes and the sealer seals, wherever it came from.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use orbit_events::{Metadata, Partition};
use uuid::Uuid;

/// A fact on its way out. Its metadata stays the text that it is.
pub(crate) struct Outgoing {
    pub position: i64,
    pub event_id: Uuid,
    pub user_id: Uuid,
    pub partition: Partition,
    pub category: Cow<'static, str>,
    pub stream_id: Uuid,
    pub version: i64,
    pub wire_type: Cow<'static, str>,
    pub schema_version: i16,
    pub data: Bytes,
    pub metadata: Arc<str>,
    pub recorded_at: DateTime<Utc>,
}

impl Outgoing {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.data.len() + self.metadata.len()
    }

    /// The trace that the fact belongs to. Few facts have one, and only those are worth being read for it.
    pub fn traceparent(&self) -> Option<String> {
        self.metadata.contains(r#""traceparent""#).then_some(())?;
        serde_json::from_str::<Metadata>(&self.metadata).ok()?.traceparent
    }
}
