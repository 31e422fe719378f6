//! Once a day: what dead writers left behind, and blobs of users who were forgotten while nobody could delete them.

use std::time::Duration;

use orbit_adapters::blobs::{self, Blobs};
use orbit_event_store::{EventStore, Vault};
use orbit_platform::shutdown::Shutdown;
use uuid::Uuid;

/// How often.
const PAUSE: Duration = Duration::from_hours(24);
/// Users whose keys are looked at in one question.
const USERS: usize = 1_000;

/// Why it was cut short.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The vault.
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    /// The blobs.
    #[error(transparent)]
    Blobs(#[from] blobs::Fault),
}

/// Sweeps until `shutdown`.
pub async fn run(store: EventStore, blobs: Blobs, shutdown: Shutdown) {
    loop {
        match sweep(store.vault(), &blobs).await {
            Ok(0) => {}
            Ok(users) => tracing::info!(users, "deleted what forgotten users had stored"),
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "sweeping the blobs failed, will try again");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Sweeps once; says of how many users something was left. Nobody could read it: their keys are destroyed.
pub async fn sweep(vault: &Vault, blobs: &Blobs) -> Result<u64, Fault> {
    blobs.clear_leftovers().await?;
    let (owners, mut users): (Vec<Uuid>, u64) = (blobs.owners().await?, 0);
    for some in owners.chunks(USERS) {
        for user in vault.forgotten(some).await? {
            blobs.forget(user).await?;
            users += 1;
        }
    }
    Ok(users)
}
