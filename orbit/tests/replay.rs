//! `orbit replay`: the log of a running Orbit read aloud, by filter, without secrets.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use common::{TestHome, Up, client, erase, orbit, refused, until};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

fn replay(home: &TestHome, words: &[&str]) -> Command {
    let mut command = orbit();
    command.arg("replay").args(words).env("ORBIT_HOME", home.path());
    command
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The facts that it prints as JSON.
fn facts(home: &TestHome, words: &[&str]) -> Vec<Value> {
    let printed = said(&replay(home, words).arg("--as-json").output().unwrap());
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn types(facts: &[Value]) -> Vec<&str> {
    facts.iter().map(|fact| fact["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_log_is_read_aloud_in_order_and_by_filter() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &["--erasure-grace-days", "0"]);
    let (ada, bob) = (up.register("ada@example.org").await, up.register("bob@example.org").await);
    let (status, task) = up.post("/api/v1/tasks", &ada, &json!({"title": "Buy milk"})).await;
    assert_eq!(status, 201, "{task}");
    let task = task["id"].as_str().unwrap();
    up.post(&format!("/api/v1/tasks/{task}/complete"), &ada, &json!({})).await;
    up.post("/api/v1/tasks", &bob, &json!({"title": "Sell milk"})).await;

    let all = facts(&home, &[]);
    let positions: Vec<i64> = all.iter().map(|fact| fact["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<_>>(), "all of it, in order");
    let whole = json!(all).to_string();
    assert!(!whole.contains("argon2") && !whole.contains("refresh_hash"), "{whole}");
    let user = all[0]["user_id"].as_str().unwrap();
    let keys: Vec<&str> = all[0].as_object().unwrap().keys().map(String::as_str).collect();
    let outward = [
        "actor",
        "causation_id",
        "correlation_id",
        "data",
        "entity",
        "id",
        "position",
        "recorded_at",
        "type",
        "user_id",
        "version",
    ];
    assert_eq!(keys, outward);

    let own = facts(&home, &["--user", "ADA@example.org"]);
    assert!(own.len() < all.len() && own.iter().all(|fact| fact["user_id"] == user), "{own:?}");
    assert_eq!(facts(&home, &["--user", user]), own);
    let of_task = facts(&home, &["--entity", task]);
    assert_eq!(types(&of_task), ["tasks.created", "tasks.completed"]);
    assert_eq!(types(&facts(&home, &["--category", "tasks", "--user", "bob@example.org"])), ["tasks.created"]);
    assert_eq!(facts(&home, &["--type", "tasks.completed"]), of_task[1..]);
    assert!(facts(&home, &["--actor", "integration"]).is_empty());
    let position = of_task[1]["position"].to_string();
    assert_eq!(facts(&home, &["--from", &position, "--to", &position]), of_task[1..]);
    let at = of_task[1]["recorded_at"].as_str().unwrap();
    assert_eq!(facts(&home, &["--entity", task, "--from", at]), of_task[1..], "both ends are included");
    assert_eq!(facts(&home, &["--from", "1970-01-01T00:00:00Z", "--to", "9223372036854775807"]), all);

    let line = said(&replay(&home, &["--type", "tasks.completed"]).output().unwrap());
    assert!(
        line.contains(&format!("  user         tasks.completed               task {task}  {{\"completed_at\":")),
        "{line}"
    );
    assert_eq!(said(&replay(&home, &["--actor", "integration"]).output().unwrap()), "Nothing in the log fits.\n");
    many(&home, &bob_id(&all)).await;
    heard_enough(&home);
    is_refused(&home);
    is_forgotten(&home, &up, &ada, user).await;

    // Somebody who follows the log does not keep Orbit from stopping: requests under way would have ten seconds.
    let stream = client().get(format!("{}/api/v1/events/stream", up.address)).bearer_auth(&bob).send();
    let stream = stream.await.unwrap();
    let begun = Instant::now();
    up.stop();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert!(stream.text().await.unwrap().ends_with("event: closed\ndata: {\"code\":\"shutting_down\"}\n\n"));
}

/// Of the other one.
fn bob_id(all: &[Value]) -> String {
    let registered = all.iter().rfind(|fact| fact["type"] == "users.registered").unwrap();
    registered["user_id"].as_str().unwrap().to_owned()
}

/// More than is read at once, and all of it bytes that nobody can open.
async fn many(home: &TestHome, user: &str) {
    let addresses = orbit_runtime::Addresses::of_home(&orbit_runtime::Home::at(home.path())).unwrap().unwrap();
    let mut connection = PgConnection::connect(&addresses.database_url).await.unwrap();
    let sql = "WITH head AS (UPDATE log.head SET position = position + 1200 RETURNING position - 1200 AS position),
                    id AS (SELECT uuidv7() AS stream)
               INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                    schema_version, data, metadata, recorded_at)
               SELECT head.position + n, uuidv7(), e.user_id, e.partition, 'tasks', id.stream, n,
                    'tasks.retitled', 1, '\\x00', e.metadata, now()
               FROM head, id, log.events e, generate_series(1, 1200) n WHERE e.stream_id = $1::uuid AND e.version = 1";
    sqlx::query(sql).bind(user).execute(&mut connection).await.unwrap();
    let spoilt = facts(home, &["--user", user, "--type", "tasks.retitled"]);
    let mut positions = spoilt.iter().map(|fact| fact["position"].as_i64().unwrap());
    let first = positions.next().unwrap();
    assert_eq!(positions.collect::<Vec<_>>(), (first + 1..first + 1_200).collect::<Vec<_>>(), "page by page, in order");
    assert!(spoilt.iter().all(|fact| fact["unreadable"] == "does_not_open" && fact["data"].is_null()));
}

/// A pipe whose end is closed is no failure.
fn heard_enough(home: &TestHome) {
    let mut replaying = replay(home, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(replaying.stdout.take());
    let output = replaying.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_refused(home: &TestHome) {
    for (user, sentence) in [
        ("ada", "--user wants an id or an e-mail address, and \"ada\" is neither"),
        ("eve@example.org", "no account has the address eve@example.org"),
        ("0197f0a0-0000-7000-8000-000000000001", "no user has the id 0197f0a0-0000-7000-8000-000000000001"),
    ] {
        let said = refused(&mut replay(home, &["--user", user]));
        assert!(said.starts_with(sentence), "{said}");
    }
    for (words, sentence) in [
        (["--from", "yesterday"], "a position such as 4711 or a time such as"),
        (["--category", "nothing"], "possible values: users, logins"),
        (["--type", "tasks"], "a type such as tasks.created is expected"),
        (["--actor", "robot"], "possible values: user, agent"),
        (["--entity", "1"], "--entity"),
    ] {
        let output = replay(home, &words).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(sentence), "{said}");
    }
    let mut nowhere = orbit();
    let said = refused(nowhere.arg("replay").env("ORBIT_HOME", home.path().join("nowhere")));
    assert!(said.contains("there is no Orbit in"), "{said}");
}

/// That something happened is told, and no more.
async fn is_forgotten(home: &TestHome, up: &Up, token: &str, user: &str) {
    erase(&up.address, token, "Correct-Horse-1").await;
    until("it is forgotten", || async { facts(home, &["--user", user]).iter().all(|fact| fact["data"].is_null()) })
        .await;
    assert!(types(&facts(home, &["--user", user])).contains(&"users.erased"));
    let said = refused(&mut replay(home, &["--user", "ada@example.org"]));
    assert!(said.contains("one that was erased has none any more"), "{said}");
    assert!(said_of(home, user).lines().all(|line| line.ends_with("(forgotten)")));
}

fn said_of(home: &TestHome, user: &str) -> String {
    said(&replay(home, &["--user", user]).output().unwrap())
}
