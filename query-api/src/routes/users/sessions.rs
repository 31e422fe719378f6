//! Whether a login has ended, or the account was erased: its access tokens are refused then, though they have not expired.

use sqlx::PgConnection;
use uuid::Uuid;

/// Whether this login of this user has ended. One that is not in the read model yet has not.
pub async fn has_ended(db: &mut PgConnection, user_id: Uuid, login_id: Uuid) -> sqlx::Result<bool> {
    let ended = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users_removed r WHERE r.id = $2)
               OR EXISTS (SELECT FROM logins l WHERE l.id = $1 AND (l.ended_at IS NOT NULL OR l.user_id <> $2)) AS "ended!""#,
        login_id,
        user_id
    );
    ended.fetch_one(db).await
}
