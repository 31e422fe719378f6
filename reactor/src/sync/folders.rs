//! Which folders there are, and what each is for.

use std::collections::HashSet;

use orbit_adapters::imap::{self, Use};
use orbit_domain::emails::folder::{AT_MOST, Command};
use orbit_events::{
    ConnectionId, FolderId,
    emails::{Role, folder::Observed},
};
use orbit_platform::ids;

use super::{Fault, book::Folder, session::Session};

/// Scope of the keyed hash that gives folders their ids.
const IDS: &str = "folders.id";
/// A folder that the server does not list in so many passes after the first is no more: once may be a mistake.
const MISSED: i32 = 1;

/// What folders are often called whose server does not say what they are for.
const NAMES: [(Role, &[&str]); 5] = [
    (Role::Sent, &["sent", "sent items", "sent mail", "sent messages", "gesendet", "envoyés", "enviados"]),
    (Role::Drafts, &["drafts", "draft", "entwürfe", "brouillons", "borradores"]),
    (Role::Archive, &["archive", "archives", "archiv"]),
    (Role::Trash, &["trash", "deleted items", "deleted messages", "papierkorb", "corbeille", "papelera"]),
    (Role::Junk, &["junk", "spam", "junk e-mail", "junk email", "bulk mail"]),
];

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

/// A folder's own name, without those it lies in.
fn last_name(folder: &imap::Folder) -> &str {
    let delimiter = folder.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let last = delimiter.and_then(|delimiter| folder.name.rsplit(delimiter).next());
    last.filter(|name| !name.is_empty()).unwrap_or(&folder.name)
}

/// Folders that can be opened and hold what lies nowhere else, and what each is for: what the server says; where it says
/// of none, what the first one is called.
fn with_roles(listed: &[imap::Folder]) -> Vec<(&imap::Folder, Role)> {
    let special = |folder: &imap::Folder| match folder.special {
        Some(Use::Archive) => Some(Role::Archive),
        Some(Use::Drafts) => Some(Role::Drafts),
        Some(Use::Junk) => Some(Role::Junk),
        Some(Use::Sent) => Some(Role::Sent),
        Some(Use::Trash) => Some(Role::Trash),
        Some(Use::All | Use::Flagged) | None => None,
    };
    let mut given: HashSet<Role> = listed.iter().filter_map(special).collect();
    let folders =
        listed.iter().filter(|folder| folder.selectable && !matches!(folder.special, Some(Use::All | Use::Flagged)));
    let with_role = folders.map(|folder| {
        let called = || {
            let name = last_name(folder).to_lowercase();
            NAMES.iter().find(|(role, names)| !given.contains(role) && names.contains(&name.as_str()))
        };
        let role = if folder.is_inbox() {
            Role::Inbox
        } else if let Some(role) = special(folder) {
            role
        } else if let Some((role, _)) = called() {
            given.insert(*role);
            *role
        } else {
            Role::Other
        };
        (folder, role)
    });
    with_role.take(AT_MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, special: Option<Use>) -> imap::Folder {
        imap::Folder {
            path: name.as_bytes().to_vec(),
            name: name.to_owned(),
            delimiter: Some("/".to_owned()),
            special,
            selectable: true,
        }
    }

    #[test]
    fn what_a_server_says_of_a_folder_outweighs_what_it_is_called() {
        let listed = [
            folder("INBOX", None),
            folder("Spam", None),
            folder("Rubbish", Some(Use::Trash)),
            folder("Trash", None),
            folder("Work/Sent Items", None),
            folder("Sent", None),
            folder("Everything", Some(Use::All)),
            imap::Folder { selectable: false, ..folder("Work", None) },
        ];
        let roles: Vec<_> = with_roles(&listed).into_iter().map(|(folder, role)| (&*folder.name, role)).collect();
        assert_eq!(
            roles,
            [
                ("INBOX", Role::Inbox),
                ("Spam", Role::Junk),
                ("Rubbish", Role::Trash),
                ("Trash", Role::Other),
                ("Work/Sent Items", Role::Sent),
                ("Sent", Role::Other),
            ]
        );
    }
}
