//! A pass over an account: what was changed here is told first, then each folder is compared, and what is then still
//! missing was deleted there.

use orbit_domain::emails::email::Observed;
use orbit_events::emails::Where;
use uuid::Uuid;

use super::{
    Fault,
    book::Folder,
    session::{Session, Sight},
};

/// E-mails looked for at a time.
const MISSING: i64 = 256;

impl Session {
    /// All of it; gives back the folders. An e-mail that is not where it was is called deleted only when every folder was
    /// looked at and none has it.
    pub async fn pass(&mut self) -> Result<Vec<Folder>, Fault> {
        let folders = self.list_folders().await?;
        self.tell(&folders).await?;
        let mut is_complete = true;
        for folder in &folders {
            is_complete &= self.compare(folder).await?;
        }
        if is_complete {
            self.account_for_missing().await?;
        }
        self.pages.succeeded(self.store.clock().now()).await?;
        metrics::counter!("orbit_sync_passes_total", "outcome" => if is_complete { "complete" } else { "partial" })
            .increment(1);
        // How far each is has changed.
        let known = self.pages.folders().await?;
        Ok(known.into_iter().filter(|known| folders.iter().any(|f| f.id == known.id)).collect())
    }

    /// Says of e-mails that are not where they were, where they are, or that they are no more.
    async fn account_for_missing(&self) -> Result<(), Fault> {
        loop {
            let missing = self.pages.missing(MISSING).await?;
            if missing.is_empty() {
                return Ok(());
            }
            let seen = missing.iter().map(|lost| {
                let place = lost.place.map(|(folder_id, role)| Where { folder_id, role });
                let observed = Observed { place, gone: place.is_none(), ..Observed::default() };
                (lost.email_id, Sight { observed, ..Sight::default() })
            });
            self.observe(&seen.collect::<Vec<_>>()).await?;
            let ids: Vec<Uuid> = missing.iter().map(|lost| lost.email_id).collect();
            self.pages.are_accounted_for(&ids).await?;
        }
    }
}
