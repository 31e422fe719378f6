//! Idempotency keys: the same key and request give the same answer, the same key with another request is refused.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orbit_platform::postgres::Pool;
use uuid::Uuid;

use crate::{Fault, Vault};

/// How long an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// 24 hours.
    #[default]
    Day,
    /// 7 days: for what must never happen twice, such as sending mail.
    Week,
}

impl Keep {
    /// As a duration.
    pub fn duration(self) -> Duration {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
        };
        Duration::from_hours(24 * days)
    }
}

/// A request that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose key it is: the user, or an id derived from whom the request is about.
    pub scope: Uuid,
    /// The client's key.
    pub key: String,
    /// SHA-256 of method, path and body: what "the same request" means.
    pub fingerprint: [u8; 32],
    /// How long the answer is kept.
    pub keep: Keep,
}

/// An answer given before.
pub(crate) struct Given {
    pub answer: Vec<u8>,
    pub position: i64,
}

/// The answer already given to this request; [`Fault::KeyReused`] if the key was used for another one.
pub(crate) async fn given(
    pool: &Pool,
    vault: &Vault,
    request: &Idempotency,
    now: DateTime<Utc>,
) -> Result<Option<Given>, Fault> {
    let row = sqlx::query!(
        "SELECT fingerprint, outcome, position FROM log.commands
         WHERE scope = $1 AND idempotency_key = $2 AND expires_at > $3 LIMIT 1",
        request.scope,
        request.key,
        now
    )
    .fetch_optional(pool)
    .await
    .map_err(Fault::database("look up an idempotency key"))?;
    let Some(row) = row else { return Ok(None) };
    if row.fingerprint != request.fingerprint {
        return Err(Fault::KeyReused);
    }
    let answer = vault.open_answer(request.scope, &request.key, &row.outcome).await?;
    Ok(Some(Given { answer, position: row.position }))
}

/// Deletes expired answers, at most 10,000 at a time.
pub(crate) async fn sweep(pool: &Pool, now: DateTime<Utc>) -> Result<u64, Fault> {
    let done = sqlx::query!(
        "DELETE FROM log.commands WHERE ctid = ANY(ARRAY(
             SELECT ctid FROM log.commands WHERE expires_at <= $1 ORDER BY expires_at LIMIT 10000))",
        now
    )
    .execute(pool)
    .await
    .map_err(Fault::database("sweep expired answers"))?;
    Ok(done.rows_affected())
}

/// Deletes all kept answers of a user who is being forgotten.
pub(crate) async fn forget(pool: &Pool, scope: Uuid) -> Result<(), Fault> {
    sqlx::query!("DELETE FROM log.commands WHERE scope = $1", scope)
        .execute(pool)
        .await
        .map_err(Fault::database("forget kept answers"))?;
    Ok(())
}
