//! From what was read to the log: what is known drops out, blobs are on the disk, then facts are appended.
//!
//! Blobs go first, so that no fact speaks of bytes that are not there. A crash in between leaves bytes that no fact speaks
//! of: they are forgotten with their owner.

use std::{collections::HashSet, time::Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use orbit_adapters::blobs::{Blobs, Key as BlobKey, PACK_BYTES, Pack};
use orbit_domain::{
    Claim,
    emails::{
        Email,
        email::{Again, Command, Key, State, message_claim},
    },
};
use orbit_event_store::{Fault as LogFault, Mode, Unit};
use orbit_events::{UserId, emails::email::Received};
use orbit_platform::ids;
use uuid::Uuid;

use super::{
    Cause, Fault, Ingest, Outcome, Taken, bounces,
    prepare::{Message, Prepared},
};
use crate::blobs::key;

/// The largest message that is taken in.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// Most messages in a unit of work.
const UNIT: usize = 64;
/// What the facts of a unit may weigh: an append of the log takes two of them.
const UNIT_BYTES: u64 = 512 * 1024;
/// What a fact weighs at most, for this: its text is cut, and what is attached is not in it.
const FACT_BYTES: u64 = 128 * 1024;
/// Units under way: one is sealed while another is appended. More would only wait for the same lock.
const UNITS: usize = 2;
/// Scope of the keyed hash that gives e-mails their ids.
const IDS: &str = "emails.id";

/// A message that is to be an e-mail.
struct New {
    /// Which of the group it is.
    index: usize,
    email_id: Uuid,
    message: Message,
    /// Whether it was deleted, so that its stream is there.
    is_back: bool,
}

/// An e-mail to be, with its bytes on the disk.
struct Stored {
    index: usize,
    email_id: Uuid,
    key: Key,
    received: Received,
    is_back: bool,
    /// The message that it reports about.
    reports: Option<Uuid>,
}

/// Which of a group, which e-mail, and what became of it.
type Done = (usize, Uuid, Outcome);

impl Ingest {
    /// Stores what was read, and says of each message in its order what became of it.
    ///
    /// After a fault some may be e-mails already. All may be brought again.
    pub async fn commit(&self, cause: &Cause, prepared: Prepared) -> Result<Vec<Taken>, Fault> {
        let begun = Instant::now();
        let (mut taken, new) = self.sort_out(cause, prepared.0).await?;
        let mut stored = self.store_raw(cause.user, new).await?;
        let reports = stored.iter().map(|one| bounces::claim(cause.user, &one.received)).collect();
        let reported = self.reported(reports).await?;
        for (one, reports) in stored.iter_mut().zip(reported) {
            one.reports = reports;
        }
        let stored_after = begun.elapsed();
        metrics::histogram!("orbit_mail_ingest_seconds", "stage" => "store").record(stored_after);
        let units = stream::iter(units(stored)).map(|unit| async move { self.append(cause, &unit).await });
        let done: Vec<Vec<Done>> = units.buffer_unordered(UNITS).try_collect().await?;
        for (index, email_id, outcome) in done.into_iter().flatten() {
            taken[index].email_id = email_id;
            taken[index].outcome = outcome;
        }
        for one in &taken {
            metrics::counter!("orbit_mail_ingested_total", "outcome" => one.outcome.name()).increment(1);
        }
        let appended_after = begun.elapsed().saturating_sub(stored_after);
        metrics::histogram!("orbit_mail_ingest_seconds", "stage" => "append").record(appended_after);
        Ok(taken)
    }

    /// Tells what is to be stored from what is known, was brought twice, or is too large.
    async fn sort_out(&self, cause: &Cause, read: Vec<Message>) -> Result<(Vec<Taken>, Vec<New>), Fault> {
        let claims: Vec<Claim> = read.iter().map(|message| message_claim(cause.user, &message.key)).collect();
        let holders = self.store.holders(&claims).await?;
        let (mut taken, mut new) = (Vec::with_capacity(read.len()), Vec::new());
        let mut met = HashSet::new();
        for (index, (message, holder)) in read.into_iter().zip(holders).enumerate() {
            let email_id = holder.unwrap_or_else(|| self.email_id(cause.user, &message));
            let is_back = match holder {
                Some(id) => Some(cause.again == Again::Yes && self.is_deleted(id).await?),
                None => None,
            };
            let outcome = if message.incoming.raw.len() > MESSAGE_BYTES {
                Outcome::Refused("too_large")
            } else if is_back == Some(false) || !met.insert(message.key.clone()) {
                Outcome::Known
            } else {
                Outcome::Created
            };
            taken.push(Taken { email_id, outcome, notes: message.reading.notes.len() });
            if outcome == Outcome::Created {
                new.push(New { index, email_id, message, is_back: is_back.is_some() });
            }
        }
        Ok((taken, new))
    }

    async fn is_deleted(&self, id: Uuid) -> Result<bool, Fault> {
        let known = self.store.load::<Email>(id).await?;
        Ok(known.is_some_and(|email| matches!(email.state, State::Deleted { .. })))
    }

    /// The same message has the same id; its time is that of the message, so that ids sort by it.
    fn email_id(&self, user: UserId, message: &Message) -> Uuid {
        let (kind, bytes) = match &message.key {
            Key::MessageId(id) => (b"m", id.as_bytes()),
            Key::Raw(sha256) => (b"r", sha256.as_bytes()),
        };
        let hash = self.store.vault().hash(IDS, &[user.0.as_bytes(), kind.as_slice(), bytes].concat());
        ids::derived(u64::try_from(message.reading.date.timestamp_millis()).unwrap_or_default(), &hash)
    }

    /// Puts the messages on the disk, sealed with the user's key.
    async fn store_raw(&self, user: UserId, new: Vec<New>) -> Result<Vec<Stored>, Fault> {
        if new.is_empty() {
            return Ok(vec![]);
        }
        let key = key(self.store.vault().blob_key(user).await?);
        let blobs = self.blobs.clone();
        let sealing = move || seal(&blobs, user, &key, new);
        let (packs, stored) = tokio::task::spawn_blocking(sealing).await.map_err(Fault::Reading)?;
        for pack in packs {
            pack.finish().await?;
        }
        Ok(stored)
    }

    /// Appends a unit: all its messages at once, or one by one if somebody brings some of them at the same time.
    async fn append(&self, cause: &Cause, unit: &[Stored]) -> Result<Vec<Done>, Fault> {
        match self.decide(cause, unit).await {
            Err(Fault::Log(LogFault::Taken { .. } | LogFault::Contended(_))) => {}
            decided => return decided,
        }
        let mut done = Vec::with_capacity(unit.len());
        for one in unit {
            match self.decide(cause, std::slice::from_ref(one)).await {
                Err(Fault::Log(LogFault::Taken { scope })) => {
                    let holder = self.store.holder(&message_claim(cause.user, &one.key)).await?;
                    done.push((one.index, holder.ok_or(LogFault::Taken { scope })?, Outcome::Known));
                }
                decided => done.extend(decided?),
            }
        }
        Ok(done)
    }

    async fn decide(&self, cause: &Cause, group: &[Stored]) -> Result<Vec<Done>, Fault> {
        let mut is_first = true;
        let decide = |unit: Unit| {
            // Nobody held the claims, so there is nothing to read; if that was too late, there is.
            let may_create = std::mem::replace(&mut is_first, false);
            async move {
                let mut was_new = Vec::with_capacity(group.len());
                for one in group {
                    let command = Command::Receive(Box::new(one.received.clone()), cause.again);
                    let before = unit.decided();
                    if may_create && !one.is_back {
                        unit.create::<Email>(one.email_id, command)?;
                    } else {
                        unit.decide::<Email>(one.email_id, command).await?;
                    }
                    let is_new = unit.decided() > before;
                    was_new.push(is_new);
                    if let (true, Some(submission), Some(bounce)) = (is_new, one.reports, &one.received.bounce) {
                        bounces::record(&unit, submission, one.email_id, bounce).await?;
                    }
                }
                Ok::<_, Fault>(was_new)
            }
        };
        let was_new: Vec<bool> = self.store.transact(self.origin(cause), Mode::default(), decide).await?.answer;
        let outcome = |(one, was_new): (&Stored, bool)| {
            let outcome = match (was_new, one.is_back) {
                (true, true) => Outcome::Back,
                (true, false) => Outcome::Created,
                (false, _) => Outcome::Known,
            };
            (one.index, one.email_id, outcome)
        };
        Ok(group.iter().zip(was_new).map(outcome).collect())
    }
}

/// Fills packs until all messages are in one.
fn seal(blobs: &Blobs, user: UserId, key: &BlobKey, new: Vec<New>) -> (Vec<Pack>, Vec<Stored>) {
    let (mut packs, mut stored) = (vec![], Vec::with_capacity(new.len()));
    let mut pack = blobs.pack(user.0, key);
    for New { index, email_id, message, is_back } in new {
        if pack.bytes() >= PACK_BYTES {
            packs.push(std::mem::replace(&mut pack, blobs.pack(user.0, key)));
        }
        let place = pack.add(&message.incoming.raw);
        let key = message.key.clone();
        stored.push(Stored { index, email_id, key, received: message.received(&place), is_back, reports: None });
    }
    packs.push(pack);
    (packs, stored)
}

/// Cuts what is stored into units of work.
fn units(stored: Vec<Stored>) -> Vec<Vec<Stored>> {
    let mut units: Vec<Vec<Stored>> = vec![];
    let mut bytes = 0;
    for one in stored {
        // A report is told twice: as an e-mail, and of the message that it is about.
        let facts = if one.reports.is_some() { 2 } else { 1 };
        let weight = one.received.size.min(FACT_BYTES) * facts;
        bytes += weight;
        if let Some(unit) = units.last_mut().filter(|unit| unit.len() < UNIT && bytes <= UNIT_BYTES) {
            unit.push(one);
        } else {
            bytes = weight;
            units.push(vec![one]);
        }
    }
    units
}
