//! Pages: walking all of them gives the whole list in its order, whatever the rows and the sort.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use orbit_events::tasks::{Priority, task::Deleted};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use uuid::Uuid;

use crate::world::{ADA, World, at, task_id};

const SORTS: [&str; 12] = [
    "created_at",
    "-created_at",
    "-updated_at",
    "due_date",
    "-due_date",
    "priority",
    "-title",
    "position",
    "due_date,-priority",
    "-due_date,title",
    "-priority,due_date,-position",
    "title,-due_date,created_at",
];

#[derive(Clone, Debug)]
struct Row {
    title: String,
    priority: Priority,
    due_date: Option<NaiveDate>,
    position: String,
    created_at: DateTime<Utc>,
    deleted: bool,
}

/// Few values of each, so that many rows are equal but for their id.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Medium), Just(Priority::High)];
    let day = |day: u64| NaiveDate::from_ymd_opt(2026, 11, 1).unwrap() + chrono::Days::new(day);
    let row = (
        prop_oneof!["[ab]", "[A-Za-z \u{e4}\u{1f642}]{1,3}"],
        priority,
        proptest::option::of((0..3_u64).prop_map(day)),
        "[a-c]",
        0..4_i64,
        proptest::bool::weighted(0.2),
    );
    let row = row.prop_map(|(title, priority, due_date, position, minute, deleted)| Row {
        title,
        priority,
        due_date,
        position,
        created_at: at("2026-11-22T20:28:00.123456Z") + TimeDelta::minutes(minute),
        deleted,
    });
    proptest::collection::vec(row, 30..60)
}

async fn walk(world: &World, path: &str, limit: usize) -> Vec<Uuid> {
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(ADA, &format!("{path}&limit={limit}{cursor}")).await.ok();
        let ids =
            page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().parse::<Uuid>().unwrap());
        walked.extend(ids);
        let next = page["next_cursor"].as_str();
        assert_eq!(page["has_more"], Value::Bool(next.is_some()));
        let Some(next) = next else { return walked };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn walking_all_pages_under_every_sort_gives_the_whole_list_in_its_order() {
    let world = World::new().await.with_ada().await;
    let mut runner = TestRunner::new(Config::default());
    let mut id = 0;
    for _ in 0..3 {
        let rows = rows().new_tree(&mut runner).unwrap().current();
        sqlx::query("TRUNCATE view.tasks").execute(world.database.pool()).await.unwrap();
        for row in &rows {
            id += 1;
            world.clock.set(row.created_at);
            world
                .task(id, |task| {
                    row.title.clone_into(&mut task.title);
                    task.priority = row.priority;
                    task.due_date = row.due_date;
                    row.position.clone_into(&mut task.position);
                })
                .await;
            if row.deleted {
                world.on_task(id, 2, Deleted { deleted_at: row.created_at }).await;
            }
        }
        let present = rows.iter().filter(|row| !row.deleted).count();
        for sort in SORTS {
            let path = format!("/tasks?sort={sort}");
            let whole = world.get(ADA, &format!("{path}&limit=200")).await.ok();
            let whole_ids = walk(&world, &path, 200).await;
            assert_eq!(whole_ids.len(), present, "{sort} of {rows:?}");
            assert_in_order(whole["data"].as_array().unwrap(), sort);
            for limit in [1, 7] {
                assert_eq!(walk(&world, &path, limit).await, whole_ids, "{sort} by {limit} of {rows:?}");
            }
        }
        let trash = walk(&world, "/tasks/trash?sort=-deleted_at,title", 3).await;
        assert_eq!(trash.len(), rows.len() - present);
        let labels_of_one_page = walk(&world, "/tasks/search?q=a", 2).await;
        assert_eq!(labels_of_one_page, walk(&world, "/tasks/search?q=a", 200).await);
        assert_eq!(
            walk(&world, "/activities?sort=-position", 7).await,
            walk(&world, "/activities?sort=-position", 200).await
        );
    }
}

/// Columns whose order does not depend on the database's collation; tasks without a due date come last.
fn assert_in_order(tasks: &[Value], sort: &str) {
    let (column, descending) = sort.strip_prefix('-').map_or((sort, false), |column| (column, true));
    let first = column.split(',').next().unwrap();
    let rank = |task: &Value| match first {
        "priority" => ["low", "medium", "high"].iter().position(|p| task["priority"] == *p).map(|p| p.to_string()),
        "title" => None,
        column => task[column].as_str().map(ToOwned::to_owned),
    };
    for pair in tasks.windows(2) {
        match (rank(&pair[0]), rank(&pair[1])) {
            (Some(one), Some(next)) if descending => assert!(one >= next, "{sort}"),
            (Some(one), Some(next)) => assert!(one <= next, "{sort}"),
            (None, Some(_)) => panic!("{sort}: a task without a value comes before one with"),
            (_, None) => {}
        }
    }
}

#[tokio::test]
async fn lists_in_a_fixed_order_are_walked_too() {
    let world = World::new().await.with_ada().await;
    for id in 1..=7 {
        world.label(id, &format!("{}{id}", ["B", "a", "C"][usize::try_from(id % 3).unwrap()])).await;
    }
    for path in ["/labels?", "/task-lists?", "/auth/devices?"] {
        assert_eq!(walk(&world, path, 1).await, walk(&world, path, 200).await, "{path}");
    }
    assert_eq!(walk(&world, "/labels?", 2).await.len(), 7);
}

#[tokio::test]
async fn a_cursor_that_was_tampered_with_or_belongs_to_another_question_is_400() {
    let world = World::new().await.with_ada().await;
    for id in 1..=3 {
        world.task(id, |_| ()).await;
    }
    let page = world.get(ADA, "/tasks?status=open&limit=1").await.ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    let code = async |path: String| {
        let reply = world.get(ADA, &path).await;
        (reply.status, reply.json()["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(
        world.get(ADA, &format!("/tasks?limit=2&status=open&cursor={cursor}")).await.ids(),
        [2, 1].map(|id| task_id(id).0)
    );
    for other in ["status=done", "status=open&sort=title", "status=open&q=a", "status[in]=open"] {
        assert_eq!(
            code(format!("/tasks?{other}&cursor={cursor}")).await,
            (400, "cursor_mismatch".to_owned()),
            "{other}"
        );
    }
    assert_eq!(code(format!("/tasks/today?status=open&cursor={cursor}")).await.1, "cursor_mismatch");
    let flipped: String = cursor.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
    for spoilt in [&cursor[1..], &cursor[..cursor.len() - 1], &flipped, "garbage", ""] {
        assert_eq!(
            code(format!("/tasks?status=open&cursor={spoilt}")).await,
            (400, "invalid_cursor".to_owned()),
            "{spoilt}"
        );
    }
}
