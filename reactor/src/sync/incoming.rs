//! New messages of a folder.

use chrono::{DateTime, Utc};
use orbit_adapters::imap::{Fetched, Items, LITERAL, Selected, Uids};
use orbit_events::{
    ConnectionId,
    emails::{Origin, Role, Where},
};
use uuid::Uuid;

use super::{
    Fault,
    book::{Cursor, Folder, Known, Seen, Stage},
    folder::{Marks, READ, STARRED, marks, sight},
    keywords,
    session::Session,
};
use crate::ingest::{Incoming, Outcome, Taken};

/// Messages asked for at a time.
const PAGE: usize = 200;
/// What is taken in at once weighs about this.
const GROUP_BYTES: u64 = 4 * 1024 * 1024;

/// A message that was fetched.
struct Message {
    uid: u32,
    marks: Marks,
    incoming: Incoming,
}

impl Session {
    /// Takes in what is not known, from the oldest on. What was taken in stays so if this is cut short.
    pub async fn take_in(
        &mut self,
        folder: &Folder,
        selected: &Selected,
        cursor: Cursor,
        known: &Known,
    ) -> Result<(), Fault> {
        if selected.exists == 0 || selected.uid_next.is_some_and(|next| next <= cursor.uid_next) {
            return Ok(());
        }
        let found = self.client.find(&Uids::range(cursor.uid_next..=u32::MAX)).await?;
        let new: Vec<u32> = found.iter().filter(|uid| !known.contains_key(uid)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut done = 0;
        self.pages.stage(folder.id, Stage::Fetching, done, new.len() as u64).await?;
        for page in new.chunks(PAGE) {
            self.take_in_page(folder, selected.uid_validity, page, done).await?;
            done += page.len() as u64;
            let next = page.last().map_or(cursor.uid_next, |last| last.saturating_add(1));
            self.pages.taken_in_below(folder.id, next, done).await?;
        }
        Ok(())
    }

    /// Takes in a page of messages, and says how far it is after each group of them: large ones may take minutes.
    async fn take_in_page(
        &mut self,
        folder: &Folder,
        uid_validity: u32,
        page: &[u32],
        mut done: u64,
    ) -> Result<(), Fault> {
        let sizes = self.client.fetch(&page.iter().copied().collect(), Items::Sizes, None).await?.all().await?;
        self.pulse.beat();
        let sizes: Vec<(u32, u64)> =
            sizes.iter().filter_map(|fetched| Some((fetched.uid?, fetched.size.unwrap_or_default()))).collect();
        let (sizes, too_large): (Vec<_>, Vec<_>) = sizes.into_iter().partition(|(_, size)| *size <= LITERAL as u64);
        if !too_large.is_empty() {
            let messages = too_large.len();
            tracing::warn!(connection = %self.pages.connection_id, messages, "messages are too large to be taken in");
            metrics::counter!("orbit_mail_ingested_total", "outcome" => "refused").increment(messages as u64);
        }
        for group in groups(&sizes) {
            let fetched = self.client.fetch(&group, Items::Messages, None).await?.all().await?;
            self.pulse.beat();
            let now = self.store.clock().now();
            let connection_id = ConnectionId(self.pages.connection_id);
            // One that went meanwhile has no body; should it be there after all, the next pass finds it.
            let messages = fetched.into_iter().filter(|fetched| group.contains(fetched.uid.unwrap_or_default()));
            let messages = messages.filter_map(|fetched| message(fetched, folder, connection_id, uid_validity, now));
            self.take_in_group(folder, messages.collect()).await?;
            done += group.len();
            self.pages.done(folder.id, done).await?;
        }
        Ok(())
    }

    async fn take_in_group(&mut self, folder: &Folder, group: Vec<Message>) -> Result<(), Fault> {
        let (uids, incoming): (Vec<(u32, Marks)>, Vec<Incoming>) =
            group.into_iter().map(|message| ((message.uid, message.marks), message.incoming)).unzip();
        let taken = self.ingest.take(&self.cause, incoming).await?;
        self.pulse.beat();
        let taken = uids.into_iter().zip(taken).filter(|(_, taken)| !matches!(taken.outcome, Outcome::Refused(_)));
        let taken: Vec<((u32, Marks), Taken)> = taken.collect();
        let seen = taken.iter().map(|((uid, marks), taken)| Seen {
            uid: *uid,
            email_id: taken.email_id,
            flags: Some(marks.flags),
            keywords: marks.keywords.clone(),
        });
        self.pages.are_there(folder.id, &seen.collect::<Vec<_>>()).await?;
        let (new, known): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|(_, taken)| matches!(taken.outcome, Outcome::Created | Outcome::Back));
        self.created += new.len() as u64;
        self.changed_meanwhile(folder, &new).await?;
        let known = known.iter().map(|((_, marks), taken)| (taken.email_id, sight(None, &[], marks)));
        self.observe(&known.collect::<Vec<_>>()).await
    }

    /// Whoever was quick has changed an e-mail before the book knew where it lies there: the server is to be told.
    async fn changed_meanwhile(&self, folder: &Folder, new: &[((u32, Marks), Taken)]) -> Result<(), Fault> {
        // What came in as trash or archived is marked so by a second fact.
        let version = if matches!(folder.role, Role::Trash | Role::Archive) { 2 } else { 1 };
        let versions: Vec<(Uuid, i64)> = new.iter().map(|(_, taken)| (taken.email_id, version)).collect();
        let changed = self.store.moved(&versions).await?;
        Ok(self.pages.are_changed(&changed).await?)
    }
}

/// Messages that are fetched at once: in order, each group of about [`GROUP_BYTES`].
fn groups(sizes: &[(u32, u64)]) -> Vec<Uids> {
    let (mut groups, mut group, mut bytes): (Vec<Uids>, Vec<u32>, u64) = (Vec::new(), Vec::new(), 0);
    for (uid, size) in sizes {
        if !group.is_empty() && bytes + size > GROUP_BYTES {
            groups.push(std::mem::take(&mut group).into_iter().collect());
            bytes = 0;
        }
        group.push(*uid);
        bytes += size;
    }
    if !group.is_empty() {
        groups.push(group.into_iter().collect());
    }
    groups
}

fn message(
    fetched: Fetched,
    folder: &Folder,
    connection_id: ConnectionId,
    uid_validity: u32,
    now: DateTime<Utc>,
) -> Option<Message> {
    let (uid, marks) = marks(&fetched)?;
    let origin = Origin::Connection { connection_id, uid, uid_validity, email_id: fetched.email_id };
    let incoming = Incoming {
        raw: fetched.body?,
        place: Where { folder_id: folder.id, role: folder.role },
        is_read: marks.flags & READ != 0,
        is_starred: marks.flags & STARRED != 0,
        labels: marks.keywords.iter().filter_map(|keyword| keywords::label(keyword)).map(String::from).collect(),
        received_at: fetched.internal_date.unwrap_or(now),
        origin,
    };
    Some(Message { uid, marks, incoming })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_bounded_weight_and_leave_nobody_out() {
        let mebibyte = 1024 * 1024;
        let sizes = [(1, mebibyte), (2, 2 * mebibyte), (3, 2 * mebibyte), (4, 60 * mebibyte), (5, 0), (6, 1)];
        let groups: Vec<String> = groups(&sizes).iter().map(ToString::to_string).collect();
        assert_eq!(groups, ["1:2", "3", "4", "5:6"]);
        assert!(super::groups(&[]).is_empty());
    }
}
