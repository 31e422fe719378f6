//! The process as `main` runs it: settings in, requests over a socket, everything stopped at the end.

use std::time::Duration;

use clap::Parser;
use orbit_command_api::{App, Config, Fault, run};
use orbit_platform::{
    config::{Secret, generate_master_key, generate_signing_key},
    shutdown::Shutdown,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

async fn config() -> (Config, orbit_testing::TestDatabase, orbit_testing::TestNats) {
    let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
    let mut config = Config::parse_from(["orbit-command-api", "--nats-prefix", nats.prefix()]);
    config.database.database_url = Secret::new(database.url());
    config.nats.nats_url = Secret::new(nats.url());
    config.auth.signing_key = Some(Secret::new(generate_signing_key()));
    config.proof.proof_key = Some(Secret::new(generate_signing_key()));
    config.keys.master_key = Some(Secret::new(generate_master_key()));
    (config, database, nats)
}

/// One request over a socket of its own: status and body.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn the_process_serves_what_a_client_needs_to_find_its_way_and_stops_in_order() {
    let (config, _database, _nats) = config().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let life = shutdown.clone();
    shutdown.spawn("process", async move { run(listener, config, App::description(), life).await.unwrap() });
    orbit_testing::eventually(Duration::from_secs(20), || async { get(address, "/health/ready").await.0 == 200 }).await;
    let (status, document) = get(address, "/openapi.json").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    assert_eq!(get(address, "/.well-known/jwks.json").await.0, 200);
    assert_eq!(get(address, "/problems/email_taken").await.0, 200);
    assert_eq!(get(address, "/metrics").await.0, 200);
    assert_eq!(get(address, "/api/v1/tasks").await.0, 401);
    shutdown.finish(Duration::from_secs(15)).await.unwrap();
}

#[tokio::test]
async fn a_database_without_a_schema_is_told_in_one_sentence() {
    let (mut config, _database, _nats) = config().await;
    let empty = orbit_testing::TestDatabase::empty().await;
    config.database.database_url = Secret::new(empty.url());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fault = run(listener, config, App::description(), Shutdown::new()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Log(_) | Fault::Postgres(_)), "{fault:?}");
    assert!(!fault.to_string().is_empty());
}

#[tokio::test]
async fn a_missing_key_is_told_by_name() {
    let (mut config, _database, _nats) = config().await;
    config.keys.master_key = None;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fault = run(listener, config, App::description(), Shutdown::new()).await.unwrap_err();
    assert!(fault.to_string().contains("ORBIT_MASTER_KEY"), "{fault}");
}

#[tokio::test]
async fn certificates_that_are_not_there_are_told_by_name() {
    let (mut config, _database, _nats) = config().await;
    config.mail.mail_ca_file = Some("/nowhere.pem".into());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fault = run(listener, config, App::description(), Shutdown::new()).await.unwrap_err();
    assert!(fault.to_string().contains("ORBIT_MAIL_CA_FILE"), "{fault}");
}
