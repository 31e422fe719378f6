//! The swap: new tables take the place of those that are served, in one transaction, so that no query fails and none
//! sees half of it.
//!
//! First the checkpoints of the projections are locked: the projector, which moves them before it writes, waits. Then
//! the rebuild folds what is left, so that nobody reads less than before. Only then are the tables themselves locked,
//! for as long as it takes to rename them; queries that come meanwhile wait, plan anew and read the new ones. If somebody
//! reads the old ones for longer than [`BRIEF`], all is let go and tried again, so that nobody queues for long; now and then
//! it waits for [`LONGER`], or an automatic vacuum of a large table, which makes way only then, would keep it from its end.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use super::{Deps, Difference, Fault, fill::Fill, job::Job, tables};
use crate::{projection::Registered, runner::Fault as RunnerFault};

/// How long the swap waits for a lock, and queries behind it.
const BRIEF: &str = "SET LOCAL lock_timeout = '400ms'";
/// The same at every third attempt: more than the second after which the server ends an automatic vacuum that is in the way.
const LONGER: &str = "SET LOCAL lock_timeout = '1500ms'";
/// How long others go on before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is tried.
const ATTEMPTS: u32 = 120;
/// SQLSTATE of a lock that was not given in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Puts the tables of a rebuild in the place of those that are served, and ends its job.
pub async fn swap(
    deps: &Deps,
    admin: &mut PgConnection,
    fill: &mut Fill,
    job: &Job,
    chosen: &[&'static Registered],
    differences: Option<&[Difference]>,
) -> Result<(), Fault> {
    for attempt in 1..=ATTEMPTS {
        let head = deps.log.head().await.map_err(RunnerFault::from)?;
        fill.upto(head.position).await?;
        let patience = if attempt % 3 == 0 { LONGER } else { BRIEF };
        match try_swap(deps, admin, fill, job, chosen, differences, patience).await {
            Err(Fault::Database { source, .. }) if is_timeout(&source) => {
                metrics::counter!("orbit_rebuild_swap_retries_total").increment(1);
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
    Err(Fault::InUse)
}

fn is_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(LOCK_NOT_AVAILABLE)
}

async fn try_swap(
    deps: &Deps,
    admin: &mut PgConnection,
    fill: &mut Fill,
    job: &Job,
    chosen: &[&'static Registered],
    differences: Option<&[Difference]>,
    patience: &'static str,
) -> Result<(), Fault> {
    let attempt = "put the rebuilt tables in place";
    let mut transaction = admin.begin().await.map_err(Fault::database(attempt))?;
    sqlx::raw_sql(patience).execute(&mut *transaction).await.map_err(Fault::database(attempt))?;
    let names: Vec<&str> = chosen.iter().map(|projection| projection.name).collect();
    hold_still(&mut transaction, &names).await?;
    let head = deps.log.head().await.map_err(RunnerFault::from)?;
    fill.fold(&|_, _| head.position).await?;
    let statements = renaming(chosen);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *transaction).await.map_err(Fault::database(attempt))?;
    take_over(&mut transaction, &names).await?;
    let versions: Vec<i32> = chosen.iter().map(|projection| projection.version).collect();
    sqlx::query!(
        "INSERT INTO view.projections (name, version) SELECT * FROM unnest($1::text[], $2::integer[])
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, since = now()",
        &names as &[&str],
        &versions
    )
    .execute(&mut *transaction)
    .await
    .map_err(Fault::database(attempt))?;
    job.complete(&mut transaction, fill.progress(), differences).await?;
    transaction.commit().await.map_err(Fault::database(attempt))
}

/// Locks the checkpoints of what is served, in one order for all: no projector moves them, nor writes, until the commit.
async fn hold_still(connection: &mut PgConnection, names: &[&str]) -> Result<(), Fault> {
    sqlx::query!(
        "SELECT position FROM view.checkpoints WHERE projection = ANY($1) ORDER BY projection, partition FOR UPDATE",
        names as &[&str]
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("hold the checkpoints still"))?;
    Ok(())
}

/// The statements that drop what is served and put the rebuilt tables in its place. Names are constants of the code.
fn renaming(chosen: &[&'static Registered]) -> String {
    let tables = || chosen.iter().flat_map(|projection| projection.tables);
    let served: Vec<String> = tables().map(|table| format!(r#"view."{table}""#)).collect();
    // All locks first: what cannot have them all changes nothing.
    let lock = format!("LOCK TABLE {0} IN ACCESS EXCLUSIVE MODE; DROP TABLE {0}", served.join(", "));
    let moves = tables().map(|table| format!(r#"ALTER TABLE rebuild."{table}" SET SCHEMA view"#));
    std::iter::once(lock).chain(moves).collect::<Vec<_>>().join("; ")
}

/// Checkpoints and parked facts of the rebuild become those that are served.
async fn take_over(connection: &mut PgConnection, names: &[&str]) -> Result<(), Fault> {
    let attempt = "take the checkpoints over";
    let behind = sqlx::query_scalar!(
        r#"SELECT count(*) AS "behind!" FROM view.checkpoints c
           LEFT JOIN rebuild.checkpoints r ON r.projection = c.projection AND r.partition = c.partition
           WHERE c.projection = ANY($1) AND coalesce(r.position, 0) < c.position"#,
        names as &[&str]
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(Fault::database(attempt))?;
    if behind > 0 {
        return Err(RunnerFault::LostClaim(0).into());
    }
    sqlx::query!(
        "INSERT INTO view.checkpoints (projection, partition, position)
         SELECT projection, partition, position FROM rebuild.checkpoints WHERE projection = ANY($1)
         ON CONFLICT (projection, partition) DO UPDATE SET position = excluded.position, updated_at = now()",
        names as &[&str]
    )
    .execute(&mut *connection)
    .await
    .map_err(Fault::database(attempt))?;
    sqlx::query!("DELETE FROM view.parked WHERE projection = ANY($1)", names as &[&str])
        .execute(&mut *connection)
        .await
        .map_err(Fault::database(attempt))?;
    sqlx::query!(
        "INSERT INTO view.parked (projection, position, partition, stream_id, user_id, type, reason, parked_at)
         SELECT projection, position, partition, stream_id, user_id, type, reason, parked_at FROM rebuild.parked
         WHERE projection = ANY($1)",
        names as &[&str]
    )
    .execute(&mut *connection)
    .await
    .map_err(Fault::database(attempt))?;
    tables::clear(connection, attempt).await
}
