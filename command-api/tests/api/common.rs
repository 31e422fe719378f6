//! A command API of a test's own, and a client that speaks to it without a socket.

use std::{net::IpAddr, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use orbit_adapters::blobs::{Blobs, Location};
use orbit_command_api::{App, Config, MailServers, Parts};
use orbit_event_store::{Limits, MasterKey, relay::History};
use orbit_platform::{
    auth::{Admins, TokenSigner, TokenVerifier},
    clock::Clock,
    config::{AuthArgs, Environment, Rate, Secret, generate_signing_key},
    http::{layers::serve_layers, limits::RateLimiter},
    postgres,
    shutdown::Shutdown,
    signing::SigningKey,
};
use orbit_testing::{TestDatabase, TestNats};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

pub const PASSWORD: &str = "Correct horse 1";

/// 2026-11-22 21:00 UTC.
pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_381_200, 0).unwrap()
}

/// A command API of this test's own.
pub struct Api {
    pub clock: Clock,
    pub database: TestDatabase,
    pub auth: AuthArgs,
    pub document: Value,
    pub app: App,
    /// Where this test's files lie.
    pub files: tempfile::TempDir,
    router: Router,
    shutdown: Shutdown,
    nats: TestNats,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Session {
    pub access: String,
    pub refresh: String,
}

impl Api {
    /// With a clock that stands still.
    pub async fn new() -> Self {
        Self::with(Clock::fixed(start()), Limited::default()).await
    }

    /// With limits per address: how often it may log in, and refresh.
    pub async fn limited(login: &str, refresh: &str) -> Self {
        let limited = Limited { login: login.parse().unwrap(), refresh: refresh.parse().unwrap() };
        Self::with(Clock::fixed(start()), limited).await
    }

    /// With the clock of the machine: for tests that race.
    pub async fn ticking() -> Self {
        Self::with(Clock::system(), Limited::default()).await
    }

    async fn with(clock: Clock, limited: Limited) -> Self {
        let (database, nats) = (orbit_testing::database().await, orbit_testing::nats().await);
        let shutdown = Shutdown::new();
        let mut config = Config::parse_from(["orbit-command-api", "--trusted-proxies", "1"]);
        config.database.database_url = Secret::new(database.url());
        config.auth.signing_key = Some(Secret::new(generate_signing_key()));
        let files = tempfile::tempdir().unwrap();
        let parts = parts(&config, clock.clone(), &nats, limited, &files).await;
        let app = App::start(parts, &shutdown).await.unwrap();
        let (router, document) = app.routes().split_for_parts();
        let document = orbit_platform::http::docs::document(&document);
        let router = serve_layers(router, &config.http);
        Self { clock, database, auth: config.auth, document, app, files, router, shutdown, nats }
    }

    /// Another process over the same database and files: with caches and a batcher of its own.
    pub async fn another(&self) -> Router {
        served(&self.another_app().await)
    }

    /// A process to which nobody has said where files lie.
    pub async fn another_without_files(&self) -> Router {
        served(&App::start(Parts { blobs: None, ..self.parts().await }, &self.shutdown).await.unwrap())
    }

    /// A process where files and mailboxes are taken so often and no more.
    pub async fn another_that_takes(&self, uploads: &str) -> Router {
        served(&self.another_app().await.with_upload_rate(uploads.parse().unwrap()))
    }

    /// A process that speaks with mail servers like this, and tests so many connections a minute.
    pub async fn another_for_mail(&self, servers: MailServers, tests: &str) -> Router {
        let app = self.another_app().await.with_mail_servers(servers);
        served(&app.with_connection_test_rate(tests.parse().unwrap()))
    }

    /// Another process, without a listener.
    pub async fn another_app(&self) -> App {
        App::start(self.parts().await, &self.shutdown).await.unwrap()
    }

    async fn parts(&self) -> Parts {
        let mut config = Config::parse_from(["orbit-command-api", "--trusted-proxies", "1"]);
        config.database.database_url = Secret::new(self.database.url());
        config.auth = self.auth.clone();
        parts(&config, self.clock.clone(), &self.nats, Limited::default(), &self.files).await
    }

    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// How many facts the log holds.
    pub async fn facts(&self) -> i64 {
        sqlx::query_scalar("SELECT position FROM log.head").fetch_one(self.database.pool()).await.unwrap()
    }

    /// The types of the facts after a position.
    pub async fn types_after(&self, position: i64) -> Vec<String> {
        let query = "SELECT type FROM log.events WHERE position > $1 ORDER BY position";
        sqlx::query_scalar(query).bind(position).fetch_all(self.database.pool()).await.unwrap()
    }

    /// A request; completed with the methods of [`Call`].
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(self.router.clone(), method, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Registers a user.
    pub async fn register(&self, email: &str) -> Session {
        let body = json!({"email": email, "password": PASSWORD, "name": "Somebody"});
        Session::of(&self.post("/auth/register").json(&body).send().await.expect(201))
    }

    /// Logs in once more.
    pub async fn login(&self, email: &str) -> Session {
        let body = json!({"email": email, "password": PASSWORD});
        Session::of(&self.post("/auth/login").json(&body).send().await.expect(200))
    }

    /// A task of somebody's.
    pub async fn task(&self, of: &Session, body: Value) -> Value {
        self.post("/tasks").by(of).json(&body).send().await.expect(201).body
    }

    /// Stops everything.
    pub async fn stop(self) {
        self.shutdown.finish(Duration::from_secs(10)).await.unwrap();
    }
}

fn served(app: &App) -> Router {
    let config = Config::parse_from(["orbit-command-api", "--trusted-proxies", "1"]);
    serve_layers(app.routes().into(), &config.http)
}

/// Limits per address.
struct Limited {
    login: Rate,
    refresh: Rate,
}

impl Default for Limited {
    fn default() -> Self {
        Self { login: Rate::Off, refresh: Rate::Off }
    }
}

async fn parts(config: &Config, clock: Clock, nats: &TestNats, limited: Limited, files: &tempfile::TempDir) -> Parts {
    Parts {
        pool: postgres::connect_as(&config.database, "test", None, orbit_command_api::app::ROLE).await.unwrap(),
        nats: nats.client().clone(),
        nats_prefix: nats.prefix().to_owned(),
        clock: clock.clone(),
        master_key: MasterKey::new([7; 32]),
        proof_key: SigningKey::from_seed(&[7; 32]).unwrap(),
        signer: TokenSigner::from_args(&config.auth, Environment::Development, clock.clone()).unwrap(),
        verifier: TokenVerifier::from_args(&config.auth, Environment::Development, clock).unwrap(),
        admins: Admins::from_args(&config.auth, Environment::Development),
        user_limit: RateLimiter::new("user", Rate::Off),
        login_limit: RateLimiter::new("login", limited.login),
        refresh_limit: RateLimiter::new("refresh", limited.refresh),
        refresh_ttl: TimeDelta::days(30),
        erasure_grace: TimeDelta::days(7),
        blobs: Some(Blobs::open(&Location::Directory(files.path().to_owned())).unwrap()),
        limits: Limits::default(),
        history: History::default(),
    }
}

impl Session {
    pub fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    /// The claims of the access token, as anybody can read them.
    pub fn claims(&self) -> Value {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let payload = self.access.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    pub fn sid(&self) -> String {
        self.claims()["sid"].as_str().unwrap().to_owned()
    }
}

/// A request in the making.
pub struct Call {
    router: Router,
    request: axum::http::request::Builder,
    body: Body,
}

impl Call {
    pub fn new(router: Router, method: Method, path: &str) -> Self {
        let path = if path.starts_with("/api/") { path.to_owned() } else { format!("/api/v1{path}") };
        Self { router, request: Request::builder().method(method).uri(path), body: Body::empty() }
    }

    pub fn by(self, session: &Session) -> Self {
        self.bearer(&session.access)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn from(self, address: &str) -> Self {
        assert!(address.parse::<IpAddr>().is_ok());
        self.header("x-forwarded-for", address)
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    pub fn raw(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header("content-type", "application/json")
    }

    /// A body whose type was said before.
    pub fn raw_untyped(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let answer = self.send_unchecked().await;
        answer.check();
        answer
    }

    /// For what is wrong with the server.
    pub async fn send_unchecked(self) -> Answer {
        let response = self.router.oneshot(self.request.body(self.body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl Answer {
    /// What is true of every answer.
    fn check(&self) {
        assert!(self.status < 500, "{self:?}");
        assert!(self.headers.contains_key("x-request-id"), "{self:?}");
        if self.status < 400 {
            return;
        }
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert_eq!(self.body["request_id"], self.text("x-request-id"), "{self:?}");
        let code = self.code();
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        let platform = orbit_platform::problem::kinds::ALL.iter().any(|kind| kind.code == code);
        assert!(platform || App::problems().any(|kind| kind.code == code), "{code} has no page");
        if self.status == StatusCode::UNAUTHORIZED {
            assert!(self.headers.contains_key(header::WWW_AUTHENTICATE), "{self:?}");
        }
    }

    /// The status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// It is a problem with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.code(), code, "{}", answer.body);
        answer
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn text(&self, header: &str) -> String {
        self.headers.get(header).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub fn position(&self) -> i64 {
        self.text("orbit-position").parse().unwrap()
    }

    /// Pointers and codes of the faulty fields.
    pub fn faults(&self) -> Vec<(String, String)> {
        let text = |field: &Value, name: &str| field[name].as_str().unwrap_or_default().to_owned();
        let all = self.body["errors"].as_array().cloned().unwrap_or_default();
        all.iter().map(|field| (text(field, "pointer"), text(field, "code"))).collect()
    }

    /// It names exactly these fields.
    #[track_caller]
    pub fn names(self, expected: &[(&str, &str)]) -> Self {
        let expected: Vec<_> =
            expected.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
        assert_eq!(self.faults(), expected, "{}", self.body);
        self
    }
}

/// The id in a body.
pub fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

/// An id that nothing has.
pub fn nobody() -> String {
    Uuid::from_u128(0x0193_02d5_6f3c_7b1e_9c53_0d6a_3c1f_ffff).to_string()
}

/// A task in few words.
pub fn titled(title: &str) -> Value {
    json!({ "title": title })
}
