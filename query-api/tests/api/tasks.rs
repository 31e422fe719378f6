//! The tasks context: tasks, lists of them, their lists and labels.

use chrono::NaiveDate;
use insta::assert_json_snapshot;
use orbit_events::{
    EntityRef,
    tasks::{
        Author, Priority, Status,
        task::{Completed, Deleted, Dismissed, Labelled, Restored},
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{ADA, BACKLOG, BOB, TODAY, World, at, task_id};

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn ids(expected: &[u128]) -> Vec<Uuid> {
    expected.iter().map(|id| task_id(*id).0).collect()
}

#[tokio::test]
async fn one_task_is_told_whole() {
    let world = World::new().await.with_ada().await;
    let label = world.label(1, "errand").await;
    world
        .task(1, |task| {
            "Buy milk".clone_into(&mut task.title);
            task.description = Some("Two bottles".to_owned());
            task.priority = Priority::High;
            task.due_date = Some(day("2026-11-23"));
            task.labels = vec![label];
            task.created_by = Author::Agent;
            task.extracted_from = Some(EntityRef { kind: "email".to_owned(), id: Uuid::from_u128(9) });
        })
        .await;
    let reply = world.get(ADA, &format!("/tasks/{}", task_id(1))).await;
    assert_eq!(reply.header("etag"), Some("\"1\""));
    assert_json_snapshot!(reply.ok(), @r#"
    {
      "completed_at": null,
      "created_at": "2026-11-22T20:28:00Z",
      "created_by": "agent",
      "deleted_at": null,
      "description": "Two bottles",
      "dismiss_reason": null,
      "due_date": "2026-11-23",
      "extracted_from": {
        "id": "00000000-0000-0000-0000-000000000009",
        "type": "email"
      },
      "id": "00000000-0000-7a5c-0000-000000000001",
      "labels": [
        "00000000-0000-0000-0000-000000b10001"
      ],
      "list_id": "00000000-0000-0000-0000-0000000000a2",
      "parent_id": null,
      "position": "0001",
      "priority": "high",
      "progress": {
        "done": 0,
        "total": 0
      },
      "status": "open",
      "title": "Buy milk",
      "updated_at": "2026-11-22T20:28:00Z",
      "version": 1
    }
    "#);
}

#[tokio::test]
async fn progress_counts_direct_sub_tasks_but_neither_the_trash_nor_the_dismissed() {
    let world = World::new().await.with_ada().await;
    world.task(1, |_| ()).await;
    for id in 2..=5 {
        world.task(id, |task| task.parent_id = Some(task_id(1))).await;
    }
    world.task(6, |task| task.parent_id = Some(task_id(2))).await;
    world.on_task(2, 2, Completed { completed_at: at("2026-11-22T10:00:00Z") }).await;
    world.on_task(3, 2, Deleted { deleted_at: at("2026-11-22T10:00:00Z") }).await;
    world.on_task(4, 2, Dismissed { reason: Some("no".to_owned()) }).await;
    let task = world.get(ADA, &format!("/tasks/{}", task_id(1))).await.ok();
    assert_eq!(task["progress"], json!({"done": 1, "total": 2}));
    let listed = world.get(ADA, "/tasks?parent_id[null]=true").await.ok();
    assert_eq!(listed["data"][0]["progress"], json!({"done": 1, "total": 2}));
    let dismissed = world.get(ADA, &format!("/tasks/{}", task_id(4))).await.ok();
    assert_eq!((&dismissed["status"], &dismissed["dismiss_reason"]), (&json!("dismissed"), &json!("no")));
}

#[tokio::test]
async fn filters_hold_together_and_each_does_what_it_says() {
    let world = World::new().await.with_ada().await;
    let (red, blue) = (world.label(1, "red").await, world.label(2, "blue").await);
    world.task(1, |task| task.due_date = Some(day("2026-11-20"))).await;
    world
        .task(2, |task| {
            task.priority = Priority::High;
            task.list_id = TODAY;
            task.labels = vec![red, blue];
        })
        .await;
    world
        .task(3, |task| {
            task.priority = Priority::Low;
            task.status = Status::Waiting;
            task.parent_id = Some(task_id(1));
            task.labels = vec![blue];
            task.due_date = Some(day("2026-11-25"));
        })
        .await;
    world.task(4, |task| task.created_by = Author::Agent).await;
    world.clock.set(at(NOW_PLUS[1]));
    world.on_task(4, 2, Completed { completed_at: at("2026-11-22T10:00:00Z") }).await;
    world.task(5, |_| ()).await;
    world.on_task(5, 2, Deleted { deleted_at: at("2026-11-22T10:00:00Z") }).await;
    world.clock.set(at(NOW_PLUS[0]));
    world.task(6, |task| "Buy MILK and bread".clone_into(&mut task.title)).await;

    let (list, parent) = (TODAY.to_string(), task_id(1).to_string());
    for (filter, expected) in [
        (String::new(), vec![1, 2, 3, 4, 6]),
        ("created_at[gte]=2026-11-22T20:28:00Z".to_owned(), vec![1, 2, 3, 4, 6]),
        ("created_at[gt]=2026-11-22T20:28:00Z".to_owned(), vec![]),
        ("updated_at[lt]=2026-11-22T20:29:00Z".to_owned(), vec![1, 2, 3, 6]),
        ("updated_at[lte]=2026-11-22T20:29:00Z".to_owned(), vec![1, 2, 3, 4, 6]),
        ("status=open".to_owned(), vec![1, 2, 6]),
        ("status[ne]=open".to_owned(), vec![3, 4]),
        ("status[in]=done,waiting".to_owned(), vec![3, 4]),
        (format!("list_id={list}"), vec![2]),
        (format!("list_id[ne]={list}"), vec![1, 3, 4, 6]),
        (format!("parent_id={parent}"), vec![3]),
        ("parent_id[null]=true".to_owned(), vec![1, 2, 4, 6]),
        ("parent_id[null]=false".to_owned(), vec![3]),
        (format!("label={blue}"), vec![2, 3]),
        (format!("labels={red}"), vec![2]),
        (format!("label={blue}&labels[ne]={red}"), vec![3]),
        (format!("labels[in]={red},{blue}"), vec![2, 3]),
        ("labels[null]=true".to_owned(), vec![1, 4, 6]),
        ("labels[null]=false".to_owned(), vec![2, 3]),
        ("priority=high".to_owned(), vec![2]),
        ("priority[lt]=high".to_owned(), vec![1, 3, 4, 6]),
        ("priority[in]=low,high".to_owned(), vec![2, 3]),
        ("due_date=2026-11-20".to_owned(), vec![1]),
        ("due_date[gte]=2026-11-20&due_date[lt]=2026-11-25".to_owned(), vec![1]),
        ("due_date[gt]=2026-11-20".to_owned(), vec![3]),
        ("due_date[lte]=2026-11-25".to_owned(), vec![1, 3]),
        ("due_date[null]=true".to_owned(), vec![2, 4, 6]),
        ("completed_at[gte]=2026-11-22T00:00:00Z".to_owned(), vec![4]),
        ("completed_at[lt]=2026-11-22T00:00:00Z".to_owned(), vec![]),
        ("created_by=agent".to_owned(), vec![4]),
        ("q=milk".to_owned(), vec![6]),
        ("q=bre".to_owned(), vec![6]),
        ("q=milk+-bread".to_owned(), vec![]),
        ("q=\"and+bread\"".to_owned().replace('"', "%22"), vec![6]),
        ("q=!!!".to_owned(), vec![]),
        ("status=open&priority=high&q=task".to_owned(), vec![2]),
    ] {
        let mut found = world.get(ADA, &format!("/tasks?sort=created_at&{filter}")).await.ids();
        found.sort_unstable();
        assert_eq!(found, ids(&expected), "{filter}");
        let total = world.get(ADA, &format!("/tasks?include=total&limit=1&{filter}")).await.ok();
        assert_eq!(total["total"], json!(expected.len()), "{filter}");
    }
}

#[tokio::test]
async fn todays_tasks_are_due_today_where_the_user_is_or_in_the_list_today() {
    let world = World::new().await.with_ada().await;
    world.task(1, |task| task.due_date = Some(day("2026-11-22"))).await;
    world.task(2, |task| task.due_date = Some(day("2026-11-23"))).await;
    world
        .task(3, |task| {
            task.list_id = TODAY;
            task.priority = Priority::High;
        })
        .await;
    for (id, status) in [(4, Status::Done), (5, Status::Dismissed)] {
        world
            .task(id, |task| {
                task.list_id = TODAY;
                task.status = status;
            })
            .await;
    }
    assert_eq!(world.get(ADA, "/tasks/today").await.ids(), ids(&[3, 1]));
    // At 23:30 in London it is tomorrow in Berlin.
    world.clock.set(at("2026-11-22T23:30:00Z"));
    assert_eq!(world.get(ADA, "/tasks/today").await.ids(), ids(&[3, 2]));
    assert!(world.get(BOB, "/tasks/today").await.ids().is_empty());
}

#[tokio::test]
async fn the_trash_holds_what_was_deleted_last_deleted_first() {
    let world = World::new().await.with_ada().await;
    for id in 1..=3 {
        world.task(id, |_| ()).await;
        world.on_task(id, 2, Deleted { deleted_at: at(NOW_PLUS[usize::try_from(id).unwrap()]) }).await;
    }
    world.on_task(3, 3, Restored {}).await;
    assert_eq!(world.get(ADA, "/tasks/trash").await.ids(), ids(&[2, 1]));
    assert_eq!(world.get(ADA, "/tasks").await.ids(), ids(&[3]));
    let one = world.get(ADA, &format!("/tasks/{}", task_id(1))).await.ok();
    assert_eq!(one["deleted_at"], json!(NOW_PLUS[1]));
    assert!(world.get(BOB, "/tasks/trash").await.ids().is_empty());
}

const NOW_PLUS: [&str; 4] =
    ["2026-11-22T20:28:00Z", "2026-11-22T20:29:00Z", "2026-11-22T20:30:00Z", "2026-11-22T20:31:00Z"];

#[tokio::test]
async fn sub_tasks_are_listed_in_order_and_those_of_nothing_are_404() {
    let world = World::new().await.with_ada().await;
    world.task(1, |_| ()).await;
    for (id, position) in [(2, "b"), (3, "a")] {
        world
            .task(id, |task| {
                task.parent_id = Some(task_id(1));
                position.clone_into(&mut task.position);
            })
            .await;
    }
    let path = format!("/tasks/{}/subtasks", task_id(1));
    assert_eq!(world.get(ADA, &path).await.ids(), ids(&[3, 2]));
    assert!(world.get(ADA, &format!("/tasks/{}/subtasks", task_id(2))).await.ids().is_empty());
    assert_eq!(world.get(ADA, &format!("/tasks/{}/subtasks", task_id(9))).await.status, 404);
    assert_eq!(world.get(BOB, &path).await.status, 404);
}

#[tokio::test]
async fn lists_and_labels_are_the_callers_in_their_order() {
    let world = World::new().await.with_ada().await;
    let (zebra, apple) = (world.label(1, "Zebra").await, world.label(2, "apple").await);
    world.task(1, |task| task.labels = vec![zebra]).await;
    world.on_task(1, 2, Labelled { label_id: apple }).await;
    assert_eq!(world.get(ADA, "/task-lists").await.ids(), [BACKLOG.0, TODAY.0]);
    assert_eq!(world.get(ADA, "/labels").await.ids(), [apple.0, zebra.0]);
    let list = world.get(ADA, &format!("/task-lists/{TODAY}")).await;
    assert_eq!(list.header("etag"), Some("\"1\""));
    assert_json_snapshot!(list.ok(), @r#"
    {
      "color": null,
      "created_at": "2026-11-22T20:28:00Z",
      "id": "00000000-0000-0000-0000-0000000000a1",
      "name": "Today",
      "position": "b",
      "updated_at": "2026-11-22T20:28:00Z",
      "version": 1
    }
    "#);
    assert_json_snapshot!(world.get(ADA, &format!("/labels/{apple}")).await.ok(), @r#"
    {
      "color": null,
      "created_at": "2026-11-22T20:28:00Z",
      "id": "00000000-0000-0000-0000-000000b10002",
      "name": "apple",
      "updated_at": "2026-11-22T20:28:00Z",
      "version": 1
    }
    "#);
    let task = world.get(ADA, &format!("/tasks/{}", task_id(1))).await.ok();
    assert_eq!(task["labels"], json!([zebra, apple]));
    for path in [format!("/task-lists/{TODAY}"), format!("/labels/{apple}")] {
        assert_eq!(world.get(BOB, &path).await.status, 404);
        assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"1\"")]).await.status, 304);
    }
    assert!(world.get(BOB, "/task-lists").await.ids().is_empty());
    assert!(world.get(BOB, "/labels").await.ids().is_empty());
}
