//! A newcomer's story, over real HTTP, from opening an account to being forgotten.

use orbit_testing::eventually;
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use crate::world::{PASSWORD, SOON, Session, World};

/// Found nowhere else, neither in the log nor after the end.
const SECRET: &str = "Zanzibar";

#[tokio::test]
async fn a_newcomer_writes_reads_and_is_forgotten() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    let me = world.get("/auth/me").by(&ada).send().await.expect(200).json();
    assert_eq!((&me["email"], &me["name"]), (&json!("ada@example.org"), &json!("ada")));

    let task = writes_a_task(&world, &ada).await;
    edits_it(&world, &ada, task).await;
    completes_it_with_its_parts(&world, &ada, task).await;
    sees_it_in_every_view(&world, &ada, task).await;
    gives_a_program_a_token(&world, &ada).await;
    let ada = stays_logged_in(&world, &ada).await;
    is_forgotten(&world, &ada, task).await;
    world.stop().await;
}

/// Lists are there from the beginning, a repeated request is harmless, and what was written can be read at once.
async fn writes_a_task(world: &World, ada: &Session) -> Uuid {
    let lists = world.get("/task-lists").by(ada).send().await.expect(200);
    assert_eq!(lists.each("name"), ["Backlog", "Today", "In Progress", "Done"]);
    let today = lists.each("id")[1].clone();

    let body = json!({"title": format!("Fly to {SECRET}"), "priority": "high", "list_id": today});
    let create = || world.post("/tasks").by(ada).header("idempotency-key", "flight").json(&body).send();
    let (created, again) = (create().await.expect(201), create().await.expect(201));
    assert_eq!((created.id(), created.position()), (again.id(), again.position()));
    assert_eq!((created.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    assert_eq!(created.header("location"), Some(format!("/api/v1/tasks/{}", created.id()).as_str()));
    let other = world.post("/tasks").by(ada).header("idempotency-key", "flight").json(&json!({"title": "Stay"}));
    other.send().await.refused(422, "idempotency_key_reused");

    let read =
        world.get(&format!("/tasks/{}", created.id())).by(ada).after(created.position()).send().await.expect(200);
    assert!(read.header("orbit-as-of").unwrap().parse::<i64>().unwrap() >= created.position());
    assert_eq!(read.header("etag"), created.header("etag"));
    let (wrote, read) = (created.json(), read.json());
    for (field, value) in wrote.as_object().unwrap() {
        assert_eq!(&read[field], value, "{field}");
    }
    let page = world.get("/tasks").by(ada).send().await.expect(200);
    assert_eq!(page.each("id"), [json!(created.id())], "the repetition wrote nothing");
    created.id()
}

/// A change is made to the version that was seen, or not at all.
async fn edits_it(world: &World, ada: &Session, task: Uuid) {
    let path = format!("/tasks/{task}");
    let seen = world.get(&path).by(ada).send().await.expect(200);
    let etag = seen.header("etag").unwrap();
    let edit = |tag: &str, body: Value| world.call("PATCH", &path).by(ada).header("if-match", tag).json(&body).send();
    let head = world.head().await;
    let dry =
        world.call("PATCH", &format!("{path}?dry_run=true")).by(ada).json(&json!({"priority": "low"})).send().await;
    assert!(dry.expect(200).body.contains("tasks.prioritised"));
    assert_eq!(world.head().await, head);
    let edited = edit(etag, json!({"description": "By **night**", "due_date": "2027-01-31"})).await.expect(200);
    edit(etag, json!({"description": null})).await.expect(412);
    let read = world.get(&path).by(ada).after(edited.position()).send().await.expect(200).json();
    assert_eq!((&read["description"], &read["due_date"]), (&json!("By **night**"), &json!("2027-01-31")));
}

/// Sub-tasks can go with the task that they are part of.
async fn completes_it_with_its_parts(world: &World, ada: &Session, task: Uuid) {
    for title in ["Book a seat", "Pack a bag"] {
        world.post("/tasks").by(ada).json(&json!({"title": title, "parent_id": task})).send().await.expect(201);
    }
    let complete = world.post(&format!("/tasks/{task}/complete")).by(ada).json(&json!({"children": "complete"}));
    let position = complete.send().await.expect(200).position();
    let parts = world.get(&format!("/tasks/{task}/subtasks")).by(ada).after(position).send().await.expect(200);
    assert_eq!(parts.each("status"), ["done", "done"]);
    let whole = world.get(&format!("/tasks/{task}")).by(ada).send().await.expect(200).json();
    assert_eq!((&whole["status"], &whole["progress"]), (&json!("done"), &json!({"done": 2, "total": 2})));
    let reopened = world.post(&format!("/tasks/{task}/reopen")).by(ada).send().await.expect(200);
    let whole = world.get(&format!("/tasks/{task}")).by(ada).after(reopened.position()).send().await.expect(200).json();
    assert_eq!((&whole["status"], &whole["completed_at"]), (&json!("open"), &json!(null)));
}

/// Board, today, statistics, search and activities tell the same story.
async fn sees_it_in_every_view(world: &World, ada: &Session, task: Uuid) {
    // Activities are a projection of their own.
    world.caught_up().await;
    let board = world.get("/tasks/board").by(ada).send().await.expect(200).json();
    let column = board["lists"].as_array().unwrap().iter().find(|list| list["name"] == "Today").unwrap();
    let on_board: Vec<_> = column["tasks"].as_array().unwrap().iter().map(|task| &task["id"]).collect();
    assert!(on_board.contains(&&json!(task)), "{board}");
    let today = world.get("/tasks/today").by(ada).send().await.expect(200);
    assert!(today.each("id").contains(&json!(task)));
    let statistics = world.get("/tasks/statistics").by(ada).send().await.expect(200).json();
    assert_eq!((&statistics["open"], &statistics["completed"]), (&json!(1), &json!(2)));
    let found = world.get("/tasks/search?q=zanzibar").by(ada).send().await.expect(200);
    assert_eq!(found.each("id"), [json!(task)]);
    let told = world.get("/activities?limit=200").by(ada).send().await.expect(200);
    for fact in ["users.registered", "lists.created", "tasks.created", "tasks.scheduled", "tasks.completed"] {
        assert!(told.each("type").contains(&json!(fact)), "{fact}: {}", told.body);
    }
    assert_eq!(told.each("position").len(), usize::try_from(world.head().await).unwrap(), "every fact is told");
    let found = world.get("/activities/search?q=zanzibar").by(ada).send().await.expect(200);
    assert!(found.body.contains(&task.to_string()));
}

/// A program may do what its token says, until it is revoked.
async fn gives_a_program_a_token(world: &World, ada: &Session) {
    let body = json!({"name": "Backup", "scopes": ["tasks:read"]});
    let issued = world.post("/auth/tokens").by(ada).json(&body).send().await.expect(201);
    let token = issued.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("orb_pat_"));
    world.get("/tasks").bearer(&token).send().await.expect(200);
    world.post("/tasks").bearer(&token).json(&json!({"title": "No"})).send().await.refused(403, "missing_scope");
    world.get("/activities").bearer(&token).send().await.refused(403, "missing_scope");
    let shown = world.get("/auth/tokens").by(ada).after(issued.position()).send().await.expect(200);
    assert_eq!(shown.each("name"), ["Backup"]);
    assert!(!shown.body.contains(&token));
    world.call("DELETE", &format!("/auth/tokens/{}", issued.id())).by(ada).send().await.expect(204);
    world.get("/tasks").bearer(&token).send().await.refused(401, "invalid_token");
}

/// Refresh tokens are good for one use; a second use ends that device, and no other.
async fn stays_logged_in(world: &World, ada: &Session) -> Session {
    let login = || world.post("/auth/login").json(&json!({"email": "ADA@example.org", "password": PASSWORD})).send();
    let refresh = |token: &str| world.post("/auth/refresh").json(&json!({"refresh_token": token})).send();
    let (phone, lost) = (Session::of(&login().await.expect(200)), Session::of(&login().await.expect(200)));
    let next = Session::of(&refresh(&phone.refresh).await.expect(200));
    assert_eq!(next.login(), phone.login());
    refresh(&phone.refresh).await.refused(401, "refresh_reuse_detected");
    refresh(&next.refresh).await.expect(401);
    world.post("/tasks").by(&next).json(&json!({"title": "No"})).send().await.expect(401);
    world.post("/auth/logout").by(&lost).send().await.expect(204);
    refresh(&lost.refresh).await.expect(401);
    Session::of(&refresh(&ada.refresh).await.expect(200))
}

/// Everything that can be read is gone, and the log still says that something happened.
async fn is_forgotten(world: &World, ada: &Session, task: Uuid) {
    let before = world.head().await;
    let log = facts(world, before).await;
    let plain = "SELECT count(*) FROM log.events WHERE position($1::bytea IN data) > 0";
    let plain: i64 = sqlx::query_scalar(plain).bind(SECRET.as_bytes()).fetch_one(world.database.pool()).await.unwrap();
    assert_eq!(plain, 0, "the log holds ciphertext only");
    world.caught_up().await;
    assert!(!world.rows_of(ada.id).await.is_empty());

    let wrong = world.call("DELETE", "/auth/me").by(ada).json(&json!({"password": "Wrong horse 1"})).send().await;
    wrong.refused(422, "wrong_password");
    world.call("DELETE", "/auth/me").by(ada).json(&json!({"password": PASSWORD})).send().await.expect(202);
    // Without any time of grace.
    eventually(SOON, || async {
        let answer = world.post("/tasks").by(ada).json(&json!({"title": "No"})).send().await;
        if answer.status == 401 { Ok(()) } else { Err(answer) }
    })
    .await;
    let login = world.post("/auth/login").json(&json!({"email": "ada@example.org", "password": PASSWORD}));
    login.send().await.refused(401, "invalid_credentials");

    world.caught_up().await;
    // What remains are ids: that something happened, and that facts that come late have nobody to be told of.
    let ids_only = ["activities", "users_removed", "tasks_removed", "emails_removed", "activity_subjects"];
    let left: Vec<_> =
        world.rows_of(ada.id).await.into_iter().filter(|(table, _)| !ids_only.contains(&table.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
    let dump = world.dump("view").await;
    assert!(dump.iter().all(|(_, rows)| !rows.to_string().contains(SECRET) && !rows.to_string().contains("ada@")));
    // A query may take the token for good a while longer (30 s), but there is nothing that it could find.
    for path in ["/auth/me", &format!("/tasks/{task}"), "/tasks"] {
        let answer = world.get(path).by(ada).send().await;
        let nothing = answer.status == 200 && answer.json()["data"] == json!([]);
        assert!(nothing || [401, 404].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(facts(world, before).await, log, "facts are for ever");
    let keys = "SELECT count(*) FROM vault.keys WHERE user_id = $1 AND destroyed_at IS NULL";
    let keys: i64 = sqlx::query_scalar(keys).bind(ada.id).fetch_one(world.database.pool()).await.unwrap();
    assert_eq!(keys, 0);
    // The address is free again, and whoever takes it is somebody else.
    let namesake = world.register("ada").await;
    assert_ne!(namesake.id, ada.id);
    world.get(&format!("/tasks/{task}")).by(&namesake).send().await.expect(404);
}

/// The rows of the log up to a position, as they are on disk.
async fn facts(world: &World, upto: i64) -> Vec<String> {
    let rows = sqlx::query("SELECT md5(e::text) FROM log.events e WHERE position <= $1 ORDER BY position").bind(upto);
    rows.fetch_all(world.database.pool()).await.unwrap().iter().map(|row| row.get(0)).collect()
}
