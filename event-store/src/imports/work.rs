//! Working on a job: taking it, writing down how far it is, and how it ends.

use chrono::TimeDelta;
use orbit_events::emails::BlobRef;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{End, Going, Import, Imports, Problem, Progress, Row, Wanted};
use crate::Fault;

/// How long a worker may say nothing before another one goes on.
const SILENCE: TimeDelta = TimeDelta::seconds(60);
/// How often a job is begun without getting any further before it is given up.
const ATTEMPTS: i16 = 5;
/// Jobs whose bytes are looked for at a time.
const WORKED_OFF: i64 = 100;

impl Imports {
    /// Begins with what lies in a file, or goes on where it was left. `None` while another one is at it.
    pub async fn begin(&self, wanted: &Wanted, worker: Uuid) -> Result<Option<Import>, Fault> {
        let now = self.clock.now();
        let row = sqlx::query_as!(
            Row,
            r#"INSERT INTO work.imports AS i (id, user_id, status, source, name, format, folder, bytes_total, attempts, worker,
                                              alive_until, created_at, updated_at)
               VALUES ($1, $2, 'running', 'file', $3, $4, $5, $6, 1, $7, $8, $9, $9)
               ON CONFLICT (id) DO UPDATE
               SET status = 'running', cancel = false, folder = $5, attempts = i.attempts + 1, worker = $7, alive_until = $8,
                   updated_at = $9, finished_at = NULL, failure = NULL,
                   -- What was complete is gone through once more: something of it may have been deleted since.
                   resume = CASE WHEN i.status = 'complete' THEN NULL ELSE i.resume END,
                   bytes_done = CASE WHEN i.status = 'complete' THEN 0 ELSE i.bytes_done END,
                   messages = CASE WHEN i.status = 'complete' THEN 0 ELSE i.messages END,
                   created = CASE WHEN i.status = 'complete' THEN 0 ELSE i.created END,
                   known = CASE WHEN i.status = 'complete' THEN 0 ELSE i.known END,
                   noted = CASE WHEN i.status = 'complete' THEN 0 ELSE i.noted END,
                   refused = CASE WHEN i.status = 'complete' THEN 0 ELSE i.refused END,
                   errors = CASE WHEN i.status = 'complete' THEN '[]' ELSE i.errors END
               WHERE i.user_id = $2 AND (i.status <> 'running' OR i.alive_until < $9)
               RETURNING i.id, i.user_id, i.status, i.source, i.name, i.format, i.folder,
                         i.upload AS "upload: Json<BlobRef>", i.bytes_total, i.bytes_done, i.messages, i.created, i.known,
                         i.noted, i.refused, i.errors AS "errors: Json<Vec<Problem>>", i.resume AS "resume: Json<Value>",
                         i.failure, i.created_at, i.updated_at, i.finished_at"#,
            wanted.id,
            wanted.user_id,
            wanted.name,
            wanted.format,
            wanted.folder,
            i64::try_from(wanted.bytes).unwrap_or(i64::MAX),
            worker,
            now + SILENCE,
            now
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("begin an import"))?;
        Ok(row.map(Import::from))
    }

    /// Takes the oldest upload that nobody works on. One that failed too often is given up on the way.
    pub async fn take(&self, worker: Uuid) -> Result<Option<Import>, Fault> {
        const ATTEMPT: &str = "take an import";
        let now = self.clock.now();
        sqlx::query!(
            "UPDATE work.imports SET status = 'failed', failure = 'interrupted', finished_at = $1, updated_at = $1,
                                     worker = NULL, alive_until = NULL
             WHERE source = 'upload' AND status = 'running' AND alive_until < $1 AND attempts >= $2",
            now,
            ATTEMPTS
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        let row = sqlx::query_as!(
            Row,
            r#"UPDATE work.imports
               SET status = 'running', worker = $1, alive_until = $2, attempts = attempts + 1, updated_at = $3
               WHERE id = (
                   SELECT id FROM work.imports
                   WHERE source = 'upload' AND (status = 'queued' OR (status = 'running' AND alive_until < $3))
                   ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING id, user_id, status, source, name, format, folder, upload AS "upload: Json<BlobRef>",
                         bytes_total, bytes_done, messages, created, known, noted, refused,
                         errors AS "errors: Json<Vec<Problem>>", resume AS "resume: Json<Value>", failure, created_at,
                         updated_at, finished_at"#,
            worker,
            now + SILENCE,
            now
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        Ok(row.map(Import::from))
    }

    /// Writes down how far the work is, once the facts up to there are in the log, and says whether to go on.
    pub async fn progress(&self, id: Uuid, worker: Uuid, progress: &Progress) -> Result<Going, Fault> {
        let Progress { bytes_done, counts, errors, resume } = progress;
        let now = self.clock.now();
        let cancel = sqlx::query_scalar!(
            "UPDATE work.imports
             SET bytes_done = $3, messages = $4, created = $5, known = $6, noted = $7, refused = $8, errors = $9,
                 resume = $10, alive_until = $11, updated_at = $12, attempts = 1
             WHERE id = $1 AND worker = $2 AND status = 'running' RETURNING cancel",
            id,
            worker,
            bytes_done,
            counts.messages,
            counts.created,
            counts.known,
            counts.noted,
            counts.refused,
            Json(errors) as _,
            resume.as_ref(),
            now + SILENCE,
            now
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("note the progress of an import"))?;
        Ok(match cancel {
            Some(false) => Going::On,
            Some(true) => Going::Cancelled,
            None => Going::Lost,
        })
    }

    /// It ends. `false` if it is somebody else's by now, or gone.
    pub async fn finish(&self, id: Uuid, worker: Uuid, end: End) -> Result<bool, Fault> {
        let (status, failure) = match end {
            End::Complete => ("complete", None),
            End::Cancelled => ("cancelled", None),
            End::Failed(code) => ("failed", Some(code)),
        };
        let done = sqlx::query!(
            "UPDATE work.imports
             SET status = $3, failure = $4, finished_at = $5, updated_at = $5, worker = NULL, alive_until = NULL,
                 bytes_done = CASE WHEN $3 = 'complete' THEN bytes_total ELSE bytes_done END
             WHERE id = $1 AND worker = $2 AND status = 'running'",
            id,
            worker,
            status,
            failure,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("end an import"))?;
        if done.rows_affected() == 1 {
            metrics::counter!("orbit_imports_total", "outcome" => status).increment(1);
        }
        Ok(done.rows_affected() == 1)
    }

    /// Gives the job back, for another worker to go on; or up, if that happened too often. One in a file waits for its
    /// command to be given again.
    pub async fn give_back(&self, id: Uuid, worker: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.imports
             SET status = CASE WHEN attempts >= $3 AND source = 'upload' THEN 'failed' ELSE 'queued' END,
                 failure = CASE WHEN attempts >= $3 AND source = 'upload' THEN 'interrupted' END,
                 finished_at = CASE WHEN attempts >= $3 AND source = 'upload' THEN $4::timestamptz END,
                 updated_at = $4, worker = NULL, alive_until = NULL
             WHERE id = $1 AND worker = $2 AND status = 'running'",
            id,
            worker,
            ATTEMPTS,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("give an import back"))?;
        metrics::counter!("orbit_imports_total", "outcome" => "interrupted").increment(1);
        Ok(())
    }

    /// Uploads that were worked off or given up, and whose bytes are still among the blobs: job, user, place.
    pub async fn worked_off(&self) -> Result<Vec<(Uuid, Uuid, BlobRef)>, Fault> {
        let rows = sqlx::query!(
            r#"SELECT id, user_id, upload AS "upload!: Json<BlobRef>" FROM work.imports
               WHERE upload IS NOT NULL AND status IN ('complete', 'failed', 'cancelled') ORDER BY updated_at LIMIT $1"#,
            WORKED_OFF
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("look for uploads that were worked off"))?;
        Ok(rows.into_iter().map(|row| (row.id, row.user_id, row.upload.0)).collect())
    }

    /// The bytes of a job are no longer among the blobs.
    pub async fn upload_is_gone(&self, id: Uuid) -> Result<(), Fault> {
        sqlx::query!("UPDATE work.imports SET upload = NULL WHERE id = $1", id)
            .execute(&self.pool)
            .await
            .map_err(Fault::database("note that an upload is gone"))?;
        Ok(())
    }
}
