//! Keeping book of the copies that are still to be laid among what was sent.
//!
//! No fact: that a message was sent is one, and a copy can be looked for. Only that there is something to look for must not
//! be lost, so it is written down before the message leaves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orbit_events::UserId;
use orbit_platform::postgres::Pool;
use uuid::Uuid;

use crate::work::Fault;

/// For how long whoever lays a copy has it to himself.
pub(super) const LEASE: Duration = Duration::from_mins(10);

/// The book of copies.
#[derive(Debug, Clone)]
pub(super) struct Owed {
    pool: Pool,
}

/// A copy that is to be laid, and that a worker has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copy {
    pub submission_id: Uuid,
    /// How often it was asked for: sending was begun, or the account was given other settings.
    pub asked: i32,
    /// When sending was last begun.
    pub since: DateTime<Utc>,
    /// How often laying it failed.
    pub attempts: i32,
}

impl Owed {
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// A message is about to be sent: should that succeed, a copy is owed. Nobody looks before `until`, unless
    /// [it is said](Self::is_due) that it did, maybe by somebody who was faster.
    pub async fn owe(
        &self,
        submission: Uuid,
        user: UserId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<(), Fault> {
        sqlx::query!(
            "INSERT INTO work.mail_copies AS c (submission_id, user_id, since, next_try_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (submission_id) DO UPDATE
                 SET asked = c.asked + 1, since = excluded.since, attempts = 0,
                     next_try_at = least(c.next_try_at, excluded.next_try_at)",
            submission,
            user.0,
            now,
            until
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that a copy is owed"))?;
        Ok(())
    }

    /// Somebody has got the message.
    pub async fn is_due(&self, submission: Uuid, now: DateTime<Utc>) -> Result<(), Fault> {
        sqlx::query!("UPDATE work.mail_copies SET next_try_at = $2 WHERE submission_id = $1", submission, now)
            .execute(&self.pool)
            .await
            .map_err(Fault::database("note that a copy is due"))?;
        Ok(())
    }

    /// Copies that are due and that nobody lays, at most `limit`; `worker` does from now on.
    pub async fn take(&self, worker: Uuid, now: DateTime<Utc>, limit: i64) -> Result<Vec<Copy>, Fault> {
        // Without the locks two workers would lay the same copy; whoever skips one looks again soon.
        sqlx::query_as!(
            Copy,
            "UPDATE work.mail_copies SET worker = $1, alive_until = $3
             WHERE submission_id IN (
                 SELECT submission_id FROM work.mail_copies
                 WHERE next_try_at <= $2 AND (worker IS NULL OR alive_until < $2)
                 ORDER BY next_try_at, submission_id LIMIT $4 FOR UPDATE SKIP LOCKED)
             RETURNING submission_id, asked, since, attempts",
            worker,
            now,
            now + LEASE,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("take copies"))
    }

    /// Nothing is owed any more, unless it was asked for again meanwhile.
    pub async fn settle(&self, worker: Uuid, copy: &Copy) -> Result<(), Fault> {
        let settled = sqlx::query!(
            "DELETE FROM work.mail_copies WHERE submission_id = $1 AND worker = $2 AND asked = $3",
            copy.submission_id,
            worker,
            copy.asked
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that a copy is there"))?;
        if settled.rows_affected() == 0 {
            sqlx::query!(
                "UPDATE work.mail_copies SET worker = NULL WHERE submission_id = $1 AND worker = $2",
                copy.submission_id,
                worker
            )
            .execute(&self.pool)
            .await
            .map_err(Fault::database("give a copy back"))?;
        }
        Ok(())
    }

    /// It is to be tried again then, or before if it was asked for again meanwhile; after so many failures, the last of
    /// which has this name.
    pub async fn put_off(
        &self,
        worker: Uuid,
        copy: &Copy,
        until: DateTime<Utc>,
        attempts: i32,
        error_code: Option<&str>,
    ) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_copies
             SET worker = NULL, attempts = $5, error_code = $6,
                 next_try_at = CASE WHEN asked = $3 THEN $4 ELSE next_try_at END
             WHERE submission_id = $1 AND worker = $2",
            copy.submission_id,
            worker,
            copy.asked,
            until,
            attempts,
            error_code
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("put a copy off"))?;
        Ok(())
    }
}
