//! The tasks context: the board, statistics, search.

use chrono::TimeDelta;
use insta::assert_json_snapshot;
use orbit_events::{
    ListId,
    tasks::{
        Priority, Status, list,
        task::{Completed, Deleted},
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    tasks::{day, ids},
    world::{ADA, BOB, TODAY, World, at, encode, task_id},
};

#[tokio::test]
async fn the_board_has_lists_and_tasks_in_order_and_says_where_there_is_more() {
    let world = World::new().await.with_ada().await;
    let empty = ListId(Uuid::from_u128(0xa3));
    let created =
        list::Created { name: "Empty".to_owned(), color: Some("#aabbcc".to_owned()), position: "c".to_owned() };
    world.record(ADA, empty.0, 1, list::Event::from(created)).await;
    for (id, position) in [(1, "b"), (2, "a"), (3, "c")] {
        world.task(id, |task| position.clone_into(&mut task.position)).await;
    }
    world.task(4, |task| task.list_id = TODAY).await;
    world
        .task(5, |task| {
            task.list_id = TODAY;
            task.status = Status::Dismissed;
        })
        .await;
    let board = world.get(ADA, "/tasks/board?limit=2").await.ok();
    let shape: Vec<Value> = board["lists"]
        .as_array()
        .unwrap()
        .iter()
        .map(|list| {
            let titles: Vec<_> = list["tasks"].as_array().unwrap().iter().map(|task| task["title"].clone()).collect();
            json!([list["name"], titles, list["has_more"]])
        })
        .collect();
    assert_eq!(
        json!(shape),
        json!([["Backlog", ["Task 2", "Task 1"], true], ["Today", ["Task 4"], false], ["Empty", [], false]])
    );
    assert_eq!(board["has_more"], json!(false));
    assert_eq!(world.get(BOB, "/tasks/board").await.ok(), json!({"lists": [], "has_more": false}));
}

#[tokio::test]
async fn a_card_tells_all_of_its_task_but_the_description() {
    let world = World::new().await.with_ada().await;
    world.task(1, |task| task.description = Some("x".repeat(60_000))).await;
    world.task(2, |_| ()).await;
    world.task(3, |task| task.parent_id = Some(task_id(2))).await;
    world.on_task(3, 2, Completed { completed_at: at("2026-11-22T10:00:00Z") }).await;
    let reply = world.get(ADA, "/tasks/board").await;
    assert!(reply.text.len() < 5_000, "the description came along");
    let board = reply.ok();
    let cards = &board["lists"][0]["tasks"];
    assert_eq!((&cards[0]["has_description"], &cards[1]["has_description"]), (&json!(true), &json!(false)));
    assert_json_snapshot!(cards[1], @r#"
    {
      "completed_at": null,
      "created_at": "2026-11-22T20:28:00Z",
      "created_by": "user",
      "due_date": null,
      "extracted_from": null,
      "has_description": false,
      "id": "00000000-0000-7a5c-0000-000000000002",
      "labels": [],
      "list_id": "00000000-0000-0000-0000-0000000000a2",
      "parent_id": null,
      "position": "0002",
      "priority": "medium",
      "progress": {
        "done": 1,
        "total": 1
      },
      "status": "open",
      "title": "Task 2",
      "updated_at": "2026-11-22T20:28:00Z",
      "version": 1
    }
    "#);
}

#[tokio::test]
async fn a_board_of_many_lists_has_fewer_cards_of_each_and_says_so() {
    let world = World::new().await.with_ada().await;
    // Beside Ada's two: 101 lists with 60 tasks each.
    sqlx::raw_sql(
        "INSERT INTO view.task_lists (id, user_id, name, position, created_at, updated_at, version)
         SELECT gen_random_uuid(), l.user_id, 'List ' || n, 'c', l.created_at, l.updated_at, 1
         FROM (SELECT * FROM view.task_lists WHERE name = 'Today') l, generate_series(1, 101) n;
         INSERT INTO view.tasks (id, user_id, list_id, title, priority, status, position, labels, created_by, created_at,
                                 updated_at, version)
         SELECT gen_random_uuid(), l.user_id, l.id, 'Task ' || n, 2, 'open', lpad(n::text, 4, '0'), '{}', 'user',
                l.created_at, l.updated_at, 1
         FROM view.task_lists l, generate_series(1, 60) n WHERE l.name LIKE 'List %'",
    )
    .execute(world.database.pool())
    .await
    .unwrap();
    for limit in ["", "?limit=200"] {
        let board = world.get(ADA, &format!("/tasks/board{limit}")).await.ok();
        let lists = board["lists"].as_array().unwrap();
        let cards = |list: &Value| list["tasks"].as_array().unwrap().len();
        assert_eq!((lists.len(), &board["has_more"]), (100, &json!(true)), "{limit}");
        assert_eq!((cards(&lists[1]), &lists[1]["has_more"]), (0, &json!(false)), "{limit}");
        for list in &lists[2..] {
            assert_eq!((cards(list), &list["has_more"]), (50, &json!(true)), "{limit}");
        }
    }
    // Few lists have room.
    sqlx::query("DELETE FROM view.task_lists WHERE name LIKE 'List %' AND name NOT LIKE 'List 1_'")
        .execute(world.database.pool())
        .await
        .unwrap();
    let board = world.get(ADA, "/tasks/board?limit=200").await.ok();
    let last = &board["lists"][11];
    assert_eq!((last["tasks"].as_array().unwrap().len(), &last["has_more"]), (60, &json!(false)));
}

#[tokio::test]
async fn statistics_count_in_the_users_days() {
    let world = World::new().await.with_ada().await;
    world.task(1, |task| task.due_date = Some(day("2026-11-21"))).await;
    world.task(2, |task| task.due_date = Some(day("2026-11-22"))).await;
    world.task(3, |task| task.status = Status::Pending).await;
    world.task(4, |task| task.priority = Priority::High).await;
    for (id, hours) in [(5, 1), (6, 2), (7, 30)] {
        world.clock.set(at("2026-11-20T12:00:00Z"));
        world.task(id, |task| task.list_id = TODAY).await;
        // 13:00 in Berlin, 14:00, and 19:00 of the next day.
        let completed_at = world.clock.now() + TimeDelta::hours(hours);
        world.on_task(id, 2, Completed { completed_at }).await;
    }
    world.clock.set(at("2026-11-22T20:28:00Z"));
    assert_json_snapshot!(world.get(ADA, "/tasks/statistics?days=3").await.ok(), @r#"
    {
      "by_list": [
        {
          "done": 0,
          "list_id": "00000000-0000-0000-0000-0000000000a2",
          "name": "Backlog",
          "open": 3
        },
        {
          "done": 3,
          "list_id": "00000000-0000-0000-0000-0000000000a1",
          "name": "Today",
          "open": 0
        }
      ],
      "by_priority": {
        "high": 1,
        "low": 0,
        "medium": 2
      },
      "by_status": {
        "backlog": 0,
        "dismissed": 0,
        "done": 3,
        "in_progress": 0,
        "open": 3,
        "pending": 1,
        "waiting": 0
      },
      "completed": 3,
      "completed_per_day": [
        {
          "count": 2,
          "date": "2026-11-20"
        },
        {
          "count": 1,
          "date": "2026-11-21"
        },
        {
          "count": 0,
          "date": "2026-11-22"
        }
      ],
      "due_today": 1,
      "lead_time": {
        "average_s": 39600.0,
        "median_s": 7200.0,
        "tasks": 3
      },
      "open": 3,
      "overdue": 1,
      "time_zone": "Europe/Berlin",
      "today": "2026-11-22"
    }
    "#);
    let nobody = world.get(BOB, "/tasks/statistics?days=1").await.ok();
    assert_eq!((&nobody["open"], &nobody["lead_time"]["median_s"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn a_search_finds_words_and_their_beginnings_and_shows_where() {
    let world = World::new().await.with_ada().await;
    world.task(1, |task| "Buy milk".clone_into(&mut task.title)).await;
    world
        .task(2, |task| {
            "Shopping".clone_into(&mut task.title);
            task.description = Some("bread, <b>milk</b> & milk again".to_owned());
        })
        .await;
    world.task(3, |task| "Milk".clone_into(&mut task.title)).await;
    world.on_task(3, 2, Deleted { deleted_at: at("2026-11-22T10:00:00Z") }).await;
    let found = world.get(ADA, "/tasks/search?q=mil").await;
    assert_eq!(found.ids(), ids(&[2, 1]));
    let found = found.json();
    assert_eq!(
        found["data"][1]["highlights"],
        json!({"title": [{"text": "Buy ", "hit": false}, {"text": "milk", "hit": true}], "description": []})
    );
    assert_json_snapshot!(found["data"][0]["highlights"], @r#"
    {
      "description": [
        {
          "hit": false,
          "text": "bread,  "
        },
        {
          "hit": true,
          "text": "milk"
        },
        {
          "hit": false,
          "text": "  & "
        },
        {
          "hit": true,
          "text": "milk"
        },
        {
          "hit": false,
          "text": " again"
        }
      ],
      "title": [
        {
          "hit": false,
          "text": "Shopping"
        }
      ]
    }
    "#);
    assert!(world.get(BOB, "/tasks/search?q=milk").await.ids().is_empty());
    for odd in ["-(a b)", "\"", "a:*", "' OR 1=1", "\\", "a & | !", "-\"milk bread\"", "<->", "🙂", "or or or"] {
        assert_eq!(world.get(ADA, &format!("/tasks/search?q={}", encode(odd))).await.status, 200, "{odd}");
        assert_eq!(world.get(ADA, &format!("/tasks?q={}", encode(odd))).await.status, 200, "{odd}");
    }
}

#[tokio::test]
async fn searches_have_a_rate_of_their_own() {
    let world = World::with("1/min").await;
    assert_eq!(world.get(ADA, "/tasks/search?q=a").await.status, 200);
    let reply = world.get(ADA, "/activities/search?q=a").await;
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (429, true));
    assert_eq!(world.get(ADA, "/tasks").await.status, 200);
    assert_eq!(world.get(BOB, "/tasks/search?q=a").await.status, 200);
}

#[tokio::test]
async fn a_list_with_words_counts_as_a_search() {
    let world = World::with("2/min").await.with_ada().await;
    let first = world.get(ADA, "/tasks?q=a").await;
    assert_eq!((first.status, first.header("ratelimit")), (200, Some("\"search\";r=1;t=30")));
    assert_eq!(world.get(ADA, "/tasks/today?%71=a").await.status, 200);
    for path in ["/tasks?q=a", "/tasks/trash?q=a", "/tasks/today?limit=1&q=a", "/activities/search?q=a"] {
        let reply = world.get(ADA, path).await;
        assert_eq!((reply.status, reply.header("retry-after").is_some()), (429, true), "{path}");
    }
    for path in ["/tasks", "/tasks?q=", "/tasks/today?status=open"] {
        assert_eq!(world.get(ADA, path).await.status, 200, "{path}");
    }
}
