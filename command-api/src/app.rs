//! The process put together: log, relay, sealer, guard, routes.

use std::{io, sync::Arc};

use axum::{Router, middleware::from_fn_with_state};
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use orbit_adapters::blobs::{self, Blobs, Location};
use orbit_event_store::{
    EventStore, Limits, MasterKey, Settings,
    proof::Sealer,
    relay::{History, Relay},
};
use orbit_platform::{
    auth::{Admins, Guard, SetupFault, TokenSigner, TokenVerifier, guard},
    clock::Clock,
    config::{self, Rate},
    http::{
        docs::{self, Description},
        health::{self, Probe},
        layers::serve_layers_with,
        limits::{RateLimiter, per_address, per_user},
        serve::serve,
    },
    nats::{self, FirstConnection},
    postgres::{self, Pool},
    problem::{ApiError, ProblemKind},
    shutdown::Shutdown,
    signing::SigningKey,
    telemetry::metrics,
};
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    api_tokens::LoggedApiTokens,
    config::Config,
    erasures::{self, Erasures},
    error::Error,
    exports,
    mail_servers::MailServers,
    passwords::Passwords,
    problems,
    reactor::Reactor,
    routes::{self, FirstLists},
    sessions::Sessions,
    state::{AppState, Inner},
    write,
};

/// The database role of this process.
pub const ROLE: &str = "orbit_command";
/// Routes whose requests may take as long as an upload does, for the layers around them.
pub const LONG: &[&str] = &["/api/v1/emails/import", "/api/v1/emails/attachments"];
/// How the process calls itself towards servers.
const NAME: &str = "orbit-command-api";
/// How the limit of uploads is called in metrics and headers.
const UPLOADS: &str = "upload";
/// How that of tested connections is.
const CONNECTION_TESTS: &str = "connection_test";
/// How metrics call the pool.
const POOL: &str = "command";

/// What the command API is made of. `orbit up` shares clock, keys and limits with the other roles.
pub struct Parts {
    /// A pool in the role [`ROLE`].
    pub pool: Pool,
    /// The broker.
    pub nats: async_nats::Client,
    /// What subjects begin with.
    pub nats_prefix: String,
    /// The time.
    pub clock: Clock,
    /// Wraps the users' keys.
    pub master_key: MasterKey,
    /// Signs the log's checkpoints.
    pub proof_key: SigningKey,
    /// Makes access tokens.
    pub signer: TokenSigner,
    /// Verifies access tokens.
    pub verifier: TokenVerifier,
    /// Who may administer.
    pub admins: Admins,
    /// How often one user may call.
    pub user_limit: RateLimiter,
    /// How often one address may register or log in.
    pub login_limit: RateLimiter,
    /// How often one address may exchange refresh tokens.
    pub refresh_limit: RateLimiter,
    /// How long a refresh token lives.
    pub refresh_ttl: TimeDelta,
    /// How long who asked to be forgotten may change their mind.
    pub erasure_grace: TimeDelta,
    /// Messages and files. Without it, what is to be stored there is answered 501.
    pub blobs: Option<Blobs>,
    /// What bounds the batcher.
    pub limits: Limits,
    /// What the relay keeps in `JetStream`.
    pub history: History,
}

/// A command API at work.
pub struct App {
    state: AppState,
    erasures: Erasures,
    guard: Guard,
    login_limit: RateLimiter,
    refresh_limit: RateLimiter,
    upload_limit: RateLimiter,
    connection_test_limit: RateLimiter,
    pool: Pool,
    nats: async_nats::Client,
}

impl App {
    /// Starts log, relay and sealer; they stop with `shutdown`.
    pub fn start(parts: Parts, shutdown: &Shutdown) -> BoxFuture<'_, Result<Self, Fault>> {
        Box::pin(async move {
            let Parts { pool, nats, nats_prefix, clock, master_key, signer, verifier, user_limit, .. } = parts;
            let settings = Settings { pool: pool.clone(), master_key, clock: clock.clone(), limits: parts.limits };
            let store = EventStore::start(settings, shutdown).await.map_err(|fault| match fault {
                orbit_event_store::Fault::WrongMasterKey => Fault::Keys(fault),
                fault => Fault::Log(fault),
            })?;
            postgres::observe(pool.clone(), POOL, shutdown);
            store.announce(nats.clone(), &nats_prefix, shutdown);
            // One relay is active at a time, whoever has the lock; the others stand by.
            let reactor = Reactor::new(nats.clone(), &nats_prefix);
            let relay = Relay::new(pool.clone(), nats.clone(), nats_prefix, parts.history).beside(&store);
            shutdown.spawn("log.relay", relay.run(shutdown.clone()));
            // As with the relay.
            let sealer = Sealer::beside(&store, pool.clone(), parts.proof_key);
            shutdown.spawn("log.seal", sealer.run(shutdown.clone()));
            let guard = Guard::with_api_tokens(verifier, user_limit, Arc::new(LoggedApiTokens(store.clone())));
            let inner = Inner {
                store,
                signer,
                passwords: Passwords::new().map_err(Fault::Passwords)?,
                sessions: Sessions::new(),
                first_lists: FirstLists::new(),
                admins: parts.admins,
                refresh_ttl: parts.refresh_ttl,
                erasure_grace: parts.erasure_grace,
                erasures: erasures::Wake::default(),
                exports: exports::Wake::default(),
                reactor,
            };
            let mut state = AppState::new(inner, MailServers::public().map_err(Fault::Certificates)?);
            state.mail_mut().blobs.clone_from(&parts.blobs);
            let exporting =
                exports::run(state.store.clone(), parts.blobs.clone(), state.exports.clone(), shutdown.clone());
            shutdown.spawn("users.export", exporting);
            let erasures =
                Erasures { store: state.store.clone(), sessions: state.sessions.clone(), blobs: parts.blobs };
            shutdown.spawn("users.erase", erasures.clone().run(state.erasures.clone(), shutdown.clone()));
            let (login_limit, refresh_limit) = (parts.login_limit, parts.refresh_limit);
            let upload_limit = RateLimiter::new(UPLOADS, Rate::Off);
            let connection_test_limit = RateLimiter::new(CONNECTION_TESTS, Rate::Off);
            Ok(Self {
                state,
                erasures,
                guard,
                login_limit,
                refresh_limit,
                upload_limit,
                connection_test_limit,
                pool,
                nats,
            })
        })
    }

    /// The same, and messages are held so long before they are sent.
    #[must_use]
    pub fn with_send_hold(mut self, hold: TimeDelta) -> Self {
        self.state.mail_mut().send_hold = hold;
        self
    }

    /// The same, and no larger mailbox is taken in, in bytes.
    #[must_use]
    pub fn with_import_limit(mut self, limit: u64) -> Self {
        self.state.mail_mut().import_limit = limit;
        self
    }

    /// The same, and one user may bring files and mailboxes no more often than this.
    #[must_use]
    pub fn with_upload_rate(mut self, rate: Rate) -> Self {
        self.upload_limit = RateLimiter::new(UPLOADS, rate);
        self
    }

    /// The same, and mail servers of users are spoken with like this: without it, only public ones, by the web's
    /// certificates.
    #[must_use]
    pub fn with_mail_servers(mut self, servers: MailServers) -> Self {
        self.state.mail_mut().servers = servers;
        self
    }

    /// The same, and one user may test connections no more often than this.
    #[must_use]
    pub fn with_connection_test_rate(mut self, rate: Rate) -> Self {
        self.connection_test_limit = RateLimiter::new(CONNECTION_TESTS, rate);
        self
    }

    /// All routes, guarded and limited, and nothing around them: no layers, health or documents.
    pub fn routes(&self) -> OpenApiRouter {
        let routes = routes::routes();
        let uploads = routes.uploads.route_layer(from_fn_with_state(self.upload_limit.clone(), per_user));
        let tests = routes.tests.route_layer(from_fn_with_state(self.connection_test_limit.clone(), per_user));
        let guarded =
            routes.guarded.merge(uploads).merge(tests).route_layer(from_fn_with_state(self.guard.clone(), guard));
        let entered = routes.entered.route_layer(from_fn_with_state(self.login_limit.clone(), per_address));
        let refreshed = routes.refreshed.route_layer(from_fn_with_state(self.refresh_limit.clone(), per_address));
        let mut all = guarded.merge(entered).merge(refreshed).with_state(self.state.clone());
        write::docs::complete(all.get_openapi_mut());
        all
    }

    /// What `/openapi.json`, `/docs` and `/problems` tell of these routes.
    pub fn description() -> Description {
        let routes = routes::routes();
        let mut all =
            routes.guarded.merge(routes.uploads).merge(routes.tests).merge(routes.entered).merge(routes.refreshed);
        write::docs::complete(all.get_openapi_mut());
        Description::new(all.into_openapi(), problems::all())
    }

    /// What must answer before the process is ready.
    pub fn probes(&self) -> Vec<Probe> {
        vec![Probe::postgres(self.pool.clone()), Probe::nats(self.nats.clone())]
    }

    /// The kinds of problem that the contexts answer with, for their pages.
    pub fn problems() -> impl Iterator<Item = &'static ProblemKind> {
        problems::all()
    }

    /// Forgets everybody whose time of grace is over; it does so by itself, too.
    pub async fn erase_due(&self) -> Result<(), ApiError> {
        self.erasures.run_once().await.map(drop).map_err(Error::into_answer)
    }

    /// The log, for whoever shares the process.
    pub fn store(&self) -> &EventStore {
        &self.state.store
    }
}

/// Why the command API does not run. Each says what to do, or quotes what does.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A setting.
    #[error(transparent)]
    Config(#[from] config::Fault),
    /// The keys of access tokens.
    #[error(transparent)]
    Tokens(#[from] SetupFault),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] postgres::Fault),
    /// The broker.
    #[error(transparent)]
    Nats(#[from] nats::Fault),
    /// The log's head row.
    #[error("the database has no log that can be read: run orbit migrate")]
    Log(#[source] orbit_event_store::Fault),
    /// The keys of the users' data.
    #[error(transparent)]
    Keys(orbit_event_store::Fault),
    /// The parameters of password hashes.
    #[error("password hashes cannot be made: {}", .0.code())]
    Passwords(ApiError),
    /// The store of messages and files.
    #[error("the directory that ORBIT_BLOBS names cannot be used: check that it can be made and written")]
    Blobs(#[source] blobs::Fault),
    /// Certificates of mail servers.
    #[error(
        "the certificates that ORBIT_MAIL_CA_FILE names cannot be used: check that it is a file of PEM certificates"
    )]
    Certificates(#[source] io::Error),
    /// The listener.
    #[error("the listener has no address")]
    Listener(#[source] io::Error),
}

/// Serves until `shutdown`: what the process's `main` runs, and what tests run on port 0. `told` is what it tells about
/// the API: [`App::description`], and those of the roles beside it.
pub fn run(
    listener: TcpListener,
    config: Config,
    told: Description,
    shutdown: Shutdown,
) -> BoxFuture<'static, Result<(), Fault>> {
    Box::pin(async move {
        let environment = config.environment.environment;
        let clock = Clock::system();
        let proof_key = SigningKey::from_args(&config.proof, environment)?;
        let master_key = MasterKey::from_args(&config.keys, environment)?;
        let signer = TokenSigner::from_args(&config.auth, environment, clock.clone())?;
        let verifier = TokenVerifier::from_args(&config.auth, environment, clock.clone())?;
        let jwks = verifier.jwks().clone();
        let blobs =
            Location::from_args(&config.blobs)?.map(|place| Blobs::open(&place)).transpose().map_err(Fault::Blobs)?;
        let servers = MailServers::from_args(&config.mail, environment).map_err(Fault::Certificates)?;
        let pool = postgres::connect_as(&config.database, NAME, None, ROLE).await?;
        let nats = nats::connect(&config.nats, NAME, FirstConnection::Retried).await?;
        metrics::start_upkeep(&shutdown);
        let parts = Parts {
            pool,
            nats,
            nats_prefix: config.nats.nats_prefix.clone(),
            clock,
            master_key,
            proof_key,
            signer,
            verifier,
            admins: Admins::from_args(&config.auth, environment),
            user_limit: RateLimiter::new("user", config.http.rate_user),
            login_limit: RateLimiter::new("login", config.http.rate_login),
            refresh_limit: RateLimiter::new("refresh", config.http.rate_refresh),
            refresh_ttl: TimeDelta::seconds(config.auth.refresh_token_ttl_s.into()),
            erasure_grace: config.erasure.grace(),
            blobs,
            limits: Limits::default(),
            history: History::default(),
        };
        let app = App::start(parts, &shutdown).await?;
        let app = app
            .with_send_hold(config.mail.send_hold())
            .with_import_limit(config.mail.import_limit_bytes)
            .with_upload_rate(config.http.rate_upload)
            .with_mail_servers(servers)
            .with_connection_test_rate(config.http.rate_connection_test);
        let router = Router::from(app.routes())
            .merge(health::router(app.probes()))
            .merge(told.router())
            .merge(docs::jwks_router(&jwks));
        tracing::info!(address = %listener.local_addr().map_err(Fault::Listener)?, "serving commands");
        serve(listener, serve_layers_with(router, &config.http, LONG), &shutdown).await;
        Ok(())
    })
}
