//! Comparison: what was rebuilt is held to what is served, at the very same place of the log, without a lock.
//!
//! One snapshot of the serving tables is kept open; it says how far each partition is. The rebuild folds each partition
//! exactly that far, and both sides are counted and, if the rebuild is to be verified, hashed row by row. Nothing waits
//! meanwhile.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use orbit_events::Partition;
use orbit_platform::postgres::Pool;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::{Deps, Fault, SCHEMA, fill::Fill};
use crate::runner::Fault as RunnerFault;

/// Keys shown of a table that came out otherwise.
const EXAMPLES: usize = 5;
/// How long a rebuild waits for what is served to come as far as it has.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether what is served has come as far.
const LOOK: Duration = Duration::from_millis(200);

/// A table that came out otherwise than it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// How many rows are served.
    pub served: i64,
    /// How many rows were rebuilt.
    pub rebuilt: i64,
    /// Primary keys of the first rows that are not the same, or not on both sides.
    pub examples: Vec<String>,
}

impl Difference {
    /// As the job's row and the API have it.
    pub fn to_json(&self) -> Value {
        json!({ "table": self.table, "served": self.served, "rebuilt": self.rebuilt, "examples": self.examples })
    }
}

/// How closely tables are compared.
#[derive(Clone, Copy)]
enum Depth {
    /// By how many rows they have: reading an index or two.
    Counts,
    /// By every value of every row: a few microseconds each.
    Rows,
}

/// Compares the tables of a rebuild with those that are served. `None` if what is served stays behind what was folded:
/// a fault if the rebuild must be verified.
pub async fn against_served(
    deps: &Deps,
    fill: &mut Fill,
    pool: &Pool,
    names: &[&str],
    verify: bool,
) -> Result<Option<Vec<Difference>>, Fault> {
    let attempt = "compare with what is served";
    let mut serving = deps.pool.acquire().await.map_err(Fault::database(attempt))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let snapshot = serving.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
        let mut snapshot = snapshot.map_err(Fault::database(attempt))?;
        let served = checkpoints(&mut snapshot).await?;
        let at = |name: &str, partition| served.get(&(name.to_owned(), partition)).copied().unwrap_or(0);
        if fill.is_within(&at) {
            fill.fold(&at).await?;
            let mut rebuilt = pool.acquire().await.map_err(Fault::database(attempt))?;
            let depth = if verify { Depth::Rows } else { Depth::Counts };
            return differences(&mut snapshot, &mut rebuilt, names, depth).await.map(Some);
        }
        if Instant::now() >= deadline {
            return if verify { Err(Fault::NotComparable) } else { Ok(None) };
        }
        sleep(LOOK).await;
    }
}

/// How far every partition is in a snapshot.
async fn checkpoints(connection: &mut PgConnection) -> Result<HashMap<(String, Partition), i64>, Fault> {
    let rows = sqlx::query!("SELECT projection, partition, position FROM view.checkpoints")
        .fetch_all(connection)
        .await
        .map_err(Fault::database("read how far what is served is"))?;
    Ok(rows.into_iter().map(|row| ((row.projection, row.partition), row.position)).collect())
}

async fn differences(
    served: &mut PgConnection,
    rebuilt: &mut PgConnection,
    names: &[&str],
    depth: Depth,
) -> Result<Vec<Difference>, Fault> {
    let mut found = Vec::new();
    for name in names {
        let (old, new) = tokio::try_join!(sum(served, "view", name, depth), sum(rebuilt, SCHEMA, name, depth))?;
        if old != new {
            let examples = examples(served, rebuilt, name).await?;
            found.push(Difference { table: (*name).to_owned(), served: old.0, rebuilt: new.0, examples });
        }
    }
    Ok(found)
}

/// How many rows a table has, and the sum of their hashes, if they are looked at: the same for the same rows in any order.
async fn sum(connection: &mut PgConnection, schema: &str, name: &str, depth: Depth) -> Result<(i64, String), Fault> {
    let hashes = match depth {
        Depth::Counts => "''",
        Depth::Rows => "coalesce(sum(hashtextextended(t::text, 0)), 0)::text",
    };
    let sql = format!(r#"SELECT count(*), {hashes} FROM {schema}."{name}" t LIMIT 1"#);
    sqlx::query_as(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .map_err(Fault::database("add up the rows of a table"))
}

/// The keys of the first rows that differ: both sides are read in the order of their keys, side by side.
async fn examples(served: &mut PgConnection, rebuilt: &mut PgConnection, name: &str) -> Result<Vec<String>, Fault> {
    let key = key(served, name).await?;
    let sql = |schema: &str| {
        format!(r#"SELECT {key}, hashtextextended(t::text, 0) FROM {schema}."{name}" t ORDER BY ({key}) COLLATE "C""#)
    };
    let (mut old, mut new) = (rows(served, sql("view")), rows(rebuilt, sql(SCHEMA)));
    let (mut left, mut right) = (next(&mut old).await?, next(&mut new).await?);
    let mut differ = Vec::new();
    while differ.len() < EXAMPLES {
        let order = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        if order.is_ne() || left != right {
            differ.extend(if order.is_gt() { &right } else { &left }.as_ref().map(|(key, _)| key.clone()));
        }
        if order.is_le() {
            left = next(&mut old).await?;
        }
        if order.is_ge() {
            right = next(&mut new).await?;
        }
    }
    Ok(differ)
}

type Hashed = (String, i64);

fn rows(connection: &mut PgConnection, sql: String) -> BoxStream<'_, sqlx::Result<Hashed>> {
    sqlx::query_as(AssertSqlSafe(sql)).fetch(connection).boxed()
}

async fn next(rows: &mut BoxStream<'_, sqlx::Result<Hashed>>) -> Result<Option<Hashed>, Fault> {
    rows.try_next().await.map_err(Fault::database("look for rows that differ"))
}

/// A table's primary key as one text.
async fn key(connection: &mut PgConnection, name: &str) -> Result<String, Fault> {
    sqlx::query_scalar!(
        r#"SELECT string_agg(format('t.%I::text', a.attname), ' || '' '' || ' ORDER BY k.place) AS "key!"
           FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
           WHERE c.contype = 'p' AND c.conrelid = format('view.%I', $1::text)::regclass LIMIT 1"#,
        name
    )
    .fetch_one(connection)
    .await
    .map_err(|source| Fault::Runner(RunnerFault::database("find the key of a table")(source)))
}
