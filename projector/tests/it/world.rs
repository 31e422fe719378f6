//! A world of one test: a database with a log that tests write themselves, a relay, projectors, and a look at the tables.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use orbit_event_store::{
    Log, MasterKey, Vault,
    relay::{History, Relay},
};
use orbit_events::{
    Actor, Event, EventId, ListId, Metadata, Partitions, UserId, subjects,
    tasks::{Author, Priority, Status, task},
};
use orbit_platform::{clock::Clock, postgres::Pool, shutdown::Shutdown};
use orbit_projector::{Deps, ROLE, SEARCH_PATH, projection::Registered, projections, runner};
use orbit_testing::{TestDatabase, TestNats, eventually};
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    types::Json,
};
use uuid::Uuid;

/// Long enough for a busy machine; every wait ends as soon as it can.
pub const SOON: Duration = Duration::from_secs(30);
pub const PARTITIONS: Partitions = Partitions::DEFAULT;
/// Pairs of a projection and a partition.
#[expect(clippy::cast_possible_wrap, reason = "there are a handful of projections")]
pub const PAIRS: i64 = projections::ALL.len() as i64 * PARTITIONS.0 as i64;

pub struct World {
    pub database: TestDatabase,
    pub nats: TestNats,
    pub vault: Vault,
    pub log: Log,
    clock: Clock,
    ids: AtomicU64,
}

impl World {
    pub async fn new() -> Self {
        Self::on(orbit_testing::database().await, orbit_testing::nats().await)
    }

    pub fn on(database: TestDatabase, nats: TestNats) -> Self {
        let clock = Clock::system();
        let vault = Vault::new(database.pool().into(), &master_key(), clock.clone());
        let log = Log::new(database.pool().into());
        Self { database, nats, vault, log, clock, ids: AtomicU64::new(1) }
    }

    /// An id that sorts after those before it.
    pub fn id(&self) -> Uuid {
        Uuid::from_u128((7 << 76) | (2 << 62) | u128::from(self.ids.fetch_add(1, Ordering::Relaxed)) << 96)
    }

    /// A user with a key, whose facts are in this partition.
    pub async fn user_in(&self, partition: i16) -> UserId {
        let user = std::iter::repeat_with(|| UserId(self.id())).find(|user| PARTITIONS.of(*user) == partition);
        let user = user.expect("some id hashes into each partition");
        self.vault.create_key(user).await.unwrap();
        user
    }

    pub async fn user(&self) -> UserId {
        let user = UserId(self.id());
        self.vault.create_key(user).await.unwrap();
        user
    }

    /// Appends facts to streams of a user; returns the position of the last.
    pub async fn append(&self, user: UserId, facts: impl IntoIterator<Item = (Uuid, Event)>) -> i64 {
        let facts: Vec<_> =
            facts.into_iter().map(|(stream, event)| (stream, event.wire_type().to_owned(), event.encode())).collect();
        self.append_raw(user, &facts).await
    }

    /// Appends what may be no facts at all: stream, wire type, payload.
    pub async fn append_raw(&self, user: UserId, facts: &[(Uuid, String, Vec<u8>)]) -> i64 {
        let mut transaction = self.database.pool().begin().await.unwrap();
        let mut position: i64 =
            sqlx::query_scalar("UPDATE log.head SET position = position + $1 RETURNING position - $1")
                .bind(i64::try_from(facts.len()).unwrap())
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
        for (stream, wire_type, payload) in facts {
            position += 1;
            let event_id = EventId(Uuid::from_u128(u128::try_from(position).unwrap()));
            let data = self.vault.seal(user, event_id, wire_type, payload).await.unwrap();
            let metadata = Metadata {
                actor: Actor::User,
                correlation_id: Uuid::from_u128(9),
                causation_id: None,
                session_id: None,
                traceparent: None,
            };
            sqlx::query(
                "INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                         schema_version, data, metadata, recorded_at)
                 VALUES ($1, $2, $3, $4, split_part($6, '.', 1), $5,
                         1 + (SELECT count(*) FROM log.events WHERE stream_id = $5), $6, $10, $7, $8, $9)",
            )
            .bind(position)
            .bind(event_id.0)
            .bind(user.0)
            .bind(PARTITIONS.of(user))
            .bind(stream)
            .bind(wire_type)
            .bind(data)
            .bind(Json(metadata))
            .bind(at(position))
            .bind(Event::types().find(|fact| fact.wire_type == wire_type).map_or(1, |fact| fact.schema_version))
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        transaction.commit().await.unwrap();
        // Wakes the relay, as the event store does; with NATS down nobody hears.
        let ping = self.nats.client().publish(subjects::appended(self.nats.prefix()), position.to_string().into());
        let _ = tokio::time::timeout(Duration::from_millis(100), ping).await;
        position
    }

    /// What a projector is given.
    pub async fn deps(&self) -> Deps {
        let pool = projector_pool(&self.database, SEARCH_PATH).await;
        Deps {
            log: Log::new(pool.clone()),
            vault: Vault::new(pool.clone(), &master_key(), self.clock.clone()),
            pool,
            nats: self.nats.client().clone(),
            prefix: self.nats.prefix().to_owned(),
            clock: self.clock.clone(),
        }
    }

    /// Starts a projector; it lives until the value is dropped.
    pub async fn projector(&self) -> Running {
        let running = Running::default();
        orbit_projector::start(self.deps().await, &running.0);
        running
    }

    /// Starts a relay; it lives until the value is dropped.
    pub fn relay(&self) -> Running {
        let running = Running::default();
        let pool = self.database.pool().into();
        let relay = Relay::new(pool, self.nats.client().clone(), self.nats.prefix(), History::default());
        running.0.spawn("relay", relay.run(running.0.clone()));
        running
    }

    /// Folds everything into the tables that are served, and ends.
    pub async fn catch_up(&self) -> runner::CaughtUp {
        let deps = self.deps().await;
        runner::catch_up(&deps.pool, &deps.log, &deps.vault, projections::ALL).await.unwrap()
    }

    /// Folds everything into tables of a schema of their own.
    pub async fn fold_into(&self, schema: &str) {
        let tables = projections::ALL.iter().flat_map(|p| p.tables).chain(&["checkpoints", "parked"]);
        let like = |table: &&str| format!("CREATE TABLE {schema}.{table} (LIKE view.{table} INCLUDING ALL);");
        let tables: String = tables.map(like).collect();
        self.sql(&format!("CREATE SCHEMA {schema} AUTHORIZATION {ROLE}; SET LOCAL ROLE {ROLE}; {tables}")).await;
        let pool = projector_pool(&self.database, &format!("{schema},public")).await;
        runner::catch_up(&pool, &self.log, &self.vault, projections::ALL).await.unwrap();
    }

    /// Statements as superuser, in one transaction.
    pub async fn sql(&self, statements: &str) {
        let mut transaction = self.database.pool().begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Everything in all read models of a schema.
    pub async fn dump(&self, schema: &str) -> Vec<(String, Value)> {
        let mut connection = self.database.pool().acquire().await.unwrap();
        dump(&mut connection, schema).await
    }

    /// Titles of tasks in the order of their ids, straight from the table.
    pub async fn titles(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT title FROM view.tasks ORDER BY id").fetch_all(self.database.pool()).await.unwrap()
    }

    /// The least checkpoint of a projection.
    pub async fn reached(&self, projection: &str) -> i64 {
        sqlx::query_scalar("SELECT coalesce(min(position), 0) FROM view.checkpoints WHERE projection = $1")
            .bind(projection)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    /// Waits until every partition of every projection has reached a position.
    pub async fn wait_for(&self, position: i64) {
        for projection in projections::ALL {
            eventually(SOON, || async { self.reached(projection.name).await >= position }).await;
        }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(self.database.pool()).await.unwrap()
    }
}

/// A role that runs, and stops when this is dropped.
#[derive(Default)]
pub struct Running(pub Shutdown);

impl Running {
    /// Stops in order, as on SIGTERM.
    pub async fn stop(self) {
        self.0.finish(SOON).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

pub fn master_key() -> MasterKey {
    MasterKey::new([7; 32])
}

/// A task was written down, and nothing said of it but a title.
pub fn created(title: &str) -> Event {
    let created = task::Created {
        list_id: ListId(Uuid::from_u128(1)),
        parent_id: None,
        title: title.to_owned(),
        description: None,
        priority: Priority::Medium,
        status: Status::Open,
        due_date: None,
        position: "V".to_owned(),
        labels: vec![],
        created_by: Author::User,
        extracted_from: None,
    };
    Event::Task(created.into())
}

/// A minute for each position, so that times tell facts apart.
pub fn at(position: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_381_200 + 60 * position, 0).unwrap()
}

pub async fn projector_pool(database: &TestDatabase, search_path: &str) -> Pool {
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.options([("search_path", search_path), ("role", ROLE), ("timezone", "UTC")]);
    PgPoolOptions::new().max_connections(8).acquire_timeout(SOON).connect_with(options).await.unwrap().into()
}

/// Everything in all tables of the projections, each as an array of rows.
pub async fn dump(connection: &mut PgConnection, schema: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for table in projections::ALL.iter().flat_map(|projection: &Registered| projection.tables) {
        let sql =
            format!("SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {schema}.{table} t");
        let rows: Value = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
        all.push(((*table).to_owned(), rows));
    }
    all
}
