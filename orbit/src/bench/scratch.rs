//! Scratch servers for one bench, and an event store on them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use orbit_domain::{
    Context,
    tasks::{self, Task, Title, order::Slot, task},
};
use orbit_event_store::{EventStore, Limits, MasterKey, Mode, Origin, Settings};
use orbit_events::{Actor, ListId, Metadata, UserId};
use orbit_platform::{
    clock::Clock,
    config::{DatabaseArgs, NatsArgs, Secret},
    ids,
    nats::{self, FirstConnection},
    postgres::Pool,
    random,
    shutdown::Shutdown,
};
use orbit_runtime::{Home, Runtime, Servers, Setup, Terminal, Tuning, install};
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

/// Servers with default durability in a directory that goes when the bench ends.
pub struct Scratch {
    pub runtime: Runtime,
    pub servers: Servers,
    pub pool: Pool,
    pub shutdown: Shutdown,
    pub master_key: MasterKey,
    pub clock: Clock,
    /// For files of the bench itself.
    directory: PathBuf,
}

impl Scratch {
    /// What subjects begin with.
    pub const PREFIX: &str = "bench";

    /// Starts the servers and migrates.
    pub async fn start(connections: u32) -> anyhow::Result<Self> {
        let home = Home::locate()?;
        let runtime = install(&home, &Terminal::new())?;
        let bench = home.root().join("bench");
        let setup = Setup { tuning: Tuning::Durable, ..Setup::scratch(&bench.join(ids::new_event_id().to_string()))? };
        let directory = bench.join(ids::new_event_id().to_string());
        std::fs::create_dir_all(&directory)?;
        let servers = Servers::start(&runtime, setup).await?;
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .connect(servers.database_url())
            .await
            .context("connect to the scratch database")?;
        orbit_migrations::MIGRATOR.run(&pool).await.context("migrate the scratch database")?;
        let clock = Clock::system();
        let (shutdown, master_key) = (Shutdown::new(), MasterKey::new(random::bytes()));
        Ok(Self { runtime, servers, pool: pool.into(), shutdown, master_key, clock, directory })
    }

    /// For files of the bench itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The scratch database as a setting.
    pub fn database_args(&self) -> DatabaseArgs {
        DatabaseArgs {
            database_url: Secret::new(self.servers.database_url()),
            database_connections: 16,
            database_acquire_timeout_ms: 5_000,
        }
    }

    /// An event store on them.
    pub async fn store(&self) -> anyhow::Result<EventStore> {
        let settings = Settings {
            pool: self.pool.clone(),
            master_key: self.master_key.clone(),
            clock: self.clock.clone(),
            limits: Limits::default(),
        };
        Ok(EventStore::start(settings, &self.shutdown).await?)
    }

    /// Users who have a key.
    pub async fn users(&self, store: &EventStore, count: usize) -> anyhow::Result<Vec<UserId>> {
        let mut users = Vec::with_capacity(count);
        for _ in 0..count {
            let user = UserId(ids::new_v7(&self.clock));
            store.vault().create_key(user).await?;
            users.push(user);
        }
        Ok(users)
    }

    /// A connection to the scratch broker.
    pub async fn nats(&self) -> anyhow::Result<async_nats::Client> {
        let args = NatsArgs { nats_url: Secret::new(self.servers.nats_url()), nats_prefix: Self::PREFIX.to_owned() };
        Ok(nats::connect(&args, "orbit-bench", FirstConnection::Required).await?)
    }

    /// Stops everything.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.finish(std::time::Duration::from_secs(10)).await?;
        self.pool.close().await;
        self.servers.stop().await;
        std::fs::remove_dir_all(&self.directory)?;
        Ok(())
    }
}

/// Writes tasks, one command each, of about 400 bytes of payload.
#[derive(Clone)]
pub struct Writer {
    pub store: EventStore,
    pub user: UserId,
    pub list: ListId,
}

impl Writer {
    /// Writes for one user, into a list of its own.
    pub fn new(store: &EventStore, user: UserId) -> Self {
        Self { store: store.clone(), user, list: ListId(ids::new_v7(store.clock())) }
    }

    /// Who acts, and when.
    pub fn origin(&self) -> Origin {
        let id = ids::new_event_id();
        Origin {
            context: Context { now: self.store.clock().now(), user_id: self.user, actor: Actor::User },
            metadata: Metadata {
                actor: Actor::User,
                correlation_id: id,
                causation_id: None,
                session_id: Some(self.user.0),
                traceparent: None,
            },
        }
    }

    /// One command, one fact, a new stream; returns its id and the fact's position.
    pub async fn create(&self, id: Uuid) -> anyhow::Result<(Uuid, i64)> {
        let command = task::Command::Create(self.task()?);
        let answer = self
            .store
            .transact(self.origin(), Mode::default(), |unit| {
                let command = command.clone();
                async move { unit.create::<Task>(id, command).map(|_| id).map_err(anyhow::Error::from) }
            })
            .await?;
        Ok((id, answer.position))
    }

    /// One more task, whichever.
    pub async fn write(&self) -> anyhow::Result<()> {
        self.create(ids::new_v7(self.store.clock())).await.map(drop)
    }

    fn task(&self) -> anyhow::Result<task::Create> {
        let jitter = u32::from_le_bytes(random::nonce());
        let slot = Slot::anywhere(self.store.clock().now(), jitter);
        Ok(task::Create {
            place: task::Place { list_id: self.list, slot },
            lineage: None,
            title: Title::parse("Ask the printer for a second proof")?,
            description: Some(tasks::Description::parse(
                "The blue of the cover is too dark, and the spine is two millimetres off. Tell them by Thursday.",
            )?),
            priority: None,
            status: None,
            due_date: None,
            labels: Vec::new(),
            extracted_from: None,
        })
    }
}
