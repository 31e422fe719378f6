//! Connections to `PostgreSQL`, with faults that say what to do.

mod pool;

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions, Connection,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, Postgres},
};

pub use self::pool::{Pool, connect_with};
use crate::{
    config::{DatabaseArgs, redact_url},
    shutdown::Shutdown,
};

/// Prepared statements kept per connection: more than all queries of one process.
const STATEMENT_CACHE: usize = 512;
/// How long a first connection may take before the database counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections are renewed, so that a fail-over or a changed setting reaches all of them.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// How often the size of a pool is recorded.
const OBSERVE: Duration = Duration::from_secs(5);

/// Why there is no database. Each says in one sentence what to do.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No address was given.
    #[error(
        "DATABASE_URL is not set: name a PostgreSQL database, such as postgres://orbit:password@localhost:5432/orbit"
    )]
    Missing,
    /// The address cannot be read.
    #[error(
        "DATABASE_URL is not an address of PostgreSQL: write it like postgres://orbit:password@localhost:5432/orbit"
    )]
    Address(#[source] Option<sqlx::Error>),
    /// Nobody answers.
    #[error("PostgreSQL does not answer at {address}: start it, or correct DATABASE_URL")]
    Unreachable {
        /// Host, port and database, without the password.
        address: String,
        /// What the attempt met.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// The password or the user is wrong.
    #[error("PostgreSQL at {address} refuses the user or the password: correct them in DATABASE_URL")]
    Password {
        /// Host, port and database, without the password.
        address: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// There is no such database.
    #[error("PostgreSQL at {address} has no such database: create it, or correct DATABASE_URL")]
    NoDatabase {
        /// Host, port and database, without the password.
        address: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The server does not know the role that the process acts in.
    #[error("the database at {address} has never been migrated: run orbit migrate")]
    NoRole {
        /// Host, port and database, without the password.
        address: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The server has no connection left.
    #[error(
        "PostgreSQL at {address} has no connection left: raise its max_connections or lower ORBIT_DATABASE_CONNECTIONS"
    )]
    Full {
        /// Host, port and database, without the password.
        address: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// Anything else that the server refuses.
    #[error("PostgreSQL at {address} refuses the connection: its log says why")]
    Refused {
        /// Host, port and database, without the password.
        address: String,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
}

/// A pool of connections, of which one has been seen to work.
///
/// `search_path` decides which schema a table without one means: `None` leaves the server's default.
pub async fn connect(args: &DatabaseArgs, application_name: &str, search_path: Option<&str>) -> Result<Pool, Fault> {
    let options = options(args, application_name, search_path)?;
    check(&options, args).await?;
    Ok(pool_options(args).connect_lazy_with(options).into())
}

/// As [`connect`], in a role of ours (`orbit_command`, `orbit_projector`, `orbit_query`): connections may do what that
/// role may and no more, whoever the address logs in as.
pub async fn connect_as(
    args: &DatabaseArgs,
    application_name: &str,
    search_path: Option<&str>,
    role: &'static str,
) -> Result<Pool, Fault> {
    let options = options(args, application_name, search_path)?.options([("role", role)]);
    check(&options, args).await?;
    Ok(pool_options(args).connect_lazy_with(options).into())
}

/// Connection options as [`connect`] uses them, for a single connection of one's own (locks, migrations).
pub fn options(
    args: &DatabaseArgs,
    application_name: &str,
    search_path: Option<&str>,
) -> Result<PgConnectOptions, Fault> {
    if args.database_url.is_empty() {
        return Err(Fault::Missing);
    }
    let url = args.database_url.expose().trim();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Fault::Address(None));
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| Fault::Address(Some(error)))?;
    let options = options
        .application_name(application_name)
        .statement_cache_capacity(STATEMENT_CACHE)
        .options([("timezone", "UTC")])
        .log_statements(tracing::log::LevelFilter::Trace)
        .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(2));
    Ok(match search_path {
        Some(path) => options.options([("search_path", path)]),
        None => options,
    })
}

/// The settings of a pool: no test before each use (it costs a round trip; a dead connection fails and is replaced),
/// a bounded wait for a free one.
pub fn pool_options(args: &DatabaseArgs) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(args.database_connections)
        .acquire_timeout(Duration::from_millis(args.database_acquire_timeout_ms))
        .acquire_slow_threshold(Duration::from_secs(1))
        .max_lifetime(MAX_LIFETIME)
        .idle_timeout(Duration::from_mins(10))
        .test_before_acquire(false)
}

/// Opens and closes one connection: a pool would retry until its timeout and then hide the reason.
async fn check(options: &PgConnectOptions, args: &DatabaseArgs) -> Result<(), Fault> {
    let address = redact_url(args.database_url.expose());
    match tokio::time::timeout(CONNECT_TIMEOUT, connect_with(options)).await {
        Err(_) => Err(Fault::Unreachable { address, source: None }),
        Ok(Err(source)) => Err(explain(address, source)),
        Ok(Ok(connection)) => {
            // Closing politely is a favour to the server's log; the connection works either way.
            let _ = connection.close().await;
            Ok(())
        }
    }
}

fn explain(address: String, source: sqlx::Error) -> Fault {
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned);
    match code.as_deref() {
        Some("28P01" | "28000") => Fault::Password { address, source },
        Some("3D000") => Fault::NoDatabase { address, source },
        Some("53300") => Fault::Full { address, source },
        // The role that the connection is to take is made by the first migration.
        Some("22023") => Fault::NoRole { address, source },
        // 57P03: it is still starting.
        Some("57P03") | None => Fault::Unreachable { address, source: Some(source) },
        Some(_) => Fault::Refused { address, source },
    }
}

/// Takes a connection and records how long that took (`orbit_pool_wait_seconds{pool}`). `name` is the pool's, as given
/// to [`observe`]: one process may have several.
pub fn acquire(pool: &Pool, name: &'static str) -> BoxFuture<'static, Result<PoolConnection<Postgres>, sqlx::Error>> {
    let begun = Instant::now();
    let taken = pool.take();
    Box::pin(async move {
        let connection = taken.await;
        metrics::histogram!("orbit_pool_wait_seconds", "pool" => name).record(begun.elapsed());
        if connection.is_err() {
            metrics::counter!("orbit_pool_timeouts_total", "pool" => name).increment(1);
        }
        connection
    })
}

/// Whether the database answers, for the readiness page.
pub async fn ping(pool: &Pool) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(pool).await.map(|_| ())
}

/// Records the size of a pool now and then (`orbit_pool_connections{pool, state}`), until `shutdown`. And takes a
/// connection each time, so that waiting shows also where those who wait do not [tell](acquire).
pub fn observe(pool: Pool, name: &'static str, shutdown: &Shutdown) {
    let life = shutdown.clone();
    shutdown.spawn("pool size", async move {
        let mut every = tokio::time::interval(OBSERVE);
        let watch = async {
            loop {
                every.tick().await;
                record(&pool, name);
                // A failure is counted, and told by those who need the connection.
                drop(acquire(&pool, name).await);
            }
        };
        tokio::select! {
            () = watch => {}
            () = life.cancelled() => {}
        }
    });
}

fn record(pool: &Pool, name: &'static str) {
    let (size, idle) = (f64::from(pool.size()), u32::try_from(pool.num_idle()).map_or(0.0, f64::from));
    metrics::gauge!("orbit_pool_connections", "pool" => name, "state" => "idle").set(idle);
    metrics::gauge!("orbit_pool_connections", "pool" => name, "state" => "used").set((size - idle).max(0.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn args(url: &str) -> DatabaseArgs {
        DatabaseArgs { database_url: Secret::new(url), database_connections: 1, database_acquire_timeout_ms: 100 }
    }

    #[tokio::test]
    async fn a_missing_or_garbled_address_is_one_clear_sentence() {
        assert!(matches!(connect(&args(""), "test", None).await, Err(Fault::Missing)));
        let fault = connect(&args("mysql://nowhere"), "test", None).await.unwrap_err();
        assert!(matches!(fault, Fault::Address(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_named_without_the_password() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("postgres://orbit:hunter2@127.0.0.1:{free}/orbit");
        let fault = connect(&args(&url), "test", None).await.unwrap_err();
        let text = fault.to_string();
        assert!(text.contains("does not answer at postgres://orbit:[secret]@127.0.0.1:"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
