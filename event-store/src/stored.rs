//! A fact as it lies in the log or travels on `JetStream`: envelope in the clear, payload sealed.

use chrono::{DateTime, Utc};
use orbit_events::{
    Content, DecodeError, Envelope, Event, EventId, Fact, Metadata, Outward, Partition, Recorded, UserId,
};
use sqlx::{FromRow, Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::{Fault, Vault, vault};

/// Facts that are opened before others get their turn on this thread: half a millisecond.
const BETWEEN_TURNS: usize = 100;

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

impl Unreadable {
    /// Why, as a code that may be told to anybody.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(DecodeError::UnknownType(_)) => "unknown_type",
            Self::Decode(DecodeError::NewerSchema { .. }) => "newer_version",
            Self::Decode(DecodeError::Payload { .. }) => "malformed",
            Self::Seal(_) => "does_not_open",
        }
    }
}

/// A fact that was read, with its payload; or what is known of one that cannot be read.
pub type Opened<E = Event> = Result<Recorded<E>, (Envelope, Unreadable)>;

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

/// For statements that are put together at run time: those that select [`Stored::COLUMNS`].
impl FromRow<'_, PgRow> for Stored {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let row = Row {
            position: row.try_get("position")?,
            event_id: row.try_get("event_id")?,
            user_id: row.try_get("user_id")?,
            partition: row.try_get("partition")?,
            category: row.try_get("category")?,
            stream_id: row.try_get("stream_id")?,
            version: row.try_get("version")?,
            wire_type: row.try_get("type")?,
            schema_version: row.try_get("schema_version")?,
            data: row.try_get("data")?,
            metadata: row.try_get::<Json<Metadata>, _>("metadata")?,
            recorded_at: row.try_get("recorded_at")?,
        };
        Ok(row.into())
    }
}

impl Stored {
    /// The columns of a fact `e` of `log.events` that its [`FromRow`] reads.
    pub const COLUMNS: &'static str = "e.position, e.event_id, e.user_id, e.partition, e.category, e.stream_id, \
        e.version, e.type, e.schema_version, e.data, e.metadata, e.recorded_at";

    /// Opens the payload. The outer error is the vault's (try again), the inner one the fact's own (park it).
    pub async fn open(self, vault: &Vault) -> Result<Opened, Fault> {
        self.open_with(vault, Event::decode).await
    }

    /// Opens the payload of a fact of one aggregate; one of another is of an unknown type.
    pub async fn open_as<E: Fact>(self, vault: &Vault) -> Result<Opened<E>, Fault> {
        self.open_with(vault, E::decode).await
    }

    async fn open_with<E>(
        self,
        vault: &Vault,
        decode: impl FnOnce(&str, i16, &[u8]) -> Result<E, DecodeError>,
    ) -> Result<Opened<E>, Fault> {
        let e = &self.envelope;
        let payload = match vault.open(e.user_id, e.event_id, &e.wire_type, &self.data).await {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ok(Ok(Recorded { envelope: self.envelope, content: Content::Forgotten })),
            Err(Fault::Corrupt { source, .. }) => {
                return Ok(Err((self.envelope, Unreadable::Seal(source.to_string()))));
            }
            Err(fault) => return Err(fault),
        };
        Ok(match decode(&e.wire_type, e.schema_version, &payload) {
            Ok(event) => Ok(Recorded { envelope: self.envelope, content: Content::Open(event) }),
            Err(error) => Err((self.envelope, error.into())),
        })
    }

    /// Opens a batch, loading the keys it needs in one round trip. Others get their turn on this thread now and then.
    pub async fn open_all(batch: Vec<Self>, vault: &Vault) -> Result<Vec<Opened>, Fault> {
        let keys = batch.iter().filter_map(|s| Some((s.envelope.user_id, vault::key_number(&s.data).ok()?)));
        vault.warm(keys).await?;
        let mut opened = Vec::with_capacity(batch.len());
        for (number, stored) in batch.into_iter().enumerate() {
            if number % BETWEEN_TURNS == BETWEEN_TURNS - 1 {
                tokio::task::yield_now().await;
            }
            opened.push(stored.open(vault).await?);
        }
        Ok(opened)
    }

    /// A batch as it leaves Orbit. Facts that cannot be read are told as such: none is left out.
    pub async fn tell_all(batch: Vec<Self>, vault: &Vault) -> Result<Vec<Outward>, Fault> {
        let opened = Self::open_all(batch, vault).await?;
        Ok(opened
            .into_iter()
            .map(|opened| match opened {
                Ok(fact) => fact.outward(),
                Err((envelope, why)) => Outward::unreadable(&envelope, why.code()),
            })
            .collect())
    }
}
