//! How far a projection has come, for reads that wait.

use sqlx::PgConnection;

/// The checkpoint of a projection's partition; 0 if it has not begun.
pub async fn position(db: &mut PgConnection, projection: &str, partition: i16) -> sqlx::Result<i64> {
    let row = sqlx::query_scalar!(
        "SELECT position FROM checkpoints WHERE projection = $1 AND partition = $2 LIMIT 1",
        projection,
        partition
    );
    Ok(row.fetch_optional(db).await?.unwrap_or(0))
}

/// How many partitions the log has.
pub async fn partitions(db: &mut PgConnection) -> sqlx::Result<i16> {
    sqlx::query_scalar!("SELECT partitions FROM log.head LIMIT 1").fetch_one(db).await
}
