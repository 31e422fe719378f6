//! The end of the log, for those who follow it.

use sqlx::PgConnection;
use uuid::Uuid;

/// The position of the newest fact; 0 if there is none.
pub async fn head(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!("SELECT position FROM log.head LIMIT 1").fetch_one(db).await
}

/// Whose facts lie between two positions (`after < position <= upto`), at most `limit` users.
pub async fn users_between(db: &mut PgConnection, after: i64, upto: i64, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    let users = sqlx::query_scalar!(
        "SELECT DISTINCT user_id FROM log.events WHERE position > $1 AND position <= $2 ORDER BY user_id LIMIT $3",
        after,
        upto,
        limit
    );
    users.fetch_all(db).await
}
