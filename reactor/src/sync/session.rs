//! A connection at work: the server, the book, and the facts that follow.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use orbit_adapters::imap::{Client, Resync, Selected};
use orbit_domain::emails::{
    Email, Folder as FolderStream,
    email::{Command, Observed},
    folder,
};
use orbit_event_store::{EventStore, Mode, Refused, Unit};
use orbit_events::FolderId;
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    Fault,
    book::{Folder, Pages},
    keywords,
};
use crate::ingest::{Cause, Ingest};

/// E-mails in a unit of work.
const UNIT: usize = 64;
/// Before looking again whether the log has been read on.
const MOMENT: Duration = Duration::from_millis(10);

/// Beats with every step, so that somebody notices when there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse(Arc<Beats>);

#[derive(Debug, Default)]
struct Beats {
    count: AtomicU64,
    resting: AtomicBool,
}

impl Pulse {
    /// Something moved.
    pub fn beat(&self) {
        self.0.resting.store(false, Ordering::Relaxed);
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Until the next beat nothing has to move.
    pub fn rest(&self) {
        self.0.resting.store(true, Ordering::Relaxed);
    }

    /// How often it has beaten; `None` while nothing has to move.
    pub fn beats(&self) -> Option<u64> {
        (!self.0.resting.load(Ordering::Relaxed)).then(|| self.0.count.load(Ordering::Relaxed))
    }
}

/// How an e-mail was seen there.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    pub observed: Observed,
    /// Labels that came and went.
    pub labels: keywords::Change,
}

/// An account that is being kept in step.
pub(super) struct Session {
    pub client: Client,
    /// Whether the server tells what went (QRESYNC).
    pub resyncs: bool,
    pub pages: Pages,
    pub store: EventStore,
    pub ingest: Ingest,
    pub cause: Cause,
    pub pulse: Pulse,
    /// How long it is from pass to pass.
    pub poll: Duration,
    /// The folder that is open.
    pub open: Option<FolderId>,
    /// Whether messages in it may have whatever keywords.
    pub takes_keywords: bool,
    /// E-mails that came in.
    pub created: u64,
}

impl Session {
    /// Opens a folder.
    pub async fn select(&mut self, folder: &Folder, resync: Option<&Resync>) -> Result<Selected, Fault> {
        self.open = None;
        let selected = self.client.select(&folder.path, resync).await?;
        self.open = Some(folder.id);
        self.takes_keywords = selected.takes_keywords;
        self.pulse.beat();
        Ok(selected)
    }

    /// Records how e-mails are there. Where one was changed here and the server is still to be told, what was done here
    /// holds; that it is there no more, holds anyway.
    pub async fn observe(&self, seen: &[(Uuid, Sight)]) -> Result<(), Fault> {
        for seen in seen.chunks(UNIT) {
            let origin = self.cause.origin(self.store.clock().now());
            self.store.transact(origin, Mode::default(), |unit| self.take_over(unit, seen)).await?;
            self.pulse.beat();
        }
        Ok(())
    }

    async fn take_over(&self, unit: Unit, seen: &[(Uuid, Sight)]) -> Result<(), Fault> {
        // First what it is decided on: of whatever led there it is then known whether it was done here, and what is done
        // later makes this be decided again.
        for (id, _) in seen {
            unit.load::<Email>(*id).await?;
        }
        let ids: Vec<Uuid> = seen.iter().map(|(id, _)| *id).collect();
        let changed_here = self.changed_here(&ids).await?;
        for (id, sight) in seen.iter().filter(|(id, sight)| sight.observed.gone || !changed_here.contains(id)) {
            let email = if sight.labels.is_nothing() { None } else { unit.load::<Email>(*id).await? };
            let present = email.as_ref().and_then(|email| email.state.present());
            let labels = present.and_then(|present| sight.labels.of(&present.labels));
            let observed = Observed { labels, ..sight.observed.clone() };
            match unit.decide::<Email>(*id, Command::Observe(observed)).await {
                // What is no e-mail here cannot be one there.
                Ok(_) | Err(Refused::Rejected(_)) => {}
                Err(Refused::Fault(fault)) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    /// Those of these e-mails that were changed here up to now, and the server is still to be told.
    async fn changed_here(&self, emails: &[Uuid]) -> Result<HashSet<Uuid>, Fault> {
        let head = self.store.log().head().await?.position;
        while self.pages.known_up_to().await? < head {
            sleep(MOMENT).await;
        }
        Ok(self.pages.changed_of(emails).await?)
    }

    /// Records what is known of a folder.
    pub async fn folder_fact(&self, id: FolderId, command: folder::Command) -> Result<(), Fault> {
        let decide = |unit: Unit| {
            let command = command.clone();
            async move {
                match unit.decide::<FolderStream>(id.0, command).await {
                    Ok(_) | Err(Refused::Rejected(_)) => Ok(()),
                    Err(Refused::Fault(fault)) => Err(fault),
                }
            }
        };
        let origin = self.cause.origin(self.store.clock().now());
        self.store.transact(origin, Mode::default(), decide).await?;
        Ok(())
    }
}
