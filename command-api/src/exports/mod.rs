//! Making archives of everything about a user, in the background: one at a time in each process, whoever asked for them.
//!
//! A process that stops gives its job back; one that dies leaves it, and another begins it anew a minute later.

mod archive;

use std::{sync::Arc, time::Duration};

use orbit_adapters::blobs::Blobs;
use orbit_event_store::{
    EventStore, Fault,
    exports::{Export, Exports},
};
use orbit_platform::{ids, shutdown::Shutdown};
use tokio::sync::Notify;
use uuid::Uuid;

/// How often a process looks for jobs that were asked for elsewhere, or that a dead one has left.
const POLL: Duration = Duration::from_secs(10);

/// Wakes the task when an archive was asked for. Clones wake the same.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Looks for jobs at once.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Makes archives until `shutdown`.
pub async fn run(store: EventStore, blobs: Option<Blobs>, wake: Wake, shutdown: Shutdown) {
    let (exports, worker) = (store.exports(), ids::new_event_id());
    loop {
        match exports.take(worker).await {
            Ok(Some(export)) => {
                work(&store, blobs.as_ref(), &exports, &export, worker, &shutdown).await;
                if !shutdown.is_cancelled() {
                    continue;
                }
            }
            Ok(None) => {}
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "looking for exports failed, will try again");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = wake.0.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn work(
    store: &EventStore,
    blobs: Option<&Blobs>,
    exports: &Exports,
    export: &Export,
    worker: Uuid,
    shutdown: &Shutdown,
) {
    let made = tokio::select! {
        // Aside from the stack: compressing takes some space.
        made = Box::pin(archive::make(store, blobs, exports, export, worker)) => Some(made),
        () = shutdown.cancelled() => None,
    };
    let failed = match made {
        Some(Ok(true)) => return tracing::info!(export = %export.id, "an export is complete"),
        // Another worker has it, or its user is gone.
        Some(Ok(false) | Err(Fault::Forgotten)) => return,
        Some(Err(fault)) => Some(fault),
        None => None,
    };
    if let Some(fault) = failed {
        tracing::warn!(error = &fault as &dyn std::error::Error, export = %export.id, "an export failed");
    }
    if let Err(fault) = exports.give_back(export, worker).await {
        // Then it is taken for dead in a minute.
        tracing::warn!(error = &fault as &dyn std::error::Error, "an export was not given back");
    }
}
