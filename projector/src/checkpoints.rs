//! How far the projections are, for `orbit doctor`.

use sqlx::PgPool;

use crate::runner::Fault;

/// How far a projection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub projection: String,
    /// How many partitions it has begun.
    pub partitions: i64,
    /// The checkpoint of the hindmost one: every fact up to here is in the read model, or parked.
    pub position: i64,
}

/// How far every projection that has begun is, by name.
pub async fn standings(pool: &PgPool) -> Result<Vec<Standing>, Fault> {
    sqlx::query_as!(
        Standing,
        r#"SELECT projection, count(*) AS "partitions!", min(position) AS "position!"
           FROM checkpoints GROUP BY projection ORDER BY projection LIMIT 1000"#
    )
    .fetch_all(pool)
    .await
    .map_err(Fault::database("read how far the projections are"))
}
