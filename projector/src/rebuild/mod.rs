//! Rebuild: a projection's tables filled anew from the log while the old ones serve, and put in their place.
//!
//! In reading order: `tables` are the tables of a rebuild, like those that are served, in a schema of their own; `fill`
//! folds the log into them; `compare` holds them to what is served; `swap` puts them in its place in one transaction;
//! `job` is the row that says how far it is; [`watch`] is the projector's part: it takes up what was asked for.
//!
//! One rebuild is under way at a time. Whatever ends it (a crash, an outage) leaves the tables and their checkpoints, so
//! the next one who takes it up goes on where it stood.

mod compare;
mod fill;
mod job;
mod swap;
mod tables;
mod watch;

use std::time::Duration;

use futures_util::future::BoxFuture;
use orbit_event_store::{Log, Vault};
use orbit_platform::{
    clock::Clock,
    postgres::{self, Pool},
};
use sqlx::{Connection, PgConnection, postgres::PgPoolOptions};
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    projection::Registered,
    projections,
    runner::{Fault as RunnerFault, chain},
};
use fill::Fill;
use job::Job;

pub use compare::Difference;
pub use watch::{WORKERS, watch};

/// The schema in which tables are filled before they serve.
const SCHEMA: &str = "rebuild";
/// Connections beside those of the batches: reading ahead, the vault, the job's row.
const SPARE_CONNECTIONS: u32 = 4;
/// How long a batch may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most workers of one rebuild.
pub const MOST_WORKERS: i16 = 64;
/// Advisory lock of the rebuild under way, one per database: "orbit" in ASCII and 3 (the relay has 1, the sealer 2).
const LOCK: i64 = 0x6f72_6269_7403;

/// What a rebuild works with.
#[derive(Clone)]
pub struct Deps {
    /// Connections with the role `orbit_projector` and the `search_path` of what is served.
    pub pool: Pool,
    /// Reads the log.
    pub log: Log,
    /// Opens payloads.
    pub vault: Vault,
    /// When things happened.
    pub clock: Clock,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// What it is doing.
    pub step: Step,
    /// Every fact up to here has been folded.
    pub position: i64,
    /// The position up to which the present step folds.
    pub target: i64,
    /// Facts applied, once for each projection that wants them.
    pub facts: i64,
}

/// What a rebuild is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// It waits.
    #[default]
    Queued,
    /// It folds the log into its tables.
    Filling,
    /// It builds their indexes.
    Indexing,
    /// It compares them with what is served.
    Comparing,
    /// It puts them in its place.
    Swapping,
}

impl Step {
    /// As the job's row has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Filling => "filling",
            Self::Indexing => "indexing",
            Self::Comparing => "comparing",
            Self::Swapping => "swapping",
        }
    }
}

/// What became of a rebuild that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The new tables serve.
    Complete {
        /// Tables that came out otherwise than they were served; `None` if they could not be compared.
        differences: Option<Vec<Difference>>,
    },
    /// Somebody asked it to stop; nothing of it is left.
    Cancelled,
    /// Somebody else is at work on it, or on another one.
    Busy,
}

/// Why a rebuild did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database did not do what was asked.
    #[error("{attempt}")]
    Database {
        /// What was attempted.
        attempt: &'static str,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// Facts could not be read or applied.
    #[error(transparent)]
    Runner(#[from] RunnerFault),
    /// There is no such rebuild, or it has ended.
    #[error("there is no open rebuild {0}")]
    NoSuchRebuild(Uuid),
    /// Only the owner of the tables can put others in their place.
    #[error("the database user {user} does not own the read models: rebuild as the user that ran `orbit migrate`")]
    NotOwner {
        /// Who asked.
        user: String,
    },
    /// What was rebuilt is not what is served, and the rebuild was to be verified.
    #[error("not put in place: {} came out otherwise than served", list(.0))]
    Different(Vec<Difference>),
    /// The serving tables stand still behind the log, so there is nothing to compare with.
    #[error(
        "not put in place: what is served is behind and does not move, so it cannot be compared; is a projector running?"
    )]
    NotComparable,
    /// Queries hold the serving tables for longer than a rebuild waits.
    #[error("the tables are in use by a statement that does not end; the rebuild goes on when it is asked for again")]
    InUse,
}

impl Fault {
    fn database(attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { attempt, source }
    }

    /// Whether trying again later may well succeed: the tables are kept, and whoever takes the rebuild up goes on.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database { source, .. } => crate::projection::is_outage(source),
            Self::Runner(_) | Self::InUse => true,
            Self::NoSuchRebuild(_) | Self::NotOwner { .. } | Self::Different(_) | Self::NotComparable => false,
        }
    }
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(|difference| difference.table.as_str()).collect::<Vec<_>>().join(", ")
}

/// Does one of the rebuilds that were asked for, unless somebody is at work on one. Returns when it has ended.
///
/// On a fault that is passing the row stays open and the tables stay, so that it can be taken up again.
pub fn run<'a>(
    deps: &'a Deps,
    id: Uuid,
    progress: &'a channel::Sender<Progress>,
    stop: &'a CancellationToken,
) -> BoxFuture<'a, Result<Outcome, Fault>> {
    Box::pin(async move {
        let mut admin = connect_as_owner(&deps.pool).await?;
        let taken = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "taken!""#, LOCK)
            .fetch_one(&mut admin)
            .await
            .map_err(Fault::database("take the lock of rebuilds"))?;
        if !taken {
            return Ok(Outcome::Busy);
        }
        let job = Job::take(&deps.pool, id, &deps.clock).await?;
        let outcome = tokio::select! {
            outcome = work(deps, &job, &mut admin, progress) => outcome,
            () = job.keep_told(progress.subscribe()) => Ok(Outcome::Cancelled),
            () = stop.cancelled() => return Ok(Outcome::Busy),
        };
        match &outcome {
            Ok(Outcome::Complete { .. } | Outcome::Busy) => {}
            Ok(Outcome::Cancelled) => {
                // What was asked of the connection may still be under way.
                let mut admin = connect_as_owner(&deps.pool).await?;
                tables::drop_all(&mut admin).await?;
                job.end("cancelled", None).await?;
            }
            Err(fault) if fault.is_passing() => job.note(&chain(fault)).await?,
            Err(fault) => {
                tables::drop_all(&mut admin).await?;
                job.end("failed", Some(&chain(fault))).await?;
            }
        }
        drop(admin.close().await);
        outcome
    })
}

async fn work(
    deps: &Deps,
    job: &Job,
    admin: &mut PgConnection,
    progress: &channel::Sender<Progress>,
) -> Result<Outcome, Fault> {
    let chosen = job.chosen()?;
    let names: Vec<&str> = chosen.iter().flat_map(|projection| projection.tables).copied().collect();
    require_owner(admin, &names).await?;
    let head = deps.log.head().await.map_err(RunnerFault::from)?;
    let origin = tables::origin(admin, head.epoch, &chosen).await?;
    if !job.goes_on(&origin) {
        tables::make(admin, &chosen, job.id, &origin).await?;
    }
    let pool = pool_into(&deps.pool, SCHEMA, job.workers);
    let mut fill = Fill::start(&pool, deps, &chosen, head.partitions, job.workers, progress).await?;
    fill.step(Step::Filling);
    fill.upto(head.position).await?;
    fill.step(Step::Indexing);
    tables::index(&pool, admin, &names, job.workers).await?;
    fill.step(Step::Comparing);
    let differences = compare::against_served(deps, &mut fill, &pool, &names, job.verify).await?;
    if let Some(found) = differences.as_ref().filter(|found| job.verify && !found.is_empty()) {
        return Err(Fault::Different(found.clone()));
    }
    fill.step(Step::Swapping);
    swap::swap(deps, admin, &mut fill, job, &chosen, differences.as_deref()).await?;
    pool.close().await;
    Ok(Outcome::Complete { differences })
}

/// A connection as whoever logs in, not as the role that the pool's connections take: tables are altered by their owner.
async fn connect_as_owner(pool: &Pool) -> Result<PgConnection, Fault> {
    let attempt = "connect to rebuild";
    let mut connection = postgres::connect_with(&pool.connect_options()).await.map_err(Fault::database(attempt))?;
    sqlx::raw_sql("SET ROLE NONE; SET search_path = pg_catalog; SET maintenance_work_mem = '256MB'")
        .execute(&mut connection)
        .await
        .map_err(Fault::database(attempt))?;
    Ok(connection)
}

async fn require_owner(admin: &mut PgConnection, names: &[&str]) -> Result<(), Fault> {
    let row = sqlx::query!(
        r#"SELECT current_user::text AS "user!", coalesce(bool_and(pg_has_role(c.relowner, 'USAGE')), false) AS "owns!"
           FROM pg_class c WHERE c.relnamespace = 'view'::regnamespace AND c.relname = ANY($1)"#,
        names as &[&str]
    )
    .fetch_one(admin)
    .await
    .map_err(Fault::database("see who owns the read models"))?;
    if row.owns { Ok(()) } else { Err(Fault::NotOwner { user: row.user }) }
}

/// Connections like those of a pool that find tables without a schema in another one.
fn pool_into(pool: &Pool, schema: &'static str, workers: i16) -> Pool {
    let options = pool.connect_options().as_ref().clone().options([("search_path", schema)]);
    PgPoolOptions::new()
        .max_connections(u32::from(fill::batches(workers)) + SPARE_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
        .into()
}

/// The projections of these names, in the order in which all are listed.
pub fn named(names: &[String]) -> Result<Vec<&'static Registered>, RunnerFault> {
    if let Some(unknown) = names.iter().find(|name| projections::find(name).is_none()) {
        return Err(RunnerFault::NoSuchProjection(unknown.clone()));
    }
    Ok(projections::ALL.iter().filter(|projection| names.iter().any(|name| name == projection.name)).collect())
}
