//! What the tests share: stores on one database, somebody who uses them, and what must hold of any log.

use std::{fmt::Write, sync::Mutex};

use orbit_domain::{
    Aggregate, Color, Context, Reject,
    tasks::{Label, LabelName, label},
};
use orbit_event_store::{Answer, EventStore, Fault, Limits, MasterKey, Mode, Origin, Refused, Settings, Unit};
use orbit_events::{Actor, Metadata, UserId};
use orbit_platform::{clock::Clock, ids, postgres::Pool, shutdown::Shutdown};
use orbit_testing::{TestDatabase, database};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

pub const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// A database and the life of everything that works on it.
pub struct World {
    pub database: TestDatabase,
    pub clock: Clock,
    /// As superuser.
    pub pool: Pool,
    pub life: Shutdown,
}

impl World {
    pub async fn new() -> Self {
        Self::on(database().await)
    }

    pub fn on(database: TestDatabase) -> Self {
        let pool = database.pool().into();
        Self { database, pool, clock: Clock::system(), life: Shutdown::new() }
    }

    /// One more store: another process, as far as the database can tell.
    pub async fn store(&self) -> EventStore {
        self.store_with(Limits::default()).await
    }

    pub async fn store_with(&self, limits: Limits) -> EventStore {
        let options: PgConnectOptions = self.database.url().parse().unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(8)
            // Nobody waits longer to read than to write.
            .acquire_timeout(limits.outage)
            .connect_lazy_with(options.options([("role", "orbit_command")]))
            .into();
        let settings = Settings { pool, master_key: master_key(), clock: self.clock.clone(), limits };
        EventStore::start(settings, &self.life).await.unwrap()
    }

    pub async fn stop(&self) {
        self.life.finish(SOON).await.unwrap();
    }

    /// As far as one statement can tell: count, newest position and head agree in every snapshot.
    pub async fn assert_sound_at_a_glance(&self) {
        let (count, newest, head): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(max(position), 0), (SELECT position FROM log.head) FROM log.events",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert_eq!((count, newest), (head, head), "positions are contiguous up to the head");
    }

    /// Invariant 1, and all else that must hold of every log; gives its length.
    pub async fn assert_sound(&self) -> i64 {
        self.assert_sound_at_a_glance().await;
        let broken: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT stream_id, 'versions, owner or order' FROM (
                 SELECT stream_id, version, row_number() OVER (PARTITION BY stream_id ORDER BY position) AS nth
                 FROM log.events) e WHERE version <> nth
             UNION ALL
             SELECT coalesce(s.stream_id, e.stream_id), 'newest version' FROM log.streams s
             FULL JOIN (SELECT stream_id, max(version) AS newest, min(user_id::text) AS one, max(user_id::text) AS other
                        FROM log.events GROUP BY stream_id) e USING (stream_id)
             WHERE s.version IS DISTINCT FROM e.newest OR e.one <> s.user_id::text OR e.other <> s.user_id::text
             UNION ALL
             SELECT event_id, 'a fact twice' FROM log.events GROUP BY event_id HAVING count(*) > 1",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        sqlx::query_scalar("SELECT position FROM log.head").fetch_one(&self.pool).await.unwrap()
    }

    pub async fn deadlocks(&self) -> i64 {
        sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

pub fn master_key() -> MasterKey {
    MasterKey::new([7; 32])
}

/// A pool that may do what a role may and no more.
pub fn pool_as(database: &TestDatabase, role: &'static str) -> Pool {
    let options: PgConnectOptions = database.url().parse().unwrap();
    PgPoolOptions::new().max_connections(8).connect_lazy_with(options.options([("role", role)])).into()
}

/// What a command of a test may end in.
#[derive(Debug)]
pub enum Failure {
    Fault(Fault),
    Rejected(&'static str),
    /// The decision was dropped half-way.
    Abandoned,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<R: Reject> From<Refused<R>> for Failure {
    fn from(refused: Refused<R>) -> Self {
        match refused {
            Refused::Rejected(rejection) => Self::Rejected(rejection.code()),
            Refused::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Somebody with a key of their own.
#[derive(Clone)]
pub struct Person {
    pub store: EventStore,
    pub id: UserId,
}

impl Person {
    pub async fn new(store: &EventStore) -> Self {
        let id = UserId(ids::new_event_id());
        store.vault().create_key(id).await.unwrap();
        Self { store: store.clone(), id }
    }

    /// The same person at another process.
    pub fn at(&self, store: &EventStore) -> Self {
        Self { store: store.clone(), id: self.id }
    }

    pub fn origin(&self) -> Origin {
        let actor = Actor::User;
        let metadata = Metadata {
            actor,
            correlation_id: ids::new_event_id(),
            causation_id: None,
            session_id: None,
            traceparent: None,
        };
        Origin { context: Context { now: self.store.clock().now(), user_id: self.id, actor }, metadata }
    }

    /// One command on one aggregate; answers its version.
    pub async fn run<A: Aggregate>(&self, id: Uuid, command: A::Command) -> Result<Answer<i64>, Failure> {
        self.run_as::<A>(Mode::default(), id, command).await
    }

    pub async fn run_as<A: Aggregate>(
        &self,
        mode: Mode,
        id: Uuid,
        command: A::Command,
    ) -> Result<Answer<i64>, Failure> {
        let decide = |unit: Unit| {
            let command = command.clone();
            async move { Ok(unit.decide::<A>(id, command).await?.version) }
        };
        self.store.transact(self.origin(), mode, decide).await
    }

    /// A new label; its id.
    pub async fn label(&self, name: &str) -> Result<Uuid, Failure> {
        let id = ids::new_event_id();
        self.run::<Label>(id, create(name)).await.map(|_| id)
    }

    /// Its name as the log has it.
    pub async fn name_of(&self, id: Uuid) -> Option<String> {
        let loaded = self.store.log().load::<Label>(self.store.vault(), id).await.unwrap();
        loaded.and_then(|label| label.state.present().map(|label| label.name.clone()))
    }
}

pub fn create(name: &str) -> label::Command {
    label::Command::Create { name: LabelName::parse(name).unwrap(), color: None }
}

pub fn rename(name: &str) -> label::Command {
    label::Command::Edit(label::Edit { name: Some(LabelName::parse(name).unwrap()), color: None })
}

pub fn recolour(color: &str) -> label::Command {
    label::Command::Edit(label::Edit { name: None, color: Some(Some(Color::parse(color).unwrap())) })
}

/// As the database writes bytes out.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut all, byte| {
        write!(all, "{byte:02x}").unwrap();
        all
    })
}

/// Chance that can be repeated (`SplitMix64`, Steele et al. 2014).
pub struct Dice(Mutex<u64>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub fn roll(&self, sides: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}
