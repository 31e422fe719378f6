//! An aggregate folded from its stream, and the cache of folded states.

use std::{any::Any, sync::Arc};

use chrono::{DateTime, Utc};
use orbit_domain::Aggregate;
use orbit_events::{Fact, UserId};
use uuid::Uuid;

use crate::{Fault, Stored, Vault, read::Log};

/// Facts read from a stream at once while it is folded.
pub(crate) const PAGE: i64 = 1_000;
/// Most folded states kept per process, and what they may weigh together, by the payloads they were folded from.
const CACHED: usize = 100_000;
const CACHED_BYTES: u64 = 256 * 1024 * 1024;
/// What a state weighs beside its payloads.
const OVERHEAD: u64 = 512;

/// An aggregate as its facts have made it.
#[derive(Debug)]
pub struct Loaded<A: Aggregate> {
    /// The stream.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: UserId,
    /// Version of the stream; 0 before the first fact.
    pub version: i64,
    /// When its first fact was recorded.
    pub created_at: DateTime<Utc>,
    /// When its newest fact was recorded.
    pub updated_at: DateTime<Utc>,
    /// What decisions read.
    pub state: A::State,
}

impl<A: Aggregate> Clone for Loaded<A> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), ..*self }
    }
}

impl<A: Aggregate> Loaded<A> {
    /// A stream without facts yet.
    pub(crate) fn absent(id: Uuid, user_id: UserId, now: DateTime<Utc>) -> Self {
        Self { id, user_id, version: 0, created_at: now, updated_at: now, state: A::State::default() }
    }

    /// The stream after one more fact.
    pub(crate) fn evolve(mut self, event: &A::Event, at: DateTime<Utc>) -> Self {
        if self.version == 0 {
            self.created_at = at;
        }
        self.state = A::evolve(self.state, event);
        self.version += 1;
        self.updated_at = at;
        self
    }
}

/// A folded state of some type, with what is needed to judge whether it is still the newest.
#[derive(Clone)]
pub(crate) struct Entry {
    /// An `Arc<Loaded<A>>`.
    pub loaded: Arc<dyn Any + Send + Sync>,
    pub version: i64,
    /// Position of its newest fact.
    pub position: i64,
    /// Bytes of the payloads that it was folded from: no state is larger.
    pub bytes: usize,
}

impl Entry {
    pub fn new<A: Aggregate>(loaded: Loaded<A>, position: i64, bytes: usize) -> Self {
        Self { version: loaded.version, loaded: Arc::new(loaded), position, bytes }
    }

    pub fn get<A: Aggregate>(&self) -> Option<&Loaded<A>> {
        self.loaded.downcast_ref()
    }
}

/// The newest states by stream. The append's version check keeps it honest: a stale state costs a retry, never a fact.
pub(crate) fn cache() -> States {
    States::with_weighter(CACHED, CACHED_BYTES, Weigh)
}

/// Folded states by stream.
pub(crate) type States = quick_cache::sync::Cache<Uuid, Entry, Weigh>;

/// Weighs a state, so that a cache full of long texts does not fill the memory.
#[derive(Clone)]
pub(crate) struct Weigh;

impl quick_cache::Weighter<Uuid, Entry> for Weigh {
    fn weight(&self, _: &Uuid, entry: &Entry) -> u64 {
        OVERHEAD + u64::try_from(entry.bytes).unwrap_or(u64::MAX / 2)
    }
}

/// Folds a stream; `None` if it has no facts, belongs to an aggregate of another kind, or is not `owner`'s. Whose it is,
/// is asked before anything is opened: the key of somebody else may be gone.
pub(crate) async fn fold<A: Aggregate>(
    log: &Log,
    vault: &Vault,
    id: Uuid,
    owner: Option<UserId>,
) -> Result<Option<Entry>, Fault> {
    let (mut position, mut bytes) = (0, 0);
    let mut folded: Option<Loaded<A>> = None;
    loop {
        let version = folded.as_ref().map_or(0, |loaded| loaded.version);
        let page = log.stream(id, version, PAGE).await?;
        let full = page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
        for stored in page {
            let e = &stored.envelope;
            if e.category != A::Event::CATEGORY || owner.is_some_and(|owner| owner != e.user_id) {
                return Ok(None);
            }
            let event = open::<A>(vault, &stored).await?;
            let before = folded.take().unwrap_or_else(|| Loaded::absent(id, e.user_id, e.recorded_at));
            (position, bytes) = (e.position, bytes + stored.data.len());
            folded = Some(before.evolve(&event, e.recorded_at));
        }
        if !full {
            return Ok(folded.map(|loaded| Entry::new(loaded, position, bytes)));
        }
    }
}

impl Log {
    /// An aggregate folded from the log, whosever it is, without any cache; `None` if it has no facts. For processes
    /// that only read; those that write ask the event store.
    pub async fn load<A: Aggregate>(&self, vault: &Vault, id: Uuid) -> Result<Option<Loaded<A>>, Fault> {
        let entry = fold::<A>(self, vault, id, None).await?;
        Ok(entry.and_then(|entry| entry.get::<A>().cloned()))
    }
}

pub(crate) async fn open<A: Aggregate>(vault: &Vault, stored: &Stored) -> Result<A::Event, Fault> {
    let e = &stored.envelope;
    let payload = vault.open(e.user_id, e.event_id, &e.wire_type, &stored.data).await?.ok_or(Fault::Forgotten)?;
    A::Event::decode(&e.wire_type, e.schema_version, &payload)
        .map_err(|error| Fault::Corrupt { what: "a fact of a stream", source: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use orbit_domain::tasks::Label;

    use super::*;

    #[test]
    fn states_of_long_texts_do_not_fill_the_memory() {
        let states = cache();
        for n in 0..2_000 {
            let id = Uuid::from_u128(n);
            let loaded = Loaded::<Label>::absent(id, UserId(id), DateTime::UNIX_EPOCH);
            states.insert(id, Entry::new(loaded, 1, 1024 * 1024));
        }
        assert!(states.weight() <= CACHED_BYTES && states.len() > 100, "{} {}", states.weight(), states.len());
    }
}
