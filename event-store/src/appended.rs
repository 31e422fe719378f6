//! What this process appends, as it happens: how far, for whoever waits for it, and the facts themselves, for the relay of
//! the same process, which so need not ask the log for what went into it a moment ago.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{batch::Request, outgoing::Outgoing};

/// Bytes of facts that wait for the relay at most. One that is further behind than that reads the log.
const KEPT: usize = 8 * 1024 * 1024;

/// What this process appends. Clones tell the same.
#[derive(Clone)]
pub(crate) struct Appended(Arc<Inner>);

struct Inner {
    head: watch::Sender<i64>,
    fresh: Mutex<Fresh>,
}

/// Facts that are in the log and that the relay has not fetched, by position.
#[derive(Default)]
struct Fresh {
    wanted: bool,
    facts: BTreeMap<i64, Outgoing>,
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

    /// Facts are kept for a relay until what is returned is dropped.
    pub fn want(&self) -> Wanted {
        self.fresh().wanted = true;
        Wanted(self.clone())
    }

    /// The facts right behind a position, at most so many, as far as they came through here: none if the next one did not.
    pub fn take(&self, after: i64, most: usize) -> Vec<Outgoing> {
        let mut fresh = self.fresh();
        fresh.forget(after);
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(first) = fresh.facts.first_entry()
            && *first.key() == after.saturating_add_unsigned(taken.len() as u64 + 1)
        {
            let fact = first.remove();
            fresh.bytes -= fact.bytes();
            taken.push(fact);
        }
        taken
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.0.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fresh {
    fn add(&mut self, base: i64, requests: Vec<Request>) {
        if !self.wanted {
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
                    stream_id: write.stream_id,
                    version,
                    wire_type: fact.wire_type.to_owned(),
                    schema_version: fact.schema_version,
                    data: fact.data,
                    metadata: fact.metadata.as_ref().to_owned(),
                    recorded_at: fact.at,
                };
                self.bytes += fact.bytes();
                self.facts.insert(position, fact);
            }
        }
        if self.bytes > KEPT {
            self.clear();
        }
    }

    /// Up to a position the relay has them.
    fn forget(&mut self, upto: i64) {
        while let Some(first) = self.facts.first_entry()
            && *first.key() <= upto
        {
            self.bytes -= first.remove().bytes();
        }
    }

    fn clear(&mut self) {
        self.facts.clear();
        self.bytes = 0;
    }
}

/// While there is one, facts are kept for the relay.
pub(crate) struct Wanted(Appended);

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut fresh = self.0.fresh();
        fresh.wanted = false;
        fresh.clear();
    }
}

#[cfg(test)]
mod tests;
