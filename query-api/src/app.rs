//! What a running query API is made of, and how its parts are put together.

use std::{io, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use futures_util::future::BoxFuture;
use orbit_adapters::blobs::{self, Blobs, Location};
use orbit_event_store::{Log, MasterKey, Vault, exports::Exports};
use orbit_events::Partitions;
use orbit_platform::{
    auth::{Admins, Caller, Guard, SetupFault, TokenVerifier, guard},
    clock::Clock,
    config::{self, DatabaseArgs},
    http::{
        cursor::CursorKey,
        docs::{self, Description},
        health::{self, Probe},
        layers::serve_layers,
        limits::RateLimiter,
        query::Query,
        serve::serve,
    },
    nats::{self, FirstConnection},
    postgres::{self, Pool},
    shutdown::Shutdown,
    telemetry::metrics,
};
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    api_tokens::LoggedApiTokens,
    config::Config,
    freshness::Freshness,
    past::{Past, TOO_MUCH_PAST},
    routes::{self, checkpoints, emails::RANGE_NOT_SATISFIABLE},
    sessions::Sessions,
    streams::{Streams, TOO_MANY_STREAMS},
};

/// The database role of this process.
pub const ROLE: &str = "orbit_query";
/// How the process calls itself towards servers.
const NAME: &str = "orbit-query-api";
/// Access tokens that are not verified anew with each request, while they do not expire.
const REMEMBERED_TOKENS: usize = 10_000;
/// How long a statement may run: well within the time that a request may take, which ends no statement.
const STATEMENT_TIMEOUT: &str = "20s";
/// How metrics call the pool.
pub(crate) const POOL: &str = "query";

/// What a query API is made of. `orbit up` shares clock, keys and limits with the other roles.
pub struct Parts {
    /// Reads the read models: made by [`connect`].
    pub pool: Pool,
    /// Looks API tokens up, where they are written: a replica may not know yet that one was revoked. Made by [`connect`].
    pub primary: Pool,
    /// Where projectors announce how far they are. It may be down.
    pub nats: async_nats::Client,
    /// What subjects begin with.
    pub nats_prefix: String,
    /// The time: what today is.
    pub clock: Clock,
    /// Opens what the log says of API tokens, and the secret behind cursors.
    pub master_key: MasterKey,
    /// Verifies access tokens.
    pub verifier: TokenVerifier,
    /// Who may administer.
    pub admins: Admins,
    /// How often one user may call.
    pub user_limit: RateLimiter,
    /// How often one user may search, wherever: every read with words (`q`) or of the past (`as_of`) counts.
    pub search_limit: RateLimiter,
    /// Connections beside those of the pools, for reads of the past: so many at once.
    pub as_of_connections: u32,
}

/// Why the query API does not run. Each says what to do, or quotes what does.
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
    Log(#[source] sqlx::Error),
    /// The keys of the users' data.
    #[error(transparent)]
    Keys(#[from] orbit_event_store::Fault),
    /// The store of messages and files.
    #[error("the directory that ORBIT_BLOBS names cannot be used: check that it can be made and written")]
    Blobs(#[source] blobs::Fault),
    /// The listener.
    #[error("the listener has no address")]
    Listener(#[source] io::Error),
}

/// A pool whose connections read as the query role, from the schema of the read models.
pub async fn connect(database: &DatabaseArgs) -> Result<Pool, postgres::Fault> {
    let pool = postgres::connect_as(database, NAME, Some("view, public"), ROLE).await?;
    // Statements are put together so that one plan does for all values: making one for each, as the server does at first,
    // takes longer than many an answer. Nor is any worth being compiled.
    let settings =
        [("statement_timeout", STATEMENT_TIMEOUT), ("plan_cache_mode", "force_generic_plan"), ("jit", "off")];
    let options = pool.connect_options().as_ref().clone().options(settings);
    // The pool has opened no connection yet: all of them get it.
    pool.set_connect_options(options);
    Ok(pool)
}

/// What every handler has at hand. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reads(Arc<Inner>, Option<Blobs>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    freshness: Freshness,
    past: Past,
    sessions: Sessions,
    api_tokens: Arc<LoggedApiTokens>,
    streams: Streams,
    /// Opens facts where the rows are read.
    vault: Vault,
    cursors: CursorKey,
    clock: Clock,
    admins: Admins,
    exports: Exports,
}

impl Reads {
    pub(crate) fn admins(&self) -> &Admins {
        &self.0.admins
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn freshness(&self) -> &Freshness {
        &self.0.freshness
    }

    pub(crate) fn past(&self) -> &Past {
        &self.0.past
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn api_tokens(&self) -> &LoggedApiTokens {
        &self.0.api_tokens
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    pub(crate) fn cursors(&self) -> &CursorKey {
        &self.0.cursors
    }

    /// Messages and files; none if it was not said where they lie.
    pub(crate) fn blobs(&self) -> Option<&Blobs> {
        self.1.as_ref()
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.0.exports
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }
}

/// A query API that listens to the projectors. Its routes can be served alone or beside those of other roles.
#[derive(Debug)]
pub struct App {
    reads: Reads,
    primary: Pool,
    nats: async_nats::Client,
    guard: Guard,
    search_limit: RateLimiter,
}

impl App {
    /// Reads how the log is partitioned and begins to listen to the projectors; that stops with `shutdown`.
    pub fn start(parts: Parts, shutdown: &Shutdown) -> BoxFuture<'_, Result<Self, Fault>> {
        Box::pin(async move {
            let Parts { pool, primary, nats, nats_prefix, clock, .. } = parts;
            let mut db = pool.acquire().await.map_err(Fault::Log)?;
            let partitions = Partitions(checkpoints::partitions(&mut db).await.map_err(Fault::Log)?);
            drop(db);
            let freshness = Freshness::new(pool.clone(), partitions, routes::PROJECTIONS);
            freshness.listen(nats.clone(), &nats_prefix, shutdown);
            postgres::observe(pool.clone(), POOL, shutdown);
            let streams = Streams::new(pool.clone(), shutdown);
            streams.follow(nats.clone(), &nats_prefix, shutdown);
            let vault = Vault::new(pool.clone(), &parts.master_key, clock.clone());
            // Asked where the rows are: the primary may be away when this process starts.
            vault.require_fit().await?;
            let at_primary = Vault::new(primary.clone(), &parts.master_key, clock.clone());
            // Jobs are rows that change: a replica may not know of one yet.
            let exports = Exports::new(primary.clone(), at_primary.clone(), clock.clone());
            let past = Past::new(&primary, parts.as_of_connections, at_primary.clone(), shutdown);
            let (log, vault_of_tokens) = (Log::new(primary.clone()), at_primary);
            let api_tokens = Arc::new(LoggedApiTokens { log, vault: vault_of_tokens, clock: clock.clone() });
            // A read takes hardly longer than the check of a signature.
            let verifier = parts.verifier.remembering(REMEMBERED_TOKENS);
            let guard = Guard::with_api_tokens(verifier, parts.user_limit, api_tokens.clone());
            let (sessions, cursors, admins) = (Sessions::new(), CursorKey::new(vault.cursor_secret()), parts.admins);
            let reads =
                Inner { pool, freshness, past, sessions, api_tokens, streams, vault, cursors, clock, admins, exports };
            let reads = Reads(Arc::new(reads), None);
            Ok(Self { reads, primary, nats, guard, search_limit: parts.search_limit })
        })
    }

    /// The same with a store of messages and files. Without it, what is read from there answers 501.
    #[must_use]
    pub fn with_blobs(mut self, blobs: Blobs) -> Self {
        self.reads.1 = Some(blobs);
        self
    }

    /// The routes below `/api/v1`, behind the guard; without layers, health and docs.
    pub fn routes(&self) -> OpenApiRouter {
        let limited = routes::routes().route_layer(from_fn_with_state(self.search_limit.clone(), limit_searches));
        let guarded = limited.route_layer(from_fn_with_state(self.guard.clone(), guard));
        OpenApiRouter::new().nest("/api/v1", guarded.with_state(self.reads.clone()))
    }

    /// What `/openapi.json`, `/docs` and `/problems` tell of these routes.
    pub fn description() -> Description {
        let document = OpenApiRouter::new().nest("/api/v1", routes::routes()).into_openapi();
        Description::new(document, [&TOO_MANY_STREAMS, &TOO_MUCH_PAST, &RANGE_NOT_SATISFIABLE])
    }

    /// What must be well for it to be ready. With a replica, `postgres` is the replica and `primary` is where API tokens
    /// are looked up.
    pub fn probes(&self) -> Vec<Probe> {
        let mut probes = vec![Probe::postgres(self.reads.pool().clone()), Probe::nats(self.nats.clone())];
        if !is_same_pool(self.reads.pool(), &self.primary) {
            probes.push(primary_probe(self.primary.clone()));
        }
        probes
    }
}

/// Whether these are handles of one pool, which share their options.
fn is_same_pool(one: &Pool, other: &Pool) -> bool {
    Arc::ptr_eq(&one.connect_options(), &other.connect_options())
}

fn primary_probe(primary: Pool) -> Probe {
    Probe::new("primary", move || {
        let primary = primary.clone();
        async move { postgres::ping(&primary).await.map_err(|error| error.to_string()) }
    })
}

/// The limit on searches, for whatever goes through words: lists with `q` cost what a search costs, and so does any read
/// of the past. Behind the guard.
async fn limit_searches(State(limiter): State<RateLimiter>, caller: Caller, request: Request, next: Next) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let mut query = Query::parse("", asked);
    if query.search().is_none() && query.as_of().is_none() {
        return next.run(request).await;
    }
    limiter.check_user(caller.user_id).run(request, next).await
}

/// Serves the query API alone until `shutdown`: what the process's `main` runs, and what tests run on port 0. `told` is
/// what it tells about the API: [`App::description`], and those of the roles beside it.
pub fn run(
    listener: TcpListener,
    config: Config,
    told: Description,
    shutdown: Shutdown,
) -> BoxFuture<'static, Result<(), Fault>> {
    Box::pin(async move {
        let clock = Clock::system();
        let environment = config.environment.environment;
        let verifier = TokenVerifier::from_args(&config.auth, environment, clock.clone())?;
        let jwks = verifier.jwks().clone();
        let master_key = MasterKey::from_args(&config.keys, environment)?;
        let blobs =
            Location::from_args(&config.blobs)?.map(|place| Blobs::open(&place)).transpose().map_err(Fault::Blobs)?;
        let primary = connect(&config.database).await?;
        let pool = match config.replica.instead_of(&config.database) {
            Some(replica) => connect(&replica).await?,
            None => primary.clone(),
        };
        let nats = nats::connect(&config.nats, NAME, FirstConnection::Retried).await?;
        metrics::start_upkeep(&shutdown);
        let parts = Parts {
            pool,
            primary,
            nats,
            nats_prefix: config.nats.nats_prefix.clone(),
            clock,
            master_key,
            verifier,
            admins: Admins::from_args(&config.auth, environment),
            user_limit: RateLimiter::new("user", config.http.rate_user),
            search_limit: RateLimiter::new("search", config.http.rate_search),
            as_of_connections: config.past.as_of_connections,
        };
        let mut app = App::start(parts, &shutdown).await?;
        if let Some(blobs) = blobs {
            app = app.with_blobs(blobs);
        }
        let router = Router::from(app.routes())
            .merge(health::router(app.probes()))
            .merge(told.router())
            .merge(docs::jwks_router(&jwks));
        tracing::info!(address = %listener.local_addr().map_err(Fault::Listener)?, "serving queries");
        serve(listener, serve_layers(router, &config.http), &shutdown).await;
        Ok(())
    })
}
