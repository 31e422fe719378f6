//! Jobs that make archives: one worker at a time, taken up again when it dies, gone in time and with their user.

use chrono::TimeDelta;
use orbit_event_store::{
    Fault,
    exports::{KEPT, MOST, Status},
};
use orbit_platform::{clock::Clock, ids};

use crate::world::{Person, World};

async fn world() -> World {
    World { clock: Clock::fixed("2026-11-22T20:28:00Z".parse().unwrap()), ..World::new().await }
}

#[tokio::test]
async fn a_job_whose_worker_died_is_begun_anew_and_the_dead_one_writes_nothing_more() {
    let world = world().await;
    let store = world.store().await;
    let person = Person::new(&store).await;
    let (exports, user) = (store.exports(), person.id.0);
    let (dead, alive) = (ids::new_event_id(), ids::new_event_id());
    let asked = exports.request(user, ids::new_event_id()).await.unwrap();
    assert_eq!(asked.status, Status::Queued);
    let taken = exports.take(dead).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.status), (asked.id, Status::Running));
    assert!(exports.take(alive).await.unwrap().is_none(), "somebody works on it");
    assert!(exports.write(&taken, dead, 0, b"old").await.unwrap());
    assert!(exports.progress(&taken, dead, 1, 4).await.unwrap());
    let running = exports.request(user, ids::new_event_id()).await.unwrap();
    assert_eq!((running.id, running.progress()), (asked.id, 25), "one at a time");

    world.clock.advance(TimeDelta::seconds(61));
    let taken = exports.take(alive).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.bytes), (asked.id, 0), "from the beginning");
    assert!(!exports.write(&taken, dead, 0, b"old").await.unwrap());
    assert!(!exports.progress(&taken, dead, 4, 4).await.unwrap());
    assert!(!exports.complete(&taken, dead).await.unwrap());
    assert!(exports.write(&taken, alive, 0, b"new").await.unwrap());
    assert!(exports.complete(&taken, alive).await.unwrap());
    let made = exports.find(user, asked.id).await.unwrap().unwrap();
    assert_eq!((made.status, made.bytes, made.progress()), (Status::Complete, 3, 100));
    assert_eq!(exports.piece(&made, 0).await.unwrap().unwrap(), b"new");
    assert_eq!(exports.piece(&made, 1).await.unwrap(), None);
    world.stop().await;
}

#[tokio::test]
async fn a_job_that_fails_again_and_again_is_given_up() {
    let world = world().await;
    let store = world.store().await;
    let (exports, user) = (store.exports(), Person::new(&store).await.id.0);
    let asked = exports.request(user, ids::new_event_id()).await.unwrap();
    for _ in 0..4 {
        let taken = exports.take(user).await.unwrap().unwrap();
        exports.give_back(&taken, user).await.unwrap();
    }
    // The last worker just dies.
    exports.take(user).await.unwrap().unwrap();
    world.clock.advance(TimeDelta::seconds(61));
    assert!(exports.take(user).await.unwrap().is_none());
    assert_eq!(exports.find(user, asked.id).await.unwrap().unwrap().status, Status::Failed);
    let again = exports.request(user, ids::new_event_id()).await.unwrap();
    assert_ne!(again.id, asked.id, "it can be asked for again");
    world.stop().await;
}

#[tokio::test]
async fn archives_are_their_users_own_few_and_gone_in_time() {
    let world = world().await;
    let store = world.store().await;
    let (exports, user, other) = (store.exports(), Person::new(&store).await.id.0, Person::new(&store).await.id.0);
    for _ in 0..=MOST {
        world.clock.advance(TimeDelta::seconds(1));
        exports.request(user, ids::new_event_id()).await.unwrap();
        let taken = exports.take(user).await.unwrap().unwrap();
        exports.write(&taken, user, 0, b"bytes").await.unwrap();
        exports.complete(&taken, user).await.unwrap();
    }
    let mine = exports.list(user).await.unwrap();
    assert_eq!(i64::try_from(mine.len()).unwrap(), MOST);
    assert!(exports.list(other).await.unwrap().is_empty());
    assert!(exports.find(other, mine[0].id).await.unwrap().is_none());
    world.clock.advance(KEPT);
    assert!(exports.find(user, mine[0].id).await.unwrap().is_none());
    store.sweep_once().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM log.export_chunks").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
    world.stop().await;
}

#[tokio::test]
async fn who_is_forgotten_leaves_no_archive_and_none_that_is_being_made() {
    let world = world().await;
    let store = world.store().await;
    let person = Person::new(&store).await;
    let (exports, user) = (store.exports(), person.id.0);
    exports.request(user, ids::new_event_id()).await.unwrap();
    let taken = exports.take(user).await.unwrap().unwrap();
    assert!(exports.write(&taken, user, 0, b"words").await.unwrap());
    store.forget(person.id).await.unwrap();
    let late = exports.write(&taken, user, 1, b"late words").await;
    assert!(matches!(late, Err(Fault::Forgotten)), "{late:?}");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM log.exports").fetch_one(&world.pool).await.unwrap();
    assert_eq!(left, 0);
    world.stop().await;
}
