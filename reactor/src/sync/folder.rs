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
    keywords,
    session::{Session, Sight},
};

/// Messages whose flags or names are asked for at a time.
const PAGE: usize = 1_000;

/// `\Seen`, as the book writes it.
pub(super) const READ: i16 = 1;
/// `\Flagged`, as the book writes it.
pub(super) const STARRED: i16 = 2;

/// What a message is marked with there, of what we care about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    /// [`READ`] and [`STARRED`].
    pub flags: i16,
    /// Keywords that stand for labels.
    pub keywords: Vec<String>,
}

/// What is different there.
#[derive(Debug, Default)]
struct Difference {
    /// UIDs, and what these are marked with now.
    marks: Vec<(u32, Marks)>,
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
            let again: Vec<Seen> = again
                .filter_map(|(uid, email_id)| Some(Seen { uid, email_id: email_id?, flags: None, keywords: vec![] }))
                .collect();
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
                difference.marks = selected.changed.iter().filter_map(marks).collect();
                difference.gone = known.keys().copied().filter(|uid| selected.vanished.contains(*uid)).collect();
            }
            Some((since, now)) => {
                if since != now {
                    let all = Uids::range(1..=u32::MAX);
                    let changed = self.client.fetch(&all, Items::Flags, Some(since)).await?.all().await?;
                    difference.marks = changed.iter().filter_map(marks).collect();
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
                    let told: Vec<(u32, Marks)> = told.iter().filter_map(marks).collect();
                    let there: Uids = told.iter().map(|(uid, _)| *uid).collect();
                    difference.gone.extend(page.iter().filter(|uid| !there.contains(**uid)));
                    difference.marks.extend(told);
                    done += page.len() as u64;
                    self.pulse.beat();
                }
            }
        }
        Ok(difference)
    }

    /// What changed there changes here; not where it was changed here too, and the server is still to be told.
    async fn settle(&self, folder: &Folder, known: &Known, difference: Difference) -> Result<(), Fault> {
        let changed = difference.marks.into_iter().filter_map(|(uid, now)| {
            let before =
                known.get(&uid).filter(|seen| (seen.flags, &seen.keywords) != (Some(now.flags), &now.keywords))?;
            Some((before, now))
        });
        let (changed, mut done): (Vec<(&Seen, Marks)>, u64) = (changed.collect(), 0);
        for page in changed.chunks(PAGE) {
            self.pages.stage(folder.id, Stage::Comparing, done, changed.len() as u64).await?;
            let news = page.iter().map(|(before, now)| (before.email_id, sight(before.flags, &before.keywords, now)));
            self.observe(&news.collect::<Vec<_>>()).await?;
            let seen = page.iter().map(|(before, now)| before.marked(now));
            self.pages.are_there(folder.id, &seen.collect::<Vec<_>>()).await?;
            done += page.len() as u64;
        }
        for page in difference.gone.chunks(PAGE) {
            self.pages.are_gone(folder.id, page).await?;
        }
        Ok(())
    }
}

impl Seen {
    /// The same message, marked with this.
    pub(super) fn marked(&self, marks: &Marks) -> Self {
        let Self { uid, email_id, .. } = *self;
        Self { uid, email_id, flags: Some(marks.flags), keywords: marks.keywords.clone() }
    }
}

/// What a message is marked with.
pub(super) fn marks(fetched: &Fetched) -> Option<(u32, Marks)> {
    let all = fetched.flags.as_ref()?;
    let has = |name: &str| all.iter().any(|flag| flag.eq_ignore_ascii_case(name));
    let bit = |name: &str, bit: i16| if has(name) { bit } else { 0 };
    let flags = bit("\\Seen", READ) | bit("\\Flagged", STARRED);
    Some((fetched.uid?, Marks { flags, keywords: keywords::among(all) }))
}

/// What marks say that were others before; if the flags are not known, all of those.
pub(super) fn sight(flags: Option<i16>, keywords: &[String], now: &Marks) -> Sight {
    let differs = |bit: i16| flags.is_none_or(|before| before & bit != now.flags & bit).then_some(now.flags & bit != 0);
    let observed = Observed { read: differs(READ), starred: differs(STARRED), ..Observed::default() };
    Sight { observed, labels: keywords::Change::between(keywords, &now.keywords) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_there_is_taken_over() {
        let work = vec!["work".to_owned()];
        let now = Marks { flags: READ | STARRED, keywords: work.clone() };
        let seen = sight(Some(READ), &work, &now);
        assert_eq!((seen.observed.read, seen.observed.starred, seen.labels.is_nothing()), (None, Some(true), true));
        let unknown = sight(None, &[], &Marks { flags: READ, keywords: work });
        assert_eq!((unknown.observed.read, unknown.observed.starred), (Some(true), Some(false)));
        assert_eq!((unknown.labels.on.len(), unknown.labels.off.len()), (1, 0));
    }

    #[test]
    fn flags_are_read_whatever_their_case() {
        let all = ["\\seen", "$Junk", "\\FLAGGED"].map(str::to_owned).to_vec();
        let fetched = Fetched { uid: Some(7), flags: Some(all), ..Fetched::default() };
        assert_eq!(marks(&fetched), Some((7, Marks { flags: READ | STARRED, keywords: vec![] })));
        assert_eq!(marks(&Fetched { uid: Some(7), ..Fetched::default() }), None);
    }
}
