//! What this process appends, as it happens: how far, for whoever waits for it, and the facts themselves, for relay and
//! sealer of the same process, which so need not ask the log for what went into it a moment ago.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{batch::Request, outgoing::Outgoing};

/// Bytes of facts that wait for their readers at most. One that is further behind than that reads the log.
const KEPT: usize = 8 * 1024 * 1024;

/// Facts at once from which on the next may gather before they are told outside: so many come where commands come without a
/// pause.
pub(crate) const BUSY: i64 = 8;
/// How long they gather. Two batches at once cost the broker and its client hardly more than one: mostly each is woken, reads
/// and writes once for either.
pub(crate) const GATHER: Duration = Duration::from_millis(5);

/// What this process appends. Clones tell the same.
#[derive(Clone)]
pub(crate) struct Appended(Arc<Inner>);

struct Inner {
    head: watch::Sender<i64>,
    fresh: Mutex<Fresh>,
}

/// Facts that are in the log and that some reader has not passed, by position.
#[derive(Default)]
struct Fresh {
    /// How far each reader has come, by its number.
    readers: BTreeMap<u64, i64>,
    facts: BTreeMap<i64, Arc<Outgoing>>,
    bytes: usize,
}

impl Appended {
    pub fn new(head: i64) -> Self {
        Self(Arc::new(Inner { head: watch::Sender::new(head), fresh: Mutex::default() }))
    }

    /// The newest position of this process, as it grows.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.0.head.subscribe()
    }

    /// Tells that these were committed, in this order, behind `base`.
    pub fn tell(&self, base: i64, requests: Vec<Request>) {
        let facts: usize = requests.iter().map(Request::facts).sum();
        if facts == 0 {
            return;
        }
        self.fresh().add(base, requests);
        let position = base.saturating_add_unsigned(facts as u64);
        // Lanes may be heard of out of order.
        self.0.head.send_if_modified(|head| {
            *head < position && {
                *head = position;
                true
            }
        });
    }

    /// One more reader, for whom facts are kept until it is dropped. It gets what is told from here on: what was told
    /// before may be of a log that has been replaced meanwhile by a copy of its past.
    pub fn reader(&self) -> Reader {
        let mut fresh = self.fresh();
        fresh.clear();
        let number = fresh.readers.last_key_value().map_or(0, |(last, _)| last + 1);
        fresh.readers.insert(number, i64::MIN);
        Reader { appended: self.clone(), number }
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.0.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fresh {
    fn add(&mut self, base: i64, requests: Vec<Request>) {
        if self.readers.is_empty() {
            return;
        }
        let mut position = base;
        for write in requests.into_iter().flat_map(|request| request.writes) {
            for (version, fact) in (write.expected + 1..).zip(write.facts) {
                position += 1;
                let fact = Outgoing {
                    position,
                    event_id: fact.event_id,
                    user_id: write.user_id,
                    partition: write.partition,
                    category: write.category.into(),
                    stream_id: write.stream_id,
                    version,
                    wire_type: fact.wire_type.into(),
                    schema_version: fact.schema_version,
                    data: fact.data.into(),
                    metadata: fact.metadata,
                    recorded_at: fact.at,
                };
                self.bytes += fact.bytes();
                if let Some(before) = self.facts.insert(position, Arc::new(fact)) {
                    self.bytes -= before.bytes();
                }
            }
        }
        if self.bytes > KEPT {
            // Whoever is behind reads the log from here on; if all are, all do.
            self.forget(self.readers.values().copied().max());
        }
        if self.bytes > KEPT {
            self.clear();
        }
    }

    /// Nobody who counts needs what is up to a position.
    fn forget(&mut self, upto: Option<i64>) {
        while let Some(first) = self.facts.first_entry()
            && Some(*first.key()) <= upto
        {
            self.bytes -= first.remove().bytes();
        }
    }

    fn clear(&mut self) {
        self.facts.clear();
        self.bytes = 0;
    }
}

/// Somebody who follows what is appended. While there is one, facts are kept.
pub(crate) struct Reader {
    appended: Appended,
    number: u64,
}

impl Reader {
    /// The facts right behind a position, at most so many, as far as they came through here: none if the next one did
    /// not. The reader has passed all up to that position; what it gets now it may ask for again.
    pub fn take(&self, after: i64, most: usize) -> Vec<Arc<Outgoing>> {
        let mut fresh = self.appended.fresh();
        fresh.readers.insert(self.number, after);
        let passed = fresh.readers.values().copied().min();
        fresh.forget(passed);
        let behind = fresh.facts.range(after + 1..).zip(after + 1..).take(most);
        behind.take_while(|((position, _), next)| *position == next).map(|((_, fact), _)| fact.clone()).collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut fresh = self.appended.fresh();
        fresh.readers.remove(&self.number);
        let passed = fresh.readers.values().copied().min();
        if passed.is_none() {
            fresh.clear();
        }
        fresh.forget(passed);
    }
}

#[cfg(test)]
mod tests;
