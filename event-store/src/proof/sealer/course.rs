//! A sealer under way: how far it is, and what comes next.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{BATCH, SealFault, in_time};
use crate::{
    Fault,
    appended::Reader,
    outgoing::Outgoing,
    proof::{leaf::Leaf, seals::Seal, tiles::Frontier},
};

/// A sealer under way.
pub(super) struct Course {
    /// Holds the lock, and writes.
    pub connection: PgConnection,
    /// Reads while the other one writes, once there is more than a batch. Not one of the pool's: commands wait for those.
    pub reader: Option<PgConnection>,
    /// The tree so far.
    pub frontier: Frontier,
    /// The key and origin of the newest checkpoint.
    pub signed: Option<String>,
    /// Facts that were read already.
    pub ahead: Vec<Leaf>,
    /// What this process appends.
    own: Reader,
}

/// Facts to be sealed next.
pub(super) enum Batch {
    /// As the log has them.
    Read(Vec<Leaf>),
    /// As this process appended them.
    Own(Vec<Arc<Outgoing>>),
}

impl Batch {
    pub fn len(&self) -> usize {
        match self {
            Self::Read(leaves) => leaves.len(),
            Self::Own(facts) => facts.len(),
        }
    }
}

impl Course {
    /// Goes on where the newest checkpoint is, if the tiles still give its root.
    pub async fn start(mut connection: PgConnection, own: Reader) -> Result<Self, SealFault> {
        let newest = in_time(Seal::newest(&mut connection)).await?;
        let frontier = match &newest {
            None => Frontier::default(),
            Some(seal) => {
                let frontier = in_time(Frontier::read(&mut connection, seal.size.unsigned_abs())).await?;
                frontier.filter(|tree| tree.root() == seal.root).ok_or(SealFault::Damaged(seal.size))?
            }
        };
        let signed = newest.map(|seal| seal.verifier);
        Ok(Self { connection, reader: None, frontier, signed, ahead: Vec::new(), own })
    }

    /// The next facts: as they were appended if all are at hand, else at least as many of the log as there must be.
    pub async fn batch(&mut self, behind: i64) -> Result<Batch, SealFault> {
        let sealed = self.frontier.size().cast_signed();
        let expected = usize::try_from(behind.min(BATCH)).unwrap_or(0);
        if self.ahead.is_empty()
            && let own = self.own.take(sealed, expected)
            && own.len() == expected
            && let Some(last) = own.last()
            && in_time(is_in_log(&mut self.connection, last)).await?
        {
            return Ok(Batch::Own(own));
        }
        let mut batch = std::mem::take(&mut self.ahead);
        if batch.len() < expected {
            batch = in_time(Leaf::read(&mut self.connection, sealed, BATCH)).await?;
        }
        // Invariant 1: whoever has seen the head sees every position up to it.
        let mut positions = batch.iter().map(|leaf| leaf.position);
        match (sealed + 1..).take(expected).find(|position| positions.next() != Some(*position)) {
            Some(missing) => Err(SealFault::Missing(missing)),
            None => Ok(Batch::Read(batch)),
        }
    }
}

/// Whether the log has this fact at its position, and not another one after its past was restored.
async fn is_in_log(connection: &mut PgConnection, fact: &Outgoing) -> Result<bool, Fault> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM log.events WHERE position = $1 AND event_id = $2) AS "there!""#,
        fact.position,
        fact.event_id
    )
    .fetch_one(connection)
    .await
    .map_err(Fault::database("look for a fact to seal"))
}
