//! `orbit up` from the first start to the last: what it serves, what it leaves, how it comes back.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::{Duration, Instant},
};

use common::{PATIENCE, TestHome, Up, client, free_port, kill, mode, orbit, until};
use serde_json::{Value, json};

#[tokio::test]
async fn everything_is_served_at_one_address_and_nothing_is_left_running() {
    let home = TestHome::new().await;
    let mut up = Up::start(&home, &[]);
    let said = up.said();
    for what in [up.address.as_str(), "/docs", "data", "orbit.log", "curl"] {
        assert!(said.contains(what), "{what} in {said}");
    }
    for path in ["/health", "/health/ready", "/openapi.json", "/.well-known/jwks.json"] {
        assert_eq!(up.get(path).await.0, 200, "{path}");
    }
    let ready = up.get("/health/ready").await.1;
    assert_eq!((&ready["checks"]["postgres"], &ready["checks"]["nats"]), (&json!("ok"), &json!("ok")), "{ready}");
    let document = up.get("/openapi.json").await.1;
    let both = &document["paths"]["/api/v1/tasks"];
    assert!(both["get"].is_object() && both["post"].is_object(), "one document for reads and writes");
    for path in ["/metrics", "/docs", "/problems"] {
        let answer = common::client().get(format!("{}{path}", up.address)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    until("each role's pool is measured for itself", async || {
        let answer = common::client().get(format!("{}/metrics", up.address)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let has = |pool: &&str| text.contains(&format!("orbit_pool_connections{{pool=\"{pool}\",state=\"used\"}}"));
        ["command", "query", "projector"].iter().all(has)
    })
    .await;

    let secrets = home.path().join("secrets");
    assert_eq!(mode(&secrets), 0o700);
    for entry in fs::read_dir(&secrets).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }

    up.signal("INT");
    assert!(up.ended().success(), "{}", up.said());
    assert_eq!(home.running(), [0; 0]);
}

#[tokio::test]
async fn the_line_to_try_works_as_it_is_printed() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &[]);
    let said = up.said();
    let line = said.lines().map(str::trim).find(|line| line.starts_with("curl ")).unwrap().to_owned();
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"));
    assert!(answer["access_token"].is_string(), "{line}: {answer}");
    up.stop();
}

#[tokio::test]
async fn the_second_start_is_quick_and_has_yesterdays_data() {
    let home = TestHome::new().await;
    let up = Up::start(&home, &[]);
    let token = up.register("ada@example.org").await;
    let (status, _) = up.post("/api/v1/tasks", &token, &json!({ "title": "Stay" })).await;
    assert_eq!(status, 201);
    up.stop();

    let begun = Instant::now();
    let up = Up::start(&home, &[]);
    // 3 s is for the release build on a quiet machine; this is neither.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    until("yesterday's task is there", || async { up.titles(&token).await == ["Stay"] }).await;
    up.stop();
}

#[tokio::test]
async fn what_was_answered_survives_kill_9_and_nothing_keeps_running_without_its_owner() {
    let home = TestHome::new().await;
    let mut up = Up::start(&home, &[]);
    let token = up.register("ada@example.org").await;
    let (status, _) = up.post("/api/v1/tasks", &token, &json!({ "title": "Survive" })).await;
    assert_eq!(status, 201);
    up.signal("KILL");
    up.ended();
    until("the servers are gone", || async { home.running().is_empty() }).await;

    let up = Up::start(&home, &[]);
    until("the task is there", || async { up.titles(&token).await == ["Survive"] }).await;
    // The relay may still be making its stream.
    let doctor = || async { orbit().arg("doctor").env("ORBIT_HOME", home.path()).output().unwrap().status.success() };
    until("the doctor finds nothing", doctor).await;
    up.stop();
    assert_eq!(home.running(), [0; 0]);
}

#[tokio::test]
async fn a_server_that_dies_ends_orbit_with_its_name() {
    let home = TestHome::new().await;
    for (file, name) in [("nats/nats.pid", "NATS"), ("postgres/postmaster.pid", "PostgreSQL")] {
        let mut up = Up::start(&home, &[]);
        kill("KILL", home.pid_of(file));
        let status = up.ended();
        assert_eq!(status.code(), Some(1), "{}", up.said());
        let said = up.said();
        let error: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(error.len(), 1, "{said}");
        assert!(error[0].contains(&format!("{name} has ended unexpectedly")), "{said}");
        until("the other one is gone as well", || async { home.running().is_empty() }).await;
    }
}

async fn tasks(up: &Up, token: &str) -> Vec<Value> {
    let request = client().get(format!("{}/api/v1/tasks?limit=200", up.address)).bearer_auth(token);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["data"].as_array().cloned().unwrap_or_default()
}

#[test]
fn who_stops_the_first_installation_waits_for_nothing_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A python3 that never ends, however pip is asked for.
    let (python, asked) = (dir.path().join("python3"), dir.path().join("asked"));
    fs::write(&python, format!("#!/bin/sh\n>{}\nsleep 600\n", asked.display())).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let home = dir.path().join("home/.orbit");
    let mut command = orbit();
    command.arg("up").env("ORBIT_HOME", &home).env("ORBIT_PORT", free_port().to_string());
    command.env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !asked.exists() {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "pip was not asked for");
        std::thread::sleep(Duration::from_millis(10));
    }
    let begun = Instant::now();
    kill("TERM", child.id());
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("Stopped before PostgreSQL and NATS were installed"), "{said}");
    let runtime: Vec<_> = fs::read_dir(home.join("runtime")).unwrap().collect();
    assert!(runtime.is_empty() && !home.join("runtime.partial").exists(), "{runtime:?}");
}

async fn up_get(up: &Up, token: &str, path: &str) -> Value {
    let request = client().get(format!("{}{path}", up.address)).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_demo_is_filled_once() {
    let home = TestHome::new().await;
    let mut counts = Vec::new();
    for _ in 0..2 {
        let up = Up::start(&home, &["--demo"]);
        let said = up.said();
        let password = fs::read_to_string(home.path().join("secrets/demo-password")).unwrap();
        assert!(said.contains("demo@orbit.localhost") && said.contains(password.trim()), "{said}");
        let body = json!({ "email": "demo@orbit.localhost", "password": password.trim() });
        let (status, answer) = up.post("/api/v1/auth/login", "", &body).await;
        assert_eq!(status, 200, "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        until("the tasks are there", || async { up.titles(token).await.len() >= 16 }).await;
        counts.push(up.titles(token).await.len());
        let mail = up_get(&up, token, "/api/v1/emails?limit=200").await;
        // What is junk or in the trash is in no list that does not ask for it.
        assert_eq!(mail["data"].as_array().map(Vec::len), Some(22), "{mail}");
        let drafts = async || up_get(&up, token, "/api/v1/emails/drafts").await["data"].as_array().map(Vec::len);
        until("the draft can be read", || async { drafts().await == Some(1) }).await;
        let starred = up_get(&up, token, "/api/v1/emails?is_starred=true").await;
        assert_eq!(starred["data"].as_array().map(Vec::len), Some(1), "{starred}");
        let tasks = tasks(&up, token).await;
        let list = |id: &Value| tasks.iter().find(|task| task["id"] == *id).map(|task| &task["list_id"]);
        let parts: Vec<_> = tasks.iter().filter(|task| task["parent_id"].is_string()).collect();
        assert!(parts.iter().all(|part| list(&part["parent_id"]) == Some(&part["list_id"])), "{parts:?}");
        assert!(!parts.is_empty());
        up.stop();
    }
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn the_master_key_of_a_home_is_rotated_below_a_running_orbit() {
    let home = TestHome::new().await;
    let key = |name: &str| fs::read_to_string(home.path().join("secrets").join(name));
    let up = Up::start(&home, &[]);
    let ada = up.register("ada@example.org").await;
    up.post("/api/v1/tasks", &ada, &json!({ "title": "Before" })).await;
    let old = key("master-key").unwrap();
    let rotated = orbit().args(["keys", "rotate"]).env("ORBIT_HOME", home.path()).output().unwrap();
    let said = String::from_utf8([rotated.stdout, rotated.stderr].concat()).unwrap();
    assert!(rotated.status.success() && said.contains("1 keys were wrapped anew"), "{said}");
    assert_ne!(key("master-key").unwrap(), old);
    assert_eq!(mode(&home.path().join("secrets/master-key")), 0o600);
    assert!(key("master-key-next").is_err(), "it has taken its place");
    // The one that runs has looked for the new key when it was needed.
    let grace = up.register("grace@example.org").await;
    for (who, title) in [(&ada, "Ada's"), (&grace, "Grace's")] {
        assert_eq!(up.post("/api/v1/tasks", who, &json!({ "title": title })).await.0, 201);
    }
    up.stop();
    let up = Up::start(&home, &[]);
    until("both are read", || async {
        let mut titles = up.titles(&ada).await;
        titles.sort();
        titles == ["Ada's", "Before"] && up.titles(&grace).await == ["Grace's"]
    })
    .await;
    up.stop();
}
