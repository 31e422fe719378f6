//! A course: how far a projection has folded a partition, and the transaction that takes it further.
//!
//! Rows and checkpoint commit together, and the checkpoint moves by compare-and-set (invariant 4). The checkpoint moves
//! *first*: its row lock then keeps a second projector, and whoever retries parked facts, out of the tables until the
//! commit, and a projector that has lost its claim learns it before it has written anything.
//!
//! A fact that cannot be applied is parked with everything later of its stream, in the same transaction: nothing is
//! skipped silently, and other streams go on.

use std::{collections::HashMap, time::Duration};

use orbit_event_store::Unreadable;
use orbit_events::{Envelope, Partition, Recorded};
use orbit_platform::postgres::Pool;
use sqlx::{Connection, PgConnection, Postgres, pool::PoolConnection};
use uuid::Uuid;

use super::{Fault, Opened, chain, envelope};
use crate::{
    parked::{self, Parking},
    projection::{ApplyFault, Registered, Tables},
    projections::ERASED,
};

/// How often a batch that the tables refuse is tried as a whole before its culprit is looked for.
const ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);
/// How long a second connection may be waited for. There is none to spare under load, and one does the same.
const SECOND_WITHIN: Duration = Duration::from_millis(100);
/// Why a fact is parked that is fine itself.
const WAITS: &str = "an earlier fact of its stream is parked";

/// The place that a projection has got to in a partition.
pub(crate) struct Course {
    pool: Pool,
    projection: &'static Registered,
    partition: Partition,
    tables: Tables,
    /// The checkpoint in the database.
    position: i64,
    /// Whether streams of this partition may be parked; only then is it worth looking.
    has_parked: bool,
}

/// What a batch led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub parked: usize,
}

impl Course {
    /// Reads the checkpoint, making it if this is the first time.
    pub async fn start(
        pool: Pool,
        projection: &'static Registered,
        partition: Partition,
        tables: Tables,
    ) -> Result<Self, Fault> {
        sqlx::query!(
            "INSERT INTO checkpoints (projection, partition, position) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
            projection.name,
            partition
        )
        .execute(&pool)
        .await
        .map_err(Fault::database("make a checkpoint"))?;
        let row = sqlx::query!(
            r#"SELECT position, EXISTS (SELECT FROM parked p WHERE p.projection = $1 AND p.partition = $2) AS "parked!"
               FROM checkpoints WHERE projection = $1 AND partition = $2 LIMIT 1"#,
            projection.name,
            partition
        )
        .fetch_one(&pool)
        .await
        .map_err(Fault::database("read a checkpoint"))?;
        Ok(Self { pool, projection, partition, tables, position: row.position, has_parked: row.parked })
    }

    /// The checkpoint.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Moves the checkpoint past facts of which this projection wants none.
    pub async fn skip(&mut self, to: i64) -> Result<(), Fault> {
        if to > self.position {
            let mut connection = self.pool.acquire().await.map_err(Fault::database("connect to move a checkpoint"))?;
            self.move_checkpoint(&mut connection, to).await?;
            self.position = to;
        }
        Ok(())
    }

    /// Applies facts, in order, and moves the checkpoint to `to`.
    pub async fn apply(&mut self, facts: &[&Opened], to: i64) -> Result<Applied, Fault> {
        let mut attempt = 1;
        loop {
            let mut transaction = self.pool.begin().await.map_err(Fault::database("begin a batch"))?;
            self.move_checkpoint(&mut transaction, to).await?;
            let parking = self.parking(&mut transaction, facts).await?;
            let parking = match self.apply_as_one(&mut transaction, facts, parking).await {
                Ok(parking) => parking,
                Err(fault) if fault.is_outage() => return Err(fault.into()),
                Err(fault) if attempt < ATTEMPTS => {
                    tracing::warn!(
                        projection = self.projection.name,
                        partition = self.partition,
                        error = chain(&fault),
                        "a batch was refused, trying again"
                    );
                    drop(transaction);
                    attempt += 1;
                    tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                    continue;
                }
                Err(_) => {
                    // The transaction is spoilt: begin a new one and look for the culprit in it.
                    drop(transaction);
                    transaction = self.pool.begin().await.map_err(Fault::database("begin a batch"))?;
                    self.move_checkpoint(&mut transaction, to).await?;
                    let parking = self.parking(&mut transaction, facts).await?;
                    self.apply_what_can_be(&mut transaction, facts, parking).await?
                }
            };
            let parked = self.park(&mut transaction, facts, &parking).await?;
            self.forget(&mut transaction, facts).await?;
            transaction.commit().await.map_err(Fault::database("commit a batch"))?;
            self.position = to;
            return Ok(Applied { parked });
        }
    }

    /// Lets the projection put in order what it has left for later.
    pub async fn rest(&self) -> Result<(), Fault> {
        let mut transaction = self.pool.begin().await.map_err(Fault::database("begin to rest"))?;
        self.projection.rest(&mut transaction).await?;
        transaction.commit().await.map_err(Fault::database("commit what rest has put in order"))
    }

    /// Compare-and-set of the checkpoint.
    ///
    /// The settings hold until the end of the transaction. The commit need not wait for the disk: rows and checkpoint are
    /// lost together or not at all, and what is lost is folded again. And the planner is to plan once, not anew for every
    /// length of an array, and must not read whole tables, which it prefers while they are empty.
    async fn move_checkpoint(&self, connection: &mut PgConnection, to: i64) -> Result<(), Fault> {
        let moved = sqlx::query!(
            "UPDATE checkpoints SET position = $4, updated_at = now()
             WHERE projection = $1 AND partition = $2 AND position = $3
               AND set_config('synchronous_commit', 'off', true) = 'off'
               AND set_config('plan_cache_mode', 'force_generic_plan', true) = 'force_generic_plan'
               AND set_config('enable_seqscan', 'off', true) = 'off'
               AND set_config('enable_hashjoin', 'off', true) = 'off'
               AND set_config('enable_mergejoin', 'off', true) = 'off'",
            self.projection.name,
            self.partition,
            self.position,
            to
        )
        .execute(connection)
        .await
        .map_err(Fault::database("move a checkpoint"))?;
        if moved.rows_affected() == 1 { Ok(()) } else { Err(Fault::LostClaim(self.position)) }
    }

    /// Streams that are parked already, and those that these facts park because they cannot be read.
    async fn parking(&self, connection: &mut PgConnection, facts: &[&Opened]) -> Result<Parking, Fault> {
        let mut parking = Parking::new();
        if self.has_parked {
            let streams: Vec<Uuid> = facts.iter().map(|fact| envelope(fact).stream_id).collect();
            for stream in parked::streams_among(connection, self.projection.name, &streams).await? {
                parking.insert(stream, (0, WAITS.to_owned()));
            }
        }
        for fact in facts {
            if let Err((envelope, unreadable)) = fact {
                let reason = || (envelope.position, explain(unreadable));
                parking.entry(envelope.stream_id).or_insert_with(reason);
            }
        }
        Ok(parking)
    }

    async fn apply_as_one(
        &self,
        connection: &mut PgConnection,
        facts: &[&Opened],
        parking: Parking,
    ) -> Result<Parking, ApplyFault> {
        let facts = applicable(facts, &parking);
        if facts.is_empty() {
            return Ok(parking);
        }
        match self.second(facts.len()).await {
            Some(mut second) => self.projection.spread(connection, &mut second, &facts).await?,
            None => self.fold(connection, &facts).await?,
        }
        Ok(parking)
    }

    /// A second connection, if so many facts are worth one and there is one. Its batch holds the checkpoint meanwhile, so
    /// nobody else writes these tables' rows of the partition.
    async fn second(&self, facts: usize) -> Option<PoolConnection<Postgres>> {
        if self.tables != Tables::Serving || facts < self.projection.spreads_from {
            return None;
        }
        tokio::time::timeout(SECOND_WITHIN, self.pool.acquire()).await.ok()?.ok()
    }

    async fn fold(&self, connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        match self.tables {
            Tables::Serving => self.projection.apply(connection, facts).await,
            Tables::Fresh => self.projection.fill(connection, facts).await,
        }
    }

    /// Halves the batch until what is refused is one fact, parks its stream and goes on without it.
    async fn apply_what_can_be(
        &self,
        connection: &mut PgConnection,
        facts: &[&Opened],
        mut parking: Parking,
    ) -> Result<Parking, Fault> {
        let mut parts = vec![facts];
        while let Some(part) = parts.pop() {
            let applicable = applicable(part, &parking);
            if applicable.is_empty() {
                continue;
            }
            let mut savepoint = connection.begin().await.map_err(Fault::database("set a savepoint"))?;
            match self.fold(&mut savepoint, &applicable).await {
                Ok(()) => savepoint.commit().await.map_err(Fault::database("release a savepoint"))?,
                Err(fault) if fault.is_outage() => return Err(fault.into()),
                Err(fault) => {
                    savepoint.rollback().await.map_err(Fault::database("roll back to a savepoint"))?;
                    if let [culprit] = applicable[..] {
                        if culprit.envelope.wire_type == ERASED {
                            // To be tried until it succeeds: parked, it could be discarded.
                            return Err(fault.into());
                        }
                        let culprit = &culprit.envelope;
                        parking.insert(culprit.stream_id, (culprit.position, chain(&fault)));
                    } else {
                        // The first half is on top, so that facts stay in order.
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                }
            }
        }
        Ok(parking)
    }

    /// Who is erased has nothing parked either: there is nothing left to retry, and reasons may quote words.
    async fn forget(&self, connection: &mut PgConnection, facts: &[&Opened]) -> Result<(), Fault> {
        let erased = facts.iter().filter(|fact| is_erasure(fact)).map(|fact| envelope(fact).user_id.0);
        let erased: Vec<Uuid> = erased.collect();
        if erased.is_empty() {
            return Ok(());
        }
        parked::forget(connection, self.projection.name, &erased).await
    }

    async fn park(
        &mut self,
        connection: &mut PgConnection,
        facts: &[&Opened],
        parking: &Parking,
    ) -> Result<usize, Fault> {
        if parking.is_empty() {
            return Ok(0);
        }
        let held = facts.iter().filter(|fact| !is_erasure(fact)).map(|fact| envelope(fact));
        let parked = held.filter_map(|envelope| {
            let (from, reason) = parking.get(&envelope.stream_id)?;
            match envelope.position.cmp(from) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal => Some((envelope, reason.as_str())),
                std::cmp::Ordering::Greater => Some((envelope, WAITS)),
            }
        });
        let parked: Vec<(&Envelope, &str)> = parked.collect();
        for (envelope, reason) in parked.iter().filter(|(_, reason)| *reason != WAITS) {
            tracing::error!(
                projection = self.projection.name,
                position = envelope.position,
                stream = %envelope.stream_id,
                wire_type = envelope.wire_type,
                reason,
                "a fact cannot be applied: its stream is parked (orbit parked list)"
            );
        }
        parked::insert(connection, self.projection.name, self.partition, &parked).await?;
        self.has_parked = true;
        Ok(parked.len())
    }
}

/// The facts that can be read and whose streams are not parked before them.
fn applicable<'a>(facts: &[&'a Opened], parking: &HashMap<Uuid, (i64, String)>) -> Vec<&'a Recorded> {
    let readable = facts.iter().filter_map(|fact| fact.as_ref().ok());
    readable
        .filter(|fact| {
            let parked_from = parking.get(&fact.envelope.stream_id).map(|(from, _)| *from);
            parked_from.is_none_or(|from| fact.envelope.position < from) || fact.envelope.wire_type == ERASED
        })
        .collect()
}

/// That a user was erased is held back by nothing: what is in the tables is to go, whatever came before.
fn is_erasure(fact: &Opened) -> bool {
    fact.as_ref().is_ok_and(|fact| fact.envelope.wire_type == ERASED)
}

fn explain(unreadable: &Unreadable) -> String {
    chain(unreadable)
}
