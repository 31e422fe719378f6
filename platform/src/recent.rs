//! What was looked up a moment ago: bounded memories whose entries are believed for a while.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::{
    DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};

/// How many entries are expected where their weights differ much. It bounds nothing.
const FEW: usize = 1_000;

/// A bounded memory. Entries are believed for a while after they were put in; when there is no room, the least used give
/// way. Clones share it.
pub struct Recent<K, V> {
    known: Arc<Cache<K, Entry<V>, Weigh<V>>>,
    believed: Duration,
    /// When what is believed no longer was last thrown away.
    swept: Arc<Mutex<Instant>>,
}

#[derive(Clone)]
struct Entry<V> {
    since: Instant,
    value: V,
}

struct Weigh<V>(fn(&V) -> u64);

impl<V> Clone for Weigh<V> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<K, V> Weighter<K, Entry<V>> for Weigh<V> {
    fn weight(&self, _: &K, entry: &Entry<V>) -> u64 {
        (self.0)(&entry.value)
    }
}

impl<K, V> Clone for Recent<K, V> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), believed: self.believed, swept: self.swept.clone() }
    }
}

impl<K, V> std::fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recent").field("believed", &self.believed).finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// A memory of at most so many entries.
    pub fn new(entries: usize, believed: Duration) -> Self {
        let most = u64::try_from(entries).unwrap_or(u64::MAX);
        Self::with(Cache::with_weighter(entries, most, Weigh(|_| 1)), believed)
    }

    /// A memory of few entries of very different weights, which together weigh at most `most`. One that weighs nearly as
    /// much alone is kept too.
    pub fn weighing(most: u64, weight: fn(&V) -> u64, believed: Duration) -> Self {
        Self::with(undivided(most, Weigh(weight)), believed)
    }

    fn with(known: Cache<K, Entry<V>, Weigh<V>>, believed: Duration) -> Self {
        Self { known: Arc::new(known), believed, swept: Arc::new(Mutex::new(Instant::now())) }
    }

    /// What is known and still believed.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let entry = self.known.get(key)?;
        self.believes(&entry).then_some(entry.value)
    }

    /// Remembers from now on.
    pub fn insert(&self, key: K, value: V) {
        self.sweep();
        self.known.insert(key, Entry { since: Instant::now(), value });
    }

    /// What is known and still believed, or else what is made now, which is then remembered: of several who ask at once,
    /// one makes it.
    pub fn get_or_insert(&self, key: &K, make: impl FnOnce() -> V) -> V
    where
        K: Clone,
    {
        self.sweep();
        let found = self.known.entry(key, None, |_, entry| {
            if self.believes(entry) { EntryAction::Retain(entry.value.clone()) } else { EntryAction::ReplaceWithGuard }
        });
        match found {
            EntryResult::Retained(value) => value,
            EntryResult::Vacant(place) | EntryResult::Replaced(place, _) => {
                let value = make();
                // It fails if somebody else has put in or forgotten the key meanwhile, who then is right.
                drop(place.insert(Entry { since: Instant::now(), value: value.clone() }));
                value
            }
            EntryResult::Removed(..) | EntryResult::Timeout => make(),
        }
    }

    /// Forgets one.
    pub fn forget<Q>(&self, key: &Q)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        drop(self.known.remove(key));
    }

    /// Forgets all.
    pub fn forget_all(&self) {
        self.known.clear();
    }

    fn believes(&self, entry: &Entry<V>) -> bool {
        entry.since.elapsed() < self.believed
    }

    /// Now and then, what is not believed any more is thrown away: nobody may ever ask for it again.
    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.elapsed() < self.believed {
            return;
        }
        *swept = Instant::now();
        drop(swept);
        self.known.retain(|_, entry| self.believes(entry));
    }
}

/// A cache in one shard: of several, each has but its share of the weight, and keeps no entry that weighs more.
fn undivided<K: Hash + Eq, V: Clone>(most: u64, weigh: Weigh<V>) -> Cache<K, Entry<V>, Weigh<V>> {
    let options = OptionsBuilder::new().shards(1).estimated_items_capacity(FEW).weight_capacity(most).build();
    let options = options.expect("all that options need was given");
    Cache::with_options(options, weigh, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(500);
    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn an_entry_is_believed_for_a_while_and_then_made_anew() {
        let recent = Recent::new(10, SHORT);
        recent.insert("ada", 1);
        let other = recent.clone();
        assert_eq!(other.get_or_insert(&"ada", || 2), 1);
        sleep(SHORT);
        assert_eq!(other.get("ada"), None);
        assert_eq!(other.get_or_insert(&"ada", || 2), 2);
        assert_eq!(recent.get("ada"), Some(2));
    }

    #[test]
    fn what_is_not_believed_any_more_is_thrown_away_by_the_next_entry() {
        let recent = Recent::new(10, SHORT);
        recent.insert("ada", Arc::new(()));
        let ada = recent.get("ada").unwrap();
        sleep(SHORT);
        assert_eq!(Arc::strong_count(&ada), 2);
        recent.insert("bob", Arc::new(()));
        assert_eq!(Arc::strong_count(&ada), 1);
    }

    #[test]
    fn one_or_all_are_forgotten() {
        let recent = Recent::new(10, LONG);
        for name in ["ada", "bob", "eve"] {
            recent.insert(name, name.len());
        }
        recent.forget("ada");
        assert_eq!((recent.get("ada"), recent.get("bob")), (None, Some(3)));
        recent.forget_all();
        assert_eq!((recent.get("bob"), recent.get("eve")), (None, None));
    }

    #[test]
    fn entries_give_way_when_together_they_weigh_too_much() {
        let recent = Recent::weighing(1_000, |text: &String| text.len() as u64, LONG);
        for n in 0..100 {
            recent.insert(n, "x".repeat(100));
        }
        let kept = (0..100).filter(|n| recent.get(n).is_some()).count();
        assert!((1..=10).contains(&kept), "{kept} of at most ten were kept");
    }

    #[test]
    fn an_entry_that_weighs_most_of_what_there_is_room_for_is_kept() {
        let recent = Recent::weighing(1_000, |text: &String| text.len() as u64, LONG);
        recent.insert("short", "x".repeat(10));
        recent.insert("long", "x".repeat(900));
        assert_eq!(recent.get("long").map(|text| text.len()), Some(900));
    }
}
