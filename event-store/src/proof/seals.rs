//! Signed checkpoints in the database.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::tree::Hash;
use crate::Fault;

/// How long every checkpoint is kept. Of the hours before, each keeps its last one: some 9,000 in a year.
const ALL_KEPT: TimeDelta = TimeDelta::hours(1);
/// Most checkpoints that are thinned out at once.
const THINNED_AT_ONCE: i64 = 10_000;

/// A signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// How many facts are sealed: everything up to this position.
    pub size: i64,
    /// The public key, as C2SP verifier key.
    pub verifier: String,
    /// The root of the tree.
    pub root: Hash,
    /// The checkpoint as a signed note.
    pub note: String,
    /// When it was signed.
    pub signed_at: DateTime<Utc>,
}

struct Row {
    size: i64,
    verifier: String,
    root: Vec<u8>,
    note: String,
    signed_at: DateTime<Utc>,
}

impl From<Row> for Seal {
    fn from(row: Row) -> Self {
        let Row { size, verifier, root, note, signed_at } = row;
        // The table holds no root of another length.
        Self { size, verifier, root: root.try_into().unwrap_or_default(), note, signed_at }
    }
}

impl Seal {
    /// The newest one.
    pub async fn newest(connection: &mut PgConnection) -> Result<Option<Self>, Fault> {
        let row = sqlx::query_as!(
            Row,
            "SELECT size, verifier, root, note, signed_at FROM log.seals
             ORDER BY size DESC, signed_at DESC, verifier DESC LIMIT 1"
        );
        let row = row.fetch_optional(connection).await.map_err(Fault::database("read the newest checkpoint"))?;
        Ok(row.map(Self::from))
    }

    /// The newest one of a size, if it is still kept.
    pub async fn of_size(connection: &mut PgConnection, size: i64) -> Result<Option<Self>, Fault> {
        let row = sqlx::query_as!(
            Row,
            "SELECT size, verifier, root, note, signed_at FROM log.seals WHERE size = $1
             ORDER BY signed_at DESC, verifier DESC LIMIT 1",
            size
        );
        let row = row.fetch_optional(connection).await.map_err(Fault::database("read a checkpoint"))?;
        Ok(row.map(Self::from))
    }

    /// Those after one, in the order of size and key, at most `limit`.
    pub async fn after(
        connection: &mut PgConnection,
        size: i64,
        verifier: &str,
        limit: i64,
    ) -> Result<Vec<Self>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT size, verifier, root, note, signed_at FROM log.seals WHERE (size, verifier) > ($1, $2)
             ORDER BY size, verifier LIMIT $3",
            size,
            verifier,
            limit
        );
        let rows = rows.fetch_all(connection).await.map_err(Fault::database("read checkpoints"))?;
        Ok(rows.into_iter().map(Self::from).collect())
    }

    /// Keeps it. Another sealer may have signed the same: then nothing is to be done.
    pub(super) async fn insert(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        sqlx::query!(
            "INSERT INTO log.seals (size, verifier, root, note, signed_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (size, verifier) DO NOTHING",
            self.size,
            self.verifier,
            &self.root[..],
            self.note,
            self.signed_at
        )
        .execute(connection)
        .await
        .map_err(Fault::database("keep a checkpoint"))?;
        Ok(())
    }

    /// Deletes checkpoints of earlier hours, all but the last one of each.
    pub(super) async fn thin_out(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, Fault> {
        let deleted = sqlx::query!(
            "DELETE FROM log.seals WHERE (size, verifier) IN (
                 SELECT size, verifier FROM (
                     SELECT size, verifier, signed_at, lead(size) OVER of_an_hour AS later FROM log.seals
                     WINDOW of_an_hour AS (PARTITION BY verifier, date_trunc('hour', signed_at, 'UTC') ORDER BY size)) s
                 WHERE later IS NOT NULL AND signed_at < $1 ORDER BY size, verifier LIMIT $2)",
            now - ALL_KEPT,
            THINNED_AT_ONCE
        )
        .execute(connection)
        .await
        .map_err(Fault::database("thin out old checkpoints"))?;
        Ok(deleted.rows_affected())
    }
}
