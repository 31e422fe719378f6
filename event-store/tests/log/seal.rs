//! The sealer in one process with the store: what was appended a moment ago is sealed as it was appended.

use futures_util::future::join_all;
use orbit_domain::tasks::Label;
use orbit_event_store::{
    EventStore, Mode, Unit,
    proof::{
        Seal, Sealer,
        verify::{Check, Question, Verdict, verify},
    },
};
use orbit_events::{Actor, EventId};
use orbit_platform::{ids, signing::SigningKey};
use orbit_testing::eventually;
use sqlx::{Connection, PgConnection};

use crate::world::{Failure, Person, SOON, World, create, pool_as};

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// Starts a sealer as a process does, and waits until it is at work.
async fn sealer(world: &World, store: &EventStore) {
    let sealer = Sealer::beside(store, pool_as(&world.database, "orbit_command"), key());
    world.life.spawn("sealer", sealer.run(world.life.clone()));
    sealed(world, 0).await;
}

async fn connection(world: &World) -> PgConnection {
    PgConnection::connect(world.database.url()).await.unwrap()
}

async fn sealed(world: &World, position: i64) {
    eventually(SOON, || async {
        let newest = Seal::newest(&mut connection(world).await).await.unwrap();
        newest.filter(|seal| seal.size >= position)
    })
    .await;
}

async fn held_to_its_seals(world: &World) -> Verdict {
    let question = Question { trusted: vec![key().public()], ..Question::default() };
    verify(&mut connection(world).await, &question, |_| {}).await.unwrap()
}

/// A new label by this author, with everything in its metadata that metadata may have, or little of it.
async fn label_by(person: &Person, actor: Actor, n: u128, everything: bool) {
    let mut origin = person.origin();
    (origin.context.actor, origin.metadata.actor) = (actor, actor);
    if everything {
        origin.metadata.causation_id = Some(EventId(ids::new_event_id()));
        origin.metadata.session_id = Some(ids::new_event_id());
        origin.metadata.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    }
    let name = format!("{n} \u{e9} \u{1f980} \" \\");
    let decide = |unit: Unit| {
        let command = create(&name);
        async move { Ok::<_, Failure>(unit.decide::<Label>(ids::new_event_id(), command).await?.version) }
    };
    person.store.transact(origin, Mode::default(), decide).await.unwrap();
}

#[tokio::test]
async fn facts_of_every_author_are_sealed_from_memory_as_they_are_read_from_the_log() {
    let world = World::new().await;
    let (store, other) = (world.store().await, world.store().await);
    let person = Person::new(&store).await;
    sealer(&world, &store).await;
    let somebody = ids::new_event_id();
    for round in 0..6 {
        let actors = [
            Actor::User,
            Actor::System,
            Actor::Agent { run_id: somebody },
            Actor::Integration { connection_id: somebody },
        ];
        // What another process appends in between is read.
        let elsewhere = person.at(&other);
        let author = |n: u128| if n.is_multiple_of(5) && round > 2 { &elsewhere } else { &person };
        let labels = (0..40_u128).map(|n| {
            let actor = actors[usize::try_from(n % 4).unwrap()];
            label_by(author(n), actor, round * 40 + n, n.is_multiple_of(3))
        });
        join_all(labels).await;
    }
    sealed(&world, 240).await;
    let verdict = held_to_its_seals(&world).await;
    assert_eq!((verdict.defects, verdict.sealed), (vec![], 240));
    world.stop().await;
}

/// Read from the log, the changed fact would have been sealed.
#[tokio::test]
async fn a_fact_that_is_changed_before_it_is_sealed_is_found() {
    let world = World::new().await;
    let store = world.store().await;
    let person = Person::new(&store).await;
    sealer(&world, &store).await;
    let mut holding = connection(&world).await;
    let mut held = holding.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE log.tiles IN ACCESS EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    person.label("the sealer is stopped while it writes this").await.unwrap();
    eventually(SOON, || async {
        let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'log.tiles'::regclass)";
        sqlx::query_scalar::<_, bool>(waits).fetch_one(&world.pool).await.unwrap()
    })
    .await;
    for n in 2..=12 {
        person.label(&format!("number {n}")).await.unwrap();
    }
    let change = "BEGIN; ALTER TABLE log.events DISABLE TRIGGER ALL;
                  UPDATE log.events SET data = data || '\\x00' WHERE position = 5;
                  ALTER TABLE log.events ENABLE TRIGGER ALL; COMMIT";
    sqlx::raw_sql(change).execute(&world.pool).await.unwrap();
    held.commit().await.unwrap();
    sealed(&world, 12).await;
    let verdict = held_to_its_seals(&world).await;
    assert_eq!(verdict.first_bad(), Some(5), "{verdict:?}");
    assert!(verdict.wrong(Check::Facts).is_some(), "{verdict:?}");
    world.stop().await;
}
