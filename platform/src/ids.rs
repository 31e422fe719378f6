//! Ids. The only place that makes `UUIDv7`s: they sort by the time at which they were made.

use std::sync::{LazyLock, Mutex, PoisonError};

use uuid::{Builder, ContextV7, Timestamp, Uuid};

use crate::clock::Clock;

/// Counts within one millisecond, so that ids made one after the other sort in that order.
static CONTEXT: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));

/// A new id that carries the time of `clock`.
///
/// Ids made by one process never go back, not even when the clock does.
pub fn new_v7(clock: &Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    Uuid::new_v7(Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos()))
}

/// A new id for a fact, a request or a connection: the time of the machine, whatever a test's clock says.
pub fn new_event_id() -> Uuid {
    new_v7(&Clock::system())
}

/// The id of something that has one by its nature, in the shape of version 7: a time in milliseconds since 1970, and a
/// hash in place of what would be random. The same thing gets the same id, wherever and however often it is met.
pub fn derived(at_ms: u64, hash: &[u8; 32]) -> Uuid {
    let mut random = [0; 10];
    random.copy_from_slice(&hash[..10]);
    Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_version_7_carry_their_time_and_are_the_same_for_the_same() {
        let id = derived(1_700_000_000_123, &[0xAB; 32]);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_timestamp().unwrap().to_unix(), (1_700_000_000, 123_000_000));
        assert_eq!(id, derived(1_700_000_000_123, &[0xAB; 32]));
        assert_ne!(id, derived(1_700_000_000_124, &[0xAB; 32]));
        assert_ne!(id, derived(1_700_000_000_123, &[0xAC; 32]));
        assert!(derived(1, &[0xFF; 32]) < derived(2, &[0; 32]), "they sort by their time");
    }

    #[test]
    fn ids_are_version_7_and_sort_in_the_order_they_were_made() {
        let clock = Clock::system();
        let made: Vec<Uuid> = (0..10_000).map(|_| new_v7(&clock)).collect();
        assert!(made.iter().all(|id| id.get_version_num() == 7));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
