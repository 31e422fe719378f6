//! The projector's part in rebuilds: it registers which versions of the projections there are, asks for a rebuild where
//! the code is newer than what is served, and does what was asked for, one after the other.

use std::time::Duration;

use orbit_event_store::rebuilds::{self, Reason, Wish};
use orbit_platform::{ids, postgres::Pool, shutdown::Shutdown};
use tokio::sync::watch as channel;
use uuid::Uuid;

use super::{Deps, Fault, Outcome, Progress, run};
use crate::{
    projections,
    runner::{Fault as RunnerFault, chain},
};

/// How often it is looked what was asked for.
const LOOK: Duration = Duration::from_secs(2);
/// Workers where nobody said how many.
pub const WORKERS: i16 = 2;
/// Advisory lock under which versions are compared: "orbit" in ASCII and 4. Two projectors ask once.
const VERSIONS: i64 = 0x6f72_6269_7404;

/// Does the rebuilds that are asked for, until `shutdown`.
pub async fn watch(deps: Deps, shutdown: Shutdown) {
    let mut registered = false;
    loop {
        if let Err(fault) = look(&deps, &mut registered, &shutdown).await {
            tracing::warn!(error = chain(&fault), "rebuilding failed, will try again");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn look(deps: &Deps, registered: &mut bool, shutdown: &Shutdown) -> Result<(), Fault> {
    if !*registered {
        ask_for_newer_versions(deps).await?;
        *registered = true;
    }
    while let Some(id) = oldest_open(&deps.pool).await? {
        let (progress, _) = channel::channel(Progress::default());
        match run(deps, id, &progress, &shutdown.token()).await {
            Ok(Outcome::Busy) => return Ok(()),
            Ok(Outcome::Cancelled) => tell(id, "cancelled"),
            Ok(Outcome::Complete { differences }) => {
                for difference in differences.iter().flatten() {
                    let (table, served, rebuilt) = (&difference.table, difference.served, difference.rebuilt);
                    tracing::warn!(table, served, rebuilt, "a table came out otherwise than it was served");
                }
                tell(id, "complete");
            }
            // Somebody else has ended it.
            Err(Fault::NoSuchRebuild(_)) => {}
            Err(fault) if fault.is_passing() => return Err(fault),
            Err(fault) => {
                tracing::error!(%id, error = chain(&fault), "a rebuild failed");
                tell(id, "failed");
            }
        }
    }
    Ok(())
}

fn tell(id: Uuid, outcome: &'static str) {
    metrics::counter!("orbit_rebuilds_total", "outcome" => outcome).increment(1);
    tracing::info!(%id, outcome, "a rebuild ended");
}

async fn oldest_open(pool: &Pool) -> Result<Option<Uuid>, Fault> {
    sqlx::query_scalar!("SELECT id FROM work.rebuilds WHERE finished_at IS NULL ORDER BY requested_at, id LIMIT 1")
        .fetch_optional(pool)
        .await
        .map_err(Fault::database("look what is to be rebuilt"))
}

/// Registers projections that are new, and asks for a rebuild of those that are served by older code.
async fn ask_for_newer_versions(deps: &Deps) -> Result<(), Fault> {
    let attempt = "compare versions of projections";
    let names: Vec<&str> = projections::ALL.iter().map(|projection| projection.name).collect();
    let versions: Vec<i32> = projections::ALL.iter().map(|projection| projection.version).collect();
    let mut transaction = deps.pool.begin().await.map_err(Fault::database(attempt))?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", VERSIONS)
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database(attempt))?;
    sqlx::query!(
        "INSERT INTO view.projections (name, version) SELECT * FROM unnest($1::text[], $2::integer[])
         ON CONFLICT (name) DO NOTHING",
        &names as &[&str],
        &versions
    )
    .execute(&mut *transaction)
    .await
    .map_err(Fault::database(attempt))?;
    // Those that somebody has asked for already will come with the newest code.
    let outdated: Vec<String> = sqlx::query_scalar!(
        r#"SELECT p.name FROM view.projections p JOIN unnest($1::text[], $2::integer[]) AS code (name, version) USING (name)
           WHERE p.version < code.version AND NOT EXISTS (
               SELECT FROM work.rebuilds r WHERE r.finished_at IS NULL AND p.name = ANY(r.projections))
           ORDER BY p.name LIMIT 1000"#,
        &names as &[&str],
        &versions
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(Fault::database(attempt))?;
    if !outdated.is_empty() {
        tracing::info!(projections = outdated.join(", "), "served by older code: a rebuild is due");
        let wish = Wish {
            id: ids::new_v7(&deps.clock),
            projections: outdated,
            workers: WORKERS,
            verify: false,
            reason: Reason::Version,
            requested_by: None,
            at: deps.clock.now(),
        };
        rebuilds::request(&deps.pool, &wish).await.map_err(RunnerFault::from)?;
    }
    transaction.commit().await.map_err(Fault::database(attempt))
}
