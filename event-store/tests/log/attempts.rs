//! Failed logins: five within 15 minutes lock an account for one address, until 15 minutes after the last.

use std::time::Duration;

use chrono::TimeDelta;
use orbit_event_store::{Attempts, Lock};
use orbit_platform::clock::Clock;

use crate::world::{World, hex};

const WHO: &str = "ada@example.org";
const WHERE: &str = "192.0.2.1";

async fn world() -> (World, Attempts) {
    let clock = Clock::fixed("2026-11-22T20:28:00Z".parse().unwrap());
    let world = World { clock, ..World::new().await };
    let attempts = world.store().await.attempts();
    (world, attempts)
}

fn lock(minutes: u64) -> Lock {
    Lock { remaining: Duration::from_mins(minutes) }
}

#[tokio::test]
async fn the_fifth_failure_within_15_minutes_locks_for_15_minutes() {
    let (world, attempts) = world().await;
    for minute in 0..5 {
        assert_eq!(attempts.locked(WHO, WHERE).await.unwrap(), None, "minute {minute}");
        attempts.failed(WHO, WHERE).await.unwrap();
        world.clock.advance(TimeDelta::minutes(3));
    }
    // The last failure was at minute 12, the first is 15 minutes old.
    for remaining in (1..=12).rev() {
        assert_eq!(attempts.locked(WHO, WHERE).await.unwrap(), Some(lock(remaining)));
        world.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(attempts.locked(WHO, WHERE).await.unwrap(), None);
    world.stop().await;
}

#[tokio::test]
async fn five_failures_over_a_longer_time_do_not_lock() {
    let (world, attempts) = world().await;
    for _ in 0..20 {
        attempts.failed(WHO, WHERE).await.unwrap();
        assert_eq!(attempts.locked(WHO, WHERE).await.unwrap(), None);
        world.clock.advance(TimeDelta::minutes(4));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_lock_is_of_one_account_at_one_address_and_a_success_forgets_the_failures() {
    let (world, attempts) = world().await;
    for _ in 0..4 {
        attempts.failed(WHO, WHERE).await.unwrap();
    }
    attempts.succeeded(WHO, WHERE).await.unwrap();
    attempts.failed(WHO, WHERE).await.unwrap();
    assert_eq!(attempts.locked(WHO, WHERE).await.unwrap(), None);
    for _ in 0..4 {
        attempts.failed(WHO, WHERE).await.unwrap();
    }
    assert_eq!(attempts.locked(WHO, WHERE).await.unwrap(), Some(lock(15)));
    assert_eq!(attempts.locked(WHO, "192.0.2.2").await.unwrap(), None);
    assert_eq!(attempts.locked("bob@example.org", WHERE).await.unwrap(), None);
    world.stop().await;
}

#[tokio::test]
async fn neither_account_nor_address_lies_in_the_table_and_old_failures_are_swept() {
    let (world, attempts) = world().await;
    attempts.failed(WHO, WHERE).await.unwrap();
    let rows = || async {
        sqlx::query_scalar::<_, String>("SELECT failed_logins::text FROM log.failed_logins")
            .fetch_all(&world.pool)
            .await
            .unwrap()
    };
    let row = rows().await.concat();
    for personal in [WHO, WHERE] {
        assert!(!row.contains(personal) && !row.contains(&hex(personal.as_bytes())), "{row}");
    }
    world.clock.advance(TimeDelta::hours(1));
    world.store().await.sweep_once().await.unwrap();
    assert!(rows().await.is_empty());
    world.stop().await;
}
