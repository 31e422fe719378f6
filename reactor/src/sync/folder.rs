//! One folder: opened, compared as far as the server helps with it, and new messages taken in.

use orbit_adapters::{
    imap::{Fetched, Items, Resync, Selected, Uids},
    mime, net,
};
use orbit_domain::emails::{
    email::{Key, Observed, message_claim},
    folder::Command,
};
use orbit_events::emails::folder::ResetObserved;

use super::{
    Fault,
    book::{Cursor, Folder, Known, Seen, Stage},
    session::Session,
};

/// Messages whose flags or names are asked for at a time.
const PAGE: usize = 1_000;

/// `\Seen`, as the book writes it.
pub(super) const READ: i16 = 1;
/// `\Flagged`, as the book writes it.
pub(super) const STARRED: i16 = 2;

/// What is different there.
#[derive(Debug, Default)]
struct Difference {
    /// UIDs and flags.
    flags: Vec<(u32, i16)>,
    gone: Vec<u32>,
}

impl Session {
    /// Compares a folder and takes in what is new. Says whether that could be done: what the server refuses in one folder
    /// keeps none of the others from being compared.
    pub async fn compare(&mut self, folder: &Folder) -> Result<bool, Fault> {
        match self.compare_all_of(folder).await {
            Ok(()) => Ok(true),
            Err(fault @ Fault::Server(net::Fault::Select(_) | net::Fault::Refused(_))) => {
                let connection = self.pages.connection_id;
                tracing::info!(error = &fault as &dyn std::error::Error, %connection, folder = %folder.id, "a folder is out of step");
                let now = self.store.clock().now();
                self.pages.folder_failed(folder.id, &fault.failure(now, Some(now + self.poll))).await?;
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn compare_all_of(&mut self, folder: &Folder) -> Result<(), Fault> {
        let Cursor { uid_validity, modseq, .. } = folder.cursor;
        let resync = uid_validity.zip(modseq).filter(|_| self.resyncs);
        let resync = resync.map(|(uid_validity, modseq)| Resync { uid_validity, modseq, known: Uids::new() });
        let selected = self.select(folder, resync.as_ref()).await?;
        let mut cursor = folder.cursor;
        if uid_validity != Some(selected.uid_validity) {
            let before = self.pages.known(folder.id).await?;
            self.pages.uids_begin_anew(folder.id, selected.uid_validity).await?;
            cursor = Cursor { uid_validity: Some(selected.uid_validity), uid_next: 1, modseq: None };
            if !before.is_empty() {
                self.rematch(folder, &selected, before.len()).await?;
            }
        }
        let known = self.pages.known(folder.id).await?;
        if !known.is_empty() {
            let difference = self.difference(folder, &selected, cursor, &known).await?;
            self.settle(folder, &known, difference).await?;
        }
        self.take_in(folder, &selected, cursor, &known).await?;
        self.pages.folder_is_in_step(folder.id, selected.highest_modseq, self.store.clock().now()).await?;
        Ok(())
    }

    /// Finds again which message is which e-mail, by the names that their senders gave them. Others are fetched anew,
    /// and known by their bytes.
    async fn rematch(&mut self, folder: &Folder, selected: &Selected, before: usize) -> Result<(), Fault> {
        let all: Vec<u32> = self.client.find(&Uids::range(1..=u32::MAX)).await?.iter().collect();
        let (mut found, mut done) = (0, 0);
        for page in all.chunks(PAGE) {
            self.pages.stage(folder.id, Stage::Rematching, done, all.len() as u64).await?;
            let names = self.client.fetch(&page.iter().copied().collect(), Items::Names, None).await?.all().await?;
            let now = self.store.clock().now();
            let claimed = names.iter().filter_map(|fetched| {
                let id = mime::read(fetched.header.as_deref()?, now).message_id?;
                Some((fetched.uid?, message_claim(self.cause.user, &Key::MessageId(id))))
            });
            let (uids, claims): (Vec<_>, Vec<_>) = claimed.unzip();
            let holders = self.store.holders(&claims).await?;
            let again = uids.into_iter().zip(holders);
            let again: Vec<Seen> =
                again.filter_map(|(uid, email_id)| Some(Seen { uid, email_id: email_id?, flags: None })).collect();
            self.pages.are_there(folder.id, &again).await?;
            found += again.len();
            done += page.len() as u64;
            self.pulse.beat();
        }
        let reset = ResetObserved {
            uid_validity: selected.uid_validity,
            rematched: found as u64,
            missing: before.saturating_sub(found) as u64,
        };
        self.folder_fact(folder.id, Command::ObserveReset(reset)).await
    }

    /// What differs from what is known: as the server tells, as far as it can; else all is looked at.
    async fn difference(
        &mut self,
        folder: &Folder,
        selected: &Selected,
        cursor: Cursor,
        known: &Known,
    ) -> Result<Difference, Fault> {
        let mut difference = Difference::default();
        match cursor.modseq.zip(selected.highest_modseq) {
            Some(_) if self.resyncs => {
                difference.flags = selected.changed.iter().filter_map(flags).collect();
                difference.gone = known.keys().copied().filter(|uid| selected.vanished.contains(*uid)).collect();
            }
            Some((since, now)) => {
                if since != now {
                    let all = Uids::range(1..=u32::MAX);
                    let changed = self.client.fetch(&all, Items::Flags, Some(since)).await?.all().await?;
                    difference.flags = changed.iter().filter_map(flags).collect();
                }
                if since != now || usize::try_from(selected.exists).ok() != Some(known.len()) {
                    let (asked, mut done): (Vec<u32>, u64) = (known.keys().copied().collect(), 0);
                    for page in asked.chunks(PAGE) {
                        self.pages.stage(folder.id, Stage::Comparing, done, asked.len() as u64).await?;
                        let there = self.client.find(&page.iter().copied().collect()).await?;
                        difference.gone.extend(page.iter().filter(|uid| !there.contains(**uid)));
                        done += page.len() as u64;
                        self.pulse.beat();
                    }
                }
            }
            None => {
                let (asked, mut done): (Vec<u32>, u64) = (known.keys().copied().collect(), 0);
                for page in asked.chunks(PAGE) {
                    self.pages.stage(folder.id, Stage::Comparing, done, asked.len() as u64).await?;
                    let uids: Uids = page.iter().copied().collect();
                    let told = self.client.fetch(&uids, Items::Flags, None).await?.all().await?;
                    let told: Vec<(u32, i16)> = told.iter().filter_map(flags).collect();
                    let there: Uids = told.iter().map(|(uid, _)| *uid).collect();
                    difference.gone.extend(page.iter().filter(|uid| !there.contains(**uid)));
                    difference.flags.extend(told);
                    done += page.len() as u64;
                    self.pulse.beat();
                }
            }
        }
        Ok(difference)
    }

    /// What changed there changes here; not where it was changed here too, and the server is still to be told.
    async fn settle(&self, folder: &Folder, known: &Known, difference: Difference) -> Result<(), Fault> {
        let changed = difference.flags.into_iter().filter_map(|(uid, flags)| {
            let seen = known.get(&uid).filter(|seen| seen.flags != Some(flags))?;
            Some((*seen, flags))
        });
        let (changed, mut done): (Vec<(Seen, i16)>, u64) = (changed.collect(), 0);
        for page in changed.chunks(PAGE) {
            self.pages.stage(folder.id, Stage::Comparing, done, changed.len() as u64).await?;
            let news = page.iter().map(|(seen, now)| (seen.email_id, observed(seen.flags, *now)));
            self.observe(&news.collect::<Vec<_>>()).await?;
            let seen: Vec<Seen> = page.iter().map(|(seen, now)| Seen { flags: Some(*now), ..*seen }).collect();
            self.pages.are_there(folder.id, &seen).await?;
            done += page.len() as u64;
        }
        for page in difference.gone.chunks(PAGE) {
            self.pages.are_gone(folder.id, page).await?;
        }
        Ok(())
    }
}

/// The flags of a message that we care about.
pub(super) fn flags(fetched: &Fetched) -> Option<(u32, i16)> {
    let all = fetched.flags.as_ref()?;
    let has = |name: &str| all.iter().any(|flag| flag.eq_ignore_ascii_case(name));
    let bit = |name: &str, bit: i16| if has(name) { bit } else { 0 };
    Some((fetched.uid?, bit("\\Seen", READ) | bit("\\Flagged", STARRED)))
}

/// What flags say that were others before; if those are not known, all of them.
pub(super) fn observed(before: Option<i16>, now: i16) -> Observed {
    let differs = |bit: i16| before.is_none_or(|before| before & bit != now & bit).then_some(now & bit != 0);
    Observed { read: differs(READ), starred: differs(STARRED), ..Observed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_there_is_taken_over() {
        let seen = observed(Some(READ), READ | STARRED);
        assert_eq!((seen.read, seen.starred), (None, Some(true)));
        let unknown = observed(None, READ);
        assert_eq!((unknown.read, unknown.starred), (Some(true), Some(false)));
    }

    #[test]
    fn flags_are_read_whatever_their_case() {
        let all = ["\\seen", "$Junk", "\\FLAGGED"].map(str::to_owned).to_vec();
        let fetched = Fetched { uid: Some(7), flags: Some(all), ..Fetched::default() };
        assert_eq!(flags(&fetched), Some((7, READ | STARRED)));
        assert_eq!(flags(&Fetched { uid: Some(7), ..Fetched::default() }), None);
    }
}
