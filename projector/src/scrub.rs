//! Scrubbing: what erased users wrote goes from the pages of the database too, not only from its answers.
//!
//! A deleted row leaves its bytes in its page until something else takes the place, the statistics of the planner hold
//! samples of columns, and the write-ahead log holds all of it once more. So when every projection has applied an
//! erasure, the read models (and the tables beside them that held words or keys in the clear) are written anew, their
//! statistics made anew, and the log is switched and checkpointed, so that its old segments can go.
//!
//! Writing a table anew locks it. Tables larger than `SMALL` are left alone: a rebuild writes them anew without a lock.

use std::time::Duration;

use orbit_platform::{
    postgres::{self, Pool},
    shutdown::Shutdown,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    projections,
    runner::{Fault, chain},
};

/// How often erasures are looked for.
const LOOK: Duration = Duration::from_secs(10);
/// Shortest pause between two scrubs, in minutes: erasures that come meanwhile share the next one.
const PAUSE_MINUTES: i32 = 10;
/// Most bytes of a table that is written anew under a lock, indexes and long values included: well under a second.
const SMALL: i64 = 64 * 1024 * 1024;
/// How long a lock is waited for, and everybody else behind: then it is tried again later.
const PATIENCE: &str = "SET lock_timeout = '1s'";
/// One scrub at a time, whichever process does it: key of an advisory lock.
const LOCK: i64 = 0x6f72_6269_7453_6372;

/// What a scrub came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// Every erasure up to here is dealt with.
    pub position: i64,
    /// Tables that were written anew.
    pub tables: Vec<String>,
    /// Tables that were left as they are: too large, or not this login's to write anew.
    pub left: Vec<String>,
    /// Whether the write-ahead log was switched and checkpointed; a login that is no superuser may not.
    pub checkpointed: bool,
}

/// Scrubs after erasures, until `shutdown`.
pub(crate) async fn run(pool: Pool, shutdown: Shutdown) {
    loop {
        match scrub(&pool).await {
            Ok(None) => {}
            Ok(Some(done)) => {
                metrics::counter!("orbit_scrubs_total").increment(1);
                let Scrubbed { position, tables, left, checkpointed } = done;
                let tables = tables.len();
                if left.is_empty() && checkpointed {
                    tracing::info!(position, tables, "what erased users wrote is gone from the pages of the database");
                } else {
                    tracing::warn!(
                        position,
                        tables,
                        checkpointed,
                        left = left.join(", "),
                        "what erased users wrote may still lie in some pages: rebuild the tables that were left"
                    );
                }
            }
            Err(fault) => tracing::warn!(error = chain(&fault), "a scrub failed, will try again"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Scrubs, if somebody was erased and every projection knows. `None` if there is nothing to do, or not yet.
///
/// `pool` has the role of the projector; tables are written anew by whoever it logs in as, who owns them.
pub async fn scrub(pool: &Pool) -> Result<Option<Scrubbed>, Fault> {
    let Some(position) = due(pool).await? else { return Ok(None) };
    let options = pool.connect_options();
    let mut connection = postgres::connect_with(&options).await.map_err(Fault::database("connect to scrub"))?;
    let scrubbed = scrub_with(&mut connection, position).await;
    // Its lock goes with it, however this went.
    let _ = connection.close().await;
    scrubbed
}

/// The newest erasure that is not dealt with, once everything that follows from it is done.
async fn due(pool: &Pool) -> Result<Option<i64>, Fault> {
    let projections = i64::try_from(projections::ALL.len()).unwrap_or(i64::MAX);
    let due = sqlx::query_scalar!(
        r#"WITH done AS (SELECT coalesce(max(position), 0) AS position,
                                coalesce(max(ran_at) > now() - make_interval(mins => $1), false) AS just_now
                         FROM log.scrubs),
                erased AS (SELECT e.position, e.user_id FROM log.events e, done
                           WHERE e.type = 'users.erased' AND e.position > done.position)
           SELECT max(e.position) FROM erased e
           WHERE NOT (SELECT just_now FROM done)
             AND NOT EXISTS (SELECT FROM vault.keys k JOIN erased USING (user_id) WHERE k.destroyed_at IS NULL)
             AND NOT EXISTS (SELECT FROM pg_tables
                             WHERE schemaname = 'rebuild' AND tablename NOT IN ('checkpoints', 'parked'))
             AND (SELECT count(*) FROM checkpoints c WHERE c.position >= (SELECT max(position) FROM erased))
                 >= $2::bigint * (SELECT partitions FROM log.head)"#,
        PAUSE_MINUTES,
        projections
    )
    .fetch_one(pool)
    .await
    .map_err(Fault::database("look for erasures to scrub after"))?;
    Ok(due)
}

async fn scrub_with(connection: &mut PgConnection, position: i64) -> Result<Option<Scrubbed>, Fault> {
    for statement in ["SET ROLE NONE", PATIENCE] {
        sqlx::raw_sql(statement).execute(&mut *connection).await.map_err(Fault::database("prepare to scrub"))?;
    }
    let alone = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "alone!""#, LOCK);
    if !alone.fetch_one(&mut *connection).await.map_err(Fault::database("be the one who scrubs"))? {
        return Ok(None);
    }
    let mut scrubbed = Scrubbed { position, tables: vec![], left: vec![], checkpointed: false };
    for table in tables(connection).await? {
        if table.fits {
            write_anew(connection, &table).await?;
            scrubbed.tables.push(table.name);
        } else {
            scrubbed.left.push(table.name);
        }
    }
    scrubbed.checkpointed = checkpoint(connection).await?;
    #[expect(clippy::cast_precision_loss, reason = "a handful of tables")]
    metrics::gauge!("orbit_scrub_tables_left").set(scrubbed.left.len() as f64);
    sqlx::query!(
        "INSERT INTO log.scrubs (position, ran_at) VALUES ($1, now())
         ON CONFLICT (singleton) DO UPDATE SET position = excluded.position, ran_at = excluded.ran_at",
        position
    )
    .execute(&mut *connection)
    .await
    .map_err(Fault::database("note a scrub"))?;
    Ok(Some(scrubbed))
}

/// A table that may hold what users wrote in the clear.
struct Table {
    schema: String,
    relation: String,
    /// Both, quoted.
    name: String,
    /// Whether it is small enough, and this login's own.
    fits: bool,
}

/// The read models; jobs, whose files have names; answers, whose keys clients choose; wrapped keys, of which a destroyed one leaves its bytes as any row.
async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>, Fault> {
    sqlx::query_as!(
        Table,
        r#"SELECT n.nspname::text AS "schema!", c.relname::text AS "relation!", format('%I.%I', n.nspname, c.relname) AS "name!",
                  pg_total_relation_size(c.oid) <= $1 AND pg_has_role(c.relowner, 'USAGE') AS "fits!"
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r'
             AND (n.nspname IN ('view', 'work') OR (n.nspname, c.relname) IN (('log', 'commands'), ('vault', 'keys')))
           ORDER BY c.relname LIMIT 1000"#,
        SMALL
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("list tables to scrub"))
}

async fn write_anew(connection: &mut PgConnection, table: &Table) -> Result<(), Fault> {
    // An empty table keeps the samples of what was in it: ANALYZE has nothing to put in their place.
    sqlx::query(
        "SELECT pg_clear_attribute_stats(schemaname::text, tablename::text, attname::text, inherited)
         FROM pg_stats WHERE schemaname = $1 AND tablename = $2",
    )
    .bind(&table.schema)
    .bind(&table.relation)
    .execute(&mut *connection)
    .await
    .map_err(Fault::database("clear a table's statistics"))?;
    let sql = format!("VACUUM (FULL, ANALYZE) {}", table.name);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(Fault::database("write a table anew"))?;
    Ok(())
}

/// Rids the statistics of their own dead rows, and lets the segments of the write-ahead log go that hold what was
/// deleted. `false` if this login may not.
async fn checkpoint(connection: &mut PgConnection) -> Result<bool, Fault> {
    for statement in ["VACUUM (FULL) pg_catalog.pg_statistic", "SELECT pg_switch_wal()", "CHECKPOINT"] {
        match sqlx::raw_sql(statement).execute(&mut *connection).await {
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "42501") => return Ok(false),
            Err(error) => return Err(Fault::database("checkpoint")(error)),
        }
    }
    Ok(true)
}
