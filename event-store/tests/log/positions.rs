//! Invariant 1: positions are contiguous and in commit order, whoever writes, collides, gives up or rolls back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::{join, join_all};
use orbit_domain::tasks::{Label, label};
use orbit_event_store::{Answer, EventStore, Fault, Idempotency, Keep, Mode, Unit};
use orbit_platform::{ids, postgres::Pool};
use uuid::Uuid;

use crate::world::{Dice, Failure, Person, World, create, recolour, rename};

const WRITERS: u64 = 64;
const ROUNDS: u64 = 12;

/// What a command has decided and was told to be in the log: streams, their new versions, what they are called then.
type Decided = Vec<(Uuid, i64, String)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_gap_under_64_writers_at_three_processes_that_collide_and_roll_back() {
    let world = World::new().await;
    let stores: Vec<EventStore> = vec![world.store().await, world.store().await, world.store().await];
    let people = join_all((0..4).map(|_| Person::new(&stores[0]))).await;
    let hot = join_all(people.iter().map(hot_labels)).await;

    let over = Arc::new(AtomicBool::new(false));
    let writers = join_all((0..WRITERS).map(|n| {
        let (which, at) = (usize::try_from(n % 4).unwrap(), usize::try_from(n % 3).unwrap());
        let (person, hot) = (people[which].at(&stores[at]), hot[which].clone());
        async move {
            let (dice, mut decided) = (Dice::new(n), Vec::new());
            for round in 0..ROUNDS {
                decided.extend(one_command(&person, &hot, &dice, n, round).await);
            }
            decided
        }
    }));
    let work = async {
        let decided: Vec<(i64, Decided)> = writers.await.into_iter().flatten().collect();
        over.store(true, Ordering::SeqCst);
        decided
    };
    let (decided, ((), ())) = tokio::join!(work, join(read_along(&world, &over), roll_back(&world.pool, &over)));

    let length = world.assert_sound().await;
    assert_recorded(&people[0], decided, length, 4 * 3).await;
    world.stop().await;
}

async fn hot_labels(person: &Person) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(person.label(&format!("hot {n}")).await.unwrap());
    }
    ids
}

/// One of the things that happen; what it has decided, with the position it was told.
async fn one_command(person: &Person, hot: &[Uuid], dice: &Dice, n: u64, round: u64) -> Option<(i64, Decided)> {
    let pick = |dice: &Dice| hot[usize::try_from(dice.roll(3)).unwrap()];
    let name = format!("writer {n} round {round}");
    let kind = dice.roll(8);
    let (one, other) = (pick(dice), pick(dice));
    let (fresh, mode) = (ids::new_event_id(), if kind == 4 { repeated(n, round) } else { Mode::default() });
    let mode = Mode { dry_run: kind == 5, ..mode };
    let decide = |unit: Unit| {
        let name = name.clone();
        async move {
            let mut decided = Vec::new();
            let mut note = |label: orbit_event_store::Loaded<Label>| {
                let name = label.state.present().map_or_else(String::new, |label| label.name.clone());
                decided.push((label.id, label.version, name));
            };
            match kind {
                // Claims of a few names: most come too late.
                1 => note(unit.create::<Label>(fresh, create(&format!("wanted {}", round % 4)))?),
                2 => note(unit.decide::<Label>(one, rename(&name)).await?),
                // Two hot streams, in any order.
                3 if one != other => {
                    note(unit.decide::<Label>(one, rename(&format!("{name} a"))).await?);
                    note(unit.decide::<Label>(other, rename(&format!("{name} b"))).await?);
                }
                // Guards one, writes another.
                6 if one != other => {
                    unit.load::<Label>(one).await?;
                    note(unit.decide::<Label>(other, rename(&name)).await?);
                }
                7 => {
                    unit.decide::<Label>(one, recolour("#000000")).await?;
                    return Err(Failure::Abandoned);
                }
                _ => note(unit.create::<Label>(fresh, create(&name))?),
            }
            Ok(decided)
        }
    };
    let told: Result<Answer<Decided>, Failure> = person.store.transact(person.origin(), mode, decide).await;
    match told {
        Ok(answer) if answer.replayed || answer.preview.is_some() => None,
        Ok(answer) => Some((answer.position, answer.answer)),
        Err(Failure::Abandoned | Failure::Fault(Fault::Taken { .. } | Fault::Contended(_))) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// Two writers come with the same key.
fn repeated(n: u64, round: u64) -> Mode {
    let idempotency = Idempotency {
        // Writers 12 apart are one person at one process; 4 apart, one person at another.
        scope: Uuid::from_u128(u128::from(n % 4)),
        key: format!("{} {round}", n / 8),
        fingerprint: [1; 32],
        keep: Keep::Day,
    };
    Mode { idempotency: Some(idempotency), dry_run: false }
}

/// A reader that never sees a position without everything before it.
async fn read_along(world: &World, over: &AtomicBool) {
    let mut seen = 0;
    let mut last_look = false;
    while !last_look {
        last_look = over.load(Ordering::SeqCst);
        let new: Vec<i64> =
            sqlx::query_scalar("SELECT position FROM log.events WHERE position > $1 ORDER BY position LIMIT 10000")
                .bind(seen)
                .fetch_all(&world.pool)
                .await
                .unwrap();
        for position in new {
            assert_eq!(position, seen + 1, "a reader that has seen p has seen everything up to p");
            seen = position;
        }
        world.assert_sound_at_a_glance().await;
    }
    assert_eq!(seen, world.assert_sound().await);
}

/// Takes positions and gives them back.
async fn roll_back(pool: &Pool, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("UPDATE log.head SET position = position + 3").execute(&mut *transaction).await.unwrap();
        sqlx::query(
            "INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                     schema_version, data, metadata, recorded_at)
             SELECT position, uuidv7(), uuidv7(), 0, 'labels', uuidv7(), 1, 'labels.created', 1, '', '{}', now()
             FROM log.head",
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.rollback().await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// What is in the log is what the commands decided, all of it and nothing else, where they were told it is.
async fn assert_recorded(anybody: &Person, decided: Vec<(i64, Decided)>, length: i64, before: i64) {
    let facts: usize = decided.iter().map(|(_, facts)| facts.len()).sum();
    assert_eq!(i64::try_from(facts).unwrap() + before, length, "no fact is lost, none is there twice");
    for (position, facts) in decided {
        for (back, (stream, version, name)) in facts.into_iter().rev().enumerate() {
            let stored = anybody.store.log().at(position - i64::try_from(back).unwrap()).await.unwrap().unwrap();
            assert_eq!((stored.envelope.stream_id, stored.envelope.version), (stream, version));
            let recorded = stored.open(anybody.store.vault()).await.unwrap().unwrap();
            let called = recorded.event().unwrap().clone();
            let orbit_events::Event::Label(event) = called else { panic!("{called:?}") };
            let recorded_name = match event {
                orbit_events::tasks::label::Event::Created(created) => created.name,
                orbit_events::tasks::label::Event::Renamed(renamed) => renamed.name,
                other => panic!("{other:?}"),
            };
            assert_eq!(recorded_name, name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_several_processes_that_cross_on_streams_all_come_through() {
    let world = World::new().await;
    let stores = [world.store().await, world.store().await, world.store().await];
    let person = Person::new(&stores[0]).await;
    let mut labels = Vec::new();
    for n in 0..20 {
        labels.push(person.label(&format!("label {n}")).await.unwrap());
    }
    // Each touches all streams, in an order of its own; nobody loses but to a version.
    let crossing = (0..24_u64).map(|n| {
        let person = person.at(&stores[usize::try_from(n % 3).unwrap()]);
        let labels = labels.clone();
        async move {
            let dice = Dice::new(n);
            let (from, step) = (dice.roll(20), [1, 3, 7, 9, 11, 13, 17, 19][usize::try_from(dice.roll(8)).unwrap()]);
            let order: Vec<Uuid> = (0..20).map(|k| labels[usize::try_from((from + k * step) % 20).unwrap()]).collect();
            let color = format!("#{n:06x}");
            let decide = |unit: Unit| {
                let (order, color) = (order.clone(), color.clone());
                async move {
                    for id in order {
                        unit.decide::<Label>(id, recolour(&color)).await?;
                    }
                    Ok::<_, Failure>(())
                }
            };
            match person.store.transact(person.origin(), Mode::default(), decide).await {
                Ok(_) => 20,
                Err(Failure::Fault(Fault::Contended(_))) => 0,
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    let appended: i64 = join_all(crossing).await.into_iter().sum();
    assert_eq!(world.assert_sound().await, 20 + appended);
    assert!(appended > 0);
    world.stop().await;
    assert_eq!(world.deadlocks().await, 0, "streams are locked in one order by everybody");
}

#[tokio::test]
async fn two_claims_on_one_name_within_one_command_are_refused_at_once() {
    let world = World::new().await;
    let person = Person::new(&world.store().await).await;
    let decide = |unit: Unit| async move {
        unit.create::<Label>(ids::new_event_id(), create("twin"))?;
        unit.create::<Label>(ids::new_event_id(), create("Twin"))?;
        Ok::<_, Failure>(())
    };
    let told = person.store.transact(person.origin(), Mode::default(), decide).await;
    assert!(
        matches!(&told, Err(Failure::Fault(Fault::Taken { scope })) if scope == label::NAME),
        "a name has one holder: {told:?}"
    );
    assert_eq!(world.assert_sound().await, 0);
    world.stop().await;
}
