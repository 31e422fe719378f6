//! Where the messages of a mailbox come to lie.

use std::collections::HashMap;

use orbit_adapters::mailbox::Item;
use orbit_events::emails::{Role, Where};

use crate::ingest::{Cause, Fault, Ingest};

/// Most folders that one import makes. What lies in others comes into the inbox.
const FOLDERS: usize = 500;

/// The folders of one import, made when the first message lies in them.
pub struct Places<'a> {
    ingest: &'a Ingest,
    cause: Cause,
    /// Where all of it goes, whatever the mailbox says.
    wanted: Option<String>,
    known: HashMap<String, Where>,
}

impl<'a> Places<'a> {
    /// Sees to it that Orbit's own folders are there.
    pub async fn new(ingest: &'a Ingest, cause: Cause, wanted: Option<String>) -> Result<Self, Fault> {
        ingest.ensure_folders(&cause).await?;
        Ok(Self { ingest, cause, wanted, known: HashMap::new() })
    }

    /// Where a message lies: what was thrown away, in the trash.
    pub async fn of(&mut self, item: &Item) -> Result<Where, Fault> {
        if item.trashed {
            return Ok(self.ingest.place(self.cause.user, Role::Trash));
        }
        let Some(path) = self.wanted.as_ref().or(item.folder.as_ref()) else {
            return Ok(self.ingest.place(self.cause.user, Role::Inbox));
        };
        if let Some(place) = self.known.get(path) {
            return Ok(*place);
        }
        if self.known.len() >= FOLDERS {
            return Ok(self.ingest.place(self.cause.user, Role::Inbox));
        }
        let place = self.ingest.ensure_folder(&self.cause, path).await?;
        self.known.insert(path.clone(), place);
        Ok(place)
    }
}
