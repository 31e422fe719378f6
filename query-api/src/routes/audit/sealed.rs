//! Waiting for the sealer: it is behind the head by a fraction of a second, at most two.

use std::time::Duration;

use orbit_event_store::{Log, proof::Seal};
use orbit_platform::problem::ApiError;

use super::{Audit, explain, unfit};
use crate::reader::Reader;

/// How often a waiting request looks for a newer checkpoint.
const POLL: Duration = Duration::from_millis(50);

/// The newest checkpoint, once it covers this position and that of `Orbit-Min-Position`. 503 `not_sealed` when the time
/// is up.
pub(super) async fn upto(reader: &Reader<Audit>, position: i64) -> Result<Seal, ApiError> {
    let wanted = position.max(reader.min_position().unwrap_or(0));
    loop {
        let newest = Seal::newest(&mut *reader.log().await?).await.map_err(explain)?;
        let at = newest.as_ref().map_or(0, |seal| seal.size);
        if let Some(seal) = newest.filter(|seal| seal.size >= wanted) {
            return Ok(seal);
        }
        if reader.patience_left().is_zero() {
            return Err(ApiError::not_sealed(wanted, at));
        }
        tokio::time::sleep(POLL.min(reader.patience_left())).await;
    }
}

/// As [`upto`] a tree's size that a client has named: 400 for a size that the log itself has not.
pub(super) async fn size(reader: &Reader<Audit>, name: &str, size: i64) -> Result<Seal, ApiError> {
    let newest = upto(reader, 0).await?;
    if newest.size >= size {
        return Ok(newest);
    }
    let head = Log::new(reader.pool().clone()).head().await.map_err(explain)?.position;
    if size > head {
        return Err(unfit(name, format!("the log ends at {head}")));
    }
    upto(reader, size).await
}
