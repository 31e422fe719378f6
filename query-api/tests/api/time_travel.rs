//! Reads as of a moment: what was answered then is answered again, by every route; and what such a read refuses.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::{
    Actor, TaskId, UserId,
    tasks::{Status, label, list, task},
    users::{Profile, api_token, connection, login, user},
};
use orbit_testing::eventually;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADA, BACKLOG, BOB, NOW, Reply, TODAY, World, at, fact_id, login_of, task_id};

const TOKEN: Uuid = Uuid::from_u128(0x70);
const MAIL: Uuid = Uuid::from_u128(0x3a11);
const LABEL: Uuid = Uuid::from_u128(0xb1_0001);
const OTHER_LABEL: Uuid = Uuid::from_u128(0xb1_0002);

/// Every read there is, with things that come and go.
fn paths() -> Vec<String> {
    let lists = [
        "/auth/me",
        "/auth/devices",
        "/auth/tokens?revoked=true",
        "/connections",
        "/tasks?include=total",
        "/tasks?labels[null]=false&sort=-updated_at",
        "/tasks/today",
        "/tasks/trash",
        "/tasks/board",
        "/tasks/statistics?days=3",
        "/tasks/search?q=milk",
        "/task-lists",
        "/labels",
        "/activities?include=total",
        "/activities/recent",
        "/activities/types",
        "/activities/search?q=milk",
        "/activities/export",
    ];
    let mut paths = lists.map(str::to_owned).to_vec();
    paths
        .extend((1..=4).flat_map(|id| [format!("/tasks/{}", task_id(id)), format!("/tasks/{}/subtasks", task_id(id))]));
    paths.extend([TODAY.0, BACKLOG.0].map(|id| format!("/task-lists/{id}")));
    paths.extend([LABEL, OTHER_LABEL].map(|id| format!("/labels/{id}")));
    paths.push(format!("/auth/tokens/{TOKEN}"));
    paths.push(format!("/connections/{MAIL}"));
    paths.extend([5, 8, 12, 21, 25].map(|position| format!("/activities/{}", fact_id(position))));
    paths
}

/// Status, `ETag` and body of an answer.
type Essence = (u16, Option<String>, Value);

/// An answer without what is each request's own: the request's id, and the address that was asked.
fn essence(reply: &Reply) -> Essence {
    let etag = reply.header("etag").map(str::to_owned);
    let mut body: Value = serde_json::from_str(&reply.text).unwrap_or_else(|_| json!(reply.text));
    if let Some(problem) = body.as_object_mut().filter(|_| reply.status >= 400) {
        problem.retain(|name, _| name == "code" || name == "status");
    }
    (reply.status, etag, body)
}

fn at_moment(path: &str, as_of: &str) -> String {
    format!("{path}{}as_of={as_of}", if path.contains('?') { '&' } else { '?' })
}

/// What happens in a workspace of two; each fact some minutes after the one before, over several days.
struct Story {
    world: World,
    versions: BTreeMap<Uuid, i64>,
    /// Position, time, and what Ada was answered then.
    moments: Vec<(i64, DateTime<Utc>, Vec<Essence>)>,
}

impl Story {
    async fn tell() -> Self {
        let world = World::logged().await;
        let mut story = Self { world, versions: BTreeMap::new(), moments: Vec::new() };
        story.begin().await;
        story.work().await;
        story.tidy_up().await;
        story
    }

    async fn fact(&mut self, user: UserId, stream: Uuid, event: impl Into<orbit_events::Event>) {
        self.world.clock.advance(TimeDelta::minutes(97));
        let version = self.versions.entry(stream).or_default();
        *version += 1;
        let position = self.world.record(user, stream, *version, event).await;
        let mut answers = Vec::new();
        for path in paths() {
            let reply = self.world.get(ADA, &path).await;
            // The checkpoint of another user's partition says nothing of this position.
            answers.push(essence(&reply));
        }
        self.moments.push((position, self.world.clock.now(), answers));
    }

    async fn ada(&mut self, stream: Uuid, event: impl Into<orbit_events::Event>) {
        self.fact(ADA, stream, event).await;
    }

    async fn on_task(&mut self, id: u128, event: impl Into<task::Event>) {
        self.fact(ADA, task_id(id).0, event.into()).await;
    }

    async fn create(&mut self, id: u128, change: impl FnOnce(&mut Value)) {
        let mut created = json!({
            "list_id": BACKLOG, "parent_id": null, "title": format!("Task {id}"), "description": "Buy milk and tea",
            "priority": "medium", "status": "open", "due_date": null, "position": format!("{id:04}"), "labels": [],
            "created_by": "user", "extracted_from": null,
        });
        change(&mut created);
        let created: task::Created = serde_json::from_value(created).unwrap();
        self.on_task(id, created).await;
    }

    async fn begin(&mut self) {
        let profile = profile("Europe/Berlin");
        let registered = user::Registered { email: "ada@example.org".into(), password_hash: "x".into(), profile };
        self.ada(ADA.0, user::Event::from(registered)).await;
        let logged_in = login::LoggedIn {
            refresh_hash: "x".into(),
            device_name: Some("Laptop".into()),
            user_agent: None,
            address: None,
            expires_at: at("2026-11-24T20:28:00Z"),
        };
        self.ada(login_of(ADA), login::Event::from(logged_in)).await;
        for (list, name, position) in [(TODAY.0, "Today", "b"), (BACKLOG.0, "Backlog", "a")] {
            let created = list::Created { name: name.into(), color: None, position: position.into() };
            self.ada(list, list::Event::from(created)).await;
        }
        self.create(1, |task| task["due_date"] = json!("2026-11-23")).await;
        for (label, name) in [(LABEL, "errand"), (OTHER_LABEL, "soon")] {
            self.ada(label, label::Event::from(label::Created { name: name.into(), color: None })).await;
        }
    }

    async fn work(&mut self) {
        self.create(2, |task| {
            task["parent_id"] = json!(task_id(1));
            task["labels"] = json!([LABEL, OTHER_LABEL]);
        })
        .await;
        self.bob_writes().await;
        self.create(3, |task| task["title"] = json!("Milk the cow")).await;
        self.on_task(1, task::Labelled { label_id: orbit_events::LabelId(OTHER_LABEL) }).await;
        self.on_task(3, task::Nested { parent_id: Some(task_id(1)) }).await;
        self.on_task(2, task::Completed { completed_at: self.world.clock.now() }).await;
        self.create(4, |task| task["parent_id"] = json!(task_id(3))).await;
        self.ada(ADA.0, user::Event::from(user::ProfileChanged { profile: profile("Pacific/Auckland") })).await;
        self.on_task(1, task::Moved { list_id: TODAY, position: "x".into() }).await;
        self.on_task(3, task::Retitled { title: "Milk the goat".into() }).await;
        let issued = api_token::Issued {
            name: "script".into(),
            secret_hash: "x".into(),
            scopes: vec!["tasks:read".into()],
            expires_at: None,
        };
        self.ada(TOKEN, api_token::Event::from(issued)).await;
        let settings = connection::Settings {
            name: "Mail".into(),
            endpoint: "imap.example.org".into(),
            port: Some(993),
            username: None,
            secret: Some("hunter2".into()),
            security: None,
            address: None,
            display_name: None,
            imap_connection_id: None,
            saves_sent: None,
        };
        let connected = connection::Connected { kind: connection::Kind::Imap, settings };
        self.ada(MAIL, connection::Event::from(connected)).await;
    }

    async fn tidy_up(&mut self) {
        self.ada(OTHER_LABEL, label::Event::from(label::Removed {})).await;
        self.on_task(3, task::Nested { parent_id: None }).await;
        self.bob_writes().await;
        self.on_task(2, task::Deleted { deleted_at: self.world.clock.now() }).await;
        self.on_task(3, task::StatusChanged { status: Status::Waiting }).await;
        self.on_task(2, task::Restored {}).await;
        self.on_task(4, task::Dismissed { reason: Some("no goat".into()) }).await;
        self.ada(TODAY.0, list::Event::from(list::Renamed { name: "Now".into() })).await;
        self.ada(TOKEN, api_token::Event::from(api_token::Revoked {})).await;
        self.ada(MAIL, connection::Event::from(connection::Disconnected {})).await;
        self.ada(BACKLOG.0, list::Event::from(list::Removed {})).await;
        self.ada(LABEL, label::Event::from(label::Renamed { name: "milk run".into() })).await;
    }

    async fn bob_writes(&mut self) {
        let created = list::Created { name: "Bob's milk".into(), color: None, position: "a".into() };
        let stream = Uuid::from_u128(0xb0b_0000 + self.moments.len() as u128);
        self.fact(BOB, stream, list::Event::from(created)).await;
    }
}

fn profile(time_zone: &str) -> Profile {
    Profile {
        name: "Ada".into(),
        avatar_url: None,
        time_zone: time_zone.into(),
        locale: "de-DE".into(),
        working_hours: vec![],
    }
}

#[tokio::test]
async fn every_read_answers_again_what_it_answered_when_the_position_was_the_head() {
    let story = Story::tell().await;
    assert!(story.moments.len() > 30);
    let last = story.moments.last().unwrap().0;
    // Back and forth, so that what is remembered of one moment serves another.
    let (even, odd): (Vec<_>, Vec<_>) = story.moments.iter().partition(|(position, ..)| position % 2 == 0);
    for (position, time, answers) in even.into_iter().chain(odd.into_iter().rev()) {
        for (path, answered) in paths().iter().zip(answers) {
            // Single things at every position; lists, which fold everything in any case, at every third.
            let single = path.split('/').any(|part| part.parse::<Uuid>().is_ok());
            if !single && position % 3 != 0 {
                continue;
            }
            let reply = story.world.get(ADA, &at_moment(path, &position.to_string())).await;
            assert_eq!(&essence(&reply), answered, "{path} at {position} of {last}");
            assert_eq!(reply.header("orbit-as-of"), Some(position.to_string().as_str()), "{path}");
        }
        // The time between this fact and the next is this moment too, and so is the fact's own time.
        for (path, answered) in paths().iter().zip(answers).step_by(7) {
            let reply = story.world.get(ADA, &at_moment(path, &time.format("%FT%TZ").to_string())).await;
            assert_eq!(&essence(&reply), answered, "{path} at {time}");
            let seen: i64 = reply.header("orbit-as-of").unwrap().parse().unwrap();
            assert!(seen <= *position, "{path} at {time}: {seen}");
        }
    }
}

#[tokio::test]
async fn before_the_first_fact_there_is_nothing_and_the_future_is_the_present() {
    let world = World::logged().await.with_ada().await;
    let head = world.task(1, |_| ()).await.to_string();
    for (as_of, expected) in [("0", "0"), ("2020-01-01T00:00:00Z", "0"), ("2999-01-01T00:00:00%2B01:00", head.as_str())]
    {
        let reply = world.get(ADA, &format!("/tasks?as_of={as_of}")).await;
        assert_eq!(reply.header("orbit-as-of"), Some(expected), "{as_of}");
        assert_eq!(reply.ids().len(), usize::from(expected != "0"), "{as_of}");
    }
    let me = world.get(ADA, "/auth/me?as_of=0").await;
    assert_eq!((me.status, me.header("orbit-as-of")), (404, Some("0")));
    let today = world.get(ADA, "/tasks/statistics?as_of=2020-01-01T23:30:00Z&days=1").await.ok()["today"].clone();
    assert_eq!(today, "2020-01-01", "there was no zone yet");
}

#[tokio::test]
async fn a_moment_that_cannot_be_read_or_never_was_is_refused_by_name() {
    let world = World::logged().await.with_ada().await;
    let head = world.task(1, |_| ()).await;
    let bad = ["as_of=", "as_of=-1", "as_of=abc", "as_of=1.5", "as_of=%2B1", "as_of=2026-11-22", "as_of=1&as_of=1"];
    let beyond =
        [format!("as_of={}", head + 1), "as_of=9223372036854775807".to_owned(), "as_of=9223372036854775808".into()];
    for path in paths() {
        for bad in bad.into_iter().chain(beyond.iter().map(String::as_str)) {
            let path = format!("{path}{}{bad}", if path.contains('?') { '&' } else { '?' });
            let reply = world.get(ADA, &path).await;
            assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("invalid_query")), "{path}: {}", reply.text);
            assert_eq!(reply.json()["errors"][0]["pointer"], "?as_of", "{path}");
        }
    }
    let both = world.get(ADA, "/tasks?as_of=x&colour=red").await.json();
    let named: Vec<&Value> = both["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(named, ["?as_of", "?colour"]);
}

#[tokio::test]
async fn a_position_that_must_have_been_seen_is_not_after_the_moment() {
    let world = World::logged().await.with_ada().await;
    let head = world.task(1, |_| ()).await;
    let read = async |as_of: String, min: i64| {
        let reply =
            world.get_with(ADA, &format!("/tasks?as_of={as_of}"), &[("orbit-min-position", &min.to_string())]).await;
        (reply.status, reply.json()["code"].as_str().map(str::to_owned))
    };
    assert_eq!(read(head.to_string(), head).await, (200, None));
    assert_eq!(read((head - 1).to_string(), head).await, (400, Some("invalid_query".into())));
    assert_eq!(read("2020-01-01T00:00:00Z".into(), head).await, (400, Some("invalid_query".into())));
    assert_eq!(read("2999-01-01T00:00:00Z".into(), head).await, (200, None));
    assert_eq!(read(head.to_string(), head + 1).await, (503, Some("projection_lag".into())));
}

#[tokio::test]
async fn pages_of_the_past_go_on_in_the_past_and_cursors_belong_to_their_moment() {
    let world = World::logged().await.with_ada().await;
    for id in 1..=5 {
        world.task(id, |_| ()).await;
    }
    let then = world.task(6, |_| ()).await;
    world.task(7, |_| ()).await;
    world.on_task(3, 2, task::Deleted { deleted_at: at(NOW) }).await;
    let path = format!("/tasks?as_of={then}&limit=4&sort=position");
    let first = world.get(ADA, &path).await;
    assert_eq!(first.ids(), [1, 2, 3, 4].map(|id| task_id(id).0));
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = world.get(ADA, &format!("{path}&cursor={cursor}")).await;
    assert_eq!(
        (second.ids(), second.json()["has_more"].clone()),
        ([5, 6].map(|id| task_id(id).0).to_vec(), json!(false))
    );
    for other in [format!("/tasks?as_of={}&sort=position", then - 1), "/tasks?sort=position".to_owned()] {
        let refused = world.get(ADA, &format!("{other}&cursor={cursor}")).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("cursor_mismatch")), "{other}");
    }
}

#[tokio::test]
async fn a_tag_of_the_past_is_known_by_who_has_it() {
    let world = World::logged().await.with_ada().await;
    let created = world.task(1, |_| ()).await;
    world.record(ADA, TODAY.0, 2, list::Event::from(list::Renamed { name: "Now".into() })).await;
    let path = format!("/task-lists/{TODAY}?as_of={created}");
    let then = world.get(ADA, &path).await;
    assert_eq!((then.header("etag"), then.json()["name"].clone()), (Some("\"1\""), json!("Today")));
    assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"1\"")]).await.status, 304);
    assert_eq!(world.get_with(ADA, &path, &[("if-none-match", "\"2\"")]).await.status, 200);
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_stands_still_and_no_other() {
    let world = World::logged().await.with_ada().await;
    world.task(1, |_| ()).await;
    world.task(2, |_| ()).await;
    // Of a newer Orbit; and sealed for another fact.
    for (id, version, wire_type) in [(1, 2, "tasks.teleported"), (2, 2, "tasks.completed")] {
        let envelope = world.envelope(ADA, task_id(id).0, version, wire_type, Actor::User);
        let sealed: Vec<u8> = sqlx::query_scalar("SELECT data FROM log.events ORDER BY position LIMIT 1")
            .fetch_one(world.database.pool())
            .await
            .unwrap();
        world.append(&envelope, &sealed).await;
    }
    for id in [1, 2] {
        let envelope = world.envelope(ADA, task_id(id).0, 3, "tasks.retitled", Actor::User);
        let vault = world.vault();
        let data = vault.seal(ADA, envelope.event_id, "tasks.retitled", br#"{"title":"too late"}"#).await.unwrap();
        world.append(&envelope, &data).await;
    }
    let head = world.task(3, |_| ()).await;
    let tasks = world.get(ADA, &format!("/tasks?as_of={head}&sort=position")).await.ok();
    let shown: Vec<_> =
        tasks["data"].as_array().unwrap().iter().map(|task| (&task["title"], &task["version"])).collect();
    assert_eq!(shown, [(&json!("Task 1"), &json!(1)), (&json!("Task 2"), &json!(1)), (&json!("Task 3"), &json!(1))]);
    let one = world.get(ADA, &format!("/tasks/{}?as_of={head}", task_id(1))).await.ok();
    assert_eq!((&one["title"], &one["version"]), (&json!("Task 1"), &json!(1)));
}

#[tokio::test]
async fn what_one_user_asked_is_gone_before_another_asks_even_if_nobody_waited_for_the_answer() {
    let world = World::logged().await.with_ada().await;
    for id in 1..=20 {
        world.task(id, |_| ()).await;
    }
    world.register(BOB, "Bob", "UTC").await;
    let hasty = format!("Bearer {}", world.token(ADA));
    for n in 0..30 {
        let headers = [("authorization", hasty.as_str())];
        let asked = world.open("/tasks?as_of=2999-01-01T00:00:00Z", &headers);
        // Given up at some point of its way.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(n), asked).await;
        let bob = world.get(BOB, "/tasks?as_of=2999-01-01T00:00:00Z&include=total").await.ok();
        assert_eq!(bob["total"], 0);
    }
    // Both connections: nothing is left in any table.
    let pool = world.pool.clone();
    eventually(std::time::Duration::from_secs(10), || async {
        let busy: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        if busy == 0 { Ok(()) } else { Err(format!("{busy} transactions are open")) }
    })
    .await;
}

#[tokio::test]
async fn who_was_erased_has_no_past() {
    let world = World::logged().await.with_ada().await;
    let then = world.task(1, |_| ()).await;
    assert_eq!(world.get(ADA, &format!("/tasks?as_of={then}")).await.status, 200);
    // In the log only: no read model knows yet.
    let envelope = world.envelope(ADA, ADA.0, 2, "users.erased", Actor::User);
    world.append(&envelope, b"").await;
    let reply = world.get(ADA, &format!("/tasks?as_of={then}")).await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("invalid_token")));
}

#[tokio::test]
async fn reads_of_the_past_count_as_searches() {
    let world = World::with("2/min").await.in_the_log().with_ada().await;
    for (path, status) in [
        ("/tasks?as_of=1", 200),
        ("/tasks", 200),
        ("/auth/me?as_of=2026-11-22T20:28:00Z", 200),
        ("/tasks?as_of=2", 429),
        ("/tasks?q=x", 429),
        ("/tasks", 200),
    ] {
        assert_eq!(world.get(ADA, path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn more_facts_than_one_request_may_fold_are_refused_and_one_thing_is_still_answered() {
    let world = World::logged().await.with_ada().await;
    let head = world.task(1, |_| ()).await;
    sqlx::query(
        "INSERT INTO log.events SELECT $1 + n, gen_random_uuid(), user_id, partition, 'tasks', $2, n + 1, 'tasks.teleported',
                schema_version, data, metadata, recorded_at
         FROM log.events, generate_series(1, 200000) AS n WHERE position = 1",
    )
    .bind(head)
    .bind(Uuid::from_u128(0xf00d))
    .execute(world.database.pool())
    .await
    .unwrap();
    sqlx::query("UPDATE log.head SET position = position + 200000").execute(world.database.pool()).await.unwrap();
    let end = head + 200_000;
    let refused = world.get(ADA, &format!("/tasks?as_of={end}")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("too_much_past")), "{}", refused.text);
    let list = world.get(ADA, &format!("/task-lists/{TODAY}?as_of={end}")).await;
    assert_eq!((list.status, list.json()["name"].clone()), (200, json!("Today")));
    assert_eq!(world.get(ADA, &format!("/tasks?as_of={}", head + 1_000)).await.ids(), [task_id(1).0]);
}

#[tokio::test]
async fn a_task_of_nobodys_is_absent_in_the_past_too() {
    let world = World::logged().await.with_ada().await;
    let head = world.task(1, |_| ()).await;
    let nobody = TaskId(Uuid::from_u128(9));
    for (user, id) in [(ADA, nobody), (BOB, task_id(1))] {
        let reply = world.get(user, &format!("/tasks/{id}?as_of={head}")).await;
        assert_eq!((reply.status, reply.header("orbit-as-of")), (404, Some(head.to_string().as_str())));
    }
    let fact = world.get(BOB, &format!("/activities/{}?as_of={head}", fact_id(head).0)).await;
    assert_eq!(fact.status, 404);
}
