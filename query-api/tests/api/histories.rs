//! The history of one thing: what each fact changed, before and after, and what brought it about.

use orbit_events::{
    EventId,
    tasks::{
        Priority, list,
        task::{Completed, Prioritised, Retitled},
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADA, BACKLOG, BOB, World, login_of, task_id};

async fn world() -> World {
    let world = World::logged().await.with_ada().await;
    world.task(1, |task| "Buy milk".clone_into(&mut task.title)).await;
    world.on_task(1, 2, Retitled { title: "Buy oat milk".to_owned() }).await;
    world.on_task(1, 3, Prioritised { priority: Priority::High }).await;
    // The completion answers the retitle.
    *world.cause.lock().unwrap() = Some(EventId(Uuid::from_u128((0xfac7 << 64) + 6)));
    world.on_task(1, 4, Completed { completed_at: world.clock.now() }).await;
    *world.cause.lock().unwrap() = None;
    world
}

fn versions(page: &Value) -> Vec<i64> {
    page["data"].as_array().unwrap().iter().map(|entry| entry["entity_version"].as_i64().unwrap()).collect()
}

/// Field, before, after.
fn changes(entry: &Value) -> Vec<(String, Value, Value)> {
    let all = entry["changes"].as_array().unwrap().iter();
    all.map(|one| (one["field"].as_str().unwrap().to_owned(), one["before"].clone(), one["after"].clone())).collect()
}

#[tokio::test]
async fn each_fact_tells_what_it_changed() {
    let world = world().await;
    let page = world.get(ADA, &format!("/tasks/{}/history", task_id(1))).await.ok();
    assert_eq!(versions(&page), [4, 3, 2, 1]);
    let entries = page["data"].as_array().unwrap();
    assert_eq!(changes(&entries[2]), [("title".to_owned(), json!("Buy milk"), json!("Buy oat milk"))]);
    assert_eq!(changes(&entries[1]), [("priority".to_owned(), json!("medium"), json!("high"))]);
    let done = changes(&entries[0]);
    assert!(done.contains(&("status".to_owned(), json!("open"), json!("done"))), "{done:?}");
    assert!(done.contains(&("completed_at".to_owned(), json!(null), json!("2026-11-22T20:28:00Z"))), "{done:?}");
    let created = changes(&entries[3]);
    assert!(created.contains(&("title".to_owned(), json!(null), json!("Buy milk"))), "{created:?}");
    assert!(created.iter().all(|(_, before, after)| before.is_null() && !after.is_null()), "{created:?}");
    assert_eq!(
        (&entries[2]["type"], &entries[2]["data"]),
        (&json!("tasks.retitled"), &json!({"title": "Buy oat milk"}))
    );
}

#[tokio::test]
async fn each_fact_tells_what_brought_it_about() {
    let world = world().await;
    let page = world.get(ADA, &format!("/tasks/{}/history?limit=2", task_id(1))).await.ok();
    let cause = json!({"id": "00000000-0000-fac7-0000-000000000006", "type": "tasks.retitled", "position": 6});
    assert_eq!(
        page["data"][0]["cause"],
        json!({"actor": {"type": "user"}, "session_id": login_of(ADA), "fact": cause})
    );
    assert_eq!(page["data"][1]["cause"]["fact"], json!(null));
    // Somebody else's fact is named by what this fact says itself, and no more.
    world.register(BOB, "Bob", "Europe/Berlin").await;
    *world.cause.lock().unwrap() = Some(EventId(Uuid::from_u128((0xfac7 << 64) + 9)));
    world.on_task(1, 5, Retitled { title: "Why?".to_owned() }).await;
    let page = world.get(ADA, &format!("/tasks/{}/history?limit=1", task_id(1))).await.ok();
    let unknown = json!({"id": "00000000-0000-fac7-0000-000000000009", "type": null, "position": null});
    assert_eq!(page["data"][0]["cause"]["fact"], unknown);
}

#[tokio::test]
async fn pages_follow_each_other_in_both_directions() {
    let world = world().await;
    for version in 5..=7 {
        world.on_task(1, version, Retitled { title: format!("Title {version}") }).await;
    }
    let path = format!("/tasks/{}/history", task_id(1));
    for (sort, expected) in [("-version", vec![7, 6, 5, 4, 3, 2, 1]), ("version", vec![1, 2, 3, 4, 5, 6, 7])] {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(ADA, &format!("{path}?sort={sort}&limit=3{cursor}")).await.ok();
            all.extend(page["data"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let versions: Vec<i64> = all.iter().map(|entry| entry["entity_version"].as_i64().unwrap()).collect();
        assert_eq!(versions, expected, "{sort}");
        let whole = world.get(ADA, &format!("{path}?sort={sort}")).await.ok();
        assert_eq!(whole["data"], json!(all), "a page's edge changes nothing of what is told");
    }
}

#[tokio::test]
async fn everything_with_an_id_has_a_history_under_its_own_path_and_for_its_owner_only() {
    let world = world().await;
    let label = world.label(1, "urgent").await;
    let renamed = list::Renamed { name: "Someday".to_owned() };
    world.record(ADA, BACKLOG.0, 2, list::Event::from(renamed)).await;
    let paths = [
        format!("/tasks/{}/history", task_id(1)),
        format!("/task-lists/{BACKLOG}/history"),
        format!("/labels/{label}/history"),
        format!("/auth/devices/{}/history", login_of(ADA)),
    ];
    for path in &paths {
        assert!(!world.get(ADA, path).await.ids().is_empty(), "{path}");
        assert_eq!(world.get(BOB, path).await.status, 404, "{path}");
    }
    let account = world.get(ADA, "/auth/me/history").await.ok();
    assert_eq!(account["data"][0]["type"], "users.registered");
    let list = world.get(ADA, &paths[1]).await.ok();
    assert_eq!(changes(&list["data"][0]), [("name".to_owned(), json!("Backlog"), json!("Someday"))]);
    // Another kind of thing, nothing at all, and no id.
    for path in [
        format!("/labels/{}/history", task_id(1)),
        format!("/auth/tokens/{}/history", login_of(ADA)),
        format!("/connections/{}/history", Uuid::nil()),
        "/tasks/1/history".to_owned(),
    ] {
        assert_eq!(world.get(ADA, &path).await.status, 404, "{path}");
    }
}
