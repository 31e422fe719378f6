//! Rebuilds that were asked for: written down here by whoever may ask, taken up by a projector, looked at by anybody.

use chrono::{DateTime, Utc};
use orbit_platform::postgres::Pool;
use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Fault;

/// Most rebuilds in a list.
const LISTED: i64 = 100;

/// Why a rebuild is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A person asked.
    Asked,
    /// The code of a projection is newer than what is served.
    Version,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Version => "version",
        }
    }
}

/// A wish for a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Its id, a new one.
    pub id: Uuid,
    /// The projections to fill anew, together.
    pub projections: Vec<String>,
    /// How many workers, each with one batch that is made and one that is written.
    pub workers: i16,
    /// Whether a difference to what is served stops it before the swap.
    pub verify: bool,
    /// Why.
    pub reason: Reason,
    /// The user who asked, if one did.
    pub requested_by: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A rebuild as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rebuild {
    /// Its id.
    pub id: Uuid,
    /// The projections that it fills anew.
    pub projections: Vec<String>,
    /// How many workers, each with one batch that is made and one that is written.
    pub workers: i16,
    /// Whether a difference to what is served stops it before the swap.
    pub verify: bool,
    /// `asked` or `version`.
    pub reason: String,
    /// `queued`, `filling`, `indexing`, `comparing`, `swapping`; `complete`, `failed`, `cancelled`.
    pub state: String,
    /// Whether somebody wants it to stop.
    pub cancel: bool,
    /// Every fact up to here has been folded.
    pub position: i64,
    /// The position up to which the present step folds.
    pub target: i64,
    /// Facts applied, once for each projection that wants them.
    pub facts: i64,
    /// Tables that came out otherwise than they are served; null before they were compared.
    pub differences: Option<Json<serde_json::Value>>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it was begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was last heard of.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Those of these names that no projector has ever registered.
pub async fn unknown(pool: &Pool, projections: &[String]) -> Result<Vec<String>, Fault> {
    sqlx::query_scalar!(
        r#"SELECT w.name AS "name!" FROM unnest($1::text[]) AS w (name)
           WHERE NOT EXISTS (SELECT FROM view.projections p WHERE p.name = w.name)"#,
        projections
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("look up projections"))
}

/// Writes a wish down. A projector takes it up within seconds, when those before it are done. If the same is in line
/// already and not begun, nothing is written; returns the id of the one that will be done.
pub async fn request(pool: &Pool, wish: &Wish) -> Result<Uuid, Fault> {
    sqlx::query_scalar!(
        r#"WITH waiting AS (
               SELECT id FROM work.rebuilds
               WHERE finished_at IS NULL AND started_at IS NULL AND NOT cancel AND projections = $2 AND verify = $4
               ORDER BY requested_at, id LIMIT 1
           ), made AS (
               INSERT INTO work.rebuilds (id, projections, workers, verify, reason, requested_by, requested_at, updated_at)
               SELECT $1, $2, $3, $4, $5, $6, $7, $7 WHERE NOT EXISTS (SELECT FROM waiting) RETURNING id
           )
           SELECT id AS "id!" FROM waiting UNION ALL SELECT id FROM made LIMIT 1"#,
        wish.id,
        &wish.projections,
        wish.workers,
        wish.verify,
        wish.reason.name(),
        wish.requested_by,
        wish.at
    )
    .fetch_one(pool)
    .await
    .map_err(Fault::database("ask for a rebuild"))
}

/// Asks a rebuild to stop. `false` if it has ended, or there is none.
pub async fn cancel(pool: &Pool, id: Uuid, at: DateTime<Utc>) -> Result<bool, Fault> {
    let done = sqlx::query!(
        "UPDATE work.rebuilds SET cancel = true, updated_at = $2 WHERE id = $1 AND finished_at IS NULL",
        id,
        at
    )
    .execute(pool)
    .await
    .map_err(Fault::database("cancel a rebuild"))?;
    Ok(done.rows_affected() == 1)
}

/// One rebuild.
pub async fn find(pool: &Pool, id: Uuid) -> Result<Option<Rebuild>, Fault> {
    sqlx::query_as!(
        Rebuild,
        r#"SELECT id, projections, workers, verify, reason, state, cancel, position, target, facts,
                  differences AS "differences: Json<serde_json::Value>", error, requested_at, started_at, updated_at,
                  finished_at
           FROM work.rebuilds WHERE id = $1 LIMIT 1"#,
        id
    )
    .fetch_optional(pool)
    .await
    .map_err(Fault::database("look up a rebuild"))
}

/// The newest rebuilds, newest first.
pub async fn newest(pool: &Pool) -> Result<Vec<Rebuild>, Fault> {
    sqlx::query_as!(
        Rebuild,
        r#"SELECT id, projections, workers, verify, reason, state, cancel, position, target, facts,
                  differences AS "differences: Json<serde_json::Value>", error, requested_at, started_at, updated_at,
                  finished_at
           FROM work.rebuilds ORDER BY requested_at DESC, id DESC LIMIT $1"#,
        LISTED
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("list rebuilds"))
}
