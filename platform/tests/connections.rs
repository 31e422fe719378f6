//! Connections to a real `PostgreSQL` and a real NATS.

use std::{error::Error, time::Duration};

use orbit_platform::{
    config::{DatabaseArgs, NatsArgs, Secret},
    nats::{self, FirstConnection},
    postgres,
    shutdown::Shutdown,
    telemetry::metrics,
};
use orbit_testing::TestServers;

fn database(url: &str) -> DatabaseArgs {
    DatabaseArgs { database_url: Secret::new(url), database_connections: 2, database_acquire_timeout_ms: 2_000 }
}

fn broker(url: &str) -> NatsArgs {
    NatsArgs { nats_url: Secret::new(url), nats_prefix: "orbit".to_owned() }
}

#[tokio::test]
async fn a_pool_speaks_utc_on_the_search_path_that_was_asked_for() {
    let test = orbit_testing::database().await;
    let pool = postgres::connect(&database(test.url()), "orbit-test", Some("view, public")).await.unwrap();
    let setting = async |name: &'static str| {
        sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(name).fetch_one(&pool).await.unwrap()
    };
    assert_eq!(setting("search_path").await, "view, public");
    assert_eq!(setting("TimeZone").await, "UTC");
    assert_eq!(setting("application_name").await, "orbit-test");
    postgres::ping(&pool).await.unwrap();
}

/// The server of the tests has no TLS: whoever requires it is told so, by a client that would have it.
#[tokio::test]
async fn tls_is_not_left_out_where_it_is_required() {
    let test = orbit_testing::database().await;
    let fault = postgres::connect(&database(&format!("{}?sslmode=require", test.url())), "orbit-test", None).await;
    let fault = fault.unwrap_err();
    let said: Vec<String> =
        std::iter::successors(Some(&fault as &dyn Error), |fault| (*fault).source()).map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.contains("server does not support TLS")), "{said:?}");
}

#[tokio::test]
async fn waiting_for_a_connection_has_an_end() {
    let test = orbit_testing::database().await;
    let pool = postgres::connect(&database(test.url()), "orbit-test", None).await.unwrap();
    let acquire = || postgres::acquire(&pool, "test");
    let _held = [acquire().await.unwrap(), acquire().await.unwrap()];
    assert!(matches!(acquire().await, Err(sqlx::Error::PoolTimedOut)));
}

#[tokio::test]
async fn the_pools_of_one_process_are_told_apart_and_waiting_shows_where_nobody_tells_of_it() {
    metrics::install();
    let test = orbit_testing::database().await;
    let shutdown = Shutdown::new();
    let mut held = Vec::new();
    for (name, connections) in [("none", 0), ("one", 1), ("two", 2)] {
        let pool = postgres::connect(&database(test.url()), "orbit-test", None).await.unwrap();
        for _ in 0..connections {
            held.push(postgres::acquire(&pool, name).await.unwrap());
        }
        postgres::observe(pool, name, &shutdown);
    }
    orbit_testing::eventually(Duration::from_secs(30), async || {
        let said = metrics::render();
        let expected = [
            "orbit_pool_connections{pool=\"one\",state=\"used\"} 1",
            "orbit_pool_connections{pool=\"two\",state=\"used\"} 2",
            "orbit_pool_connections{pool=\"none\",state=\"used\"} 0",
            "orbit_pool_wait_seconds_count{pool=\"none\"} 1",
            // One pool has no third connection.
            "orbit_pool_timeouts_total{pool=\"two\"} 1",
        ];
        if expected.iter().all(|line| said.contains(line)) { Ok(()) } else { Err(said) }
    })
    .await;
    shutdown.finish(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_one_clear_sentence() {
    let url = TestServers::get().await.database_url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let fault =
        postgres::connect(&database(&format!("{server}/no_such_database")), "orbit-test", None).await.unwrap_err();
    assert!(matches!(fault, postgres::Fault::NoDatabase { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_wrong_password_is_one_clear_sentence_without_it() {
    let url = TestServers::get().await.database_url();
    let (_, place) = url.rsplit_once('@').unwrap();
    let wrong = format!("postgres://postgres:hunter2@{place}");
    let fault = postgres::connect(&database(&wrong), "orbit-test", None).await.unwrap_err();
    assert!(matches!(fault, postgres::Fault::Password { .. }), "{fault:?}");
    assert!(!fault.to_string().contains("hunter2"), "{fault}");
}

#[tokio::test]
async fn the_broker_is_found_and_answers() {
    let url = TestServers::get().await.nats_url();
    let client = nats::connect(&broker(url), "orbit-test", FirstConnection::Required).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), nats::ping(&client)).await.unwrap().unwrap();
}
