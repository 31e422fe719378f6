//! Taking mailboxes in that were uploaded: some at a time in each process, whoever brought them.
//!
//! A process that stops gives its job back; one that dies leaves it, and another goes on a minute later. What was worked
//! off is deleted from the blobs: its messages lie in packs of their own.

mod groups;
pub mod job;
mod places;

use std::{
    io::{self, Read, Seek, SeekFrom},
    time::Duration,
};

use orbit_adapters::{
    blobs,
    mailbox::{self, Kind, Mark, Messages, sniff},
};
use orbit_event_store::{
    EventStore,
    imports::{End, Import},
};
use orbit_events::UserId;
use orbit_platform::{ids, shutdown::Shutdown};
use uuid::Uuid;

use self::job::Ended;
use crate::{
    app::Deps,
    blobs::{key, place},
    ingest::Ingest,
    wake::Wake,
};

/// Imports in work at a time: one that is large leaves room for another.
pub const AT_ONCE: usize = 2;
/// How often a process looks for jobs of which nobody told it, or that a dead one has left.
const POLL: Duration = Duration::from_secs(1);
/// The beginning of a mailbox that tells what it is.
const SNIFFED: u64 = 512;

/// Works on imports until `shutdown`.
pub async fn run(deps: Deps, mut wake: Wake, shutdown: Shutdown) {
    let worker = ids::new_event_id();
    let ingest = Ingest::new(deps.store.clone(), deps.blobs.clone());
    loop {
        match deps.store.imports().take(worker).await {
            Ok(Some(import)) => {
                metrics::gauge!("orbit_imports_running").increment(1);
                attend(&deps, &ingest, &import, worker, &shutdown).await;
                metrics::gauge!("orbit_imports_running").decrement(1);
                clear(&deps).await;
                if !shutdown.is_cancelled() {
                    continue;
                }
            }
            Ok(None) => clear(&deps).await,
            Err(fault) => {
                tracing::warn!(error = &fault as &dyn std::error::Error, "looking for imports failed, will try again");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = wake.called() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Why a job cannot go on.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Job(#[from] job::Fault),
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    #[error(transparent)]
    Blobs(#[from] blobs::Fault),
}

impl Fault {
    fn is_of_the_forgotten(&self) -> bool {
        match self {
            Self::Job(fault) => fault.is_of_the_forgotten(),
            Self::Log(fault) => matches!(fault, orbit_event_store::Fault::Forgotten),
            Self::Blobs(_) => false,
        }
    }
}

async fn attend(deps: &Deps, ingest: &Ingest, import: &Import, worker: Uuid, shutdown: &Shutdown) {
    let imports = deps.store.imports();
    let outcome = tokio::select! {
        // Aside from the stack: the steps of a job take some space.
        done = Box::pin(work(deps, ingest, import, worker)) => Some(done),
        () = shutdown.cancelled() => None,
    };
    let end = match outcome {
        Some(Ok(end)) => end,
        Some(Err(fault)) if fault.is_of_the_forgotten() => {
            // It came in while its user was being forgotten.
            if let Err(fault) = imports.forget(import.user_id).await {
                tracing::warn!(
                    error = &fault as &dyn std::error::Error,
                    "imports of a forgotten user were not deleted"
                );
            }
            return;
        }
        failed => {
            if let Some(Err(fault)) = failed {
                let error = &fault as &dyn std::error::Error;
                tracing::warn!(error, import = %import.id, "an import was cut short");
            }
            if let Err(fault) = imports.give_back(import.id, worker).await {
                // Then it is taken for dead in a minute.
                tracing::warn!(error = &fault as &dyn std::error::Error, "an import was not given back");
            }
            return;
        }
    };
    let Some(end) = end else { return };
    match imports.finish(import.id, worker, end).await {
        Ok(true) => tracing::info!(import = %import.id, ?end, "an import has ended"),
        // Another worker has it, or its user is gone.
        Ok(false) => {}
        // It is taken up again, and there is nothing left of it to do.
        Err(fault) => tracing::warn!(error = &fault as &dyn std::error::Error, "the end of an import was not noted"),
    }
}

/// How it ends; `None` if that is no longer ours to say.
async fn work(deps: &Deps, ingest: &Ingest, import: &Import, worker: Uuid) -> Result<Option<End>, Fault> {
    let Some(place) = import.upload.as_ref().and_then(place) else { return Ok(Some(End::Failed("upload_missing"))) };
    let user = UserId(import.user_id);
    let known = deps.store.vault().blob_key_of(user, place.key).await?;
    let key = key(known.ok_or(orbit_event_store::Fault::Forgotten)?);
    let mut reader = deps.blobs.reader(user.0, &key, &place)?;
    let (format, name) = (import.format.clone(), import.name.clone());
    let open = move |mark: Option<Mark>| -> io::Result<Messages> {
        let kind = match format.as_deref() {
            Some("eml") => Kind::Eml,
            Some("mbox") => Kind::Mbox,
            Some("tar") => Kind::Tar,
            Some(_) | None => {
                let mut head = Vec::new();
                reader.by_ref().take(SNIFFED).read_to_end(&mut head)?;
                reader.seek(SeekFrom::Start(0))?;
                sniff(&head, name.as_deref())
            }
        };
        mailbox::over(reader, kind, mark)
    };
    let ended = job::work(ingest, &deps.store.imports(), import, worker, open, |_| {}).await?;
    Ok(match ended {
        Ended::Complete => Some(End::Complete),
        Ended::Cancelled => Some(End::Cancelled),
        Ended::Lost => None,
    })
}

/// Deletes the bytes of uploads that were worked off.
async fn clear(deps: &Deps) {
    if let Err(fault) = clear_once(&deps.store, &deps.blobs).await {
        tracing::warn!(error = &fault as &dyn std::error::Error, "an upload that was worked off was not deleted");
    }
}

async fn clear_once(store: &EventStore, blobs: &blobs::Blobs) -> Result<(), Fault> {
    let imports = store.imports();
    for (id, user, upload) in imports.worked_off().await? {
        if let Some(pack) = upload.pack_id() {
            blobs.remove(user, pack).await?;
        }
        imports.upload_is_gone(id).await?;
    }
    Ok(())
}
