//! Scratch tables: a session's own temporary copies of the read models' tables. Some facts of one user are folded into
//! them by the same projections that fold everything, the same questions are asked of them, and they are empty again.
//!
//! Temporary tables are written to no log of the database's and seen by no other session, and their names stand where
//! those of the serving tables do: in the `search_path`.

use std::{collections::HashMap, fmt::Write as _};

use orbit_events::Recorded;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::{
    projection::{ApplyFault, Registered},
    projections,
    runner::{Opened, chain, envelope},
};

/// Rows of transactions that were rolled back may take so many bytes before the tables are emptied: nobody sees them, but
/// who reads a table from end to end passes them by.
const GARBAGE_AT_MOST: i64 = 8 << 20;

/// What a session is told once, before it makes its tables.
///
/// Nothing but scratch tables is found by a name without a schema. The buffers hold some ten thousand facts. Emptying the
/// tables has nothing to wait for; nor is there anything to compile for some thousand rows, or anybody to hear that there
/// was no transaction to end.
const SESSION: &str =
    "SET search_path = pg_temp; SET temp_buffers = '32MB'; SET synchronous_commit = off; SET jit = off;
    SET client_min_messages = error;";

/// What makes copies cheap to fill. All rows are one user's, so an index that begins with the user tells nothing apart,
/// and one of words costs more than it saves: both go, unless they keep rows unique. Nor are words made until somebody
/// searches: a column that would be stored is worked out where it is read.
const CHEAPEN: &str = "DO $$
    DECLARE statement text;
    BEGIN
        FOR statement IN
            SELECT format('ALTER TABLE %s DROP COLUMN %I, ADD COLUMN %I %s GENERATED ALWAYS AS (%s) VIRTUAL',
                          c.oid::regclass, a.attname, a.attname, format_type(a.atttypid, a.atttypmod),
                          pg_get_expr(d.adbin, d.adrelid))
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attgenerated = 's'
                 JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'r'
        LOOP EXECUTE statement; END LOOP;
        FOR statement IN
            SELECT format('DROP INDEX %s', x.oid::regclass)
            FROM pg_class x JOIN pg_index i ON i.indexrelid = x.oid AND NOT i.indisunique JOIN pg_am m ON m.oid = x.relam
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE x.relnamespace = pg_my_temp_schema() AND (m.amname <> 'btree' OR a.attname = 'user_id')
        LOOP EXECUTE statement; END LOOP;
    END $$;";

/// Which plans a fold needs: once for every length of an array, and by the indexes, which the planner likes less than
/// reading whole tables while they are empty. Holds until [`close`].
const OPEN: &str = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;";

/// Makes the tables of every projection in this session. To be done once; `schema` is where the serving ones lie.
pub async fn make(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    let mut statements = SESSION.to_owned();
    let tables = projections::ALL.iter().flat_map(|projection| projection.tables).chain(&["checkpoints"]);
    for table in tables {
        let columns = format!("(LIKE {schema}.{table} INCLUDING ALL)");
        // Writing to a String cannot fail.
        let _ = write!(statements, "CREATE TEMPORARY TABLE {table} {columns} ON COMMIT DELETE ROWS;");
    }
    statements.push_str(CHEAPEN);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await?;
    Ok(())
}

/// Begins to fold: the tables show nothing, and what comes into them goes with [`forget`].
pub async fn open(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(OPEN).execute(connection).await.map(drop)
}

/// Ends the folding: the checkpoint says how far it went, and questions are planned as everywhere.
pub async fn close(
    connection: &mut PgConnection,
    projection: &Registered,
    partition: i16,
    position: i64,
) -> sqlx::Result<()> {
    // A name of ours and two numbers.
    let statements = format!(
        "INSERT INTO checkpoints (projection, partition, position) VALUES ('{}', {partition}, {position});
         SET LOCAL plan_cache_mode = auto; SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on;
         SET LOCAL enable_mergejoin = on;",
        projection.name
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// Takes everything away, whatever state the session is in: the transaction is rolled back, so that nobody ever sees its
/// rows. A connection that cannot do that is to be closed, and its tables with it.
///
/// What a transaction that was rolled back wrote still takes room. The commit of one that touches any of these tables, be
/// it to ask for their size, empties all of them. That costs more than most questions do, so it waits until it is worth
/// it.
pub async fn forget(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("ROLLBACK; BEGIN").execute(&mut *connection).await?;
    let garbage: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM pg_class
         WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'",
    )
    .fetch_one(&mut *connection)
    .await?;
    let end = if garbage > GARBAGE_AT_MOST { "COMMIT" } else { "ROLLBACK" };
    sqlx::raw_sql(end).execute(connection).await.map(drop)
}

/// A projection being folded into scratch tables.
#[derive(Debug)]
pub struct Fold {
    projection: &'static Registered,
    /// Streams that show nothing from a position on: as the serving tables, where such a stream is parked.
    held: HashMap<Uuid, i64>,
}

impl Fold {
    /// Nothing is folded yet.
    pub fn new(projection: &'static Registered) -> Self {
        Self { projection, held: HashMap::new() }
    }

    /// Folds facts that the projection wants, in order. What cannot be read or applied holds its stream back, and no
    /// other: a part that is refused is halved until the culprit is found.
    pub async fn apply(&mut self, connection: &mut PgConnection, facts: &[Opened]) -> Result<(), ApplyFault> {
        for envelope in facts.iter().filter(|fact| fact.is_err()).map(envelope) {
            self.held.entry(envelope.stream_id).or_insert(envelope.position);
        }
        let mut parts = vec![facts];
        while let Some(part) = parts.pop() {
            let applicable: Vec<&Recorded> = part.iter().flatten().filter(|fact| self.shows(fact)).collect();
            if applicable.is_empty() {
                continue;
            }
            savepoint(connection, "SAVEPOINT part").await?;
            match self.projection.apply(connection, &applicable).await {
                Ok(()) => savepoint(connection, "RELEASE part").await?,
                Err(fault) if fault.is_outage() => return Err(fault),
                Err(fault) => {
                    savepoint(connection, "ROLLBACK TO part; RELEASE part").await?;
                    if let [culprit] = applicable[..] {
                        let at = culprit.envelope.position;
                        let projection = self.projection.name;
                        tracing::warn!(projection, position = at, error = chain(&fault), "the past leaves a fact out");
                        self.held.insert(culprit.envelope.stream_id, at);
                    } else {
                        // The first half is on top, so that facts stay in order.
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                }
            }
        }
        Ok(())
    }

    fn shows(&self, fact: &Recorded) -> bool {
        let held = self.held.get(&fact.envelope.stream_id);
        held.is_none_or(|from| fact.envelope.position < *from)
    }
}

async fn savepoint(connection: &mut PgConnection, statement: &'static str) -> Result<(), ApplyFault> {
    sqlx::raw_sql(statement).execute(connection).await.map_err(ApplyFault::database("set a savepoint"))?;
    Ok(())
}
