//! Reading the log: the head, a stream, a partition, everything after a position.

use orbit_events::{Metadata, Partition, Partitions};
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use crate::{Fault, Stored, stored::Row};

/// The log's head row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Position of the newest fact; 0 if there is none.
    pub position: i64,
    /// Changes when the database was restored from a backup.
    pub epoch: Uuid,
    /// How many partitions users are hashed into.
    pub partitions: Partitions,
}

/// The head row, over a connection of one's own or a pool's.
pub(crate) async fn head(connection: impl sqlx::PgExecutor<'_>) -> Result<Head, Fault> {
    let row = sqlx::query!("SELECT position, epoch, partitions FROM log.head LIMIT 1")
        .fetch_one(connection)
        .await
        .map_err(Fault::database("read the head of the log"))?;
    Ok(Head { position: row.position, epoch: row.epoch, partitions: Partitions(row.partitions) })
}

/// Read access to the log. A reader that has seen position p has seen everything up to p (invariant 1).
#[derive(Clone, Debug)]
pub struct Log {
    pool: PgPool,
}

impl Log {
    /// Reads through `pool`.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool it reads through.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The head row.
    pub async fn head(&self) -> Result<Head, Fault> {
        head(&self.pool).await
    }

    /// Facts of one partition with `after < position <= upto`, in order, at most `limit`.
    pub async fn partition(
        &self,
        partition: Partition,
        after: i64,
        upto: i64,
        limit: i64,
    ) -> Result<Vec<Stored>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM log.events WHERE partition = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4"#,
            partition,
            after,
            upto,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("read a partition of the log"))?;
        Ok(rows.into_iter().map(Stored::from).collect())
    }

    /// Facts of all partitions with `after < position <= upto`, in order, at most `limit`.
    pub async fn span(&self, after: i64, upto: i64, limit: i64) -> Result<Vec<Stored>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM log.events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3"#,
            after,
            upto,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("read a span of the log"))?;
        Ok(rows.into_iter().map(Stored::from).collect())
    }

    /// Facts of one stream after `version`, in order, at most `limit`.
    pub async fn stream(&self, stream_id: Uuid, version: i64, limit: i64) -> Result<Vec<Stored>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM log.events WHERE stream_id = $1 AND version > $2 ORDER BY version LIMIT $3"#,
            stream_id,
            version,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("read a stream"))?;
        Ok(rows.into_iter().map(Stored::from).collect())
    }

    /// One fact by its position.
    pub async fn at(&self, position: i64) -> Result<Option<Stored>, Fault> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM log.events WHERE position = $1 LIMIT 1"#,
            position
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("read one fact"))?;
        Ok(row.map(Stored::from))
    }
}
