//! Facts of one user, and the rows that they come to.

use std::time::Duration;

use chrono::NaiveDate;
use orbit_events::{
    EntityRef, Event, LabelId, ListId, TaskId, UserId,
    tasks::{label, list, task},
    users::{Profile, api_token, connection, login, user},
};
use uuid::Uuid;

use crate::world::{World, at, created};

/// A task as most tests want it.
pub fn task(title: &str) -> task::Created {
    match created(title) {
        Event::Task(task::Event::Created(created)) => created,
        other => panic!("{other:?} is no task"),
    }
}

pub fn of_task(fact: impl Into<task::Event>) -> Event {
    Event::Task(fact.into())
}

pub fn of_label(fact: impl Into<label::Event>) -> Event {
    Event::Label(fact.into())
}

pub fn of_list(fact: impl Into<list::Event>) -> Event {
    Event::List(fact.into())
}

fn profile(name: &str) -> Profile {
    Profile {
        name: name.to_owned(),
        avatar_url: None,
        time_zone: "Europe/Berlin".to_owned(),
        locale: "de-DE".to_owned(),
        working_hours: vec![],
    }
}

/// A user with a device, a token, a connection, a list, a label, and a task with a sub-task.
pub async fn a_life(world: &World) -> (UserId, Uuid, Uuid) {
    let user = world.user().await;
    let [device, token, mailbox, list, label, milk, oats] = std::array::from_fn(|_| world.id());
    let registered = user::Registered {
        email: "ada@example.org".into(),
        password_hash: "$argon2id$hush".into(),
        profile: profile("Ada"),
    };
    let logged_in = login::LoggedIn {
        refresh_hash: "hush".into(),
        device_name: Some("Phone".into()),
        user_agent: Some("curl".into()),
        address: Some("192.0.2.1".into()),
        expires_at: at(10_000),
    };
    let issued = api_token::Issued {
        name: "Backup".into(),
        secret_hash: "hush".into(),
        scopes: vec!["tasks:read".into(), "email:send".into()],
        expires_at: None,
    };
    let settings = connection::Settings {
        name: "Mail".into(),
        endpoint: "imap.example.org".into(),
        port: Some(993),
        username: Some("ada".into()),
        secret: Some("hush".into()),
        security: Some(connection::Security::Tls),
        address: Some("ada@example.org".into()),
        display_name: None,
        imap_connection_id: None,
        saves_sent: Some(true),
    };
    let milk_created = task::Created {
        list_id: ListId(list),
        labels: vec![LabelId(label)],
        description: Some("Two litres".into()),
        extracted_from: Some(EntityRef { kind: "email".into(), id: Uuid::from_u128(5) }),
        ..task("Buy milk")
    };
    let facts: Vec<(Uuid, Event)> = vec![
        (user.0, Event::User(registered.into())),
        (device, Event::Login(logged_in.into())),
        (token, Event::ApiToken(issued.into())),
        (mailbox, Event::Connection(connection::Connected { kind: connection::Kind::Imap, settings }.into())),
        (mailbox, Event::Connection(connection::SyncProgressed { cursor: "7".into(), items: 12 }.into())),
        (list, of_list(list::Created { name: "Today".into(), color: None, position: "V".into() })),
        (label, of_label(label::Created { name: "urgent".into(), color: Some("#ff0000".into()) })),
        (milk, of_task(milk_created)),
        (oats, of_task(task("Buy oats"))),
        (oats, of_task(task::Nested { parent_id: Some(TaskId(milk)) })),
        (oats, of_task(task::Labelled { label_id: LabelId(label) })),
        (milk, of_task(task::Scheduled { due_date: NaiveDate::from_ymd_opt(2026, 11, 30) })),
        (milk, of_task(task::Retitled { title: "Buy oat milk".into() })),
        (milk, of_task(task::Completed { completed_at: at(14) })),
    ];
    world.append(user, facts).await;
    (user, label, milk)
}

#[tokio::test]
async fn facts_become_rows_without_a_secret() {
    let world = World::new().await;
    let (user, label, milk) = a_life(&world).await;
    let caught_up = world.catch_up().await;
    assert_eq!(caught_up.head, 14);
    assert_eq!(caught_up.facts, 5 + 9 + 14, "users, tasks, activities");

    let dump = world.dump("view").await;
    let rows = |table: &str| dump.iter().find(|(name, _)| name == table).unwrap().1.clone();
    assert_eq!(rows("users")[0]["email"], "ada@example.org");
    assert_eq!(rows("logins")[0]["device_name"], "Phone");
    assert_eq!(rows("api_tokens")[0]["scopes"], serde_json::json!(["tasks:read", "email:send"]));
    assert_eq!(rows("connections")[0]["sync_state"], "ok");
    assert_eq!(rows("connections")[0]["has_secret"], true);
    let mail = rows("connections")[0].clone();
    assert_eq!(
        [&mail["security"], &mail["address"], &mail["display_name"], &mail["saves_sent"]],
        [&"tls".into(), &"ada@example.org".into(), &serde_json::Value::Null, &true.into()]
    );
    let task = rows("tasks").as_array().unwrap().iter().find(|t| t["id"] == milk.to_string()).unwrap().clone();
    assert_eq!(
        (&task["title"], &task["description"], &task["status"], &task["version"], &task["priority"]),
        (&"Buy oat milk".into(), &"Two litres".into(), &"done".into(), &4.into(), &2.into())
    );
    assert_eq!((&task["due_date"], &task["labels"]), (&"2026-11-30".into(), &serde_json::json!([label])));
    assert_eq!(task["user_id"], user.0.to_string());
    assert!(!serde_json::to_string(&dump).unwrap().contains("hush"), "no secret leaves the log");

    let told: Vec<String> =
        sqlx::query_scalar("SELECT description FROM view.activities ORDER BY position DESC LIMIT 4")
            .fetch_all(world.database.pool())
            .await
            .unwrap();
    assert_eq!(
        told,
        [
            "Completed task “Buy oat milk”",
            "Renamed task “Buy milk” to “Buy oat milk”",
            "Set the due date of task “Buy milk” to 2026-11-30",
            "Labelled task “Buy oats” as “urgent”",
        ]
    );
    let found = world.count(
        "SELECT count(*) FROM view.activities
         WHERE to_tsvector('simple', description) @@ plainto_tsquery('simple', 'oat milk')",
    );
    assert_eq!(found.await, 2);
    assert_eq!(world.count("SELECT count(*) FROM view.tasks WHERE words @@ to_tsquery('simple', 'litres')").await, 1);
}

#[tokio::test]
async fn removing_a_label_takes_it_off_all_tasks_for_ever() {
    let world = World::new().await;
    let (user, label, milk) = a_life(&world).await;
    world.catch_up().await;
    let labelled = "SELECT count(*) FROM view.tasks WHERE labels <> '{}'";
    assert_eq!(world.count(labelled).await, 2);
    world.append(user, [(label, of_label(label::Removed {}))]).await;
    world.catch_up().await;
    assert_eq!(world.count(labelled).await, 0);
    assert_eq!(world.count("SELECT count(*) FROM view.labels").await, 0);
    // As from a stream that was parked while the label was removed.
    world.append(user, [(milk, of_task(task::Labelled { label_id: LabelId(label) }))]).await;
    world.catch_up().await;
    assert_eq!(world.count(labelled).await, 0);
}

#[tokio::test]
async fn an_erased_user_leaves_bare_facts_live_and_in_a_rebuild() {
    let world = World::new().await;
    let (user, _, _) = a_life(&world).await;
    let other = world.user().await;
    world.append(other, [(world.id(), of_task(task("Water plants")))]).await;
    world.catch_up().await;
    world.append(user, [(user.0, Event::User(user::Erased {}.into()))]).await;
    world.catch_up().await;
    world.vault.destroy_keys(user).await.unwrap();

    let dump = world.dump("view").await;
    let text = serde_json::to_string(&dump).unwrap();
    for word in ["ada@", "Ada", "milk", "Phone", "Backup", "Today", "urgent", "192.0.2.1"] {
        assert!(!text.contains(word), "{word} is still there: {text}");
    }
    assert_eq!(world.titles().await, ["Water plants"]);
    assert_eq!(world.count("SELECT count(*) FROM view.activities WHERE description = 'Completed a task'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM view.activities").await, 16);

    // A rebuild finds nothing but ciphertext, and comes to the same.
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, dump);
}

#[tokio::test]
async fn a_projector_that_learns_of_an_erasure_too_late_still_forgets() {
    let world = World::new().await;
    let (user, _, _) = a_life(&world).await;
    world.catch_up().await;
    world.append(user, [(user.0, Event::User(user::Erased {}.into()))]).await;
    // The key is gone before any projector has seen the fact, whose own content is sealed with it.
    world.vault.destroy_keys(user).await.unwrap();
    let running = world.projector().await;
    world.wait_for(15).await;
    running.stop().await;
    assert!(world.titles().await.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM view.users").await, 0);
    let worded = "SELECT count(*) FROM view.activities WHERE metadata IS NOT NULL OR description LIKE '%“%'";
    assert_eq!(world.count(worded).await, 0);
}

#[tokio::test]
async fn a_rebuild_comes_to_what_was_folded_live() {
    let world = World::new().await;
    let relay = world.relay();
    let running = world.projector().await;
    for n in 0..10 {
        a_life(&world).await;
        if n % 3 == 0 {
            world.wait_for(14 * (n + 1)).await;
        }
    }
    world.wait_for(140).await;
    running.stop().await;
    relay.stop().await;
    world.fold_into("rebuilt").await;
    assert_eq!(world.dump("rebuilt").await, world.dump("view").await);
    assert!(world.titles().await.len() == 20);
}

#[tokio::test]
async fn catching_up_keeps_pace_with_a_log_of_thousands() {
    let world = World::new().await;
    let user = world.user().await;
    let facts: Vec<(Uuid, Event)> = (0..1_700).map(|n| (world.id(), of_task(task(&format!("Task {n}"))))).collect();
    world.append(user, facts).await;
    let caught_up = world.catch_up().await;
    assert_eq!((caught_up.head, caught_up.facts), (1_700, 3_400));
    assert!(caught_up.took > Duration::ZERO);
    assert_eq!(world.titles().await.len(), 1_700);
    assert_eq!(world.reached("users").await, 1_700, "a projection that wants none of them is at the head too");
}
