//! The harness itself: each test is alone with its data, and nothing stays behind.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

use std::{fs, path::Path, process::Command, time::Duration};

use orbit_testing::{OwnServers, TestDatabase, TestServers, database, eventually, nats, own_servers};
use sqlx::{Connection, PgConnection};

const SOON: Duration = Duration::from_secs(20);

async fn names(server: &str, pattern: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let query =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE $1 ORDER BY datname LIMIT 1000");
    query.bind(pattern).fetch_all(&mut connection).await.unwrap()
}

fn name_of(database: &TestDatabase) -> &str {
    database.url().rsplit_once('/').unwrap().1
}

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, other) = tokio::join!(database(), database());
    sqlx::raw_sql("CREATE TABLE mine (id int)").execute(one.pool()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE mine (id int)").execute(other.pool()).await.unwrap();
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(one.pool()).await.unwrap();
    assert_eq!(applied, i64::try_from(orbit_migrations::MIGRATOR.iter().count()).unwrap());
}

#[tokio::test]
async fn a_database_goes_with_its_test_even_while_it_is_in_use() {
    let database = database().await;
    let name = name_of(&database).to_owned();
    let held = database.pool().acquire().await.unwrap();
    drop(database);
    let server = TestServers::get().await.database_url();
    assert_eq!(names(server, &name).await, [""; 0]);
    drop(held);
}

#[tokio::test]
async fn an_empty_database_has_no_table() {
    let database = TestDatabase::empty().await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn streams_go_with_their_test() {
    let (mine, other) = tokio::join!(nats(), nats());
    for nats in [&mine, &other] {
        let config = async_nats::jetstream::stream::Config {
            name: nats.stream("log"),
            subjects: vec![nats.subject(">")],
            ..Default::default()
        };
        nats.jetstream().create_stream(config).await.unwrap();
    }
    let gone = mine.stream("log");
    drop(mine);
    assert!(other.jetstream().get_stream(gone).await.is_err());
    assert!(other.jetstream().get_stream(other.stream("log")).await.is_ok());
}

#[tokio::test]
async fn own_servers_can_be_stopped_and_started_again_with_what_they_had() {
    let own = own_servers().await;
    let database = own.database().await;
    sqlx::raw_sql("CREATE TABLE t AS SELECT 1 AS id").execute(database.pool()).await.unwrap();
    let nats = own.nats().await;
    let config = async_nats::jetstream::stream::Config { name: nats.stream("log"), ..Default::default() };
    nats.jetstream().create_stream(config).await.unwrap();

    own.stop_postgres().await.unwrap();
    own.kill_nats().await.unwrap();
    assert!(PgConnection::connect(database.url()).await.is_err());
    own.start_postgres().await.unwrap();
    own.start_nats().await.unwrap();
    let count = || sqlx::query_scalar::<_, i64>("SELECT count(*) FROM t").fetch_one(database.pool());
    assert_eq!(eventually(SOON, count).await, 1);
    let jetstream = nats.jetstream();
    eventually(SOON, || jetstream.get_stream(nats.stream("log"))).await;
    own.stop().await;
}

#[tokio::test]
async fn own_servers_are_durable_unless_a_test_says_otherwise() {
    let own = OwnServers::start(|setup| setup.postgres_settings.push(("max_connections".into(), "33".into()))).await;
    let database = own.database().await;
    let settings: (String, String) =
        sqlx::query_as("SELECT current_setting('fsync'), current_setting('max_connections')")
            .fetch_one(database.pool())
            .await
            .unwrap();
    assert_eq!(settings, ("on".to_owned(), "33".to_owned()));
    let dir = own.nats_data_dir().parent().unwrap().to_owned();
    assert!(dir.exists());
    drop(own);
    assert!(!dir.exists());
}

#[test]
fn scratch_servers_are_there_for_one_command_and_its_exit_code_is_passed_on() {
    let script = "echo \"$DATABASE_URL $NATS_URL\"; exit 7";
    let output = Command::new(env!("CARGO_BIN_EXE_orbit-scratch")).args(["sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("postgres://orbit:") && said.contains(" nats://orbit:"), "{said}");
}

/// Not a test but what another test runs by hand: a run of its own.
#[tokio::test]
async fn lonely_run() {
    let Some(file) = std::env::var_os("ORBIT_TEST_LONELY_RUN") else { return };
    let database = database().await;
    let dir: String = sqlx::query_scalar("SHOW data_directory").fetch_one(database.pool()).await.unwrap();
    fs::write(file, dir).unwrap();
}

/// Started through a `cargo` that is none: a program of that name which runs this test binary.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_servers_of_a_run_vanish_with_the_cargo_that_runs_it_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (cargo, file) = (dir.path().join("cargo"), dir.path().join("data_directory"));
    // A copy of a shell, so that the system calls the process «cargo».
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &cargo).unwrap();
    let program = std::env::current_exe().unwrap();
    let script = "\"$0\" --exact lonely_run >&2 && \"$0\" --exact lonely_run >&2 && echo done && read -r _";
    let mut run = Command::new(&cargo)
        .args(["-c", script])
        .arg(program)
        .env("ORBIT_TEST_LONELY_RUN", &file)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(run.stdout.take().unwrap()), &mut said).unwrap();
    assert_eq!(said, "done\n");
    let data = fs::read_to_string(&file).unwrap();
    assert!(Path::new(&data).exists(), "both processes of the run have ended, the run has not");
    run.kill().unwrap();
    run.wait().unwrap();
    let run_dir = Path::new(&data).parent().unwrap().parent().unwrap().to_owned();
    eventually(SOON, || std::future::ready(!run_dir.exists())).await;
}
