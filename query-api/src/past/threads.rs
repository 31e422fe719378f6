//! Threads: which streams mention which thing. One thing is folded from a handful of streams, if they are known, however
//! much its user has written; but what facts say is sealed, so that no index of the database knows.
//!
//! Of each user who asks, this process remembers ids and positions and no word. It reads on from where it got to, so
//! only the first question costs the reading of everything.

use std::{sync::Arc, time::Duration};

use orbit_event_store::Selection;
use orbit_events::Recorded;
use orbit_platform::{problem::ApiError, recent::Recent};
use uuid::Uuid;

use super::{Facts, feed::Feed};

/// What all users' threads may take together. Ten thousand facts are about half a megabyte.
const BYTES_AT_MOST: u64 = 64 << 20;
/// Threads that nobody asks for are forgotten: among others those of users who were, since they cannot ask.
const REMEMBERED: Duration = Duration::from_mins(10);
/// What an entry takes besides its threads.
const ENTRY_BYTES: usize = 200;

/// The memory. It is bounded by its weight, and anything in it can be read again.
#[derive(Debug)]
pub(super) struct Threads(Recent<Uuid, Arc<Known>>);

/// A user's threads up to a position, by what is mentioned, each pair once.
#[derive(Clone, Debug, Default)]
struct Known {
    upto: i64,
    threads: Vec<Thread>,
}

/// That a stream mentions something. In this order they are found by what is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Thread {
    to: Uuid,
    from: Uuid,
    /// Where it did so first.
    position: i64,
}

impl Threads {
    pub fn new() -> Self {
        let bytes = |known: &Arc<Known>| (known.threads.capacity() * size_of::<Thread>() + ENTRY_BYTES) as u64;
        Self(Recent::weighing(BYTES_AT_MOST, bytes, REMEMBERED))
    }

    /// The streams of a user that mention something, up to a position.
    pub async fn mentioning(&self, facts: &Facts, user: Uuid, id: Uuid, upto: i64) -> Result<Vec<Uuid>, ApiError> {
        let known = match self.0.get(&user) {
            Some(known) if known.upto >= upto => known,
            // Two who ask at once both read on; the one who is done last is believed, and both are right.
            known => Arc::new(read_on(facts, user, known.unwrap_or_default(), upto).await?),
        };
        // Put in again, even if it is the same: from now on it is remembered for as long again.
        self.0.insert(user, known.clone());
        Ok(known.mentioning(id, upto).collect())
    }
}

impl Known {
    fn mentioning(&self, id: Uuid, upto: i64) -> impl Iterator<Item = Uuid> {
        let begin = self.threads.partition_point(|thread| thread.to < id);
        let threads = self.threads[begin..].iter().take_while(move |thread| thread.to == id);
        threads.filter(move |thread| thread.position <= upto).map(|thread| thread.from)
    }

    /// Takes in the threads of facts that come later than all that it knows.
    fn learn(&mut self, facts: &[&Recorded]) {
        for fact in facts {
            let (from, position) = (fact.envelope.stream_id, fact.envelope.position);
            let mentioned = fact.event().map(orbit_events::Event::mentions).unwrap_or_default();
            self.threads.extend(mentioned.into_iter().map(|to| Thread { to, from, position }));
        }
        self.threads.sort_unstable();
        // The first one of a pair stays: the position at which it began.
        self.threads.dedup_by_key(|thread| (thread.to, thread.from));
    }
}

async fn read_on(facts: &Facts, user_id: Uuid, known: Arc<Known>, upto: i64) -> Result<Known, ApiError> {
    let mut known = Arc::unwrap_or_clone(known);
    let selection = Selection { user_id, kinds: None, streams: None, after: known.upto, upto };
    let mut feed = Feed::new(facts, selection);
    loop {
        let batch = feed.next().await?;
        if batch.is_empty() {
            known.upto = upto;
            known.threads.shrink_to_fit();
            return Ok(known);
        }
        known.learn(&batch.iter().flatten().collect::<Vec<_>>());
    }
}

/// What a stream mentions, up to a position: it says so itself.
pub(super) async fn mentioned_by(facts: &Facts, user_id: Uuid, id: Uuid, upto: i64) -> Result<Vec<Uuid>, ApiError> {
    let streams = [id];
    let selection = Selection { user_id, kinds: None, streams: Some(&streams), after: 0, upto };
    let (mut feed, mut mentioned) = (Feed::new(facts, selection), Vec::new());
    loop {
        let batch = feed.next().await?;
        if batch.is_empty() {
            return Ok(mentioned);
        }
        mentioned.extend(batch.iter().flatten().filter_map(Recorded::event).flat_map(orbit_events::Event::mentions));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mentions_something_is_found_from_where_it_first_did() {
        let [list, label, one, other] = [1, 2, 3, 4].map(Uuid::from_u128);
        let mut known = Known::default();
        for (to, from, position) in [(list, one, 5), (label, one, 6), (list, other, 7), (list, one, 9)] {
            known.threads.push(Thread { to, from, position });
        }
        known.learn(&[]);
        let found = |id, upto| known.mentioning(id, upto).collect::<Vec<_>>();
        assert!(found(list, 4).is_empty());
        assert_eq!(found(list, 5), [one]);
        assert_eq!(found(list, 9), [one, other]);
        assert_eq!(found(label, 9), [one]);
        assert!(found(one, 9).is_empty());
        assert_eq!(known.threads.len(), 3);
    }
}
