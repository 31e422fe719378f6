//! Reading the log: the head, a stream, a partition, everything after a position.

use chrono::{DateTime, Utc};
use orbit_domain::{Fields, Folding};
use orbit_events::{Envelope, Metadata, Partition, Partitions};
use orbit_platform::postgres::Pool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Fault, Stored, Vault, stored::Row};

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

/// Facts of a stream read at once.
const PAGE: i64 = 1_000;

/// How much is read at once. One fact may have a megabyte, and many read at the same time, so counting facts is not
/// enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Most facts.
    pub facts: i64,
    /// Sealed bytes with which a page ends; at least one fact is on it.
    pub bytes: i64,
}

impl Page {
    /// Whether there may be more facts behind these.
    pub fn is_full(self, facts: &[Stored]) -> bool {
        let bytes: usize = facts.iter().map(|fact| fact.data.len()).sum();
        let (count, bytes) = (i64::try_from(facts.len()), i64::try_from(bytes));
        !count.is_ok_and(|count| count < self.facts) || !bytes.is_ok_and(|bytes| bytes < self.bytes)
    }
}

/// What is known of an aggregate, whatever it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The stream.
    pub id: Uuid,
    /// Its version.
    pub version: i64,
    /// When its first fact was recorded.
    pub created_at: DateTime<Utc>,
    /// When its newest fact was recorded.
    pub updated_at: DateTime<Utc>,
    /// Field by field.
    pub fields: Fields,
}

impl Known {
    fn new(first: &Envelope) -> Self {
        let at = first.recorded_at;
        Self { id: first.stream_id, version: 0, created_at: at, updated_at: at, fields: Fields::new() }
    }
}

/// Read access to the log. A reader that has seen position p has seen everything up to p (invariant 1).
#[derive(Clone, Debug)]
pub struct Log {
    pool: Pool,
}

impl Log {
    /// Reads through `pool`.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// The pool it reads through.
    pub fn pool(&self) -> &Pool {
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

    /// A page of the facts of one partition with `after < position <= upto`, in order.
    pub async fn page(&self, partition: Partition, after: i64, upto: i64, page: Page) -> Result<Vec<Stored>, Fault> {
        // How long a payload is can be told without reading it.
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM (SELECT *, sum(octet_length(data)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
                                - octet_length(data) AS ahead
                     FROM (SELECT * FROM log.events
                           WHERE partition = $1 AND position > $2 AND position <= $3
                           ORDER BY position LIMIT $4) AS page) AS sized
               WHERE ahead < $5 ORDER BY position"#,
            partition,
            after,
            upto,
            page.facts,
            page.bytes
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("read a page of the log"))?;
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

    /// Facts of some categories with `after < position <= upto` without what they say, in order, at most `limit`.
    pub async fn envelopes(
        &self,
        categories: &[&str],
        after: i64,
        upto: i64,
        limit: i64,
    ) -> Result<Vec<Envelope>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, ''::bytea AS "data!", metadata AS "metadata: Json<Metadata>", recorded_at
               FROM log.events WHERE position > $1 AND position <= $2 AND category = ANY($3) ORDER BY position LIMIT $4"#,
            after,
            upto,
            categories as &[&str],
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("read the envelopes of facts"))?;
        Ok(rows.into_iter().map(|row| Stored::from(row).envelope).collect())
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

    /// How many facts a user has up to a position.
    pub async fn count_of_user(&self, user: Uuid, upto: i64) -> Result<i64, Fault> {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM log.events WHERE user_id = $1 AND position <= $2"#,
            user,
            upto
        )
        .fetch_one(&self.pool)
        .await
        .map_err(Fault::database("count a user's facts"))
    }

    /// Streams of a user in one category that began at `after < position <= upto`, with that position, at most `limit`.
    pub async fn streams_of_user(
        &self,
        user: Uuid,
        category: &str,
        after: i64,
        upto: i64,
        limit: i64,
    ) -> Result<Vec<(Uuid, i64)>, Fault> {
        let rows = sqlx::query!(
            "SELECT stream_id, position FROM log.events
             WHERE user_id = $1 AND category = $2 AND version = 1 AND position > $3 AND position <= $4
             ORDER BY position LIMIT $5",
            user,
            category,
            after,
            upto,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("list a user's streams"))?;
        Ok(rows.into_iter().map(|row| (row.stream_id, row.position)).collect())
    }

    /// What is known of a stream as of a position, whatever its category; `None` if this build does not know it, or
    /// nothing is left of it.
    pub async fn known_of(&self, vault: &Vault, stream_id: Uuid, upto: i64) -> Result<Option<Known>, Fault> {
        let (mut version, mut known): (i64, Option<(Known, Folding)>) = (0, None);
        loop {
            let page = self.stream(stream_id, version, PAGE).await?;
            let full = page.len() == usize::try_from(PAGE).unwrap_or(usize::MAX);
            let behind = page.last().is_none_or(|stored| stored.envelope.position > upto);
            for Stored { envelope: e, data, .. } in page.into_iter().filter(|stored| stored.envelope.position <= upto) {
                let payload = vault.open(e.user_id, e.event_id, &e.wire_type, &data).await?.ok_or(Fault::Forgotten)?;
                let (mut so_far, mut folding) = match known.take() {
                    Some(known) => known,
                    None => match Folding::of(&e.category) {
                        Some(folding) => (Known::new(&e), folding),
                        None => return Ok(None),
                    },
                };
                folding
                    .evolve(&e.wire_type, e.schema_version, &payload)
                    .map_err(|error| Fault::Corrupt { what: "a fact of a stream", source: Box::new(error) })?;
                (so_far.version, so_far.updated_at) = (e.version, e.recorded_at);
                version = e.version;
                known = Some((so_far, folding));
            }
            if !full || behind {
                let known = known.map(|(known, folding)| Known { fields: folding.fields(), ..known });
                return Ok(known.filter(|known| !known.fields.is_empty()));
            }
        }
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
