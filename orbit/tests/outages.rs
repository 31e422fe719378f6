//! Servers that go away and come back under a running Orbit: readiness tells the truth, commands go on without NATS, and
//! everything resumes without a restart.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::time::{Duration, Instant};

use common::{TestHome, Up, orbit, until};
use orbit_testing::own_servers;
use serde_json::json;

/// How soon readiness must tell.
const SOON: Duration = Duration::from_secs(5);

fn start(home: &TestHome, database: &str, nats: &str) -> Up {
    Up::start_with(home, &[], |command| {
        command.env("DATABASE_URL", database).env("NATS_URL", nats);
    })
}

/// Waits until the process says that this is away, in time, and then that nothing else is.
async fn told(up: &Up, culprit: &str) {
    let begun = Instant::now();
    loop {
        let (status, body) = up.get("/health/ready").await;
        if status == 503 && body["culprits"].as_array().is_some_and(|all| all.contains(&json!(culprit))) {
            break;
        }
        assert!(begun.elapsed() < SOON, "{SOON:?} after {culprit} went away: {body}");
    }
    // On a busy machine the other one may be late to say that it is there.
    let named = || async { up.get("/health/ready").await.1["culprits"] == json!([culprit]) };
    until("nobody else is named", named).await;
}

async fn is_ready(up: &Up) -> bool {
    up.get("/health/ready").await.0 == 200
}

#[tokio::test]
async fn without_nats_commands_succeed_and_read_models_follow_from_the_log() {
    let (home, servers) = (TestHome::new().await, own_servers().await);
    let database = servers.database().await;
    let up = start(&home, database.url(), servers.nats_url());
    let token = up.register("ada@example.org").await;

    servers.stop_nats().await.unwrap();
    told(&up, "nats").await;
    let asked = orbit().args(["ready", "--url", &up.address]).output().unwrap();
    assert!(common::sentence(&asked).contains("nats"));
    let (status, answer) = up.post("/api/v1/tasks", &token, &json!({ "title": "During" })).await;
    assert_eq!(status, 201, "{answer}");
    until("the read model has it from the log", || async { up.titles(&token).await == ["During"] }).await;

    servers.start_nats().await.unwrap();
    until("it is ready again", || is_ready(&up)).await;
    let (status, _) = up.post("/api/v1/tasks", &token, &json!({ "title": "After" })).await;
    assert_eq!(status, 201);
    until("both are there", || async { up.titles(&token).await.len() == 2 }).await;
    let doctor = || async {
        let mut command = orbit();
        command.arg("doctor").env("DATABASE_URL", database.url()).env("NATS_URL", servers.nats_url());
        command.env("ORBIT_HOME", home.path()).output().unwrap().status.success()
    };
    until("the relay has sent what was written meanwhile", doctor).await;
    up.stop();
}

#[tokio::test]
async fn without_postgres_it_says_so_and_resumes_when_it_is_back() {
    let (home, servers) = (TestHome::new().await, own_servers().await);
    let database = servers.database().await;
    let up = start(&home, database.url(), servers.nats_url());
    let token = up.register("ada@example.org").await;

    servers.kill_postgres().await.unwrap();
    told(&up, "postgres").await;
    let (status, answer) = up.post("/api/v1/tasks", &token, &json!({ "title": "Refused" })).await;
    assert_eq!((status.as_u16(), &answer["code"]), (503, &json!("unavailable")), "{answer}");

    servers.start_postgres().await.unwrap();
    until("it is ready again", || is_ready(&up)).await;
    let write = || async { up.post("/api/v1/tasks", &token, &json!({ "title": "After" })).await.0 == 201 };
    until("commands succeed again", write).await;
    until("the read model follows", || async { up.titles(&token).await == ["After"] }).await;
    up.stop();
}
