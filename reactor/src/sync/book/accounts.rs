//! Accounts: which there are, who keeps each in step, and how it went.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orbit_platform::clock::Clock;
use uuid::Uuid;

use super::{Book, Failure, Fault, Pages};

/// An account that a worker has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) struct Account {
    pub connection_id: Uuid,
    pub user_id: Uuid,
    /// Version of the connection whose settings it is taken with.
    pub settings: i64,
}

/// What is done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum Phase {
    /// It is compared with what is here.
    Syncing,
    /// Whatever happens there is told at once, or found by the next pass.
    Watching,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Syncing => "syncing",
            Self::Watching => "watching",
        }
    }
}

/// For how long a worker has an account without saying that it is alive.
pub(in crate::sync) const LEASE: Duration = Duration::from_mins(1);

impl Book {
    /// Accounts that are due and that nobody keeps in step, at most `limit`; `worker` does from now on.
    pub async fn take(&self, worker: Uuid, clock: &Clock, limit: i64) -> Result<Vec<Account>, Fault> {
        let now = clock.now();
        sqlx::query_as!(
            Account,
            "UPDATE work.mail_accounts SET worker = $1, alive_until = $3, phase = 'syncing'
             WHERE connection_id IN (
                 SELECT connection_id FROM work.mail_accounts
                 WHERE next_try_at <= $2 AND (worker IS NULL OR alive_until < $2)
                 ORDER BY next_try_at LIMIT $4 FOR UPDATE SKIP LOCKED)
             RETURNING connection_id, user_id, settings",
            worker,
            now,
            now + LEASE,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("take accounts"))
    }
}

impl Pages {
    /// Says that the worker is alive; `false` if the account is another's by now, or was given other settings.
    pub async fn keep(&self, account: &Account, worker: Uuid, clock: &Clock) -> Result<bool, Fault> {
        let kept = sqlx::query!(
            "UPDATE work.mail_accounts SET alive_until = $4
             WHERE connection_id = $1 AND worker = $2 AND settings = $3",
            self.connection_id,
            worker,
            account.settings,
            clock.now() + LEASE
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("keep an account"))?;
        Ok(kept.rows_affected() > 0)
    }

    /// Writes down what is done.
    pub async fn phase(&self, phase: Phase) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_accounts SET phase = $2 WHERE connection_id = $1",
            self.connection_id,
            phase.name()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note what is done with an account"))?;
        Ok(())
    }

    /// A pass over all of it went through.
    pub async fn succeeded(&self, at: DateTime<Utc>) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_accounts
             SET failures = 0, error_code = NULL, error_detail = NULL, error_at = NULL, synced_at = $2
             WHERE connection_id = $1",
            self.connection_id,
            at
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that an account is in step"))?;
        Ok(())
    }

    /// How often it failed in a row.
    pub async fn failures(&self) -> Result<i32, Fault> {
        let failures =
            sqlx::query_scalar!("SELECT failures FROM work.mail_accounts WHERE connection_id = $1", self.connection_id)
                .fetch_optional(&self.pool)
                .await
                .map_err(Fault::database("ask how often an account failed"))?;
        Ok(failures.unwrap_or(0))
    }

    /// It failed so often in a row.
    pub async fn failed(&self, account: &Account, failures: i32, failure: &Failure) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_accounts
             SET phase = 'failed', failures = $3, error_code = $4, error_detail = $5, error_at = $6, next_try_at = $7,
                 worker = NULL
             WHERE connection_id = $1 AND settings = $2",
            self.connection_id,
            account.settings,
            failures,
            failure.code,
            failure.detail,
            failure.at,
            failure.next_try_at
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that an account failed"))?;
        Ok(())
    }

    /// Gives it back: whoever looks next takes it.
    pub async fn give_back(&self, worker: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_accounts SET worker = NULL, phase = 'waiting' WHERE connection_id = $1 AND worker = $2",
            self.connection_id,
            worker
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("give an account back"))?;
        Ok(())
    }
}
