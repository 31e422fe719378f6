//! Wiring: settings to connections, connections to the runner, and a page that says how it is.

use std::time::Duration;

use futures_util::future::BoxFuture;
use orbit_event_store::{Log, MasterKey, Vault};
use orbit_platform::{
    clock::Clock,
    config, http,
    nats::{self, FirstConnection},
    postgres,
    shutdown::{self, Shutdown},
};
use tokio::net::TcpListener;

use crate::{
    config::Config,
    projections, rebuild,
    runner::{self, Deps},
    scrub,
};

/// The role that the projector's connections take.
pub const ROLE: &str = "orbit_projector";
/// Where tables without a schema are looked for.
pub const SEARCH_PATH: &str = "view,public";
const NAME: &str = "orbit-projector";
/// How metrics call the pool.
const POOL: &str = "projector";
/// How long work under way may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Why the process ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Config(#[from] config::Fault),
    /// There is no database.
    #[error(transparent)]
    Postgres(#[from] postgres::Fault),
    /// The address of the broker is wrong.
    #[error(transparent)]
    Nats(#[from] nats::Fault),
    /// The log, or its keys.
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    /// It did not stop as it should.
    #[error(transparent)]
    Shutdown(#[from] shutdown::Fault),
}

/// Connects, starts to project, and serves health and metrics at `listener` until `shutdown`.
pub fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> BoxFuture<'static, Result<(), Fault>> {
    Box::pin(async move {
        let master_key = MasterKey::from_args(&config.keys, config.environment.environment)?;
        let pool = postgres::connect_as(&config.database, NAME, Some(SEARCH_PATH), ROLE).await?;
        let nats = nats::connect(&config.nats, NAME, FirstConnection::Retried).await?;
        let clock = Clock::system();
        let probes = vec![http::health::Probe::postgres(pool.clone()), http::health::Probe::nats(nats.clone())];
        let deps = Deps {
            log: Log::new(pool.clone()),
            vault: Vault::new(pool.clone(), &master_key, clock.clone()),
            pool,
            nats,
            prefix: config.nats.nats_prefix.clone(),
            clock,
        };
        deps.vault.require_fit().await?;
        start(deps, &shutdown);
        http::serve::serve(listener, http::health::router(probes), &shutdown).await;
        Ok(shutdown.finish(GRACE).await?)
    })
}

/// Starts to project everything, and to scrub after erasures, until `shutdown`: for a process that has other roles too.
pub fn start(deps: Deps, shutdown: &Shutdown) {
    postgres::observe(deps.pool.clone(), POOL, shutdown);
    let Deps { pool, log, vault, clock, .. } = deps.clone();
    let rebuilds = rebuild::watch(rebuild::Deps { pool, log, vault, clock }, shutdown.clone());
    shutdown.spawn("projector.rebuilds", rebuilds);
    shutdown.spawn("projector.scrub", scrub::run(deps.pool.clone(), shutdown.clone()));
    runner::start(deps, projections::ALL, shutdown);
}
