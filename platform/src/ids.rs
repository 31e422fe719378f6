//! Ids. The only place that makes `UUIDv7`s: they sort by the time at which they were made.

use std::sync::{LazyLock, Mutex, PoisonError};

use uuid::{ContextV7, Timestamp, Uuid};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_in_the_order_they_were_made() {
        let clock = Clock::system();
        let made: Vec<Uuid> = (0..10_000).map(|_| new_v7(&clock)).collect();
        assert!(made.iter().all(|id| id.get_version_num() == 7));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
