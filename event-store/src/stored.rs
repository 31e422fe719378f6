//! A fact as it lies in the log or travels on `JetStream`: envelope in the clear, payload sealed.

use chrono::{DateTime, Utc};
use orbit_events::{Content, DecodeError, Envelope, Event, EventId, Metadata, Partition, Recorded, UserId};
use uuid::Uuid;

use crate::{Fault, Vault, vault};

/// A sealed fact.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Who, where, when.
    pub envelope: Envelope,
    /// The partition of the user.
    pub partition: Partition,
    /// The sealed payload.
    pub data: Vec<u8>,
}

/// Why a fact cannot be read though its key is there: it parks its stream.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The payload is of an unknown type, of a newer schema, or malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The payload does not open.
    #[error("the payload does not open: {0}")]
    Seal(String),
}

/// The columns of `log.events` that make a [`Stored`].
pub(crate) struct Row {
    pub position: i64,
    pub event_id: Uuid,
    pub user_id: Uuid,
    pub partition: i16,
    pub category: String,
    pub stream_id: Uuid,
    pub version: i64,
    pub wire_type: String,
    pub schema_version: i16,
    pub data: Vec<u8>,
    pub metadata: sqlx::types::Json<Metadata>,
    pub recorded_at: DateTime<Utc>,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            envelope: Envelope {
                position: row.position,
                event_id: EventId(row.event_id),
                user_id: UserId(row.user_id),
                category: row.category,
                stream_id: row.stream_id,
                version: row.version,
                wire_type: row.wire_type,
                schema_version: row.schema_version,
                recorded_at: row.recorded_at,
                metadata: row.metadata.0,
            },
            partition: row.partition,
            data: row.data,
        }
    }
}

impl Stored {
    /// Opens the payload. The outer error is the vault's (try again), the inner one the fact's own (park it).
    pub async fn open(self, vault: &Vault) -> Result<Result<Recorded, (Envelope, Unreadable)>, Fault> {
        let e = &self.envelope;
        let payload = match vault.open(e.user_id, e.event_id, &e.wire_type, &self.data).await {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ok(Ok(Recorded { envelope: self.envelope, content: Content::Forgotten })),
            Err(Fault::Corrupt { source, .. }) => {
                return Ok(Err((self.envelope, Unreadable::Seal(source.to_string()))));
            }
            Err(fault) => return Err(fault),
        };
        Ok(match Event::decode(&e.wire_type, e.schema_version, &payload) {
            Ok(event) => Ok(Recorded { envelope: self.envelope, content: Content::Open(event) }),
            Err(error) => Err((self.envelope, error.into())),
        })
    }

    /// Opens a batch, loading the keys it needs in one round trip.
    pub async fn open_all(
        batch: Vec<Self>,
        vault: &Vault,
    ) -> Result<Vec<Result<Recorded, (Envelope, Unreadable)>>, Fault> {
        let keys = batch.iter().filter_map(|s| Some((s.envelope.user_id, vault::key_number(&s.data).ok()?)));
        vault.warm(keys).await?;
        let mut opened = Vec::with_capacity(batch.len());
        for stored in batch {
            opened.push(stored.open(vault).await?);
        }
        Ok(opened)
    }
}
