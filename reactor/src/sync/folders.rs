//! Which folders there are, and what each is for.

use std::collections::HashSet;

use orbit_adapters::imap;
use orbit_domain::emails::folder::Command;
use orbit_events::{
    ConnectionId, FolderId,
    emails::{Role, folder::Observed},
};
use orbit_platform::ids;

use super::{Fault, book::Folder, session::Session};
use crate::roles::{last_name, with_roles};

/// Scope of the keyed hash that gives folders their ids.
const IDS: &str = "folders.id";
/// A folder that the server does not list in so many passes after the first is no more: once may be a mistake.
const MISSED: i32 = 1;

impl Session {
    /// Asks for the folders, and writes down which came, went or became something else. Folders that hold what lies
    /// elsewhere too (all mail, what is flagged) are left out.
    pub async fn list_folders(&mut self) -> Result<Vec<Folder>, Fault> {
        let listed = self.client.list().await?;
        self.pulse.beat();
        let known = self.pages.folders().await?;
        let is_whole = listed.iter().any(imap::Folder::is_inbox);
        let mut there = HashSet::new();
        for (folder, role) in with_roles(&listed) {
            let id = self.folder_id(&folder.path);
            there.insert(id);
            let so_already = known
                .iter()
                .any(|known| (known.id, &known.path, known.role, known.missed) == (id, &folder.path, role, 0));
            if !so_already {
                self.folder_is_there(folder, role).await?;
            }
        }
        for gone in known.iter().filter(|known| is_whole && !there.contains(&known.id)) {
            if gone.missed < MISSED {
                self.pages.folder_was_missed(gone.id).await?;
            } else {
                self.folder_fact(gone.id, Command::Remove).await?;
                self.pages.folder_is_gone(gone.id).await?;
            }
        }
        let all = self.pages.folders().await?;
        Ok(all.into_iter().filter(|folder| there.contains(&folder.id)).collect())
    }

    /// A folder for this, which is made if there is none; `None` if the server does not make one.
    pub async fn folder_for(&mut self, folders: &[Folder], role: Role) -> Result<Option<FolderId>, Fault> {
        if let Some(folder) = folders.iter().find(|folder| folder.role == role) {
            return Ok(Some(folder.id));
        }
        let name = match role {
            Role::Archive => "Archive",
            Role::Trash => "Trash",
            Role::Inbox | Role::Sent | Role::Drafts | Role::Junk | Role::Other => return Ok(None),
        };
        match self.client.create(name.as_bytes()).await {
            Ok(()) => {}
            // Some want it below another one. What is archived here stays where it lies there.
            Err(orbit_adapters::net::Fault::Refused(_)) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        }
        let folder = imap::Folder {
            path: name.as_bytes().to_vec(),
            name: name.to_owned(),
            delimiter: None,
            special: None,
            selectable: true,
        };
        self.folder_is_there(&folder, role).await?;
        Ok(Some(self.folder_id(&folder.path)))
    }

    async fn folder_is_there(&self, folder: &imap::Folder, role: Role) -> Result<(), Fault> {
        let id = self.folder_id(&folder.path);
        let observed = Observed {
            connection_id: Some(ConnectionId(self.pages.connection_id)),
            path: folder.name.clone(),
            name: last_name(folder).to_owned(),
            role,
            delimiter: folder.delimiter.clone(),
        };
        self.folder_fact(id, Command::Observe(observed)).await?;
        Ok(self.pages.folder_is_there(id, &folder.path, role).await?)
    }

    /// The same folder has the same id, however often its account is connected with.
    fn folder_id(&self, path: &[u8]) -> FolderId {
        let what = [self.pages.user_id.as_bytes(), self.pages.connection_id.as_bytes(), path].concat();
        FolderId(ids::derived(0, &self.store.vault().hash(IDS, &what)))
    }
}
