//! The users projection: accounts, devices, API tokens, connections to accounts elsewhere.

mod account;
mod api_token;
mod connection;
mod login;

use orbit_events::Recorded;
use sqlx::PgConnection;
use uuid::Uuid;

use super::rows::{self, Gone, Removed, Row as _, column};
use crate::projection::{ApplyFault, Interest, Projection};

/// Folds facts about users and what they log in with. No secret, nor a hash of one, reaches its tables.
pub struct Users;

impl Projection for Users {
    const NAME: &'static str = "users";
    const VERSION: i32 = 1;
    const INTEREST: Interest =
        Interest::Some { categories: &["users", "logins", "api_tokens", "connections"], types: &[] };
    const TABLES: &'static [&'static str] = &["users", "logins", "api_tokens", "connections", "users_removed"];

    async fn apply(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<(), ApplyFault> {
        let erased = rows::erased(facts);
        let mut removed = find_removed(connection, facts).await?;
        removed.extend(erased.iter().map(|user| (user.id, user.version)));
        let facts: Vec<&Recorded> =
            facts.iter().filter(|fact| !removed.contains_key(&fact.envelope.user_id.0)).copied().collect();

        let accounts = rows::fold::<account::Row>(connection, &facts, &removed).await?;
        let logins = rows::fold::<login::Row>(connection, &facts, &removed).await?;
        let tokens = rows::fold::<api_token::Row>(connection, &facts, &removed).await?;
        let connections = rows::fold::<connection::Row>(connection, &facts, &removed).await?;

        disconnect(connection, &connections.gone).await?;
        account::store(connection, &accounts.into_rows()).await?;
        login::store(connection, &logins.into_rows()).await?;
        api_token::store(connection, &tokens.into_rows()).await?;
        connection::store(connection, &connections.into_rows()).await?;
        erase(connection, &erased).await
    }
}

/// Those of the users and connections that these facts speak of that are no more.
async fn find_removed(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<Removed, ApplyFault> {
    let mut ids = rows::users(facts);
    let connections = facts.iter().filter(|fact| fact.event().and_then(connection::Row::pick).is_some());
    ids.extend(connections.map(|fact| fact.envelope.stream_id));
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query!("SELECT id, version FROM users_removed WHERE id = ANY($1)", &ids)
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("look for who was erased"))?;
    Ok(rows.into_iter().map(|row| (row.id, row.version)).collect())
}

async fn remember(connection: &mut PgConnection, gone: &[Gone]) -> Result<(), ApplyFault> {
    sqlx::query!(
        "INSERT INTO users_removed (id, user_id, version) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
         ON CONFLICT (id) DO UPDATE SET version = greatest(users_removed.version, excluded.version)",
        &column(gone, |g| g.id),
        &column(gone, |g| g.user_id),
        &column(gone, |g| g.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("remember who was erased"))?;
    Ok(())
}

async fn disconnect(connection: &mut PgConnection, gone: &[Gone]) -> Result<(), ApplyFault> {
    if gone.is_empty() {
        return Ok(());
    }
    let ids = rows::ids(gone);
    sqlx::query!("DELETE FROM connections WHERE id = ANY($1)", &ids)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("remove connections"))?;
    remember(connection, gone).await
}

/// Removes all that users had who are to be forgotten.
async fn erase(connection: &mut PgConnection, erased: &[Gone]) -> Result<(), ApplyFault> {
    if erased.is_empty() {
        return Ok(());
    }
    let users = rows::ids(erased);
    sqlx::query!("DELETE FROM users WHERE id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user"))?;
    sqlx::query!("DELETE FROM logins WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's devices"))?;
    sqlx::query!("DELETE FROM api_tokens WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's API tokens"))?;
    sqlx::query!("DELETE FROM connections WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's connections"))?;
    sqlx::query!("DELETE FROM users_removed WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("forget what a user had removed"))?;
    remember(connection, erased).await
}
