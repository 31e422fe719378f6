//! The processes one by one, as in production: what one writes the other reads.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::process::{Child, Command};

use common::{client, free_port, kill, orbit, post, register, titles, until};
use orbit_platform::config::{generate_master_key, generate_signing_key};
use orbit_testing::TestServers;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

/// A process that is killed with the test.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = orbit();
        command.args(["serve", name]).envs(settings.iter().copied()).env("ORBIT_PORT", port.to_string());
        Self { child: command.env("ORBIT_LOG", "error").spawn().unwrap(), port }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn is_ready(&self) -> bool {
        orbit().args(["ready", "--port", &self.port.to_string()]).output().unwrap().status.success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command on this database and gives whether it succeeded, and what it said.
fn ask(words: &[&str], settings: &[(&str, &str)]) -> (bool, String) {
    let mut command: Command = orbit();
    let output = command.args(words).envs(settings.iter().copied()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

async fn get(address: &str, path: &str) -> reqwest::Response {
    client().get(format!("{address}{path}")).send().await.unwrap()
}

#[tokio::test]
async fn what_one_process_writes_another_reads_and_what_cannot_be_applied_is_parked() {
    let database = orbit_testing::TestDatabase::empty().await;
    let nats = orbit_testing::nats().await;
    let (master_key, signing_key, proof_key) = (generate_master_key(), generate_signing_key(), generate_signing_key());
    let settings = [
        ("DATABASE_URL", database.url()),
        ("NATS_URL", TestServers::get().await.nats_url()),
        ("ORBIT_NATS_PREFIX", nats.prefix()),
        ("ORBIT_MASTER_KEY", master_key.as_str()),
        ("ORBIT_SIGNING_KEY", signing_key.as_str()),
        ("ORBIT_PROOF_KEY", proof_key.as_str()),
    ];
    assert!(ask(&["migrate", "--check"], &settings[..1]).1.contains("run `orbit migrate`"));
    let (done, said) = ask(&["migrate"], &settings[..1]);
    assert!(done && said.contains("the schema is up to date"), "{said}");
    assert!(ask(&["migrate", "--check"], &settings[..1]).0);

    let mut processes = ["command-api", "projector", "query-api"].map(|name| Process::start(name, &settings));
    for process in &processes {
        until("it is ready", || async { process.is_ready() }).await;
    }
    let (commands, queries) = (processes[0].address(), processes[2].address());
    // A proxy asks the query API about everything, whoever serves it.
    for address in [&commands, &queries] {
        let told: Value = get(address, "/openapi.json").await.json().await.unwrap();
        let tasks = &told["paths"]["/api/v1/tasks"];
        assert!(tasks["post"].is_object() && tasks["get"].is_object(), "{address}: {tasks}");
        assert_eq!(get(address, "/problems/email_taken").await.status(), 200, "{address}");
    }
    let token = register(&commands, "ada@example.org").await;
    let (status, answer) = post(&commands, "/api/v1/tasks", &token, &json!({ "title": "Across" })).await;
    assert_eq!(status, 201, "{answer}");
    until("the query API has it", || async { titles(&queries, &token).await == ["Across"] }).await;
    // The relay makes its stream when it begins, which the query API does not wait for.
    until("all is well", || async { ask(&["doctor"], &settings[..3]).0 }).await;

    // A fact of a type that nobody knows, as a newer Orbit would write it: the next one of the task.
    let id = answer["id"].as_str().unwrap();
    append_unknown(database.url(), id).await;
    let list = || async { ask(&["parked", "list"], &settings[..1]).1.matches("tasks.teleported").count() == 2 };
    until("it is parked in both projections", list).await;
    let (well, said) = ask(&["doctor"], &settings[..3]);
    assert!(!well && said.contains("are parked: see `orbit parked list`"), "{said}");
    let retry = [settings[0], settings[3]];
    let (done, said) = ask(&["parked", "retry", "--stream", id], &retry);
    assert!(!done && said.contains("is stuck at position"), "{said}");
    for projection in ["tasks", "activities"] {
        let (done, said) = ask(&["parked", "discard", "--projection", projection, "--stream", id], &settings[..1]);
        assert!(done && said.contains("Discarded 1 fact"), "{said}");
    }
    assert!(ask(&["parked", "list"], &settings[..1]).1.contains("Nothing is parked."));

    for process in &mut processes {
        kill("TERM", process.child.id());
        assert!(process.child.wait().unwrap().success());
    }
}

async fn append_unknown(database: &str, stream: &str) {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let sql = "WITH head AS (UPDATE log.head SET position = position + 1 RETURNING position),
                    stream AS (UPDATE log.streams SET version = version + 1 WHERE stream_id = $1::uuid RETURNING version)
               INSERT INTO log.events SELECT head.position, uuidv7(), e.user_id, e.partition, e.category, e.stream_id,
                    stream.version, 'tasks.teleported', 1, e.data, e.metadata, now()
               FROM head, stream, log.events e WHERE e.stream_id = $1::uuid AND e.version = 1";
    sqlx::query(sql).bind(stream).execute(&mut connection).await.unwrap();
}

/// The first page of somebody's lists, or the one after a cursor: the status, and the cursor of the next.
async fn page(address: &str, token: &str, cursor: Option<&str>) -> (u16, Option<String>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let request = client().get(format!("{address}/api/v1/activities?limit=1{cursor}")).bearer_auth(token);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["next_cursor"].as_str().map(str::to_owned))
}

async fn login(address: &str, email: &str) -> (reqwest::StatusCode, Value) {
    let body = json!({"email": email, "password": "Correct-Horse-1"});
    let response = client().post(format!("{address}/api/v1/auth/login")).json(&body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn the_master_key_is_rotated_below_running_processes_and_nobody_notices() {
    let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
    let (signing_key, proof_key) = (generate_signing_key(), generate_signing_key());
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new"));
    std::fs::write(&old, generate_master_key()).unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let settings = |key, previous| {
        [
            ("DATABASE_URL", database.url()),
            ("NATS_URL", nats.url()),
            ("ORBIT_NATS_PREFIX", nats.prefix()),
            ("ORBIT_SIGNING_KEY", signing_key.as_str()),
            ("ORBIT_PROOF_KEY", proof_key.as_str()),
            ("ORBIT_MASTER_KEY_FILE", key),
            ("ORBIT_MASTER_KEY_PREVIOUS_FILE", previous),
        ]
    };
    let start = |name, settings: &[(&str, &str)]| Process::start(name, settings);
    // There is no second key yet: its file will be read when it is needed.
    let before = ["command-api", "projector", "query-api"].map(|name| start(name, &settings(old, new)));
    for process in &before {
        until("it is ready", || async { process.is_ready() }).await;
    }
    let (commands, queries) = (before[0].address(), before[2].address());
    let token = register(&commands, "ada@example.org").await;
    post(&commands, "/api/v1/tasks", &token, &json!({ "title": "Before" })).await;
    until("it is read", || async { titles(&queries, &token).await == ["Before"] }).await;
    // Tasks and activities are read by two projections, which need not be equally far.
    until("its activities are too", || async { page(&queries, &token, None).await.1.is_some() }).await;
    let (_, cursor) = page(&queries, &token, None).await;

    std::fs::write(new, generate_master_key()).unwrap();
    let (done, said) = ask(&["keys", "rotate"], &settings(new, old));
    assert!(done && said.contains("1 keys were wrapped anew"), "{said}");
    let (done, said) = ask(&["keys", "status"], &settings(new, "/nowhere"));
    assert!(done && said.contains("0 keys are wrapped by another one"), "{said}");

    // The same processes go on, with whoever was there and whoever comes.
    assert_eq!(login(&commands, "ada@example.org").await.0, 200);
    let grace = register(&commands, "grace@example.org").await;
    post(&commands, "/api/v1/tasks", &grace, &json!({ "title": "After" })).await;
    until("it is read", || async { titles(&queries, &grace).await == ["After"] }).await;
    assert_eq!(page(&queries, &token, cursor.as_deref()).await.0, 200);
    let said =
        common::refused(orbit().args(["serve", "command-api"]).envs(settings(old, "/nowhere")).env("ORBIT_PORT", "0"));
    assert!(said.contains("another master key: set ORBIT_MASTER_KEY to that one"), "{said}");
    drop(before);

    let after = ["command-api", "query-api"].map(|name| start(name, &settings(new, "/nowhere")));
    for process in &after {
        until("it is ready", || async { process.is_ready() }).await;
    }
    let (commands, queries) = (after[0].address(), after[1].address());
    let (status, tokens) = login(&commands, "ada@example.org").await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(page(&queries, &token, cursor.as_deref()).await.0, 200, "a cursor from before");
    assert_eq!(titles(&queries, &token).await, ["Before"]);
}
