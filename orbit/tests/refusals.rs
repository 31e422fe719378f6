//! What goes wrong at the start is one sentence that says what to do, with exit code 1.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::net::TcpListener;

use common::{TestHome, Up, free_port, orbit, refused};
use orbit_testing::TestServers;
use sqlx::{Connection, PgConnection};

fn up(home: &TestHome) -> std::process::Command {
    let mut command = orbit();
    command.arg("up").env("ORBIT_HOME", home.path()).env("ORBIT_PORT", free_port().to_string());
    command
}

#[tokio::test]
async fn one_address_without_the_other() {
    let home = TestHome::new().await;
    let said = refused(up(&home).env("DATABASE_URL", "postgres://orbit@127.0.0.1/orbit"));
    assert!(said.starts_with("DATABASE_URL is set but NATS_URL is not: set both"), "{said}");
    let said = refused(up(&home).env("NATS_URL", "nats://127.0.0.1"));
    assert!(said.starts_with("NATS_URL is set but DATABASE_URL is not: set both"), "{said}");
}

#[tokio::test]
async fn a_port_that_is_taken_before_anything_is_started() {
    let home = TestHome::new().await;
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port().to_string();
    let said = refused(up(&home).args(["--port", &port]));
    assert!(said.starts_with(&format!("port {port} is taken: stop what listens there, or choose another")), "{said}");
    assert!(!home.path().join("data/postgres").exists());
}

#[tokio::test]
async fn a_home_that_another_orbit_works_on() {
    let home = TestHome::new().await;
    let first = Up::start(&home, &[]);
    let said = refused(&mut up(&home));
    assert!(said.contains(&format!("another Orbit (process {}) already runs on", first.pid())), "{said}");
    first.stop();
}

#[tokio::test]
async fn no_python_and_no_runtime() {
    let home = TestHome::new().await;
    std::fs::remove_file(home.path().join("runtime")).unwrap();
    let said = refused(up(&home).env("PATH", home.path()));
    assert!(said.contains("python3 was not found") || said.contains("python3 has no pip"), "{said}");
    assert!(said.contains("set DATABASE_URL and NATS_URL"), "{said}");
}

#[tokio::test]
async fn a_wrong_password() {
    let home = TestHome::new().await;
    let database = orbit_testing::database().await;
    let server = TestServers::get().await;
    let (before, after) = database.url().rsplit_once('@').unwrap();
    let user = before.rsplit_once(':').unwrap().0;
    let wrong = format!("{user}:hunter2@{after}");
    let said = refused(up(&home).env("DATABASE_URL", &wrong).env("NATS_URL", server.nats_url()));
    assert!(said.contains("refuses the user or the password: correct them in DATABASE_URL"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let wrong = server.nats_url().replacen("orbit:", "orbit:hunter2", 1);
    let said = refused(up(&home).env("DATABASE_URL", database.url()).env("NATS_URL", &wrong));
    assert!(said.contains("refuses the credentials: correct them in NATS_URL"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_schema_newer_than_the_program() {
    let home = TestHome::new().await;
    let database = orbit_testing::database().await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '\\x00', 1)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    let nats = TestServers::get().await.nats_url();
    for words in [&["up"][..], &["migrate"], &["serve", "projector"]] {
        let mut command = orbit();
        command.args(words).env("ORBIT_HOME", home.path()).env("DATABASE_URL", database.url());
        if words != ["migrate"] {
            command.env("NATS_URL", nats).env("ORBIT_PORT", "0");
            command.env("ORBIT_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
        }
        command.env("ORBIT_LOG", "error");
        let said = refused(&mut command);
        assert!(said.contains("newer than this program") && said.contains("9999"), "{words:?}: {said}");
    }
}

#[tokio::test]
async fn another_master_key_than_the_one_that_wrapped_the_users_keys() {
    let home = TestHome::new().await;
    let database = orbit_testing::database().await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let key = "INSERT INTO vault.keys (user_id, key_no, wrapped, created_at) VALUES (uuidv7(), 0, sha512('x'), now())";
    sqlx::query(key).execute(&mut connection).await.unwrap();
    for words in [&["up"][..], &["serve", "command-api"], &["serve", "projector"], &["serve", "query-api"]] {
        let mut command = orbit();
        command.args(words).env("ORBIT_HOME", home.path()).env("ORBIT_PORT", "0").env("ORBIT_LOG", "error");
        command.env("DATABASE_URL", database.url()).env("NATS_URL", TestServers::get().await.nats_url());
        command.env("ORBIT_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
        command.env("ORBIT_SIGNING_KEY", orbit_platform::config::generate_signing_key());
        command.env("ORBIT_PROOF_KEY", orbit_platform::config::generate_signing_key());
        let said = refused(&mut command);
        assert!(said.contains("another master key: set ORBIT_MASTER_KEY to that one"), "{words:?}: {said}");
        assert!(!said.contains("MDEyMzQ1"), "{said}");
    }
}

#[tokio::test]
async fn a_process_whose_database_was_not_migrated() {
    let database = orbit_testing::TestDatabase::empty().await;
    let mut command = orbit();
    command.args(["serve", "projector"]).env("DATABASE_URL", database.url()).env("ORBIT_PORT", "0");
    command.env("NATS_URL", TestServers::get().await.nats_url()).env("ORBIT_LOG", "error");
    command.env("ORBIT_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
    let said = refused(&mut command);
    assert!(said.contains("run `orbit migrate`"), "{said}");
}

#[tokio::test]
async fn production_with_generated_secrets() {
    let home = TestHome::new().await;
    let said = refused(up(&home).env("ORBIT_ENV", "production"));
    assert!(said.contains("set DATABASE_URL and NATS_URL"), "{said}");
    let database = orbit_testing::database().await;
    let given = |command: &mut std::process::Command, nats: &str| {
        command.env("ORBIT_ENV", "production").env("DATABASE_URL", database.url()).env("NATS_URL", nats);
    };
    let nats = TestServers::get().await.nats_url();
    let mut without_keys = up(&home);
    given(&mut without_keys, nats);
    let said = refused(&mut without_keys);
    assert!(said.contains("is not set"), "{said}");

    // A desk's key, copied.
    orbit_runtime::Secrets::open(&orbit_runtime::Home::at(home.path())).unwrap();
    let key = std::fs::read_to_string(home.path().join("secrets/master-key")).unwrap();
    let mut copied = up(&home);
    given(&mut copied, nats);
    copied.env("ORBIT_MASTER_KEY", key.trim()).env("ORBIT_SIGNING_KEY", orbit_platform::config::generate_signing_key());
    let said = refused(&mut copied);
    assert!(said.contains("was generated for development: give production one of its own"), "{said}");
    assert!(!said.contains(key.trim()), "{said}");
}
