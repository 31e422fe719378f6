//! Read your writes: waiting, timing out, and what every answer says of its age.

use std::time::{Duration, Instant};

use orbit_events::subjects;
use orbit_testing::eventually;
use serde_json::json;

use crate::world::{ADA, BOB, World, task_id};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_read_says_as_of_which_position_it_is_404_included() {
    let world = World::new().await.with_ada().await;
    let position = world.task(1, |_| ()).await.to_string();
    world.checkpoint("activities", ADA, 99).await;
    for path in [
        "/tasks",
        "/tasks/today",
        "/tasks/trash",
        "/tasks/board",
        "/tasks/statistics",
        "/tasks/search?q=x",
        "/task-lists",
        "/labels",
        "/auth/me",
        "/auth/devices",
        "/auth/tokens",
        "/connections",
        &format!("/tasks/{}", task_id(1)),
        &format!("/tasks/{}/subtasks", task_id(1)),
    ] {
        let reply = world.get(ADA, path).await;
        assert_eq!((reply.status, reply.header("orbit-as-of")), (200, Some(position.as_str())), "{path}");
    }
    for path in ["/activities", "/activities/types", "/activities/search?q=x", "/activities/export"] {
        assert_eq!(world.get(ADA, path).await.header("orbit-as-of"), Some("99"), "{path}");
    }
    let absent = world.get(ADA, &format!("/tasks/{}", task_id(2))).await;
    assert_eq!((absent.status, absent.header("orbit-as-of")), (404, Some(position.as_str())));
    let empty = world.get(BOB, "/labels").await;
    assert_eq!((empty.status, empty.header("orbit-as-of").is_some()), (200, true));
}

#[tokio::test]
async fn a_position_that_is_reached_is_not_waited_for() {
    let world = World::new().await.with_ada().await;
    let position = world.task(1, |_| ()).await.to_string();
    let began = Instant::now();
    let reply = world.get_with(ADA, "/tasks", &[("orbit-min-position", &position)]).await;
    assert_eq!(reply.ids(), [task_id(1).0]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_read_waits_until_the_checkpoint_is_there_without_any_announcement() {
    let world = World::new().await.with_ada().await;
    let position = world.task(1, |_| ()).await;
    let wanted = (position + 1).to_string();
    let headers = [("orbit-min-position", wanted.as_str())];
    let catch_up = async {
        // Once the read has looked in vain.
        eventually(SOON, || async {
            let looked = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                          AND application_name = 'orbit-query-api' AND query LIKE 'SELECT position FROM checkpoints%')";
            sqlx::query_scalar::<_, bool>(looked).fetch_one(world.database.pool()).await.unwrap()
        })
        .await;
        world.checkpoint("tasks", ADA, position + 1).await;
    };
    let (reply, ()) = tokio::join!(world.get_with(ADA, "/tasks", &headers), catch_up);
    assert_eq!((reply.status, reply.header("orbit-as-of")), (200, Some(wanted.as_str())), "{}", reply.text);
}

#[tokio::test]
async fn an_announcement_that_runs_ahead_of_the_database_is_not_believed() {
    let world = World::new().await.with_ada().await;
    let position = world.task(1, |_| ()).await;
    let subject = subjects::projected(world.nats.prefix(), "tasks", World::partition(ADA));
    let wanted = (position + 1).to_string();
    world.nats.client().publish(subject, wanted.clone().into()).await.unwrap();
    world.nats.client().flush().await.unwrap();
    let reply = world.get_with(ADA, "/tasks", &[("orbit-min-position", &wanted)]).await;
    assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("projection_lag")));
}

#[tokio::test]
async fn a_read_whose_position_does_not_come_is_503_after_two_seconds() {
    let world = World::new().await.with_ada().await;
    for path in ["/tasks", "/auth/me", "/activities", "/activities/export"] {
        let began = Instant::now();
        let reply = world.get_with(ADA, path, &[("orbit-min-position", "4711")]).await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("projection_lag")), "{path}");
        assert_eq!(reply.header("retry-after"), Some("1"));
        let took = began.elapsed();
        assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn what_depends_on_the_users_zone_waits_for_the_users_too() {
    let world = World::new().await.with_ada().await;
    let position = world.task(1, |_| ()).await + 1;
    world.checkpoint("tasks", ADA, position).await;
    let wanted = position.to_string();
    let headers = [("orbit-min-position", wanted.as_str())];
    for path in ["/tasks/today", "/tasks/statistics"] {
        let began = Instant::now();
        let reply = world.get_with(ADA, path, &headers).await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("projection_lag")), "{path}");
        assert!(began.elapsed() < Duration::from_secs(4), "{path}: both waits are one");
    }
    world.checkpoint("users", ADA, position).await;
    for path in ["/tasks/today", "/tasks/statistics"] {
        let reply = world.get_with(ADA, path, &headers).await;
        assert_eq!((reply.status, reply.header("orbit-as-of")), (200, Some(wanted.as_str())), "{path}");
    }
}

#[tokio::test]
async fn another_partition_that_is_ahead_helps_nobody() {
    let world = World::new().await.with_ada().await;
    assert_ne!(World::partition(ADA), World::partition(BOB));
    world.checkpoint("tasks", BOB, 4711).await;
    assert_eq!(world.get_with(BOB, "/tasks", &[("orbit-min-position", "4711")]).await.status, 200);
    assert_eq!(world.get_with(ADA, "/tasks", &[("orbit-min-position", "4711")]).await.status, 503);
}

#[tokio::test]
async fn a_position_is_a_whole_number() {
    let world = World::new().await;
    for bad in ["", "x", "-1", "1.5", "9223372036854775808"] {
        let reply = world.get_with(ADA, "/tasks", &[("orbit-min-position", bad)]).await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (400, json!("invalid_header")), "{bad}");
    }
}
