//! `orbit backup` and `orbit restore` on real servers: while people write, into a fresh home, in the place of what is
//! there, with users who were forgotten since, and with everything that can be wrong about a backup.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use common::{PATIENCE, TestHome, Up, client, erase, kill, mode, orbit, refused, register, sentence, until};
use orbit_event_store::{Log, MasterKey, Vault};
use orbit_platform::{
    clock::Clock,
    config::{DatabaseArgs, Secret},
    postgres,
};
use orbit_projector::{ROLE, projections, runner};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, migrate::Migrate};

const PASSWORD: &str = "Correct-Horse-1";
/// How many people write while the backup is made.
const WRITERS: usize = 3;

fn backup(home: &Path, to: &Path) -> Command {
    let mut command = orbit();
    command.args(["backup", "--json"]).arg(to).env("ORBIT_HOME", home);
    command
}

fn restore(home: &Path, from: &Path, more: &[&str]) -> Command {
    let mut command = orbit();
    command.args(["restore", "--json"]).arg(from).args(more).env("ORBIT_HOME", home);
    command
}

/// The JSON object that a command which succeeded prints.
fn answer(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Takes the secrets that a person keeps beside the backups to a fresh home.
fn bring_keys(from: &TestHome, to: &TestHome) {
    let (from, to) = (from.path().join("secrets"), to.path().join("secrets"));
    fs::create_dir_all(&to).unwrap();
    for name in ["master-key", "signing-key", "proof-key"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Writes a task; gives its position once it is acknowledged.
async fn write(address: &str, token: &str, title: &str) -> i64 {
    let request = client().post(format!("{address}/api/v1/tasks")).bearer_auth(token).json(&json!({ "title": title }));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.headers()["orbit-position"].to_str().unwrap().parse().unwrap()
}

/// All of somebody's titles, over all pages.
async fn titles(address: &str, token: &str) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let url = format!("{address}/api/v1/tasks?limit=200{next}");
        let page: Value = client().get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap();
        let rows = page["data"].as_array().into_iter().flatten();
        all.extend(rows.map(|row| row["title"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    all.sort();
    all
}

/// Waits until all of these, and no others, can be read.
async fn reads(up: &Up, token: &str, expected: &[String]) {
    until("the read models are there", || async { titles(&up.address, token).await == expected }).await;
}

/// The log is what was sealed, in the new epoch too.
async fn verified(home: &TestHome) {
    until("the log is sealed in its new epoch, and is what was sealed", || async {
        orbit().arg("verify").env("ORBIT_HOME", home.path()).output().unwrap().status.success()
    })
    .await;
}

async fn doctor(home: &TestHome) {
    // The relay may still be making its stream.
    let is_well = || async { orbit().arg("doctor").env("ORBIT_HOME", home.path()).output().unwrap().status.success() };
    until("the doctor finds nothing", is_well).await;
}

/// The database of a running home.
fn database(home: &TestHome) -> DatabaseArgs {
    let addresses = orbit_runtime::Addresses::of_home(&orbit_runtime::Home::at(home.path())).unwrap().unwrap();
    DatabaseArgs {
        database_url: Secret::new(addresses.database_url),
        database_connections: 8,
        database_acquire_timeout_ms: 10_000,
    }
}

async fn pool(home: &TestHome) -> PgPool {
    PgPool::connect(database(home).database_url.expose()).await.unwrap()
}

/// Names of the streams that the NATS of a running home keeps.
async fn streams(home: &TestHome) -> Vec<String> {
    use futures_util::TryStreamExt;
    let addresses = orbit_runtime::Addresses::of_home(&orbit_runtime::Home::at(home.path())).unwrap().unwrap();
    let nats =
        orbit_platform::config::NatsArgs { nats_url: Secret::new(addresses.nats_url), nats_prefix: "orbit".to_owned() };
    let client = orbit_platform::nats::connect(&nats, "test", orbit_platform::nats::FirstConnection::Required);
    async_nats::jetstream::new(client.await.unwrap()).stream_names().try_collect().await.unwrap()
}

fn stream_of(answer: &Value) -> String {
    orbit_events::subjects::stream_name("orbit", answer["epoch"].as_str().unwrap().parse().unwrap())
}

/// Read models as they are, and as the log folds into fresh tables.
async fn same_as_a_fresh_fold(home: &TestHome) {
    let tables: Vec<&str> = projections::ALL.iter().flat_map(|projection| projection.tables).copied().collect();
    let shapes = tables.iter().copied().chain(["checkpoints", "parked"]);
    let shapes = shapes.map(|table| format!("CREATE TABLE fold.{table} (LIKE view.{table} INCLUDING ALL);"));
    let shapes = shapes.collect::<Vec<_>>().concat();
    let pool = pool(home).await;
    let sql = format!("BEGIN; CREATE SCHEMA fold AUTHORIZATION {ROLE}; SET LOCAL ROLE {ROLE}; {shapes} COMMIT;");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    let fold = postgres::connect_as(&database(home), "fold", Some("fold,public"), ROLE).await.unwrap();
    let key = fs::read_to_string(home.path().join("secrets/master-key")).unwrap();
    let key = orbit_platform::config::MasterKey::parse(key.trim()).unwrap();
    let vault = Vault::new(fold.clone(), &MasterKey::new(*key.expose()), Clock::system());
    runner::catch_up(&fold, &Log::new(fold.clone()), &vault, projections::ALL).await.unwrap();
    for table in tables {
        let rows = |schema: &str| {
            let sql = format!(
                "SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {schema}.{table} t"
            );
            let pool = pool.clone();
            async move { sqlx::query_scalar::<_, Value>(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap() }
        };
        assert_eq!(rows("view").await, rows("fold").await, "{table}");
    }
}

#[tokio::test]
async fn a_backup_made_while_people_write_comes_back_in_a_fresh_home_up_to_its_position() {
    let (home, elsewhere) = (TestHome::new().await, tempfile::tempdir().unwrap());
    let dir = elsewhere.path().join("monday");
    let up = Up::start(&home, &["--rate-user", "off"]);
    let token = up.register("ada@example.org").await;
    let acknowledged = Mutex::new(BTreeMap::new());
    for n in 0..20 {
        let title = format!("Before {n}");
        let position = write(&up.address, &token, &title).await;
        acknowledged.lock().unwrap().insert(position, title);
    }
    let before = *acknowledged.lock().unwrap().last_key_value().unwrap().0;

    let done = AtomicBool::new(false);
    let writer = async |writer: usize| {
        let mut n = 0;
        while !done.load(Ordering::Relaxed) {
            let title = format!("During {n} of {writer}");
            let position = write(&up.address, &token, &title).await;
            acknowledged.lock().unwrap().insert(position, title);
            n += 1;
        }
        n
    };
    let mut command = backup(&home.path(), &dir);
    let copying = async {
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        done.store(true, Ordering::Relaxed);
        answer(&output)
    };
    let writers = futures_util::future::join_all((0..WRITERS).map(writer));
    let (made, written) = tokio::join!(copying, writers);
    let position = made["position"].as_i64().unwrap();
    let acknowledged = acknowledged.into_inner().unwrap();
    let last = *acknowledged.last_key_value().unwrap().0;
    assert!(position >= before, "{position}: all that was acknowledged before ({before}) is in it");
    assert!(
        written.iter().all(|n| *n > 0) && last > position,
        "people wrote on meanwhile: {written:?}, {last} {position}"
    );
    assert_eq!((mode(&dir), mode(&dir.join("keys/vault.dump"))), (0o700, 0o600));
    up.stop();

    let fresh = TestHome::new().await;
    let said = refused(&mut restore(&fresh.path(), &dir, &[]));
    assert!(said.starts_with("there is no master key in") && said.contains("set ORBIT_MASTER_KEY"), "{said}");
    bring_keys(&home, &fresh);
    let restored = answer(&restore(&fresh.path(), &dir, &[]).output().unwrap());
    assert_eq!((&restored["position"], &restored["read_models"]), (&made["position"], &json!(true)), "{restored}");
    assert_ne!(restored["epoch"], made["epoch"]);
    assert_eq!(fresh.running(), [0; 0], "the servers of the restore are stopped");

    let up = Up::start(&fresh, &[]);
    let mut expected: Vec<String> = acknowledged.range(..=position).map(|(_, title)| title.clone()).collect();
    expected.sort();
    // Exactly the log up to its position. The read models came with it and may have been a moment behind.
    reads(&up, &token, &expected).await;
    let next = write(&up.address, &token, "After").await;
    assert_eq!(next, position + 1, "positions go on from what was restored");
    expected.push("After".to_owned());
    expected.sort();
    reads(&up, &token, &expected).await;
    // It also asks whether the stream's sequence is the position.
    doctor(&fresh).await;
    verified(&fresh).await;
    assert_eq!(streams(&fresh).await, [stream_of(&restored)]);
    same_as_a_fresh_fold(&fresh).await;
    up.stop();
}

#[tokio::test]
async fn what_is_there_is_replaced_only_on_demand_and_who_was_forgotten_since_stays_so() {
    let (home, elsewhere) = (TestHome::new().await, tempfile::tempdir().unwrap());
    let dir = elsewhere.path().join("monday");
    let mut up = Up::start(&home, &[]);
    let ada = up.register("ada@example.org").await;
    let bob = up.register("bob@example.org").await;
    write(&up.address, &ada, "Kept").await;
    write(&up.address, &bob, "Private").await;
    up.stop();
    // Nobody runs the servers: they are started for the backup.
    let made = answer(&backup(&home.path(), &dir).output().unwrap());
    assert_eq!(home.running(), [0; 0]);

    up = Up::start(&home, &["--erasure-grace-days", "0"]);
    for n in 0..5 {
        write(&up.address, &ada, &format!("Lost {n}")).await;
    }
    erase(&up.address, &bob, PASSWORD).await;
    let said = refused(&mut restore(&home.path(), &dir, &["--replace"]));
    assert!(said.contains(&format!("another Orbit (process {}) already runs on", up.pid())), "{said}");
    up.stop();

    let said = refused(&mut restore(&home.path(), &dir, &[]));
    assert!(said.contains("the database orbit holds facts up to position") && said.contains("--replace"), "{said}");
    let restored = answer(&restore(&home.path(), &dir, &["--replace"]).output().unwrap());
    assert_eq!((&restored["forgotten_again"], &restored["backed_up_position"]), (&json!(1), &made["position"]));
    assert!(restored["set_aside"].as_str().unwrap().starts_with("orbit_replaced_"), "{restored}");

    let up = Up::start(&home, &[]);
    reads(&up, &ada, &["Kept".to_owned()]).await;
    let login = json!({ "email": "bob@example.org", "password": PASSWORD });
    assert_eq!(up.post("/api/v1/auth/login", "", &login).await.0, 401, "Bob is not known again");
    until("Bob's rows are gone", || async {
        let rows = "SELECT (SELECT count(*) FROM view.users WHERE email LIKE 'bob%') + (SELECT count(*) FROM view.tasks WHERE title = 'Private')";
        sqlx::query_scalar::<_, i64>(rows).fetch_one(&pool(&home).await).await.unwrap() == 0
    })
    .await;
    // The address is free again, as after any erasure.
    let bob = register(&up.address, "bob@example.org").await;
    write(&up.address, &bob, "Anew").await;
    reads(&up, &bob, &["Anew".to_owned()]).await;
    doctor(&home).await;
    verified(&home).await;
    assert_eq!(streams(&home).await, [stream_of(&restored)], "the stream of the lost story is gone");
    same_as_a_fresh_fold(&home).await;
    up.stop();
}

/// A backup of a small Orbit on the servers of the test run, with the master key it needs.
struct Sample {
    elsewhere: tempfile::TempDir,
    home: TestHome,
    key: String,
    /// A database of the server that does not exist yet.
    target: String,
    name: String,
    admin: PgConnection,
}

impl Sample {
    /// Ada and Bob have a task each, on the servers of the test run.
    async fn make() -> (Self, orbit_testing::TestDatabase, Up, [String; 2]) {
        let (home, elsewhere) = (TestHome::new().await, tempfile::tempdir().unwrap());
        let (source, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
        let up = Up::start_with(&home, &["--erasure-grace-days", "0"], |command| {
            command.env("DATABASE_URL", source.url()).env("NATS_URL", nats.url());
            command.env("ORBIT_NATS_PREFIX", nats.prefix());
        });
        let mut tokens = Vec::new();
        for name in ["ada", "bob"] {
            let token = up.register(&format!("{name}@example.org")).await;
            write(&up.address, &token, &format!("Task of {name}")).await;
            reads(&up, &token, &[format!("Task of {name}")]).await;
            tokens.push(token);
        }
        let (server, from) = source.url().rsplit_once('/').unwrap();
        let name = format!("{from}_r");
        let admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        let key = fs::read_to_string(home.path().join("secrets/master-key")).unwrap().trim().to_owned();
        let target = format!("{server}/{name}");
        let sample = Self { elsewhere, home, key, target, name, admin };
        (sample, source, up, [tokens.remove(0), tokens.remove(0)])
    }

    fn back_up(&self, source: &orbit_testing::TestDatabase, name: &str) -> PathBuf {
        let dir = self.elsewhere.path().join(name);
        answer(&backup(&self.home.path(), &dir).env("DATABASE_URL", source.url()).output().unwrap());
        dir
    }

    fn restore(&self, from: &Path, more: &[&str]) -> Command {
        let mut command = restore(&self.home.path(), from, more);
        command.env("DATABASE_URL", &self.target).env("ORBIT_MASTER_KEY", &self.key);
        command
    }

    /// As whoever has lost the right key would do it.
    fn with_another_key(&self, from: &Path, more: &[&str]) -> Command {
        let mut command = self.restore(from, more);
        command.env("ORBIT_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
        command
    }

    /// Databases that begin with the target's name.
    async fn databases(&mut self) -> Vec<String> {
        let sql = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 || '%' ORDER BY 1";
        sqlx::query_scalar(sql).bind(&self.name).fetch_all(&mut self.admin).await.unwrap()
    }

    /// A copy of a backup, to be spoilt.
    fn copy(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.elsewhere.path().join(name);
        assert!(Command::new("cp").arg("-a").arg(from).arg(&to).status().unwrap().success());
        to
    }

    async fn drop_target(&mut self) {
        for name in self.databases().await {
            let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
            sqlx::raw_sql(sql).execute(&mut self.admin).await.unwrap();
        }
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn whatever_is_wrong_with_a_backup_is_one_sentence_and_changes_nothing() {
    let (mut sample, source, up, _) = Sample::make().await;
    let good = sample.back_up(&source, "good");
    up.stop();
    for (name, spoil, says) in [
        ("data", (|dir| flip(&dir.join("data/orbit.dump"))) as fn(&Path), "data/orbit.dump is not what was backed up"),
        ("views", |dir| flip(&dir.join("views/views.dump")), "views/views.dump is not what was backed up"),
        ("vault", |dir| flip(&dir.join("keys/vault.dump")), "keys/vault.dump is not what was backed up"),
        ("short", |dir| fs::write(dir.join("data/orbit.dump"), "").unwrap(), "is not what was backed up (0 bytes"),
        ("gone", |dir| fs::remove_file(dir.join("data/orbit.dump")).unwrap(), "data/orbit.dump is missing"),
        ("keyless", |dir| fs::remove_dir_all(dir.join("keys")).unwrap(), "say with --keys where they are"),
        ("half", |dir| fs::remove_file(dir.join("manifest.json")).unwrap(), "one that was not finished"),
        ("torn", |dir| fs::write(dir.join("manifest.json"), "{").unwrap(), "manifest.json is damaged"),
        ("newer", |dir| raise_schema(&dir.join("manifest.json")), "restore it with the newer Orbit"),
        ("nothing", |dir| fs::remove_dir_all(dir).unwrap(), "is no directory"),
    ] {
        let dir = sample.copy(&good, name);
        spoil(&dir);
        let said = refused(&mut sample.restore(&dir, &[]));
        assert!(said.contains(says), "{name}: {said}");
        assert!(!said.contains(&sample.key), "{said}");
        assert_eq!(sample.databases().await, [""; 0], "{name}");
    }
    let said = refused(&mut sample.with_another_key(&good, &[]));
    assert!(said.contains("wrapped with another master key"), "{said}");
    assert_eq!(sample.databases().await, [""; 0], "the draft is gone");

    let said = refused(sample.restore(&good, &["--replace"]).env("DATABASE_URL", source.url()));
    assert!(said.contains("is in use by") && said.contains("stop all Orbit processes"), "{said}");
    let occupied = "CREATE TABLE mine (id integer)";
    let create = format!("CREATE DATABASE {}", sample.name);
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut sample.admin).await.unwrap();
    let mut inside = PgConnection::connect(&sample.target).await.unwrap();
    sqlx::raw_sql(occupied).execute(&mut inside).await.unwrap();
    inside.close().await.unwrap();
    let said = refused(&mut sample.restore(&good, &["--replace"]));
    assert!(said.contains("holds tables that are not Orbit's"), "{said}");
    sample.drop_target().await;
}

#[tokio::test]
async fn what_an_unfinished_restore_left_is_cleared_away_and_a_failing_one_leaves_all_as_it_was() {
    let (mut sample, source, up, _) = Sample::make().await;
    let good = sample.back_up(&source, "good");
    up.stop();
    let draft = format!("{}_restoring", sample.name);
    let create = format!("CREATE DATABASE {draft}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut sample.admin).await.unwrap();
    let said = refused(&mut sample.restore(&good, &[]));
    assert!(said.contains(&format!("there is a database {draft}")) && said.contains("drop it first"), "{said}");
    let mark = format!("COMMENT ON DATABASE {draft} IS 'orbit restore: unfinished'");
    sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut sample.admin).await.unwrap();
    let restored = answer(&sample.restore(&good, &[]).output().unwrap());
    let name = sample.name.clone();
    assert_eq!(sample.databases().await, std::slice::from_ref(&name));

    let said = refused(&mut sample.with_another_key(&good, &["--replace"]));
    assert!(said.contains("wrapped with another master key"), "{said}");
    assert_eq!(sample.databases().await, [name]);
    let mut inside = PgConnection::connect(&sample.target).await.unwrap();
    let epoch: String = sqlx::query_scalar("SELECT epoch::text FROM log.head").fetch_one(&mut inside).await.unwrap();
    assert_eq!(restored["epoch"], epoch, "the database that was there is the one that is there");
    inside.close().await.unwrap();
    sample.drop_target().await;
}

fn raise_schema(path: &Path) {
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    manifest["schema"] = json!(9_999);
    fs::write(path, manifest.to_string()).unwrap();
}

#[tokio::test]
async fn keys_of_a_later_backup_keep_forgotten_who_was_erased_in_between() {
    let (mut sample, source, up, [_, bob]) = Sample::make().await;
    let monday = sample.back_up(&source, "monday");
    erase(&up.address, &bob, PASSWORD).await;
    let tuesday = sample.back_up(&source, "tuesday");
    let said = refused(&mut sample.restore(&tuesday, &["--keys", monday.to_str().unwrap()]));
    assert!(said.contains("do not fit the data"), "{said}");
    // What wise people do: the old keys and the readable rows are not kept.
    fs::remove_dir_all(monday.join("keys")).unwrap();
    fs::remove_dir_all(monday.join("views")).unwrap();
    let keys = tuesday.join("keys");
    let restored = answer(&sample.restore(&monday, &["--keys", keys.to_str().unwrap()]).output().unwrap());
    assert_eq!(restored["read_models"], json!(false), "{restored}");
    up.stop();

    let nats = orbit_testing::nats().await;
    let up = Up::start_with(&sample.home, &[], |command| {
        command.env("DATABASE_URL", &sample.target).env("NATS_URL", nats.url());
        command.env("ORBIT_NATS_PREFIX", nats.prefix());
    });
    let pool = PgPool::connect(&sample.target).await.unwrap();
    let titles = || async {
        let titles = "SELECT coalesce(array_agg(title ORDER BY title), '{}') FROM view.tasks";
        sqlx::query_scalar::<_, Vec<String>>(titles).fetch_one(&pool).await.unwrap()
    };
    until("the read models are folded anew", || async { titles().await == ["Task of ada"] }).await;
    let users = "SELECT array_agg(email ORDER BY email) FROM view.users";
    until("Ada is known, and Bob is not", || async {
        sqlx::query_scalar::<_, Option<Vec<String>>>(users).fetch_one(&pool).await.unwrap()
            == Some(vec!["ada@example.org".to_owned()])
    })
    .await;
    let parked: i64 = sqlx::query_scalar("SELECT count(*) FROM view.parked").fetch_one(&pool).await.unwrap();
    assert_eq!(parked, 0, "that facts cannot be opened any more is no fault");
    up.stop();
    pool.close().await;
    sample.drop_target().await;
}

#[tokio::test]
async fn a_backup_from_before_an_upgrade_is_migrated() {
    let (home, elsewhere) = (TestHome::new().await, tempfile::tempdir().unwrap());
    let old = orbit_testing::TestDatabase::empty().await;
    let mut connection = old.pool().acquire().await.unwrap();
    let table = &orbit_migrations::MIGRATOR.table_name;
    connection.ensure_migrations_table(table).await.unwrap();
    let all = orbit_migrations::MIGRATOR.iter().count();
    for migration in orbit_migrations::MIGRATOR.iter().take(all - 1) {
        connection.apply(table, migration).await.unwrap();
    }
    drop(connection);
    let dir = elsewhere.path().join("old");
    let made = answer(&backup(&home.path(), &dir).env("DATABASE_URL", old.url()).output().unwrap());
    let newest = orbit_migrations::MIGRATOR.iter().last().unwrap().version;
    assert!(made["schema"].as_i64().unwrap() < newest, "{made}");

    let target = orbit_testing::TestDatabase::empty().await;
    target.pool().close().await;
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let mut command = restore(&home.path(), &dir, &[]);
    // It takes the place of an empty database without being asked twice.
    answer(&command.env("DATABASE_URL", target.url()).env("ORBIT_MASTER_KEY", key).output().unwrap());
    let check = orbit().args(["migrate", "--check"]).env("DATABASE_URL", target.url()).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[tokio::test]
async fn tables_of_a_user_whom_the_server_does_not_know_become_those_of_who_restores() {
    let (mut sample, source, up, _) = Sample::make().await;
    up.stop();
    let stranger = format!("{}_owner", sample.name);
    let mut inside = PgConnection::connect(source.url()).await.unwrap();
    let give = format!(
        "CREATE ROLE {stranger} SUPERUSER;
         DO $$ DECLARE line text; BEGIN
             FOR line IN SELECT format('ALTER SCHEMA %I OWNER TO {stranger}', nspname) FROM pg_namespace WHERE nspname IN ('log', 'vault', 'view')
                 UNION ALL SELECT format('ALTER TABLE %I.%I OWNER TO {stranger}', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('log', 'vault', 'view')
             LOOP EXECUTE line; END LOOP; END $$;
         ALTER DEFAULT PRIVILEGES FOR ROLE {stranger} IN SCHEMA view GRANT SELECT ON TABLES TO orbit_query;
         ALTER DEFAULT PRIVILEGES IN SCHEMA view REVOKE ALL ON TABLES FROM orbit_query, orbit_projector"
    );
    sqlx::raw_sql(AssertSqlSafe(give)).execute(&mut inside).await.unwrap();
    let dir = sample.back_up(&source, "stranger");
    let leave = format!("REASSIGN OWNED BY {stranger} TO CURRENT_USER; DROP OWNED BY {stranger}; DROP ROLE {stranger}");
    sqlx::raw_sql(AssertSqlSafe(leave)).execute(&mut inside).await.unwrap();

    answer(&sample.restore(&dir, &[]).output().unwrap());
    let mut restored = PgConnection::connect(&sample.target).await.unwrap();
    let (owners, defaults, roles): (Vec<String>, Vec<String>, i64) = sqlx::query_as(
        "SELECT (SELECT array_agg(DISTINCT tableowner::text) FROM pg_tables WHERE schemaname IN ('log', 'vault', 'view')),
                (SELECT array_agg(DISTINCT pg_get_userbyid(defaclrole)::text || ' ' || defaclacl::text) FROM pg_default_acl),
                (SELECT count(*) FROM pg_roles WHERE rolname LIKE '%_r_owner')",
    )
    .fetch_one(&mut restored)
    .await
    .unwrap();
    assert_eq!((owners, roles), (vec!["orbit".to_owned()], 0));
    assert!(defaults.len() == 1 && defaults[0].contains("orbit_query=r/orbit"), "{defaults:?}");
    restored.close().await.unwrap();
    sample.drop_target().await;
}

/// The command lines of all processes that mention this.
fn command_lines(what: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(what)).collect()
}

#[tokio::test]
async fn a_backup_that_is_stopped_leaves_nothing_that_looks_like_one() {
    let (sample, source, up, _) = Sample::make().await;
    up.stop();
    let dir = sample.elsewhere.path().join("stopped");
    let mut holder = PgConnection::connect(source.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE log.claims IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await.unwrap();
    let mut command = backup(&sample.home.path(), &dir);
    command.env("DATABASE_URL", source.url());
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // It waits for the lock, in the middle of its work.
    until("pg_dump has begun", || async { dir.join("data/orbit.dump").exists() }).await;
    let password = source.url().split(['@', ':']).nth(2).unwrap().to_owned();
    let lines = command_lines("pg_dump");
    assert!(
        !lines.is_empty() && !lines.iter().any(|line| line.contains(&password)),
        "a password is for nobody to read"
    );
    kill("INT", child.id());
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    assert!(sentence(&output).contains("stopped: nothing of the backup stays"));
    assert!(!dir.exists(), "{:?}", fs::read_dir(&dir).map(|entries| entries.flatten().collect::<Vec<_>>()));
}

#[tokio::test]
async fn a_backup_that_cannot_be_made_is_one_sentence() {
    let (home, elsewhere) = (TestHome::new().await, tempfile::tempdir().unwrap());
    let dir = elsewhere.path().join("none");
    let said = refused(&mut backup(&home.path(), &dir));
    assert!(said.starts_with("there is no Orbit in") && !dir.exists(), "{said}");
    let empty = orbit_testing::TestDatabase::empty().await;
    let said = refused(backup(&home.path(), &dir).env("DATABASE_URL", empty.url()));
    assert!(said.contains("holds no Orbit") && !dir.exists(), "{said}");
    fs::write(elsewhere.path().join("mine"), "").unwrap();
    let migrated = orbit_testing::database().await;
    let said = refused(backup(&home.path(), elsewhere.path()).env("DATABASE_URL", migrated.url()));
    assert!(said.contains("is not empty: name a new directory"), "{said}");
    assert!(elsewhere.path().join("mine").exists());
    // Neither installed nor in the PATH.
    let bare = elsewhere.path().join("bare");
    fs::create_dir(&bare).unwrap();
    let said = refused(backup(&bare, &dir).env("DATABASE_URL", migrated.url()).env("PATH", &bare));
    assert!(said.starts_with("pg_dump was not found: install PostgreSQL's client programs") && !dir.exists(), "{said}");
}
