//! Orbit's own folders: six for every user, known by their roles, and those that come with imports, known by their names.

use orbit_domain::emails::{Folder, folder::Command};
use orbit_event_store::{Mode, Unit};
use orbit_events::{
    FolderId, UserId,
    emails::{Role, Where, folder::Observed},
};
use orbit_platform::ids;
use uuid::Uuid;

use super::{Cause, Fault, Ingest};

/// Scope of the keyed hash that gives folders their ids.
const IDS: &str = "folders.id";
/// Most characters of a folder's path, as the rules have it.
const PATH: usize = 1_000;

/// Orbit's own folders: path and name. Trash and archive are marks of an e-mail, and folders for what comes in as such.
const LOCAL: [(Role, &str, &str); 6] = [
    (Role::Inbox, "inbox", "Inbox"),
    (Role::Sent, "sent", "Sent"),
    (Role::Drafts, "drafts", "Drafts"),
    (Role::Archive, "archive", "Archive"),
    (Role::Trash, "trash", "Trash"),
    (Role::Junk, "junk", "Junk"),
];

impl Ingest {
    /// Sees to it that Orbit's own folders are there; a second time nothing happens.
    pub async fn ensure_folders(&self, cause: &Cause) -> Result<(), Fault> {
        let seen = |(role, path, name): (Role, &str, &str)| observed(role, path, name);
        self.observe(cause, &LOCAL.map(seen)).await
    }

    /// Sees to it that a folder of the user's own is there, and says where it is. `path` has `/` between the names of
    /// folders in folders; one that is called as one of Orbit's own is that one, and what has no name is the inbox.
    pub async fn ensure_folder(&self, cause: &Cause, path: &str) -> Result<Where, Fault> {
        // As the rules write it: what it is called must not depend on what they take out of it.
        let line = path.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control());
        let path = line.take(PATH).collect::<String>();
        let path = path.trim();
        if path.is_empty() {
            return Ok(self.place(cause.user, Role::Inbox));
        }
        if let Some((role, _, _)) = LOCAL.iter().find(|(_, local, _)| path.eq_ignore_ascii_case(local)) {
            return Ok(self.place(cause.user, *role));
        }
        let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path);
        self.observe(cause, &[observed(Role::Other, path, name)]).await?;
        Ok(Where { folder_id: self.folder_id(cause.user, path), role: Role::Other })
    }

    /// Where what has this role lies among Orbit's own folders; what has none of theirs, in the inbox.
    pub fn place(&self, user: UserId, role: Role) -> Where {
        let (role, path) = LOCAL
            .iter()
            .find(|(local, _, _)| *local == role)
            .map_or((Role::Inbox, "inbox"), |(role, path, _)| (*role, *path));
        Where { folder_id: self.folder_id(user, path), role }
    }

    async fn observe(&self, cause: &Cause, all: &[Observed]) -> Result<(), Fault> {
        let decide = |unit: Unit| async move {
            for seen in all {
                let id = self.folder_id(cause.user, &seen.path);
                unit.decide::<Folder>(id.0, Command::Observe(seen.clone())).await?;
            }
            Ok::<(), Fault>(())
        };
        self.store.transact(self.origin(cause), Mode::default(), decide).await?;
        Ok(())
    }

    /// A local folder has the same id wherever and however often it is met, and nobody else's has it.
    fn folder_id(&self, user: UserId, path: &str) -> FolderId {
        let what = [user.0.as_bytes(), Uuid::nil().as_bytes(), path.as_bytes()].concat();
        FolderId(ids::derived(0, &self.store.vault().hash(IDS, &what)))
    }
}

fn observed(role: Role, path: &str, name: &str) -> Observed {
    let delimiter = (role == Role::Other).then(|| "/".to_owned());
    Observed { connection_id: None, path: path.to_owned(), name: name.to_owned(), role, delimiter }
}
