//! Messages among the blobs, to be opened with their owner's key.

use std::ops::Range;

use axum::body::Bytes;
use futures_util::Stream;
use orbit_adapters::blobs::{Blobs, Fault, Key, Place};
use orbit_events::{UserId, emails::BlobRef};
use orbit_platform::problem::ApiError;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    past,
    reader::{Context, Reader},
};

/// The setting that says where they lie.
const SETTING: &str = "ORBIT_BLOBS";
/// Messages that are held whole at once, by all requests: of the largest, a few hundred megabytes.
const WHOLE_AT_ONCE: usize = 8;

static WHOLE: Semaphore = Semaphore::const_new(WHOLE_AT_ONCE);

/// A message of the caller's, as it came.
#[derive(Clone, Debug)]
pub struct Stored {
    blobs: Blobs,
    owner: Uuid,
    key: Key,
    place: Place,
}

impl Stored {
    /// Finds the store and the key. 501 if it was not said where messages lie.
    pub async fn open<C: Context>(reader: &Reader<C>, raw: &BlobRef) -> Result<Self, ApiError> {
        let blobs = reader.reads().blobs().ok_or_else(|| ApiError::not_configured(SETTING))?.clone();
        let place =
            place(raw).ok_or_else(|| ApiError::internal("what is kept of a message names no place of a blob"))?;
        let owner = reader.user_id();
        let key = reader.reads().vault().blob_key_of(UserId(owner), place.key).await.map_err(past::explain)?;
        // Forgotten while it was asked for.
        let key = key.ok_or_else(ApiError::invalid_token)?;
        let key = Key { number: key.number, bytes: key.bytes };
        Ok(Self { blobs, owner, key, place })
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.place.length
    }

    /// A part of it, piece by piece.
    pub fn stream(&self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, Fault>> + Send + 'static + use<> {
        self.blobs.stream(self.owner, &self.key, &self.place, range)
    }

    /// Reads all of it and makes something of it, on a thread where that may take its time.
    pub async fn read<T: Send + 'static>(
        &self,
        make: impl FnOnce(Vec<u8>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _permit = WHOLE.acquire().await.map_err(ApiError::internal)?;
        let raw = self.blobs.read(self.owner, &self.key, &self.place, 0..self.place.length).await.map_err(explain)?;
        tokio::task::spawn_blocking(move || make(raw)).await.map_err(ApiError::internal)
    }
}

fn place(raw: &BlobRef) -> Option<Place> {
    let BlobRef { key, offset, length, chunk, .. } = *raw;
    Some(Place { pack: raw.pack_id()?, key, offset, length, chunk, sha256: raw.digest()? })
}

/// The store's faults, as answers. What is gone or wrong is for a person to look at.
pub fn explain(fault: Fault) -> ApiError {
    match fault {
        Fault::Io { .. } => ApiError::unavailable("the store of messages").with_source(fault),
        Fault::Content(_) | Fault::Missing | Fault::Corrupt | Fault::TooLarge => ApiError::internal(fault),
    }
}
