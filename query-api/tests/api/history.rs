//! The history: the caller's facts as the log holds them.

use insta::assert_json_snapshot;
use orbit_events::{
    Actor,
    tasks::task::{self, Completed, Retitled},
    users::user,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    api_tokens::issue,
    world::{ADA, BACKLOG, BOB, World, at, task_id},
};

/// Ada's account, login and two lists are 4 facts; then a task, a retitle by her agent, its completion; then Bob's two.
async fn world() -> World {
    let world = World::logged().await.with_ada().await;
    world.task(1, |task| "Buy milk".clone_into(&mut task.title)).await;
    world.clock.set(at("2026-11-23T08:00:00Z"));
    let retitled = task::Event::from(Retitled { title: "Buy oat milk".to_owned() });
    let agent = Actor::Agent { run_id: Uuid::from_u128(0x10) };
    world.fold(ADA, task_id(1).0, 2, retitled.into(), agent).await;
    world.on_task(1, 3, Completed { completed_at: world.clock.now() }).await;
    world.register(BOB, "Bob", "Europe/Berlin").await;
    world
}

fn positions(page: &Value) -> Vec<i64> {
    page["data"].as_array().unwrap().iter().map(|fact| fact["position"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn the_history_is_the_log_in_its_outward_shape_newest_first() {
    let world = world().await;
    let reply = world.get(ADA, "/history?limit=2&include=total").await;
    assert_eq!(reply.header("orbit-as-of"), Some("9"), "the log's own position, whosever facts come last");
    let page = reply.ok();
    assert_eq!((positions(&page), &page["total"]), (vec![7, 6], &json!(7)));
    assert_json_snapshot!(page["data"][1], @r#"
    {
      "actor": {
        "run_id": "00000000-0000-0000-0000-000000000010",
        "type": "agent"
      },
      "causation_id": null,
      "correlation_id": "00000000-0000-0000-0000-0000000000c0",
      "data": {
        "title": "Buy oat milk"
      },
      "entity": {
        "id": "00000000-0000-7a5c-0000-000000000001",
        "type": "task"
      },
      "id": "00000000-0000-fac7-0000-000000000006",
      "position": 6,
      "recorded_at": "2026-11-23T08:00:00Z",
      "type": "tasks.retitled",
      "version": 1
    }
    "#);
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(positions(&world.get(ADA, &format!("/history?cursor={next}")).await.ok()), [5, 4, 3, 2, 1]);
    let oldest = world.get(ADA, "/history?sort=position&limit=1").await.ok();
    assert_eq!(positions(&oldest), [1]);
    let other = format!("/history?sort=position&cursor={next}");
    assert_eq!(world.get(ADA, &other).await.json()["code"], "cursor_mismatch");
}

#[tokio::test]
async fn secrets_stay_in_the_log() {
    let world = world().await;
    let page = world.get(ADA, "/history?sort=position").await.ok();
    assert_eq!(page["data"][0]["data"]["email"], "ada@example.org");
    for secret in ["argon2id", "never-shown", "password_hash", "refresh_hash"] {
        assert!(!page.to_string().contains(secret), "{secret}: {page}");
    }
    let account = world.get(ADA, "/auth/me/history").await.ok();
    assert!(!account.to_string().contains("argon2id"), "{account}");
}

#[tokio::test]
async fn filters_hold_together_and_each_does_what_it_says() {
    let world = world().await;
    for (filter, expected) in [
        ("type=tasks.retitled".to_owned(), vec![6]),
        ("type[in]=tasks.retitled,tasks.completed".to_owned(), vec![7, 6]),
        ("category=lists".to_owned(), vec![4, 3]),
        ("entity_type=list".to_owned(), vec![4, 3]),
        ("entity_type[ne]=list&category[ne]=tasks".to_owned(), vec![2, 1]),
        (format!("entity={}", task_id(1)), vec![7, 6, 5]),
        ("recorded_at[gte]=2026-11-23T00:00:00Z".to_owned(), vec![7, 6]),
        ("recorded_at[lt]=2026-11-23T00:00:00Z&category=tasks".to_owned(), vec![5]),
        ("actor=agent".to_owned(), vec![6]),
        ("actor[ne]=agent&category=tasks".to_owned(), vec![7, 5]),
        ("position[gt]=5".to_owned(), vec![7, 6]),
        ("position=6".to_owned(), vec![6]),
        ("correlation_id=00000000-0000-0000-0000-0000000000c0&actor=agent".to_owned(), vec![6]),
        (format!("correlation_id={}", Uuid::nil()), vec![]),
    ] {
        let page = world.get(ADA, &format!("/history?include=total&{filter}")).await.ok();
        assert_eq!((positions(&page), &page["total"]), (expected.clone(), &json!(expected.len())), "{filter}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_the_name_of_the_parameter() {
    let world = world().await;
    for (path, parameter) in [
        ("/history?actor=robot", "?actor"),
        ("/history?type=tasks.teleported", "?type"),
        ("/history?category=nothing", "?category"),
        ("/history?entity_type=tasks", "?entity_type"),
        ("/history?entity=1", "?entity"),
        ("/history?position[gte]=x", "?position[gte]"),
        ("/history?recorded_at[lt]=yesterday", "?recorded_at[lt]"),
        ("/history?surprise=1", "?surprise"),
        ("/history?cursor=AAAA", "?cursor"),
        ("/history?limit=0", "?limit"),
        ("/auth/me/history?sort=position", "?sort"),
        ("/auth/me/history?include=total", "?include"),
        ("/events/stream?from=-1", "?from"),
        ("/events/stream?from=now", "?from"),
        ("/events/stream?position[gt]=1", "?position[gt]"),
    ] {
        let reply = world.get(ADA, path).await;
        assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (400, &json!(parameter)), "{path}");
    }
    let reply = world.get_with(ADA, "/events/stream", &[("last-event-id", "seven")]).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["pointer"]), (400, &json!("Last-Event-ID")));
}

#[tokio::test]
async fn somebody_elses_facts_are_not_there() {
    let world = world().await;
    assert_eq!(positions(&world.get(BOB, "/history").await.ok()), [9, 8]);
    assert!(world.get(BOB, &format!("/history?entity={}", task_id(1))).await.ids().is_empty());
    let mine = world.get(ADA, "/history?position=6").await.ok()["data"][0].clone();
    let path = format!("/history/{}", mine["id"].as_str().unwrap());
    assert_eq!(world.get(ADA, &path).await.ok(), mine);
    assert_eq!(world.get(BOB, &path).await.status, 404);
    assert_eq!(world.get(ADA, "/history/6").await.status, 404);
}

#[tokio::test]
async fn a_fact_is_found_by_its_id_however_far_the_activities_are() {
    let world = world().await;
    let id = |position: u128| Uuid::from_u128((0xfac7 << 64) + position);
    let found = async |position| world.get(ADA, &format!("/history/{}", id(position))).await.status == 200;
    assert!(found(1).await && found(7).await && !found(8).await && !found(99).await);
    // The activities are folded anew, and have come to position 3.
    let forget = sqlx::query("DELETE FROM view.activities WHERE position > 3");
    forget.execute(world.database.pool()).await.unwrap();
    world.checkpoint("activities", ADA, 3).await;
    assert!(found(1).await && found(3).await && found(4).await && found(7).await);
    // What they could not tell is parked.
    world.checkpoint("activities", ADA, 7).await;
    assert!(!found(6).await);
    let park = "INSERT INTO view.parked (projection, position, partition, stream_id, user_id, type, reason)
                SELECT 'activities', position, partition, stream_id, user_id, type, 'test' FROM log.events WHERE position = 6";
    sqlx::query(park).execute(world.database.pool()).await.unwrap();
    assert!(found(6).await);
}

#[tokio::test]
async fn what_cannot_be_read_is_shown_as_such() {
    let world = world().await;
    for (version, wire_type) in [(4, "tasks.retitled"), (5, "tasks.teleported")] {
        world.spoil(ADA, task_id(1).0, version, wire_type).await;
    }
    let page = world.get(ADA, "/history?limit=2").await.ok();
    assert_eq!(positions(&page), [11, 10]);
    for fact in page["data"].as_array().unwrap() {
        assert_eq!((&fact["data"], &fact["unreadable"]), (&json!(null), &json!("does_not_open")), "{fact}");
    }
    let entries = world.get(ADA, &format!("/tasks/{}/history", task_id(1))).await.ok()["data"].clone();
    assert_eq!((&entries[0]["unreadable"], &entries[0]["changes"]), (&json!("does_not_open"), &json!(null)));
    assert_eq!(entries[2]["type"], "tasks.completed");
    assert!(!entries[2]["changes"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn of_a_user_who_was_forgotten_only_the_bare_facts_are_told() {
    let world = world().await;
    // The process knows the key from here on.
    assert_eq!(world.get(ADA, "/history?position=6").await.ok()["data"][0]["data"], json!({"title": "Buy oat milk"}));
    let erased = user::Event::from(user::Erased {});
    world.record(ADA, ADA.0, 2, erased).await;
    let bare = async || {
        let page = world.get(ADA, "/history").await.ok();
        assert_eq!(positions(&page), [10, 7, 6, 5, 4, 3, 2, 1]);
        page["data"].as_array().unwrap().iter().all(|fact| fact["data"].is_null() && fact["unreadable"].is_null())
    };
    assert!(bare().await, "between the fact and the destruction of the key");
    world.vault().destroy_keys(ADA).await.unwrap();
    assert!(bare().await, "while this process still remembers the key");
    for path in ["/auth/me/history".to_owned(), format!("/tasks/{}/history", task_id(1))] {
        assert_eq!(world.get(ADA, &path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_write_can_be_read_at_once_however_far_the_read_models_are() {
    let world = world().await;
    let created = task::Event::from(Retitled { title: "Later".to_owned() });
    let position = world.fold(ADA, task_id(1).0, 4, created.into(), Actor::User).await;
    let min = position.to_string();
    let reply = world.get_with(ADA, "/history?limit=1", &[("orbit-min-position", &min)]).await;
    assert_eq!(positions(&reply.ok()), [position]);
    let path = format!("/lists/{BACKLOG}/history");
    assert_eq!(world.get(ADA, &path).await.status, 404, "the path is /task-lists");
    let reply = world.get_with(ADA, "/history", &[("orbit-min-position", "99")]).await;
    assert_eq!((reply.status, &reply.json()["code"]), (503, &json!("projection_lag")));
}

#[tokio::test]
async fn an_api_token_needs_the_scope_of_the_history() {
    let world = world().await;
    let reader = issue(&world, 1, &["tasks:read", "activities:read"], None).await.expose();
    let historian = issue(&world, 2, &["history:read"], None).await.expose();
    let task = format!("/tasks/{}/history", task_id(1));
    for path in ["/history", "/events/stream?surprise=1", "/auth/me/history", &task] {
        let status = async |token: &str| {
            let reply = world.send(path, &[("authorization", &format!("Bearer {token}"))]).await;
            (reply.status, reply.json()["code"].clone())
        };
        assert_eq!(status(&reader).await, (403, json!("missing_scope")), "{path}");
        assert_ne!(status(&historian).await.0, 403, "{path}");
    }
}
