//! Exports: the jobs that make archives of everything about a user, and the archives' bytes, sealed with the user's key
//! in pieces. What is in an archive is the matter of who makes it.
//!
//! A job is one row. Whoever works on it keeps it alive by writing; one that has been silent for `SILENCE` has died,
//! and another worker begins anew. Pieces are written under the worker's name, so that one that was only slow writes
//! nothing any more.

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::{EventId, UserId};
use orbit_platform::{clock::Clock, postgres::Pool};
use serde::Serialize;
use uuid::Uuid;

use crate::{Fault, Vault};

/// How long an archive is kept.
pub const KEPT: TimeDelta = TimeDelta::days(7);
/// Most archives of one user; a further one takes the place of the oldest.
pub const MOST: i64 = 3;
/// How long a worker may say nothing before another one begins anew.
const SILENCE: TimeDelta = TimeDelta::seconds(60);
/// How often a job is begun before it is given up.
const ATTEMPTS: i16 = 5;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody works on it yet.
    Queued,
    /// Somebody works on it.
    Running,
    /// The archive can be downloaded.
    Complete,
    /// It was given up.
    Failed,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its id.
    pub id: Uuid,
    /// Whose archive it is.
    pub user_id: Uuid,
    /// How it stands.
    pub status: Status,
    /// The position of the log that the archive tells of.
    pub upto: i64,
    /// Facts written so far.
    pub facts: i64,
    /// Facts to write, once they are counted.
    pub facts_total: Option<i64>,
    /// Bytes written so far.
    pub bytes: i64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was complete, or given up.
    pub finished_at: Option<DateTime<Utc>>,
    /// When the archive is deleted.
    pub expires_at: DateTime<Utc>,
}

impl Export {
    /// How far it is, in percent: a hundred only when it is complete.
    pub fn progress(&self) -> u8 {
        if self.status == Status::Complete {
            return 100;
        }
        let total = self.facts_total.unwrap_or(0).max(1);
        u8::try_from(self.facts.saturating_mul(100) / total).unwrap_or(99).min(99)
    }
}

/// The columns that make an [`Export`].
struct Row {
    export_id: Uuid,
    user_id: Uuid,
    status: String,
    upto: i64,
    facts: i64,
    facts_total: Option<i64>,
    bytes: i64,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
}

impl From<Row> for Export {
    fn from(row: Row) -> Self {
        let status = match row.status.as_str() {
            "queued" => Status::Queued,
            "running" => Status::Running,
            "complete" => Status::Complete,
            // The table knows no other.
            _ => Status::Failed,
        };
        Self {
            id: row.export_id,
            user_id: row.user_id,
            status,
            upto: row.upto,
            facts: row.facts,
            facts_total: row.facts_total,
            bytes: row.bytes,
            created_at: row.created_at,
            finished_at: row.finished_at,
            expires_at: row.expires_at,
        }
    }
}

/// The jobs of all users.
#[derive(Clone)]
pub struct Exports {
    pool: Pool,
    vault: Vault,
    clock: Clock,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exports").finish_non_exhaustive()
    }
}

impl Exports {
    /// Jobs in the database of `pool`.
    pub fn new(pool: Pool, vault: Vault, clock: Clock) -> Self {
        Self { pool, vault, clock }
    }

    /// Asks for an archive under this id; answers the job that waits or runs already, if there is one. The oldest
    /// archives give way to it, so that nobody has more than [`MOST`].
    pub async fn request(&self, user: Uuid, id: Uuid) -> Result<Export, Fault> {
        const ATTEMPT: &str = "ask for an export";
        let now = self.clock.now();
        sqlx::query!(
            "INSERT INTO log.exports (export_id, user_id, status, upto, created_at, expires_at)
             SELECT $1, $2, 'queued', h.position, $3, $4 FROM log.head h ON CONFLICT DO NOTHING",
            id,
            user,
            now,
            now + KEPT
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        sqlx::query!(
            "WITH gone AS (
                 DELETE FROM log.exports WHERE status IN ('complete', 'failed') AND export_id IN (
                     SELECT export_id FROM log.exports WHERE user_id = $1
                     ORDER BY created_at DESC, export_id DESC OFFSET $2)
                 RETURNING export_id)
             DELETE FROM log.export_chunks c USING gone WHERE c.export_id = gone.export_id",
            user,
            MOST
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("make room for an export"))?;
        let row = sqlx::query_as!(
            Row,
            "SELECT export_id, user_id, status, upto, facts, facts_total, bytes, created_at, finished_at, expires_at
             FROM log.exports WHERE user_id = $1 ORDER BY status IN ('queued', 'running') DESC, created_at DESC LIMIT 1",
            user
        );
        Ok(row.fetch_one(&self.pool).await.map_err(Fault::database(ATTEMPT))?.into())
    }

    /// A user's archives and jobs, the newest first.
    pub async fn list(&self, user: Uuid) -> Result<Vec<Export>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT export_id, user_id, status, upto, facts, facts_total, bytes, created_at, finished_at, expires_at
             FROM log.exports WHERE user_id = $1 AND expires_at > $2
             ORDER BY created_at DESC, export_id DESC LIMIT 100",
            user,
            self.clock.now()
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("list exports"))?;
        Ok(rows.into_iter().map(Export::from).collect())
    }

    /// One of a user's jobs.
    pub async fn find(&self, user: Uuid, id: Uuid) -> Result<Option<Export>, Fault> {
        let row = sqlx::query_as!(
            Row,
            "SELECT export_id, user_id, status, upto, facts, facts_total, bytes, created_at, finished_at, expires_at
             FROM log.exports WHERE export_id = $1 AND user_id = $2 AND expires_at > $3 LIMIT 1",
            id,
            user,
            self.clock.now()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("read an export"))?;
        Ok(row.map(Export::from))
    }

    /// A piece of an archive, opened; `None` behind the last one.
    pub async fn piece(&self, export: &Export, number: i32) -> Result<Option<Vec<u8>>, Fault> {
        let sealed = sqlx::query_scalar!(
            "SELECT data FROM log.export_chunks WHERE export_id = $1 AND number = $2 LIMIT 1",
            export.id,
            number
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("read a piece of an export"))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.vault.open(UserId(export.user_id), EventId(export.id), &piece_type(number), &sealed).await?;
        opened.ok_or(Fault::Forgotten).map(Some)
    }

    /// Takes the oldest job that nobody works on. One that failed too often is given up on the way.
    pub async fn take(&self, worker: Uuid) -> Result<Option<Export>, Fault> {
        const ATTEMPT: &str = "take an export";
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(Fault::database(ATTEMPT))?;
        sqlx::query!(
            "UPDATE log.exports SET status = 'failed', finished_at = $1, worker = NULL
             WHERE status = 'running' AND alive_until < $1 AND attempts >= $2",
            now,
            ATTEMPTS
        )
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        let row = sqlx::query_as!(
            Row,
            "UPDATE log.exports SET status = 'running', worker = $1, alive_until = $2, attempts = attempts + 1, facts = 0,
                                    bytes = 0
             WHERE export_id = (
                 SELECT export_id FROM log.exports
                 WHERE status = 'queued' OR (status = 'running' AND alive_until < $3)
                 ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING export_id, user_id, status, upto, facts, facts_total, bytes, created_at, finished_at, expires_at",
            worker,
            now + SILENCE,
            now
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        if let Some(row) = &row {
            sqlx::query!("DELETE FROM log.export_chunks WHERE export_id = $1", row.export_id)
                .execute(&mut *transaction)
                .await
                .map_err(Fault::database(ATTEMPT))?;
        }
        transaction.commit().await.map_err(Fault::database(ATTEMPT))?;
        Ok(row.map(Export::from))
    }

    /// Writes a piece and tells how far the work is. `false` if the job is somebody else's by now, or gone.
    pub async fn write(&self, export: &Export, worker: Uuid, number: i32, piece: &[u8]) -> Result<bool, Fault> {
        let sealed = self.vault.seal(UserId(export.user_id), EventId(export.id), &piece_type(number), piece).await?;
        let length = i64::try_from(piece.len()).unwrap_or(i64::MAX);
        let done = sqlx::query!(
            "WITH mine AS (
                 UPDATE log.exports SET bytes = bytes + $4, alive_until = $5
                 WHERE export_id = $1 AND worker = $2 AND status = 'running' RETURNING export_id)
             INSERT INTO log.export_chunks (export_id, number, data) SELECT export_id, $3, $6 FROM mine",
            export.id,
            worker,
            number,
            length,
            self.clock.now() + SILENCE,
            sealed
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("write a piece of an export"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Tells how far the work is. `false` if the job is somebody else's by now, or gone.
    pub async fn progress(&self, export: &Export, worker: Uuid, facts: i64, total: i64) -> Result<bool, Fault> {
        let done = sqlx::query!(
            "UPDATE log.exports SET facts = $3, facts_total = $4, alive_until = $5
             WHERE export_id = $1 AND worker = $2 AND status = 'running'",
            export.id,
            worker,
            facts,
            total,
            self.clock.now() + SILENCE
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note the progress of an export"))?;
        Ok(done.rows_affected() == 1)
    }

    /// The archive is complete. `false` if the job is somebody else's by now, or gone.
    pub async fn complete(&self, export: &Export, worker: Uuid) -> Result<bool, Fault> {
        let done = sqlx::query!(
            "UPDATE log.exports SET status = 'complete', finished_at = $3, worker = NULL, alive_until = NULL
             WHERE export_id = $1 AND worker = $2 AND status = 'running'",
            export.id,
            worker,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("complete an export"))?;
        if done.rows_affected() == 1 {
            metrics::counter!("orbit_exports_total", "outcome" => "complete").increment(1);
        }
        Ok(done.rows_affected() == 1)
    }

    /// Gives the job back, to be begun anew; or up, if that happened too often.
    pub async fn give_back(&self, export: &Export, worker: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE log.exports
             SET status = CASE WHEN attempts >= $3 THEN 'failed' ELSE 'queued' END, worker = NULL, alive_until = NULL,
                 finished_at = CASE WHEN attempts >= $3 THEN $4::timestamptz END
             WHERE export_id = $1 AND worker = $2 AND status = 'running'",
            export.id,
            worker,
            ATTEMPTS,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("give an export back"))?;
        metrics::counter!("orbit_exports_total", "outcome" => "interrupted").increment(1);
        Ok(())
    }
}

/// What a piece is sealed as: none can take the place of another.
fn piece_type(number: i32) -> String {
    format!("exports.piece.{number}")
}

/// Deletes archives that have expired, at most 1,000 at a time, and pieces whose job was deleted while they were written.
pub(crate) async fn sweep(pool: &Pool, now: DateTime<Utc>) -> Result<(), Fault> {
    sqlx::query!(
        "DELETE FROM log.exports WHERE export_id IN (
             SELECT export_id FROM log.exports WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1000)",
        now
    )
    .execute(pool)
    .await
    .map_err(Fault::database("sweep expired exports"))?;
    sqlx::query!(
        "DELETE FROM log.export_chunks c WHERE NOT EXISTS (SELECT FROM log.exports e WHERE e.export_id = c.export_id)"
    )
    .execute(pool)
    .await
    .map_err(Fault::database("sweep pieces of expired exports"))?;
    Ok(())
}

/// Deletes all archives of a user who is being forgotten.
pub(crate) async fn forget(pool: &Pool, user: Uuid) -> Result<(), Fault> {
    sqlx::query!(
        "WITH gone AS (DELETE FROM log.exports WHERE user_id = $1 RETURNING export_id)
         DELETE FROM log.export_chunks c USING gone WHERE c.export_id = gone.export_id",
        user
    )
    .execute(pool)
    .await
    .map_err(Fault::database("forget a user's exports"))?;
    Ok(())
}
