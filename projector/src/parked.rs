//! Parked facts: those that could not be applied, and everything later of their streams. Seen, retried and discarded by
//! hand (`orbit parked`); put here by the runner.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use orbit_event_store::{Log, Stored, Vault};
use orbit_events::{Envelope, Partition, Recorded};
use orbit_platform::postgres::Pool;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projections,
    runner::{Fault, chain},
};

/// Most facts of one stream that are retried in one transaction.
const RETRIED_AT_ONCE: i64 = 10_000;

/// Streams to park: the position from which on, and why.
pub(crate) type Parking = HashMap<Uuid, (i64, String)>;

/// A fact that waits to be retried or discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The projection that could not apply it.
    pub projection: String,
    /// The fact's position in the log.
    pub position: i64,
    /// The partition it is in.
    pub partition: Partition,
    /// Its stream. All of a stream is retried or discarded together.
    pub stream_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Its wire type.
    pub wire_type: String,
    /// What went wrong, or that it waits for an earlier one.
    pub reason: String,
    /// Since when.
    pub parked_at: DateTime<Utc>,
}

/// What came of a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// Nothing of that stream is parked.
    Nothing,
    /// All of it was applied: so many facts.
    Applied(usize),
    /// It cannot be applied yet; it stays parked.
    StillParked {
        /// The first fact that cannot be applied.
        position: i64,
        /// Why.
        reason: String,
    },
}

/// Parked facts in the order of their positions, after one of them, at most `limit`.
pub async fn list(pool: &Pool, after: i64, limit: i64) -> Result<Vec<Parked>, Fault> {
    sqlx::query_as!(
        Parked,
        "SELECT projection, position, partition, stream_id, user_id, type AS wire_type, reason, parked_at
         FROM parked WHERE position > $1 ORDER BY position, projection LIMIT $2",
        after,
        limit
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("list parked facts"))
}

/// How many facts are parked, by projection.
pub async fn counts(pool: &Pool) -> Result<HashMap<String, i64>, Fault> {
    let rows = sqlx::query!(
        r#"SELECT projection, count(*) AS "parked!" FROM parked GROUP BY projection ORDER BY projection LIMIT 1000"#
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("count parked facts"))?;
    Ok(rows.into_iter().map(|row| (row.projection, row.parked)).collect())
}

/// Reads a parked stream from the log again and applies it: to be called when what was wrong has been mended.
pub async fn retry(pool: &Pool, log: &Log, vault: &Vault, projection: &str, stream_id: Uuid) -> Result<Retried, Fault> {
    let registered = projections::find(projection).ok_or_else(|| Fault::NoSuchProjection(projection.to_owned()))?;
    let mut transaction = pool.begin().await.map_err(Fault::database("begin a retry"))?;
    let waiting = lock(&mut transaction, projection, stream_id).await?;
    let Some(first) = waiting.first() else { return Ok(Retried::Nothing) };
    let version = log.at(*first).await?.map_or(0, |stored| stored.envelope.version);
    let stored = log.stream(stream_id, version - 1, RETRIED_AT_ONCE).await?;
    // What is not parked yet comes to the projection in its own time.
    let stored: Vec<Stored> = stored.into_iter().filter(|s| waiting.contains(&s.envelope.position)).collect();
    let mut facts: Vec<Recorded> = Vec::with_capacity(stored.len());
    for opened in Stored::open_all(stored, vault).await? {
        match opened {
            Ok(fact) => facts.push(fact),
            Err((envelope, unreadable)) => {
                return Ok(Retried::StillParked { position: envelope.position, reason: chain(&unreadable) });
            }
        }
    }
    let references: Vec<&Recorded> = facts.iter().collect();
    if let Err(fault) = registered.apply(&mut transaction, &references).await {
        if fault.is_outage() {
            return Err(fault.into());
        }
        return Ok(Retried::StillParked { position: *first, reason: chain(&fault) });
    }
    let positions: Vec<i64> = facts.iter().map(|fact| fact.envelope.position).collect();
    sqlx::query!("DELETE FROM parked WHERE projection = $1 AND position = ANY($2)", projection, &positions)
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database("take a stream out of the parked ones"))?;
    transaction.commit().await.map_err(Fault::database("commit a retry"))?;
    Ok(Retried::Applied(facts.len()))
}

/// Gives up on the parked facts of a stream: this projection never applies them. Later facts of it are applied again.
/// Returns how many were given up.
pub async fn discard(pool: &Pool, projection: &str, stream_id: Uuid) -> Result<u64, Fault> {
    let mut transaction = pool.begin().await.map_err(Fault::database("begin to discard"))?;
    lock(&mut transaction, projection, stream_id).await?;
    let done = sqlx::query!("DELETE FROM parked WHERE projection = $1 AND stream_id = $2", projection, stream_id)
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database("discard parked facts"))?;
    transaction.commit().await.map_err(Fault::database("commit a discard"))?;
    Ok(done.rows_affected())
}

/// Locks the checkpoint, so that the projector does not park or apply facts of the stream meanwhile, and gives the
/// positions that are parked.
async fn lock(connection: &mut PgConnection, projection: &str, stream_id: Uuid) -> Result<Vec<i64>, Fault> {
    sqlx::query!(
        "SELECT c.position FROM checkpoints c
         WHERE c.projection = $1
           AND c.partition = (SELECT p.partition FROM parked p WHERE p.projection = $1 AND p.stream_id = $2 LIMIT 1)
         ORDER BY c.partition LIMIT 1 FOR UPDATE OF c",
        projection,
        stream_id
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(Fault::database("lock a checkpoint"))?;
    sqlx::query_scalar!(
        "SELECT position FROM parked WHERE projection = $1 AND stream_id = $2 ORDER BY position LIMIT $3",
        projection,
        stream_id,
        RETRIED_AT_ONCE
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("read what is parked of a stream"))
}

/// Which of these streams are parked.
pub(crate) async fn streams_among(
    connection: &mut PgConnection,
    projection: &str,
    streams: &[Uuid],
) -> Result<Vec<Uuid>, Fault> {
    sqlx::query_scalar!(
        "SELECT DISTINCT stream_id FROM parked WHERE projection = $1 AND stream_id = ANY($2)",
        projection,
        streams
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("look for parked streams"))
}

/// Gives up on everything that is parked of users who were erased.
pub(crate) async fn forget(connection: &mut PgConnection, projection: &str, users: &[Uuid]) -> Result<(), Fault> {
    sqlx::query!("DELETE FROM parked WHERE projection = $1 AND user_id = ANY($2)", projection, users)
        .execute(connection)
        .await
        .map_err(Fault::database("forget what is parked of erased users"))?;
    Ok(())
}

/// Parks facts.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    projection: &str,
    partition: Partition,
    facts: &[(&Envelope, &str)],
) -> Result<(), Fault> {
    fn column<T>(facts: &[(&Envelope, &str)], value: impl Fn(&Envelope) -> T) -> Vec<T> {
        facts.iter().map(|(envelope, _)| value(envelope)).collect()
    }
    let reasons: Vec<&str> = facts.iter().map(|(_, reason)| *reason).collect();
    let types: Vec<&str> = facts.iter().map(|(envelope, _)| envelope.wire_type.as_str()).collect();
    sqlx::query!(
        "INSERT INTO parked (projection, partition, position, stream_id, user_id, type, reason)
         SELECT $1, $2, * FROM unnest($3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[])
         ON CONFLICT (projection, position) DO NOTHING",
        projection,
        partition,
        &column(facts, |e| e.position),
        &column(facts, |e| e.stream_id),
        &column(facts, |e| e.user_id.0),
        &types as &[&str],
        &reasons as &[&str],
    )
    .execute(connection)
    .await
    .map_err(Fault::database("park facts"))?;
    Ok(())
}
