//! The same key and request give the same answer, once; the same key with another request is refused.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta};
use futures_util::future::join_all;
use orbit_domain::tasks::Label;
use orbit_event_store::{Answer, Fault, Idempotency, Keep, Mode, Unit};
use orbit_platform::{clock::Clock, ids};
use uuid::Uuid;

use crate::world::{Failure, Person, World, create, rename};

fn keyed(person: &Person, key: &str) -> Idempotency {
    Idempotency { scope: person.id.0, key: key.to_owned(), fingerprint: [1; 32], keep: Keep::Day }
}

fn mode(idempotency: &Idempotency) -> Mode {
    Mode { idempotency: Some(idempotency.clone()), dry_run: false }
}

/// Creates a label under a new id each time it is decided, as a server does; answers id and name.
async fn creation(person: &Person, key: &Idempotency, name: &str) -> Result<Answer<(Uuid, String)>, Failure> {
    let decide = |unit: Unit| {
        let (id, name) = (ids::new_event_id(), name.to_owned());
        async move {
            unit.create::<Label>(id, create(&name))?;
            Ok((id, name))
        }
    };
    person.store.transact(person.origin(), mode(key), decide).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_position_and_appends_nothing() {
    let world = World::new().await;
    let here = Person::new(&world.store().await).await;
    let there = here.at(&world.store().await);
    let key = keyed(&here, "once");
    let first = creation(&here, &key, "red").await.unwrap();
    here.label("in between").await.unwrap();
    for person in [&here, &there] {
        let again = creation(person, &key, "red").await.unwrap();
        assert_eq!((again.answer, again.position, again.replayed), (first.answer.clone(), first.position, true));
    }
    assert!(!first.replayed);
    assert_eq!(world.assert_sound().await, 2);
    world.stop().await;
}

#[tokio::test]
async fn a_key_with_another_request_is_refused_and_another_user_may_use_it_too() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let key = keyed(&person, "once");
    creation(&person, &key, "red").await.unwrap();
    let other = Idempotency { fingerprint: [2; 32], ..key };
    let told = creation(&person, &other, "blue").await;
    assert!(matches!(told, Err(Failure::Fault(Fault::KeyReused))), "{told:?}");
    let somebody = Person::new(&person.store).await;
    assert!(!creation(&somebody, &keyed(&somebody, "once"), "red").await.unwrap().replayed);
    assert_eq!(world.assert_sound().await, 2);
    world.stop().await;
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_or_a_week_and_then_the_key_is_free() {
    let start: DateTime<chrono::Utc> = "2026-11-22T20:28:00Z".parse().unwrap();
    let world = World { clock: Clock::fixed(start), ..World::new().await };
    let person = Person::new(&world.store().await).await;
    let day = keyed(&person, "day");
    let week = Idempotency { keep: Keep::Week, ..keyed(&person, "week") };
    creation(&person, &day, "one").await.unwrap();
    creation(&person, &week, "two").await.unwrap();
    world.clock.advance(TimeDelta::hours(24) - TimeDelta::microseconds(1));
    assert!(creation(&person, &day, "one").await.unwrap().replayed);
    world.clock.advance(TimeDelta::microseconds(1));
    // Expired, but not swept yet: the new answer takes its place, even for another request.
    let other = Idempotency { fingerprint: [2; 32], ..day.clone() };
    assert!(!creation(&person, &other, "three").await.unwrap().replayed);
    assert!(creation(&person, &other, "three").await.unwrap().replayed);
    assert!(creation(&person, &week, "two").await.unwrap().replayed);
    world.clock.advance(TimeDelta::days(6));
    person.store.sweep_once().await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM log.commands").fetch_one(&world.pool).await.unwrap();
    assert_eq!(kept, 0, "what has expired is swept");
    assert!(!creation(&person, &week, "four").await.unwrap().replayed);
    assert_eq!(world.assert_sound().await, 4);
    world.stop().await;
}

#[tokio::test]
async fn a_command_that_changed_nothing_is_answered_the_same_later_on() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let id = person.label("red").await.unwrap();
    let key = keyed(&person, "once");
    let first = person.run_as::<Label>(mode(&key), id, rename("red")).await.unwrap();
    assert_eq!((first.answer, first.position, first.replayed), (1, 1, false));
    person.run::<Label>(id, rename("blue")).await.unwrap();
    let again = person.run_as::<Label>(mode(&key), id, rename("red")).await.unwrap();
    assert_eq!((again.answer, again.position, again.replayed), (1, 1, true));
    assert_eq!(world.assert_sound().await, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_one_key_at_the_same_time_give_one_append_and_one_answer() {
    let world = World::new().await;
    let stores = [world.store().await, world.store().await];
    let person = Person::new(&stores[0]).await;
    for round in 0..10 {
        let key = keyed(&person, &format!("round {round}"));
        let name = format!("label {round}");
        let together = (0..16).map(|n| {
            let (person, key, name) = (person.at(&stores[n % 2]), &key, &name);
            async move { creation(&person, key, name).await.unwrap() }
        });
        let answers = join_all(together).await;
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        for answer in &answers {
            assert_eq!((&answer.answer, answer.position), (&answers[0].answer, round + 1));
        }
    }
    assert_eq!(world.assert_sound().await, 10);
    world.stop().await;
}

#[tokio::test]
async fn a_twin_that_finds_its_own_traces_gets_the_answer_and_no_refusal() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let (key, rounds) = (keyed(&person, "once"), AtomicU32::new(0));
    let id = ids::new_event_id();
    // Between the look for an earlier answer and the decision, its twin goes through.
    let decide = |unit: Unit| {
        let (person, key) = (person.clone(), key.clone());
        let first = rounds.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                person.run_as::<Label>(mode(&key), id, create("red")).await?;
            }
            match unit.load::<Label>(id).await? {
                None => Ok(unit.decide::<Label>(id, create("red")).await?.version),
                Some(_) => Err(Failure::Rejected("it is there already")),
            }
        }
    };
    let answer = person.store.transact(person.origin(), mode(&key), decide).await.unwrap();
    assert_eq!((answer.answer, answer.replayed), (1, true));
    assert_eq!(world.assert_sound().await, 1);
    world.stop().await;
}
