//! The process as a whole: `run` on a port of its own.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use http_body_util::BodyExt;
use orbit_platform::{clock::Clock, http::health, postgres::Pool, shutdown::Shutdown};
use orbit_query_api::{App, Parts, app, run};
use orbit_testing::eventually;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;

use crate::world::{NOW, at, config, parts};

async fn get(port: u16, path: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    Ok(reply)
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop() {
    let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (life, config) = (Shutdown::new(), config(database.url(), nats.url(), nats.prefix()));
    let asked = async {
        let ready = || async { get(port, "/health/ready").await.is_ok_and(|reply| reply.starts_with("HTTP/1.1 200")) };
        eventually(Duration::from_mins(1), ready).await;
        for (path, status) in [
            ("/health", 200),
            ("/metrics", 200),
            ("/openapi.json", 200),
            ("/docs", 200),
            ("/problems", 200),
            ("/.well-known/jwks.json", 200),
            ("/api/v1/tasks", 401),
            ("/api/v1/nothing", 404),
        ] {
            let reply = get(port, path).await.unwrap();
            assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {reply}");
        }
        life.trigger();
    };
    let (served, ()) = tokio::join!(run(listener, config, App::description(), life.clone()), asked);
    served.unwrap();
    life.finish(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn with_a_replica_the_primary_is_asked_whether_it_is_there() {
    let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
    let (life, clock) = (Shutdown::new(), Clock::fixed(at(NOW)));
    let config = config(database.url(), nats.url(), nats.prefix());
    let pool = app::connect(&config.database).await.unwrap();
    let checks = async |primary: Pool| {
        let parts = Parts { primary, ..parts(&config, &pool, &nats, &clock) };
        let app = App::start(parts, &life).await.unwrap();
        let request = Request::get("/health/ready").body(Body::empty()).unwrap();
        let body = health::router(app.probes()).oneshot(request).await.unwrap().into_body();
        serde_json::from_slice::<Value>(&body.collect().await.unwrap().to_bytes()).unwrap()["checks"].clone()
    };
    assert_eq!(checks(pool.clone()).await, json!({"postgres": "ok", "nats": "ok"}));
    let primary = app::connect(&config.database).await.unwrap();
    assert_eq!(checks(primary.clone()).await, json!({"postgres": "ok", "nats": "ok", "primary": "ok"}));
    primary.close().await;
    assert_eq!(checks(primary).await, json!({"postgres": "ok", "nats": "ok", "primary": "unavailable"}));
    life.trigger();
}

#[tokio::test]
async fn a_database_without_a_log_is_one_clear_sentence() {
    let (database, nats) = (orbit_testing::TestDatabase::empty().await, orbit_testing::nats().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(database.url(), nats.url(), nats.prefix());
    let fault = run(listener, config, App::description(), Shutdown::new()).await.unwrap_err();
    // Nor, if no other database of the cluster has one, a role.
    assert!(fault.to_string().contains("run orbit migrate"), "{fault}");
}

#[tokio::test]
async fn its_connections_read_from_the_view_and_give_up_statements_before_requests() {
    let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
    let pool =
        orbit_query_api::app::connect(&config(database.url(), nats.url(), nats.prefix()).database).await.unwrap();
    let timeout: String = sqlx::query_scalar("SHOW statement_timeout").fetch_one(&pool).await.unwrap();
    assert_eq!(timeout, "20s");
    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&pool).await.unwrap();
    assert_eq!(path, "view, public");
}
