//! Failed logins: five in a window lock an account for one address. Shared by all processes, so it lies in the database.

use std::time::Duration;

use chrono::TimeDelta;
use orbit_platform::{clock::Clock, postgres::Pool};
use sqlx::PgConnection;

use crate::{Fault, Vault};

const MOST: i64 = 5;
const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// Counts failed logins per account and address.
#[derive(Clone)]
pub struct Attempts {
    pool: Pool,
    vault: Vault,
    clock: Clock,
}

/// An account is locked for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// For how long yet.
    pub remaining: Duration,
}

impl Attempts {
    pub(crate) fn new(pool: Pool, vault: Vault, clock: Clock) -> Self {
        Self { pool, vault, clock }
    }

    /// Whether the pair is locked: five failures within 15 minutes lock it until 15 minutes after the last.
    pub async fn locked(&self, account: &str, address: &str) -> Result<Option<Lock>, Fault> {
        let mut connection = self.pool.acquire().await.map_err(Fault::database("connect to count failed logins"))?;
        self.lock_of(&mut connection, &self.key(account, address)).await
    }

    async fn lock_of(&self, connection: &mut PgConnection, key: &[u8]) -> Result<Option<Lock>, Fault> {
        let now = self.clock.now();
        let row = sqlx::query!(
            r#"SELECT count(*) AS "failures!", min(failed_at) AS first, max(failed_at) AS last
               FROM (SELECT failed_at FROM log.failed_logins WHERE key = $1 AND failed_at > $2
                     ORDER BY failed_at DESC LIMIT $3) AS newest"#,
            key,
            // The first of the five may be a window older than the last, which locks for another one.
            now - WINDOW * 2,
            MOST
        )
        .fetch_one(connection)
        .await
        .map_err(Fault::database("count failed logins"))?;
        let (Some(first), Some(last)) = (row.first, row.last) else { return Ok(None) };
        if row.failures < MOST || last - first >= WINDOW {
            return Ok(None);
        }
        let remaining = (last + WINDOW - now).to_std().ok().filter(|remaining| !remaining.is_zero());
        Ok(remaining.map(|remaining| Lock { remaining }))
    }

    /// Notes a failure, unless others have locked the pair meanwhile: then it was one too many, and is not to be told
    /// that it was a failure.
    pub async fn failed(&self, account: &str, address: &str) -> Result<Option<Lock>, Fault> {
        const ATTEMPT: &str = "note a failed login";
        let key = self.key(account, address);
        let mut transaction = self.pool.begin().await.map_err(Fault::database(ATTEMPT))?;
        // One at a time per pair: failures that come side by side would not see each other, and none be the sixth.
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))", key)
            .execute(&mut *transaction)
            .await
            .map_err(Fault::database(ATTEMPT))?;
        if let Some(lock) = self.lock_of(&mut transaction, &key).await? {
            return Ok(Some(lock));
        }
        sqlx::query!("INSERT INTO log.failed_logins (key, failed_at) VALUES ($1, $2)", key, self.clock.now())
            .execute(&mut *transaction)
            .await
            .map_err(Fault::database(ATTEMPT))?;
        transaction.commit().await.map_err(Fault::database(ATTEMPT))?;
        Ok(None)
    }

    /// Forgets the failures of a pair: it has logged in.
    pub async fn succeeded(&self, account: &str, address: &str) -> Result<(), Fault> {
        sqlx::query!("DELETE FROM log.failed_logins WHERE key = $1", self.key(account, address))
            .execute(&self.pool)
            .await
            .map_err(Fault::database("forget failed logins"))?;
        Ok(())
    }

    /// Deletes failures that no longer count.
    pub(crate) async fn sweep(&self) -> Result<(), Fault> {
        sqlx::query!("DELETE FROM log.failed_logins WHERE failed_at < $1", self.clock.now() - WINDOW * 2)
            .execute(&self.pool)
            .await
            .map_err(Fault::database("sweep failed logins"))?;
        Ok(())
    }

    fn key(&self, account: &str, address: &str) -> Vec<u8> {
        self.vault.hash("failed logins", format!("{account}\0{address}").as_bytes()).to_vec()
    }
}
