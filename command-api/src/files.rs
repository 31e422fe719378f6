//! Files and mailboxes among the blobs: taken in from a request, and where they lie as facts write it.

use std::io;

use axum::body::Body;
use futures_util::TryStreamExt;
use orbit_adapters::blobs::{Fault, Key, Place};
use orbit_event_store::BlobKey;
use orbit_events::{UserId, emails::BlobRef};
use orbit_platform::problem::{ApiError, kinds};

use crate::{error::Result, state::AppState};

/// Stores a body as it comes, sealed with its owner's key. One that is larger than `limit` leaves nothing.
pub(crate) async fn store(app: &AppState, owner: UserId, body: Body, limit: u64) -> Result<Place> {
    let blobs = app.blobs()?;
    let key = key(app.store.vault().blob_key(owner).await?);
    let content = body.into_data_stream().map_err(io::Error::other);
    let stored = blobs.put(owner.0, &key, content, limit).await;
    Ok(stored.map_err(|fault| match fault {
        Fault::TooLarge => too_large(limit),
        Fault::Content(_) => {
            ApiError::of(&kinds::INVALID_REQUEST, "the body ended before it was complete").with_source(fault)
        }
        fault @ (Fault::Io { .. } | Fault::Missing | Fault::Corrupt) => {
            ApiError::unavailable("the store of messages and files").with_source(fault)
        }
    })?)
}

/// What is said of a body that is larger than this.
pub(crate) fn too_large(limit: u64) -> ApiError {
    ApiError::body_too_large(usize::try_from(limit).ok())
}

/// As facts write it.
pub(crate) fn reference(place: &Place) -> BlobRef {
    BlobRef {
        pack: place.pack.simple().to_string(),
        key: place.key,
        offset: place.offset,
        length: place.length,
        chunk: place.chunk,
        sha256: BlobRef::written(&place.sha256),
    }
}

/// As the store knows it; `None` if what is written is none.
pub(crate) fn place(reference: &BlobRef) -> Option<Place> {
    let BlobRef { key, offset, length, chunk, .. } = *reference;
    Some(Place { pack: reference.pack_id()?, key, offset, length, chunk, sha256: reference.digest()? })
}

/// A user's key, as the store of blobs takes it.
pub(crate) fn key(BlobKey { number, bytes }: BlobKey) -> Key {
    Key { number, bytes }
}
