//! Whether a login has ended: its access tokens are refused then, though they have not expired.

use sqlx::PgConnection;
use uuid::Uuid;

/// Whether this login of this user has ended. One that is not in the read model yet has not.
pub async fn has_ended(db: &mut PgConnection, user_id: Uuid, login_id: Uuid) -> sqlx::Result<bool> {
    let ended = sqlx::query_scalar!(
        r#"SELECT l.ended_at IS NOT NULL OR l.user_id <> $2 AS "ended!" FROM logins l WHERE l.id = $1 LIMIT 1"#,
        login_id,
        user_id
    );
    Ok(ended.fetch_optional(db).await?.unwrap_or(false))
}
