//! What was changed here reaches the server: not each change by itself, but how the e-mail is now. So it matters neither
//! how often it is told nor what was told before.

use orbit_adapters::{imap::Uids, net};
use orbit_domain::emails::{
    Email,
    email::{Present, State},
};
use orbit_events::{FolderId, emails::Role};

use super::{
    Fault,
    book::{Changed, Folder, Seen},
    folder::{READ, STARRED},
    keywords,
    session::Session,
};

/// E-mails told of at a time.
const PAGE: i64 = 100;

/// What became of telling the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It has it as it is here.
    Yes,
    /// It is not known where the e-mail lies there: the next pass finds out.
    NotYet,
}

impl Session {
    /// Tells the server what was changed here. What it refuses is tried again, and given up after some tries.
    pub async fn tell(&mut self, folders: &[Folder]) -> Result<(), Fault> {
        loop {
            let changed = self.pages.changed(PAGE).await?;
            let mut told = 0;
            for changed in &changed {
                match self.tell_of(folders, changed).await {
                    Ok(Told::Yes) => {
                        self.pages.was_told(changed).await?;
                        told += 1;
                    }
                    Ok(Told::NotYet) => {}
                    Err(Fault::Server(net::Fault::Refused(_) | net::Fault::Select(_))) => {
                        let given_up = self.pages.was_refused(changed).await?;
                        let outcome = if given_up { "given_up" } else { "refused" };
                        metrics::counter!("orbit_mail_outbound_refused_total", "outcome" => outcome).increment(1);
                        if given_up {
                            let connection = self.pages.connection_id;
                            tracing::warn!(%connection, email = %changed.email_id, "the server refuses a change for good");
                        }
                    }
                    Err(fault) => return Err(fault),
                }
                self.pulse.beat();
            }
            if told == 0 {
                return Ok(());
            }
        }
    }

    async fn tell_of(&mut self, folders: &[Folder], changed: &Changed) -> Result<Told, Fault> {
        let Some(email) = self.store.load::<Email>(changed.email_id).await? else { return Ok(Told::Yes) };
        let places = self.pages.places(changed.email_id).await?;
        if places.is_empty() && self.pages.is_missing(changed.email_id).await? {
            return Ok(Told::NotYet);
        }
        match &email.state {
            State::Absent => Ok(Told::Yes),
            State::Deleted { .. } => self.delete_there(folders, &places).await,
            State::Present(present) => {
                if self.mark_there(folders, present, &places).await? == Told::NotYet
                    || self.label_there(folders, present, &places).await? == Told::NotYet
                {
                    return Ok(Told::NotYet);
                }
                let places = self.pages.places(changed.email_id).await?;
                self.move_there(folders, present, &places).await
            }
        }
    }

    async fn delete_there(&mut self, folders: &[Folder], places: &[(FolderId, Seen)]) -> Result<Told, Fault> {
        for (folder_id, seen) in places {
            if !self.opens(folders, *folder_id).await? {
                return Ok(Told::NotYet);
            }
            self.client.delete(&one(seen.uid)).await?;
            self.pages.was_taken_away(*folder_id, seen.uid).await?;
        }
        Ok(Told::Yes)
    }

    async fn mark_there(
        &mut self,
        folders: &[Folder],
        present: &Present,
        places: &[(FolderId, Seen)],
    ) -> Result<Told, Fault> {
        let wanted = if present.is_read { READ } else { 0 } | if present.is_starred { STARRED } else { 0 };
        for (folder_id, seen) in places.iter().filter(|(_, seen)| seen.flags != Some(wanted)) {
            if !self.opens(folders, *folder_id).await? {
                return Ok(Told::NotYet);
            }
            for (bit, flag) in [(READ, "\\Seen"), (STARRED, "\\Flagged")] {
                if seen.flags.is_none_or(|flags| flags & bit != wanted & bit) {
                    self.client.store(&one(seen.uid), wanted & bit != 0, &[flag]).await?;
                }
            }
            self.pages.are_there(*folder_id, &[Seen { flags: Some(wanted), ..seen.clone() }]).await?;
        }
        Ok(Told::Yes)
    }

    /// Sets and takes away keywords, where the server takes whatever keywords. One that it refuses, by its length or since
    /// there are too many, stays a label here; nothing else waits for it.
    async fn label_there(
        &mut self,
        folders: &[Folder],
        present: &Present,
        places: &[(FolderId, Seen)],
    ) -> Result<Told, Fault> {
        for (folder_id, seen) in places {
            let (new, old) = keywords::to_tell(&seen.keywords, &present.labels);
            if new.is_empty() && old.is_empty() {
                continue;
            }
            if !self.opens(folders, *folder_id).await? {
                return Ok(Told::NotYet);
            }
            if !self.takes_keywords {
                continue;
            }
            let mut there = seen.keywords.clone();
            for (keyword, is_new) in new.iter().map(|new| (new, true)).chain(old.iter().map(|old| (old, false))) {
                match self.client.store(&one(seen.uid), is_new, &[keyword]).await {
                    Ok(()) if is_new => there.push(keyword.clone()),
                    Ok(()) => there.retain(|known| known != keyword),
                    Err(net::Fault::Refused(_)) => {
                        metrics::counter!("orbit_mail_keywords_refused_total").increment(1);
                    }
                    Err(fault) => return Err(fault.into()),
                }
            }
            // As they are seen there: in order.
            let keywords = keywords::among(&there);
            // What was marked just now is in the book, and not in what was read of it before.
            self.pages.has_keywords(*folder_id, seen.uid, &keywords).await?;
        }
        Ok(Told::Yes)
    }

    async fn move_there(
        &mut self,
        folders: &[Folder],
        present: &Present,
        places: &[(FolderId, Seen)],
    ) -> Result<Told, Fault> {
        let Some(wanted) = self.home_there(folders, present).await? else { return Ok(Told::Yes) };
        if places.iter().any(|(folder_id, _)| *folder_id == wanted) {
            return Ok(Told::Yes);
        }
        let Some((folder_id, seen)) = places.first() else { return Ok(Told::Yes) };
        // One that was made just now is not among the folders.
        let known = self.pages.folders().await?;
        let Some(target) = known.iter().find(|folder| folder.id == wanted) else { return Ok(Told::Yes) };
        if !self.opens(&known, *folder_id).await? {
            return Ok(Told::NotYet);
        }
        let told = self.client.move_to(&one(seen.uid), &target.path).await?;
        let told = told.filter(|now| target.cursor.uid_validity == Some(now.uid_validity));
        if let Some(uid) = told.and_then(|now| now.uids.iter().next()) {
            self.pages.has_moved((*folder_id, seen.uid), (wanted, uid)).await?;
        } else {
            // The server does not say where it lies now: the next pass finds out.
            self.pages.are_gone(*folder_id, &[seen.uid]).await?;
        }
        Ok(Told::Yes)
    }

    /// Where an e-mail is to lie there; `None`: where it lies.
    async fn home_there(&mut self, folders: &[Folder], present: &Present) -> Result<Option<FolderId>, Fault> {
        match present.role() {
            role @ (Role::Trash | Role::Archive) => self.folder_for(folders, role).await,
            Role::Other => Ok(folders.iter().map(|folder| folder.id).find(|id| *id == present.place.folder_id)),
            role @ (Role::Inbox | Role::Sent | Role::Drafts | Role::Junk) => {
                let itself = folders.iter().find(|folder| folder.id == present.place.folder_id);
                let alike = || folders.iter().find(|folder| folder.role == role);
                Ok(itself.or_else(alike).map(|folder| folder.id))
            }
        }
    }

    /// Opens a folder, unless it is open. Whether its UIDs mean what the book says.
    async fn opens(&mut self, folders: &[Folder], id: FolderId) -> Result<bool, Fault> {
        if self.open == Some(id) {
            return Ok(true);
        }
        let Some(folder) = folders.iter().find(|folder| folder.id == id) else { return Ok(false) };
        let selected = match self.select(folder, None).await {
            Ok(selected) => selected,
            Err(Fault::Server(net::Fault::Select(_))) => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let is_known = folder.cursor.uid_validity == Some(selected.uid_validity);
        if !is_known {
            self.open = None;
        }
        Ok(is_known)
    }
}

fn one(uid: u32) -> Uids {
    Uids::range(uid..=uid)
}
