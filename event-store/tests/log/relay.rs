//! Invariant 3: the log does not need the broker, and what it could not hear, it hears later.

use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use futures_util::StreamExt;
use orbit_domain::tasks::Label;
use orbit_event_store::{
    EventStore, Log, Mode, Unit,
    relay::{History, Relay, parse},
};
use orbit_events::subjects;
use orbit_platform::ids;
use orbit_testing::{TestNats, eventually, own_servers};

use crate::world::{Failure, Person, SOON, World, create, pool_as, rename};

/// Starts a relay as a process does.
pub async fn relay(world: &World, nats: &TestNats) {
    world.life.spawn("relay", a_relay(world, nats).run(world.life.clone()));
}

fn a_relay(world: &World, nats: &TestNats) -> Relay {
    let pool = pool_as(&world.database, "orbit_command");
    let history = History { bytes: 64 * 1024 * 1024, ..History::default() };
    Relay::new(pool, nats.client().clone(), nats.prefix(), history)
}

/// Holds every message of the stream to the log, once there are so many.
async fn assert_told_as_logged(store: &EventStore, world: &World, nats: &TestNats, facts: usize) {
    let all = || async { Some(messages(world, nats).await).filter(|all| all.len() == facts) };
    for message in eventually(SOON, all).await {
        let incoming = parse(&message.subject, &message.headers, &message.payload, message.sequence).unwrap();
        let ours = store.log().at(incoming.stored.envelope.position).await.unwrap().unwrap();
        assert_eq!((ours.envelope, ours.partition, ours.data), {
            let stored = incoming.stored;
            (stored.envelope, stored.partition, stored.data)
        });
    }
}

/// All messages of the present epoch's stream; none, if there is no stream.
pub async fn messages(world: &World, nats: &TestNats) -> Vec<StreamMessage> {
    let head = Log::new(world.pool.clone()).head().await.unwrap();
    let name = subjects::stream_name(nats.prefix(), head.epoch);
    let Ok(stream) = nats.jetstream().get_stream(name).await else { return Vec::new() };
    let state = stream.get_info().await.unwrap().state;
    let mut messages = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        messages.push(stream.direct_get(sequence).await.unwrap());
    }
    messages
}

#[tokio::test]
async fn commands_succeed_while_nats_is_down_and_are_relayed_once_it_is_back() {
    let own = own_servers().await;
    let (world, nats) = (World::on(own.database().await), own.nats().await);
    let store = world.store().await;
    store.announce(nats.client().clone(), nats.prefix(), &world.life);
    let person = Person::new(&store).await;
    relay(&world, &nats).await;
    person.label("while it is up").await.unwrap();
    eventually(SOON, || async { messages(&world, &nats).await.len() == 1 }).await;

    own.stop_nats().await.unwrap();
    let labels = (0..100).map(|n| {
        let person = person.clone();
        async move { person.label(&format!("while it is down {n}")).await.unwrap() }
    });
    let appended = futures_util::future::join_all(labels);
    tokio::time::timeout(Duration::from_secs(5), appended).await.expect("an append waits for nobody");
    assert_eq!(world.assert_sound().await, 101);

    own.start_nats().await.unwrap();
    assert_told_as_logged(&store, &world, &nats, 101).await;
    world.stop().await;
    own.stop().await;
}

#[tokio::test]
async fn a_relay_tells_what_its_own_process_appends_and_what_others_do_in_between() {
    let (world, nats) = (World::new().await, orbit_testing::nats().await);
    let (own, other) = (world.store().await, world.store().await);
    own.announce(nats.client().clone(), nats.prefix(), &world.life);
    let person = Person::new(&own).await;
    world.life.spawn("relay", a_relay(&world, &nats).beside(&own).run(world.life.clone()));
    person.label("before anybody else").await.unwrap();
    assert_told_as_logged(&own, &world, &nats, 1).await;
    // Nobody announces what the other appends: it is in the way of what this one does.
    let labels = (0..300).map(|n| {
        let person = person.at(if n % 7 == 3 { &other } else { &own });
        async move {
            let id = person.label(&format!("label {n}")).await.unwrap();
            if n % 3 == 0 {
                person.run::<Label>(id, rename(&format!("renamed {n}"))).await.unwrap();
            }
        }
    });
    futures_util::stream::iter(labels).buffer_unordered(40).collect::<()>().await;
    assert_eq!(world.assert_sound().await, 401);
    assert_told_as_logged(&own, &world, &nats, 401).await;
    world.stop().await;
}

#[tokio::test]
async fn an_announced_append_is_relayed_without_waiting_for_the_poll() {
    let (world, nats) = (World::new().await, orbit_testing::nats().await);
    let store = world.store().await;
    store.announce(nats.client().clone(), nats.prefix(), &world.life);
    let person = Person::new(&store).await;
    let mut appended = nats.client().subscribe(subjects::appended(nats.prefix())).await.unwrap();
    nats.client().flush().await.unwrap();
    person.label("red").await.unwrap();
    let announced = tokio::time::timeout(SOON, appended.next()).await.unwrap().unwrap();
    assert_eq!(announced.payload, "1");
    assert_eq!(*store.appended().borrow(), 1);
    world.stop().await;
}

#[tokio::test]
async fn what_comes_while_facts_gather_is_announced_and_relayed_too() {
    let (world, nats) = (World::new().await, orbit_testing::nats().await);
    let store = world.store().await;
    store.announce(nats.client().clone(), nats.prefix(), &world.life);
    let person = Person::new(&store).await;
    world.life.spawn("relay", a_relay(&world, &nats).beside(&store).run(world.life.clone()));
    let mut appended = nats.client().subscribe(subjects::appended(nats.prefix())).await.unwrap();
    nats.client().flush().await.unwrap();
    // So many at once make both wait. Nothing comes after the last one that would tell of it as well.
    let many = |unit: Unit| async move {
        for n in 0..20 {
            unit.create::<Label>(ids::new_event_id(), create(&format!("label {n}")))?;
        }
        Ok::<_, Failure>(())
    };
    store.transact(person.origin(), Mode::default(), many).await.unwrap();
    person.label("the last one").await.unwrap();
    let last = async { while appended.next().await.unwrap().payload != "21" {} };
    tokio::time::timeout(SOON, last).await.unwrap();
    assert_told_as_logged(&store, &world, &nats, 21).await;
    world.stop().await;
}
