//! Wiring: settings to connections, connections to the work, and a page that says how it is.

use std::time::Duration;

use futures_util::future::BoxFuture;
use orbit_adapters::blobs::{self, Blobs, Location};
use orbit_event_store::{EventStore, Limits, MasterKey, Settings};
use orbit_platform::{
    clock::Clock,
    config,
    http::{health, serve},
    nats::{self, FirstConnection},
    postgres,
    shutdown::{self, Shutdown},
};
use tokio::net::TcpListener;

use crate::{
    config::Config,
    imports,
    servers::Mail,
    submissions::{self, Pace},
    sweep, sync,
    wake::Wake,
};

/// The role that the reactor's connections take: it appends as commands do.
pub const ROLE: &str = "orbit_command";
const NAME: &str = "orbit-reactor";
/// How metrics call the pool.
const POOL: &str = "reactor";
/// How long work under way may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// What the reactor works with.
#[derive(Clone)]
pub struct Deps {
    /// The log.
    pub store: EventStore,
    /// The broker.
    pub nats: async_nats::Client,
    /// What subjects begin with.
    pub prefix: String,
    /// Messages and files.
    pub blobs: Blobs,
    /// What holds for all mail servers.
    pub mail: Mail,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("prefix", &self.prefix).field("blobs", &self.blobs).finish_non_exhaustive()
    }
}

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
    /// The store of messages and files.
    #[error("the directory that ORBIT_BLOBS names cannot be used: check that it can be made and written")]
    Blobs(#[source] blobs::Fault),
    /// The certificates of mail servers.
    #[error(
        "the certificates that ORBIT_MAIL_CA_FILE names cannot be used: check that it is a file of PEM certificates"
    )]
    Certificates(#[source] std::io::Error),
    /// It did not stop as it should.
    #[error(transparent)]
    Shutdown(#[from] shutdown::Fault),
}

/// Connects, starts to work, and serves health and metrics at `listener` until `shutdown`.
pub fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> BoxFuture<'static, Result<(), Fault>> {
    Box::pin(async move {
        let master_key = MasterKey::from_args(&config.keys, config.environment.environment)?;
        let location = Location::from_args(&config.blobs)?.ok_or(config::Fault::Missing {
            setting: "ORBIT_BLOBS",
            what: "name the directory of messages and files, which all processes share",
        })?;
        let blobs = Blobs::open(&location).map_err(Fault::Blobs)?;
        let mail = Mail::from_args(&config.mail, config.environment.environment).map_err(Fault::Certificates)?;
        let pool = postgres::connect_as(&config.database, NAME, None, ROLE).await?;
        let nats = nats::connect(&config.nats, NAME, FirstConnection::Retried).await?;
        let probes = vec![health::Probe::postgres(pool.clone()), health::Probe::nats(nats.clone())];
        postgres::observe(pool.clone(), POOL, &shutdown);
        let settings = Settings { pool, master_key, clock: Clock::system(), limits: Limits::default() };
        let store = EventStore::start(settings, &shutdown).await?;
        let prefix = config.nats.nats_prefix.clone();
        store.announce(nats.clone(), &prefix, &shutdown);
        start(Deps { store, nats, prefix, blobs, mail }, &shutdown);
        serve::serve(listener, health::router(probes), &shutdown).await;
        Ok(shutdown.finish(GRACE).await?)
    })
}

/// Starts everything that the reactor does, until `shutdown`: for a process that has other roles too.
pub fn start(deps: Deps, shutdown: &Shutdown) {
    let wake = Wake::listen(deps.nats.clone(), &deps.prefix, shutdown);
    for _ in 0..imports::AT_ONCE {
        shutdown.spawn("mail.import", imports::run(deps.clone(), wake.clone(), shutdown.clone()));
    }
    submissions::start(deps.clone(), Pace::default(), shutdown);
    sync::start(&deps, shutdown);
    shutdown.spawn("blobs.sweep", sweep::run(deps.store, deps.blobs, shutdown.clone()));
}
