//! What folders of mailboxes elsewhere are for: as their server says, or as they are called.

use std::collections::HashSet;

use orbit_adapters::imap::{Folder, Use};
use orbit_domain::emails::folder::AT_MOST;
use orbit_events::emails::Role;

/// What folders are often called whose server does not say what they are for.
const NAMES: [(Role, &[&str]); 5] = [
    (
        Role::Sent,
        &["sent", "sent items", "sent mail", "sent messages", "gesendet", "gesendete elemente", "envoyés", "enviados"],
    ),
    (Role::Drafts, &["drafts", "draft", "entwürfe", "brouillons", "borradores"]),
    (Role::Archive, &["archive", "archives", "archiv"]),
    (Role::Trash, &["trash", "deleted items", "deleted messages", "papierkorb", "corbeille", "papelera"]),
    (Role::Junk, &["junk", "spam", "junk e-mail", "junk email", "bulk mail"]),
];

/// A folder's own name, without those it lies in.
pub(crate) fn last_name(folder: &Folder) -> &str {
    let delimiter = folder.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let last = delimiter.and_then(|delimiter| folder.name.rsplit(delimiter).next());
    last.filter(|name| !name.is_empty()).unwrap_or(&folder.name)
}

/// Folders that can be opened and hold what lies nowhere else, and what each is for: what the server says; where it says
/// of none, what the first one is called.
pub(crate) fn with_roles(listed: &[Folder]) -> Vec<(&Folder, Role)> {
    let special = |folder: &Folder| match folder.special {
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

    fn folder(name: &str, special: Option<Use>) -> Folder {
        Folder {
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
            Folder { selectable: false, ..folder("Work", None) },
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
