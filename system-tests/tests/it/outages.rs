//! Servers go away and come back. What was accepted stays accepted, ready tells the truth, and nobody restarts anything.

use std::time::{Duration, Instant};

use orbit_testing::{eventually, own_servers};
use serde_json::json;

use crate::world::{Answer, SOON, Session, World};

/// Within this time `/health/ready` is to name who is away.
const NOTICED: Duration = Duration::from_secs(5);

async fn create(world: &World, ada: &Session, title: &str) -> Answer {
    world.post("/tasks").by(ada).json(&json!({"title": title})).send().await
}

/// Waits until ready says so.
async fn ready(world: &World) {
    eventually(SOON, || async {
        let answer = world.get("//health/ready").send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
}

/// Ready is 503 and names the culprit in time, and soon nobody else: on a busy machine what is there may be late to say so.
async fn noticed(world: &World, since: Instant, culprit: &str) {
    let body = eventually(NOTICED.saturating_sub(since.elapsed()), || async {
        let answer = world.get("//health/ready").send().await;
        let is_named = answer.json()["culprits"].as_array().is_some_and(|all| all.contains(&json!(culprit)));
        if answer.status == 503 && is_named { Ok(answer) } else { Err(answer.body) }
    })
    .await;
    assert!(body.header("retry-after").is_some(), "{body:?}");
    eventually(SOON, || async {
        let answer = world.get("//health/ready").send().await;
        if answer.json()["culprits"] == json!([culprit]) { Ok(()) } else { Err(answer.body) }
    })
    .await;
    assert_eq!(world.get("//health").send().await.expect(200).json(), json!({"status": "healthy"}));
}

/// Waits until a task can be read.
async fn visible(world: &World, ada: &Session, task: &Answer) {
    let path = format!("/tasks/{}", task.id());
    eventually(SOON, || async {
        let read = world.get(&path).by(ada).send().await;
        if read.status == 200 { Ok(()) } else { Err(read.body) }
    })
    .await;
}

#[tokio::test]
async fn without_nats_commands_succeed_and_read_models_follow_from_the_log() {
    let servers = own_servers().await;
    let world = World::on(servers.database().await, servers.nats().await).await;
    let ada = world.register("ada").await;
    ready(&world).await;
    let mut stream = world.get("/events/stream?category=tasks").by(&ada).follow().await;

    servers.stop_nats().await.unwrap();
    let away = Instant::now();
    let first = create(&world, &ada, "While the broker is away").await.expect(201);
    noticed(&world, away, "nats").await;
    visible(&world, &ada, &first).await;
    let second = create(&world, &ada, "And still away").await.expect(201);
    world.get(&format!("/tasks/{}", second.id())).by(&ada).after(second.position()).send().await.expect(200);
    let streamed = stream.facts(2).await;
    assert_eq!([streamed[0].id, streamed[1].id], [Some(first.position()), Some(second.position())]);

    servers.start_nats().await.unwrap();
    ready(&world).await;
    world.relayed().await;
    let third = create(&world, &ada, "Back again").await.expect(201);
    visible(&world, &ada, &third).await;
    world.relayed().await;
    assert_eq!(stream.facts(1).await[0].id, Some(third.position()));
    world.stop().await;
}

#[tokio::test]
async fn without_postgres_everything_says_so_and_comes_back_by_itself() {
    let servers = own_servers().await;
    let world = World::on(servers.database().await, servers.nats().await).await;
    let ada = world.register("ada").await;
    let before = create(&world, &ada, "Before").await.expect(201);
    let from = format!("/events/stream?category=tasks&from={}", before.position());
    let mut stream = world.get(&from).by(&ada).follow().await;

    for crash in [false, true] {
        if crash {
            servers.kill_postgres().await.unwrap();
        } else {
            servers.stop_postgres().await.unwrap();
        }
        let away = Instant::now();
        noticed(&world, away, "postgres").await;
        // That these are problems with Retry-After, each answer is checked for.
        create(&world, &ada, "Into nothing").await.expect(503);
        world.get("/tasks").by(&ada).send().await.expect(503);

        servers.start_postgres().await.unwrap();
        ready(&world).await;
        let after = eventually(SOON, || async {
            let answer = create(&world, &ada, "After").await;
            if answer.status == 201 { Ok(answer) } else { Err(answer.body) }
        })
        .await;
        visible(&world, &ada, &after).await;
        visible(&world, &ada, &before).await;
        assert_eq!(stream.facts(1).await[0].id, Some(after.position()), "the stream is still the same");
    }
    let titles = world.get("/tasks").by(&ada).send().await.expect(200).each("title");
    assert_eq!(titles.iter().filter(|title| *title == "Into nothing").count(), 0);
    world.relayed().await;
    world.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_under_load_is_made_anew_in_step_with_the_log() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    world.relayed().await;
    let write = async |writer: usize| {
        for n in 0..40 {
            create(&world, &ada, &format!("Task {n} of {writer}")).await.expect(201);
        }
    };
    let delete = async {
        for goal in [40, 80, 120] {
            eventually(SOON, || async { world.head().await >= goal }).await;
            // There may be none just now: it was deleted, and is not made anew yet.
            let deleted = world.nats.jetstream().delete_stream(world.stream_name().await).await;
            assert!(goal > 40 || deleted.is_ok(), "there was a stream to begin with");
        }
    };
    tokio::join!(write(1), write(2), write(3), write(4), delete);

    let last = create(&world, &ada, "The last").await.expect(201);
    world.relayed().await;
    visible(&world, &ada, &last).await;
    world.caught_up().await;
    let counted = world.get("/tasks?include=total&limit=1").by(&ada).send().await.expect(200).json();
    assert_eq!(counted["total"], 161, "{counted}");
    world.stop().await;
}

#[tokio::test]
async fn after_a_restored_backup_all_tell_the_new_story_and_none_the_lost_one() {
    let mut world = World::new().await;
    let ada = world.register("ada").await;
    let kept = create(&world, &ada, "Kept").await.expect(201);
    world.relayed().await;
    world.caught_up().await;
    let epoch = world.stream_name().await;
    world.back_up().await;
    for n in 0..5 {
        create(&world, &ada, &format!("Lost {n}")).await.expect(201);
    }
    world.relayed().await;
    world.caught_up().await;

    world.restore().await;
    let new = create(&world, &ada, "After the restore").await.expect(201);
    assert_eq!(new.position(), kept.position() + 1, "positions go on from what was restored");
    visible(&world, &ada, &new).await;
    world.relayed().await;
    assert_ne!(world.stream_name().await, epoch, "the stream of the lost story is not gone on with");
    world.caught_up().await;
    let titles = world.get("/tasks").by(&ada).send().await.expect(200).each("title");
    assert_eq!(titles, ["After the restore", "Kept"]);
    world.fold_into("fold").await;
    assert_eq!(world.dump("view").await, world.dump("fold").await);
    world.stop().await;
}
