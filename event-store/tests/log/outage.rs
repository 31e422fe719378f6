//! Unknown outcomes: the database ends connections or goes away in the middle of commits. No fact is there twice, none
//! that was acknowledged is lost, and every caller gets an answer.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use orbit_domain::tasks::Label;
use orbit_event_store::{Fault, Idempotency, Keep, Limits, Mode, Unit};
use orbit_platform::ids;
use orbit_testing::{eventually, own_servers};
use uuid::Uuid;

use crate::world::{Failure, Person, SOON, World, create, recolour};

/// What a writer was told of a label of its own.
#[derive(Default)]
struct Told {
    /// Facts that it was told are there.
    acknowledged: i64,
    /// Commands of which it was told that nobody knows.
    unknown: i64,
    label: Uuid,
}

/// Counts the colour of a label of its own up, again and again until `over`; without an idempotency key, and as a client without luck
/// would: an unknown outcome is not tried again.
async fn write(person: Person, n: usize, over: &AtomicBool) -> Told {
    let mut told = Told { label: ids::new_event_id(), ..Told::default() };
    let note = |told: &mut Told, result: Result<_, Failure>| match result {
        Ok(_) => told.acknowledged += 1,
        Err(Failure::Fault(Fault::OutcomeUnknown)) => told.unknown += 1,
        // Never sent, or known to have failed; or the pool met the same outage.
        Err(Failure::Fault(Fault::Database { .. } | Fault::Busy)) => {}
        Err(other) => panic!("{other:?}"),
    };
    while told.acknowledged == 0 {
        let created = person.run::<Label>(told.label, create(&format!("label {n}"))).await;
        // The first one may be there although nobody could say so.
        if matches!(created, Err(Failure::Rejected(_))) {
            break;
        }
        note(&mut told, created);
    }
    let label = told.label;
    while !over.load(Ordering::SeqCst) {
        // The next colour after the one it has: done twice, it leaves two facts.
        let next = |unit: Unit| async move {
            let state = unit.load::<Label>(label).await?.unwrap().state;
            let color = state.present().and_then(|label| label.color.clone()).unwrap_or("#000000".to_owned());
            let next = i64::from_str_radix(&color[1..], 16).unwrap() + 1;
            Ok(unit.decide::<Label>(label, recolour(&format!("#{next:06x}"))).await?.version)
        };
        let counted = person.store.transact(person.origin(), Mode::default(), next).await;
        note(&mut told, counted);
    }
    told
}

/// Waits until the log has grown by this much.
async fn grow(world: &World, by: i64) {
    let head = || async { sqlx::query_scalar::<_, i64>("SELECT position FROM log.head").fetch_one(&world.pool).await };
    let from = eventually(SOON, head).await;
    eventually(SOON, || async { head().await.is_ok_and(|head| head >= from + by) }).await;
}

async fn assert_nothing_lost_or_doubled(world: &World, all: &[Told]) -> i64 {
    world.assert_sound().await;
    let mut unknown = 0;
    for told in all {
        let facts: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE stream_id = $1")
            .bind(told.label)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        let possible = told.acknowledged..=told.acknowledged + told.unknown;
        assert!(possible.contains(&facts), "{facts} facts, but between {possible:?} were decided");
        unknown += told.unknown;
    }
    unknown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ending_the_batchers_connections_again_and_again_loses_nothing_and_doubles_nothing() {
    let world = World::new().await;
    let stores = [world.store().await, world.store().await];
    let person = Person::new(&stores[0]).await;
    let over = AtomicBool::new(false);
    let writers = join_all((0..24).map(|n| write(person.at(&stores[n % 2]), n, &over)));
    let axe = async {
        let mut ended = 0;
        while ended < 40 {
            grow(&world, 1).await;
            // Whatever they are doing now: waiting, appending, committing.
            let sql = "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l
                       WHERE l.locktype = 'advisory' AND l.granted
                         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            ended += sqlx::query_scalar::<_, i64>(sql).fetch_one(&world.pool).await.unwrap();
        }
        over.store(true, Ordering::SeqCst);
    };
    let (told, ()) = tokio::join!(writers, axe);
    let unknown = assert_nothing_lost_or_doubled(&world, &told).await;
    assert_eq!(unknown, 0, "the batcher found out what became of every one");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_stop_and_crash_under_load() {
    let own = own_servers().await;
    let world = World::on(own.database().await);
    let limits = Limits { outage: Duration::from_mins(1), ..Limits::default() };
    let stores = [world.store_with(limits).await, world.store_with(limits).await];
    let person = Person::new(&stores[0]).await;
    let over = AtomicBool::new(false);
    let writers = join_all((0..16).map(|n| write(person.at(&stores[n % 2]), n, &over)));
    let outages = async {
        for _ in 0..2 {
            grow(&world, 100).await;
            own.kill_postgres().await.unwrap();
            // The dead server's children may still be about to leave.
            eventually(SOON, || own.start_postgres()).await;
        }
        grow(&world, 100).await;
        own.stop_postgres().await.unwrap();
        own.start_postgres().await.unwrap();
        grow(&world, 100).await;
        over.store(true, Ordering::SeqCst);
    };
    let (told, ()) = tokio::join!(writers, outages);
    let unknown = assert_nothing_lost_or_doubled(&world, &told).await;
    assert_eq!(unknown, 0, "the batcher found out what became of every one");
    assert!(told.iter().all(|told| told.acknowledged > 0));
    world.stop().await;
    own.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_is_answered_while_postgres_stays_away_and_a_repetition_by_key_is_safe() {
    let own = own_servers().await;
    let world = World::on(own.database().await);
    // Long enough to connect within it once the server is back, on a busy machine too.
    let limits = Limits { outage: Duration::from_secs(2), ..Limits::default() };
    let person = Person::new(&world.store_with(limits).await).await;
    person.label("before").await.unwrap();
    own.kill_postgres().await.unwrap();
    let orders: Vec<(Uuid, Mode)> = (0..40)
        .map(|n| {
            let (scope, key) = (person.id.0, n.to_string());
            let idempotency = Idempotency { scope, key, fingerprint: [0; 32], keep: Keep::Day };
            (ids::new_event_id(), Mode { idempotency: Some(idempotency), dry_run: false })
        })
        .collect();
    let attempt = || {
        join_all(orders.iter().map(|(id, mode)| {
            let name = id.to_string();
            let (person, mode) = (person.clone(), mode.clone());
            async move { person.run_as::<Label>(mode, *id, create(&name)).await }
        }))
    };
    let told = tokio::time::timeout(SOON, attempt()).await.expect("somebody was never answered");
    assert!(told.iter().all(Result::is_err));
    eventually(SOON, || own.start_postgres()).await;
    let told = tokio::time::timeout(SOON, attempt()).await.expect("somebody was never answered");
    for result in told {
        result.unwrap();
    }
    assert!(attempt().await.into_iter().all(|result| result.unwrap().replayed));
    assert_eq!(world.assert_sound().await, 41);
    world.stop().await;
    own.stop().await;
}

#[tokio::test]
async fn what_was_accepted_before_the_end_is_appended_and_what_comes_later_is_refused() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let labels = join_all((0..50).map(|n| {
        let person = person.clone();
        async move { person.label(&format!("label {n}")).await }
    }));
    let stopping = async {
        tokio::task::yield_now().await;
        world.stop().await;
    };
    let (told, ()) = tokio::join!(labels, stopping);
    let appended = told.iter().filter(|result| result.is_ok()).count();
    for result in told {
        assert!(matches!(result, Ok(_) | Err(Failure::Fault(Fault::Busy))), "{result:?}");
    }
    assert_eq!(world.assert_sound().await, i64::try_from(appended).unwrap());
    assert!(matches!(person.label("too late").await, Err(Failure::Fault(Fault::Busy))));
}
