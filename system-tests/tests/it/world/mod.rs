//! A whole Orbit of one test's own: all roles, put together as `orbit up` does, over its own database and NATS prefix.
//!
//! Two processes in miniature, each with a runtime of its own: the front (commands with the relay, queries, the reactor,
//! HTTP) and the projector. Killing one drops its runtime, and with it every task at whatever it was doing.

mod client;
mod read_models;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use orbit_adapters::{
    blobs::{Blobs, Location},
    net::Roots,
};
use orbit_command_api::app as command_api;
use orbit_event_store::{Limits, Log, MasterKey, Vault, relay::History};
use orbit_events::subjects;
use orbit_platform::{
    auth::{Admins, TokenSigner, TokenVerifier},
    clock::Clock,
    config::{AuthArgs, DatabaseArgs, Environment, HttpArgs, NatsArgs, Secret, generate_signing_key},
    http::{docs, health, layers::serve_layers, limits::RateLimiter, serve},
    nats::{self, FirstConnection},
    postgres,
    problem::{self, Registry},
    shutdown::Shutdown,
    signing::SigningKey,
};
use orbit_query_api::app as query_api;
use orbit_testing::{TestDatabase, TestNats, eventually};
use tokio::{net::TcpListener, runtime::Runtime};
use uuid::Uuid;

pub use client::{Answer, Call, PASSWORD, Session, Told};

/// Long enough for a busy machine; every wait ends as soon as it can.
pub const SOON: Duration = Duration::from_secs(30);
const KEY: [u8; 32] = [7; 32];

/// Everything that a test needs.
pub struct World {
    pub database: TestDatabase,
    pub nats: TestNats,
    pub http: reqwest::Client,
    /// Messages and files.
    pub blobs: PathBuf,
    settings: Settings,
    front: Process<SocketAddr>,
    projector: Option<Process<()>>,
}

/// What both processes are told. Rate limits are off: tests call faster than users.
#[derive(Clone)]
struct Settings {
    http: HttpArgs,
    auth: AuthArgs,
    database: DatabaseArgs,
    nats: NatsArgs,
    clock: Clock,
    /// Where messages and files lie; gone with the last who knows it.
    blobs: Arc<tempfile::TempDir>,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    auth: AuthArgs,
}

/// A process in miniature.
struct Process<T> {
    runtime: Option<Runtime>,
    life: Shutdown,
    made: T,
}

impl<T: Send + 'static> Process<T> {
    async fn start<F>(start: impl FnOnce(Shutdown) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let life = Shutdown::new();
        let made = runtime.spawn(start(life.clone())).await.unwrap();
        Self { runtime: Some(runtime), life, made }
    }
}

impl<T> Process<T> {
    /// As on SIGTERM: in order, and nothing may have panicked.
    async fn stop(mut self) {
        self.life.finish(SOON).await.unwrap();
        self.kill();
    }

    /// As on SIGKILL: nothing gets to its end.
    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<T> Drop for Process<T> {
    fn drop(&mut self) {
        self.kill();
    }
}

impl World {
    /// On the servers of the test run.
    pub async fn new() -> Self {
        Self::on(orbit_testing::database().await, orbit_testing::nats().await).await
    }

    /// On these.
    pub async fn on(database: TestDatabase, nats: TestNats) -> Self {
        Self::with(database, nats, Clock::system()).await
    }

    /// On the servers of the test run, at the time of this clock.
    pub async fn at(clock: Clock) -> Self {
        Self::with(orbit_testing::database().await, orbit_testing::nats().await, clock).await
    }

    async fn with(database: TestDatabase, nats: TestNats, clock: Clock) -> Self {
        let flags = ["test", "--rate-user=off", "--rate-login=off", "--rate-search=off"];
        let Flags { http, auth } = Flags::parse_from(flags);
        let settings = Settings {
            http,
            auth: AuthArgs { signing_key: Some(Secret::new(generate_signing_key())), ..auth },
            database: DatabaseArgs {
                database_url: Secret::new(database.url()),
                database_connections: 6,
                database_acquire_timeout_ms: 5_000,
            },
            nats: NatsArgs { nats_url: Secret::new(nats.url()), nats_prefix: nats.prefix().to_owned() },
            clock,
            blobs: Arc::new(tempfile::tempdir().unwrap()),
        };
        let front = start_front(&settings).await;
        let projector = Some(start_projector(&settings).await);
        // A server that refuses a body before it has read it closes the connection, and a client that keeps connections
        // may notice too late.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        let blobs = settings.blobs.path().to_owned();
        Self { database, nats, http, blobs, settings, front, projector }
    }

    /// A request; completed with the methods of [`Call`]. Paths begin below `/api/v1`, or with `/api` or at the root
    /// as they are if they begin with `//`.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let path = match path.strip_prefix("//") {
            Some(root) => format!("/{root}"),
            None if path.starts_with("/api/") => path.to_owned(),
            None => format!("/api/v1{path}"),
        };
        Call::new(&self.http, method, format!("http://{}{path}", self.front.made))
    }

    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    /// Registers somebody, and waits until queries know them.
    pub async fn register(&self, name: &str) -> Session {
        let body = serde_json::json!({"email": format!("{name}@example.org"), "password": PASSWORD, "name": name});
        let registered = self.post("/auth/register").json(&body).send().await.expect(201);
        let session = Session::of(&registered);
        // Each is of another projection. One that falls behind says so, and is asked again.
        for path in ["/auth/me", "/task-lists"] {
            eventually(SOON, || async {
                let answer = self.get(path).by(&session).after(registered.position()).send().await;
                if answer.status == 200 { Ok(()) } else { Err(answer) }
            })
            .await;
        }
        session
    }

    /// Brings a mailbox, and waits until all of it is taken in; what became of it.
    pub async fn bring(&self, of: &Session, query: &str, mailbox: &str) -> serde_json::Value {
        let call = self.post(&format!("/emails/import{query}")).by(of).bytes("application/mbox", mailbox);
        let id = call.send().await.expect(202).id();
        eventually(SOON, || async {
            let import = self.get(&format!("/emails/imports/{id}")).by(of).send().await.expect(200).json();
            if import["status"] == "complete" { Ok(import) } else { Err(import) }
        })
        .await
    }

    /// A token of somebody's that was issued at another time.
    pub fn token_at(&self, of: &Session, at: DateTime<Utc>) -> String {
        sign(&self.settings.auth, at, of)
    }

    /// A token of somebody's as another issuer would make it.
    pub fn forged(&self, of: &Session, change: impl FnOnce(&mut AuthArgs)) -> String {
        let mut auth = self.settings.auth.clone();
        change(&mut auth);
        sign(&auth, Clock::system().now(), of)
    }

    /// The document that the running server shows.
    pub async fn document(&self) -> serde_json::Value {
        self.get("//openapi.json").send().await.expect(200).json()
    }

    /// How many facts there are.
    pub async fn head(&self) -> i64 {
        sqlx::query_scalar("SELECT position FROM log.head").fetch_one(self.database.pool()).await.unwrap()
    }

    /// The name of the stream of the log's present epoch.
    pub async fn stream_name(&self) -> String {
        let epoch = sqlx::query_scalar("SELECT epoch FROM log.head").fetch_one(self.database.pool()).await.unwrap();
        subjects::stream_name(self.nats.prefix(), epoch)
    }

    /// One of everything that mail is made of, by the collection in whose paths its id stands: no route makes them.
    pub async fn begin_mail(&self, of: &Session) -> [(&'static str, Uuid); 6] {
        [
            ("emails", self.begin(of, "emails.received").await),
            ("drafts", self.begin(of, "drafts.drafted").await),
            ("submissions", self.begin(of, "submissions.submitted").await),
            ("thread-decisions", self.begin(of, "threads.merged").await),
            ("folders", self.begin(of, "folders.observed").await),
            ("attachments", self.begin(of, "attachments.uploaded").await),
        ]
    }

    /// A stream of somebody's that begins with the example of this fact, put into the log as the event store would.
    async fn begin(&self, of: &Session, wire_type: &str) -> Uuid {
        let fact = orbit_events::Event::types().find(|fact| fact.wire_type == wire_type).unwrap();
        let (stream, event) = (orbit_platform::ids::new_v7(&self.settings.clock), orbit_platform::ids::new_event_id());
        let vault = Vault::new(self.database.pool().into(), &MasterKey::new(KEY), self.settings.clock.clone());
        let (user, event) = (orbit_events::UserId(of.id), orbit_events::EventId(event));
        let data = vault.seal(user, event, wire_type, fact.example.as_bytes()).await.unwrap();
        let metadata = serde_json::json!({"actor": {"type": "user"}, "correlation_id": event.0});
        sqlx::query(
            "WITH head AS (UPDATE log.head SET position = position + 1 RETURNING position, partitions),
                  stream AS (INSERT INTO log.streams (stream_id, category, user_id, version)
                             VALUES ($1, split_part($4, '.', 1), $2, 1))
             INSERT INTO log.events (position, event_id, user_id, partition, category, stream_id, version, type,
                                     schema_version, data, metadata, recorded_at)
             SELECT head.position, $3, $2, $5, split_part($4, '.', 1), $1, 1, $4, $6, $7, $8, now() FROM head",
        )
        .bind(stream)
        .bind(of.id)
        .bind(event.0)
        .bind(wire_type)
        .bind(orbit_events::Partitions::DEFAULT.of(user))
        .bind(fact.schema_version)
        .bind(data)
        .bind(metadata)
        .execute(self.database.pool())
        .await
        .unwrap();
        stream
    }

    /// Waits until the stream's last sequence is the log's position (invariant 2).
    pub async fn relayed(&self) {
        eventually(SOON, || async {
            let stream = self.nats.jetstream().get_stream(self.stream_name().await).await;
            let last =
                stream.map_err(|error| error.to_string())?.get_info().await.map_err(|error| error.to_string())?;
            let (sequence, head) = (last.state.last_sequence, self.head().await);
            if u64::try_from(head) == Ok(sequence) { Ok(()) } else { Err(format!("{sequence} of {head}")) }
        })
        .await;
    }

    /// Kills the projector where it stands, and starts another one.
    pub async fn crash_projector(&mut self) {
        self.projector = None;
        self.projector = Some(start_projector(&self.settings).await);
    }

    /// Kills everything that takes requests, and the relay with it, and starts it anew at another address.
    pub async fn crash_front(&mut self) {
        self.front.kill();
        self.front = start_front(&self.settings).await;
    }

    /// A copy of the whole database, to be [restored](Self::restore).
    pub async fn back_up(&self) {
        self.for_each_table("CREATE TABLE backup.{schema}_{table} AS TABLE {schema}.{table}", "CREATE SCHEMA backup")
            .await;
    }

    /// The database as it was at [`back_up`](Self::back_up), with nobody there who takes requests meanwhile. The
    /// projector, on another machine, notices nothing.
    pub async fn restore(&mut self) {
        self.front.kill();
        let sql = "TRUNCATE {schema}.{table};
                   INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM backup.{schema}_{table}";
        // The trigger that refuses changes of facts is not asked.
        self.for_each_table(sql, "SET LOCAL session_replication_role = 'replica'").await;
        self.front = start_front(&self.settings).await;
    }

    async fn for_each_table(&self, sql: &str, first: &str) {
        let tables: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT table_schema, table_name, string_agg(quote_ident(column_name), ', ')
             FROM information_schema.columns
             WHERE table_schema IN ('log', 'vault', 'view') AND is_generated = 'NEVER' GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .fetch_all(self.database.pool())
        .await
        .unwrap();
        let statements = tables.iter().map(|(schema, table, columns)| {
            sql.replace("{schema}", schema).replace("{table}", table).replace("{columns}", columns)
        });
        let statements = statements.collect::<Vec<_>>().join("; ");
        let sql = format!("BEGIN; {first}; {statements}; COMMIT");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(self.database.pool()).await.unwrap();
    }

    /// Stops everything in order. A task that panicked fails the test here.
    pub async fn stop(self) {
        self.front.stop().await;
        if let Some(projector) = self.projector {
            projector.stop().await;
        }
    }
}

fn sign(auth: &AuthArgs, at: DateTime<Utc>, of: &Session) -> String {
    let signer = TokenSigner::from_args(auth, Environment::Development, Clock::fixed(at)).unwrap();
    signer.sign(of.id, of.login()).token
}

async fn start_projector(settings: &Settings) -> Process<()> {
    let settings = settings.clone();
    Process::start(|life| async move {
        let path = Some(orbit_projector::SEARCH_PATH);
        let pool = postgres::connect_as(&settings.database, "projector", path, orbit_projector::ROLE).await.unwrap();
        let clock = settings.clock.clone();
        let deps = orbit_projector::Deps {
            log: Log::new(pool.clone()),
            vault: Vault::new(pool.clone(), &MasterKey::new(KEY), clock.clone()),
            pool,
            nats: nats::connect(&settings.nats, "projector", FirstConnection::Retried).await.unwrap(),
            prefix: settings.nats.nats_prefix.clone(),
            clock,
        };
        orbit_projector::start(deps, &life);
    })
    .await
}

async fn start_front(settings: &Settings) -> Process<SocketAddr> {
    let settings = settings.clone();
    Process::start(|life| async move { front(settings, life).await }).await
}

async fn front(settings: Settings, life: Shutdown) -> SocketAddr {
    let Settings { http, auth, database, nats, clock, blobs } = &settings;
    let blobs = Blobs::open(&Location::Directory(blobs.path().to_owned())).unwrap();
    let clock = clock.clone();
    let verifier = TokenVerifier::from_args(auth, Environment::Development, clock.clone()).unwrap();
    let jwks = verifier.jwks().clone();
    let client = nats::connect(nats, "front", FirstConnection::Retried).await.unwrap();
    let limiter = |name| RateLimiter::new(name, http.rate_user);
    let commands = command_api::Parts {
        pool: postgres::connect_as(database, "commands", None, command_api::ROLE).await.unwrap(),
        nats: client.clone(),
        nats_prefix: nats.nats_prefix.clone(),
        clock: clock.clone(),
        master_key: MasterKey::new(KEY),
        proof_key: SigningKey::from_seed(&KEY).unwrap(),
        signer: TokenSigner::from_args(auth, Environment::Development, clock.clone()).unwrap(),
        verifier: verifier.clone(),
        admins: Admins::from_args(auth, Environment::Development),
        user_limit: limiter("user"),
        login_limit: limiter("login"),
        refresh_limit: limiter("refresh"),
        refresh_ttl: TimeDelta::days(30),
        erasure_grace: TimeDelta::zero(),
        blobs: Some(blobs.clone()),
        limits: Limits::default(),
        history: History::default(),
    };
    let commands = command_api::App::start(commands, &life).await.unwrap();
    let work = orbit_reactor::Deps {
        store: commands.store().clone(),
        nats: client.clone(),
        prefix: nats.nats_prefix.clone(),
        blobs: blobs.clone(),
        mail: orbit_reactor::Mail {
            roots: Roots::new(None).unwrap(),
            private_hosts: true,
            poll: std::time::Duration::from_mins(5),
        },
    };
    orbit_reactor::start(work, &life);
    let pool = query_api::connect(database).await.unwrap();
    let queries = query_api::Parts {
        pool: pool.clone(),
        primary: pool,
        nats: client,
        nats_prefix: nats.nats_prefix.clone(),
        clock,
        master_key: MasterKey::new(KEY),
        verifier,
        admins: Admins::from_args(auth, Environment::Development),
        user_limit: limiter("user"),
        search_limit: limiter("search"),
        as_of_connections: 4,
    };
    let queries = query_api::App::start(queries, &life).await.unwrap().with_blobs(blobs);
    let (router, openapi) = commands.routes().merge(queries.routes()).split_for_parts();
    let router = router
        .merge(docs::router(&openapi))
        .merge(docs::jwks_router(&jwks))
        .merge(problem::router(Registry::new(command_api::App::problems())))
        .merge(health::router(commands.probes()));
    let router = serve_layers(router, http);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    life.spawn("http", {
        let life = life.clone();
        async move { serve::serve(listener, router, &life).await }
    });
    address
}
