//! Following the log live: over NATS, without NATS, and while `JetStream` is taken away.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use orbit_events::subjects;
use orbit_projector::{projections, runner};
use orbit_testing::eventually;

use crate::{
    stories::{a_life, of_task, task},
    world::{PAIRS, PARTITIONS, SOON, World},
};

#[tokio::test]
async fn what_is_appended_is_visible_in_a_moment() {
    let world = World::new().await;
    let (_relay, _projector) = (world.relay(), world.projector().await);
    let user = world.user().await;
    let first = world.append(user, [(world.id(), of_task(task("First")))]).await;
    world.wait_for(first).await;
    let mut took = Vec::new();
    for n in 0..21 {
        let title = format!("Task {n}");
        let began = Instant::now();
        world.append(user, [(world.id(), of_task(task(&title)))]).await;
        eventually(SOON, || async { world.titles().await.last() == Some(&title) }).await;
        took.push(began.elapsed());
    }
    took.sort();
    // The head is looked at once a second: without the feed half of them would take longer than this.
    assert!(took[10] < Duration::from_millis(400), "{took:?}");
}

#[tokio::test]
async fn every_commit_is_announced_with_its_position() {
    let world = World::new().await;
    let user = world.user().await;
    let subject = subjects::projected(world.nats.prefix(), "tasks", PARTITIONS.of(user));
    let mut announcements = world.nats.client().subscribe(subject).await.unwrap();
    let (_relay, _projector) = (world.relay(), world.projector().await);
    let position = world.append(user, [(world.id(), of_task(task("Buy milk")))]).await;
    let announced = async {
        loop {
            let message = announcements.next().await.unwrap();
            let text = std::str::from_utf8(&message.payload).unwrap().to_owned();
            if text.parse::<i64>().unwrap() >= position {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, announced).await.unwrap();
    assert_eq!(world.titles().await, ["Buy milk"], "whoever hears it finds the row");
}

#[tokio::test]
async fn jetstream_may_be_deleted_and_purged_under_load() {
    let world = World::new().await;
    let (_relay, projector) = (world.relay(), world.projector().await);
    let epoch = world.log.head().await.unwrap().epoch;
    let name = subjects::stream_name(world.nats.prefix(), epoch);
    let jetstream = world.nats.jetstream();
    let mut last = 0;
    for n in 0..60 {
        let user = world.user().await;
        last = world.append(user, (0..5).map(|m| (world.id(), of_task(task(&format!("{n}/{m}")))))).await;
        match n {
            15 | 40 => {
                eventually(SOON, || async { jetstream.delete_stream(&name).await.is_ok() }).await;
            }
            30 => {
                let stream = eventually(SOON, || jetstream.get_stream(&name)).await;
                stream.purge().await.unwrap();
            }
            _ => {}
        }
    }
    world.wait_for(last).await;
    projector.stop().await;
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
    assert_eq!(world.titles().await.len(), 300);
}

#[tokio::test]
async fn without_nats_read_models_follow_from_the_log_and_with_it_they_go_on() {
    let servers = orbit_testing::own_servers().await;
    let world = World::on(servers.database().await, servers.nats().await);
    let (_relay, _projector) = (world.relay(), world.projector().await);
    let user = world.user().await;
    let position = world.append(user, [(world.id(), of_task(task("With NATS")))]).await;
    world.wait_for(position).await;

    servers.stop_nats().await.unwrap();
    let began = Instant::now();
    let position = world.append(user, [(world.id(), of_task(task("Without NATS")))]).await;
    eventually(SOON, || async { world.titles().await.len() == 2 }).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    world.wait_for(position).await;

    servers.start_nats().await.unwrap();
    let position = world.append(user, [(world.id(), of_task(task("With NATS again")))]).await;
    world.wait_for(position).await;
    assert_eq!(world.titles().await, ["With NATS", "Without NATS", "With NATS again"]);
}

#[tokio::test]
async fn the_checkpoints_of_idle_partitions_follow_the_head() {
    let world = World::new().await;
    let (_relay, _projector) = (world.relay(), world.projector().await);
    let user = world.user_in(3).await;
    let position = world.append(user, [(world.id(), of_task(task("Only here")))]).await;
    world.wait_for(position).await;
    assert_eq!(world.count("SELECT count(*) FROM view.checkpoints").await, PAIRS);
}

#[tokio::test]
async fn a_projector_killed_at_any_moment_loses_and_doubles_nothing() {
    let world = World::new().await;
    for _ in 0..30 {
        a_life(&world).await;
    }
    let deps = world.deps().await;
    let mut kills = 0;
    loop {
        let fold = runner::catch_up(&deps.pool, &deps.log, &deps.vault, projections::ALL);
        // Dropped between any two steps: the transaction under way rolls back.
        match tokio::time::timeout(Duration::from_millis(3 + 2 * kills), fold).await {
            Ok(done) => {
                done.unwrap();
                break;
            }
            Err(_) => kills += 1,
        }
    }
    assert!(kills > 0);
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
}
