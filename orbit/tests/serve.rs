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
    let (well, said) = ask(&["doctor"], &settings[..3]);
    assert!(well, "{said}");

    // A fact of a type that nobody knows, as a newer Orbit would write it: the next one of the task.
    let id = answer["id"].as_str().unwrap();
    append_unknown(database.url(), id).await;
    let list = || async { ask(&["parked", "list"], &settings[..1]).1.contains("tasks.teleported") };
    until("it is parked", list).await;
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
