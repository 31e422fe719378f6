//! A query API on a database of its own, the facts that fill it, and the requests to it.

use std::sync::{
    Mutex,
    atomic::{AtomicI64, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use chrono::{DateTime, Utc};
use clap::Parser;
use http_body_util::BodyExt;
use orbit_adapters::blobs::{Blobs, Location};
use orbit_event_store::MasterKey;
use orbit_events::{
    Actor, Content, Envelope, Event, EventId, LabelId, ListId, Metadata, Partitions, Recorded, TaskId, UserId,
    tasks::{Author, Priority, Status, label, list, task},
    users::{Profile, login, user},
};
use orbit_platform::{
    auth::{Admins, TokenSigner, TokenVerifier},
    clock::Clock,
    config::{Environment, Rate, Secret, generate_master_key, generate_signing_key},
    http::{layers::serve_layers, limits::RateLimiter},
    postgres::Pool,
    shutdown::Shutdown,
};
use orbit_projector::projections;
use orbit_query_api::{
    App, Config, Parts,
    app::{self},
};
use orbit_testing::{TestDatabase, TestNats};
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

/// The time at which all tests take place: a Sunday evening in Berlin.
pub const NOW: &str = "2026-11-22T20:28:00Z";
/// The one whose data most tests are about.
pub const ADA: UserId = UserId(Uuid::from_u128(0xada));
/// Somebody else.
pub const BOB: UserId = UserId(Uuid::from_u128(0xb0b));
/// A list of Ada's that is called Today.
pub const TODAY: ListId = ListId(Uuid::from_u128(0xa1));
/// Another list of Ada's.
pub const BACKLOG: ListId = ListId(Uuid::from_u128(0xa2));

pub struct World {
    pub database: TestDatabase,
    pub nats: TestNats,
    pub clock: Clock,
    pub openapi: utoipa::openapi::OpenApi,
    signer: TokenSigner,
    router: Router,
    projections: PgPool,
    /// What the query API reads with.
    pub pool: Pool,
    position: AtomicI64,
    /// Whether facts are in the log too, and not only in the read models.
    pub logged: bool,
    /// What the next facts answer.
    pub cause: Mutex<Option<EventId>>,
    life: Shutdown,
    /// Where messages lie, and the directory that is.
    pub blobs: (Blobs, TempDir),
}

impl Drop for World {
    fn drop(&mut self) {
        self.life.trigger();
    }
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The ids of a page's rows.
    pub fn ids(&self) -> Vec<Uuid> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The settings of a process with this database and broker, and secrets of its own.
pub fn config(database_url: &str, nats_url: &str, nats_prefix: &str) -> Config {
    let mut config = Config::parse_from(["orbit-query-api"]);
    config.database.database_url = Secret::new(database_url);
    config.database.database_connections = 4;
    config.nats.nats_url = Secret::new(nats_url);
    nats_prefix.clone_into(&mut config.nats.nats_prefix);
    config.auth.signing_key = Some(Secret::new(generate_signing_key()));
    config.keys.master_key = Some(Secret::new(generate_master_key()));
    config
}

/// The parts of a query API with this pool, without limits.
pub fn parts(config: &Config, pool: &Pool, nats: &TestNats, clock: &Clock) -> Parts {
    Parts {
        primary: pool.clone(),
        pool: pool.clone(),
        nats: nats.client().clone(),
        nats_prefix: nats.prefix().to_owned(),
        clock: clock.clone(),
        master_key: MasterKey::new([7; 32]),
        verifier: TokenVerifier::from_args(&config.auth, Environment::Development, clock.clone()).unwrap(),
        admins: Admins::from_args(&config.auth, Environment::Development),
        user_limit: RateLimiter::new("user", Rate::Off),
        search_limit: RateLimiter::new("search", Rate::Off),
        as_of_connections: 2,
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with("off").await
    }

    /// With a limit on searches.
    pub async fn with(search_rate: &str) -> Self {
        Self::made(search_rate, true).await
    }

    /// One to which nobody said where messages lie.
    pub async fn without_blobs() -> Self {
        Self::made("off", false).await
    }

    async fn made(search_rate: &str, with_blobs: bool) -> Self {
        let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
        let (clock, life) = (Clock::fixed(at(NOW)), Shutdown::new());
        let config = config(database.url(), nats.url(), nats.prefix());
        let pool = app::connect(&config.database).await.unwrap();
        let development = Environment::Development;
        let search_limit = RateLimiter::new("search", search_rate.parse().unwrap());
        let parts = Parts { search_limit, ..parts(&config, &pool, &nats, &clock) };
        let directory = TempDir::new().unwrap();
        let blobs = (Blobs::open(&Location::Directory(directory.path().join("blobs"))).unwrap(), directory);
        let mut app = App::start(parts, &life).await.unwrap();
        if with_blobs {
            app = app.with_blobs(blobs.0.clone());
        }
        let (router, openapi) = app.routes().split_for_parts();
        let signer = TokenSigner::from_args(&config.auth, development, clock.clone()).unwrap();
        let options = database.pool().connect_options().as_ref().clone().options([("search_path", "view, public")]);
        let projections = PgPool::connect_with(options).await.unwrap();
        let router = serve_layers(router, &config.http);
        let (position, cause) = (AtomicI64::new(0), Mutex::new(None));
        let logged = false;
        Self { database, nats, clock, openapi, signer, router, projections, pool, position, logged, cause, life, blobs }
    }

    /// A partition that a user is in.
    pub fn partition(user: UserId) -> i16 {
        Partitions::DEFAULT.of(user)
    }

    /// Records a fact at the clock's time: every projection folds it, and their checkpoints follow.
    pub async fn record(&self, user: UserId, stream_id: Uuid, version: i64, event: impl Into<Event>) -> i64 {
        let position = self.fold(user, stream_id, version, event.into(), Actor::User).await;
        for projection in projections::ALL {
            self.checkpoint(projection.name, user, position).await;
        }
        position
    }

    /// Tells it to stop, as a process is told.
    pub fn stop(&self) {
        self.life.trigger();
    }

    /// The next position.
    pub fn next_position(&self) -> i64 {
        self.position.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Records a fact without moving a checkpoint.
    pub async fn fold(&self, user: UserId, stream_id: Uuid, version: i64, event: Event, actor: Actor) -> i64 {
        let envelope = self.envelope(user, stream_id, version, event.wire_type(), actor);
        let position = envelope.position;
        if self.logged {
            self.log(&envelope, Some(&event)).await;
        }
        let fact = Recorded { envelope, content: Content::Open(event) };
        let mut connection = self.projections.acquire().await.unwrap();
        for projection in projections::ALL {
            if projection.interest.wants(&fact.envelope) {
                projection.apply(&mut connection, &[&fact]).await.unwrap();
            }
        }
        position
    }

    /// The envelope of the next fact.
    pub fn envelope(&self, user: UserId, stream_id: Uuid, version: i64, wire_type: &str, actor: Actor) -> Envelope {
        let position = self.next_position();
        Envelope {
            position,
            event_id: fact_id(position),
            user_id: user,
            category: wire_type.split('.').next().unwrap().to_owned(),
            stream_id,
            version,
            wire_type: wire_type.to_owned(),
            schema_version: 1,
            recorded_at: self.clock.now(),
            metadata: Metadata {
                actor,
                correlation_id: Uuid::from_u128(0xc0),
                causation_id: *self.cause.lock().unwrap(),
                session_id: Some(login_of(user)),
                traceparent: None,
            },
        }
    }

    pub async fn checkpoint(&self, projection: &str, user: UserId, position: i64) {
        sqlx::query(
            "INSERT INTO view.checkpoints (projection, partition, position) VALUES ($1, $2, $3)
             ON CONFLICT (projection, partition) DO UPDATE SET position = excluded.position",
        )
        .bind(projection)
        .bind(Self::partition(user))
        .bind(position)
        .execute(self.database.pool())
        .await
        .unwrap();
    }

    /// A user with a profile, logged in.
    pub async fn register(&self, user: UserId, name: &str, time_zone: &str) -> i64 {
        let profile = Profile {
            name: name.to_owned(),
            avatar_url: None,
            time_zone: time_zone.to_owned(),
            locale: "de-DE".to_owned(),
            working_hours: vec![],
        };
        let registered = user::Registered {
            email: format!("{}@example.org", name.to_lowercase()),
            password_hash: "$argon2id$never-shown".to_owned(),
            profile,
        };
        self.record(user, user.0, 1, user::Event::from(registered)).await;
        let logged_in = login::LoggedIn {
            refresh_hash: "never-shown".to_owned(),
            device_name: Some(format!("{name}'s laptop")),
            user_agent: Some("curl/8.5.0".to_owned()),
            address: Some("203.0.113.7".to_owned()),
            expires_at: at("2026-12-22T20:28:00Z"),
        };
        self.record(user, login_of(user), 1, login::Event::from(logged_in)).await
    }

    /// Ada in Berlin, with two lists.
    pub async fn with_ada(self) -> Self {
        self.register(ADA, "Ada", "Europe/Berlin").await;
        for (list, name, position) in [(TODAY, "Today", "b"), (BACKLOG, "Backlog", "a")] {
            let created = list::Created { name: name.to_owned(), color: None, position: position.to_owned() };
            self.record(ADA, list.0, 1, list::Event::from(created)).await;
        }
        self
    }

    pub async fn task(&self, id: u128, change: impl FnOnce(&mut task::Created)) -> i64 {
        let mut created = task::Created {
            list_id: BACKLOG,
            parent_id: None,
            title: format!("Task {id}"),
            description: None,
            priority: Priority::Medium,
            status: Status::Open,
            due_date: None,
            position: format!("{id:04}"),
            labels: vec![],
            created_by: Author::User,
            extracted_from: None,
        };
        change(&mut created);
        self.record(ADA, task_id(id).0, 1, task::Event::from(created)).await
    }

    pub async fn on_task(&self, id: u128, version: i64, event: impl Into<task::Event>) -> i64 {
        self.record(ADA, task_id(id).0, version, event.into()).await
    }

    pub async fn label(&self, id: u128, name: &str) -> LabelId {
        let label = LabelId(Uuid::from_u128(0xb1_0000 + id));
        let created = label::Created { name: name.to_owned(), color: None };
        self.record(ADA, label.0, 1, label::Event::from(created)).await;
        label
    }

    pub fn token(&self, user: UserId) -> String {
        self.signer.sign(user.0, login_of(user)).token
    }

    /// `GET /api/v1` + path, as a user.
    pub async fn get(&self, user: UserId, path: &str) -> Reply {
        self.get_with(user, path, &[]).await
    }

    pub async fn get_with(&self, user: UserId, path: &str, headers: &[(&str, &str)]) -> Reply {
        let token = format!("Bearer {}", self.token(user));
        let mut all = vec![(header::AUTHORIZATION.as_str(), token.as_str())];
        all.extend(headers);
        self.send(path, &all).await
    }

    /// The answer of `GET /api/v1` + path, whose body is still to come.
    pub async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub async fn send(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let response = self.open(path, headers).await;
        let (status, headers) = (response.status(), response.headers().clone());
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status: status.as_u16(), headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }
}

/// The id of the fact at a position.
pub fn fact_id(position: i64) -> EventId {
    EventId(Uuid::from_u128((0xfac7 << 64) + u128::try_from(position).unwrap()))
}

pub fn task_id(id: u128) -> TaskId {
    TaskId(Uuid::from_u128((0x7a5c << 64) + id))
}

pub fn login_of(user: UserId) -> Uuid {
    Uuid::from_u128(user.0.as_u128() << 64)
}

/// `+` in a query is a space.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
