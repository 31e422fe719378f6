//! What is no more: deleted e-mails, folders, uploads, and users who are to be forgotten.

use orbit_events::Recorded;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{attachment, email, folder};
use crate::{
    projection::ApplyFault,
    projections::rows::{self, Gone, Removed, Row as _, column},
};

/// Those of the e-mails, folders, uploads and users that these facts speak of that are no more.
pub(super) async fn find(connection: &mut PgConnection, facts: &[&Recorded]) -> Result<Removed, ApplyFault> {
    let mut ids = rows::users(facts);
    let ends = facts.iter().filter(|fact| {
        fact.event().is_some_and(|event| {
            email::Row::pick(event).is_some()
                || folder::Row::pick(event).is_some()
                || attachment::Row::pick(event).is_some()
        })
    });
    ids.extend(ends.map(|fact| fact.envelope.stream_id));
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows = sqlx::query!("SELECT id, version FROM emails_removed WHERE id = ANY($1)", &ids)
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("look for what was deleted"))?;
    Ok(rows.into_iter().map(|row| (row.id, row.version)).collect())
}

/// Removes folders and uploads, and remembers what is gone.
pub(super) async fn remove(
    connection: &mut PgConnection,
    emails: &[Gone],
    folders: &[Gone],
    uploads: &[Gone],
) -> Result<(), ApplyFault> {
    if !folders.is_empty() {
        sqlx::query!("DELETE FROM email_folders WHERE id = ANY($1)", &rows::ids(folders))
            .execute(&mut *connection)
            .await
            .map_err(ApplyFault::database("remove folders"))?;
    }
    if !uploads.is_empty() {
        sqlx::query!("DELETE FROM email_uploads WHERE id = ANY($1)", &rows::ids(uploads))
            .execute(&mut *connection)
            .await
            .map_err(ApplyFault::database("remove uploads"))?;
    }
    remember(connection, &[emails, folders, uploads].concat()).await
}

async fn remember(connection: &mut PgConnection, gone: &[Gone]) -> Result<(), ApplyFault> {
    if gone.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO emails_removed (id, user_id, version) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
         ON CONFLICT (id) DO UPDATE SET version = greatest(emails_removed.version, excluded.version)",
        &column(gone, |g| g.id),
        &column(gone, |g| g.user_id),
        &column(gone, |g| g.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("remember what was deleted"))?;
    Ok(())
}

/// Removes all that users had who are to be forgotten. Links have no index by user: they are found by the e-mails that
/// there are and that were deleted.
pub(super) async fn erase(connection: &mut PgConnection, erased: &[Gone]) -> Result<(), ApplyFault> {
    if erased.is_empty() {
        return Ok(());
    }
    let users = rows::ids(erased);
    sqlx::query!("DELETE FROM email_words WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase words of a user's e-mails"))?;
    sqlx::query!("DELETE FROM email_phrases WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase phrases of a user's e-mails"))?;
    sqlx::query!("DELETE FROM email_links l USING emails e WHERE e.user_id = ANY($1) AND l.email_id = e.id", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase what linked a user's e-mails"))?;
    sqlx::query!(
        "DELETE FROM email_links l USING emails_removed r WHERE r.user_id = ANY($1) AND l.email_id = r.id",
        &users
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("erase what linked a user's deleted e-mails"))?;
    sqlx::query!("DELETE FROM emails WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's e-mails"))?;
    sqlx::query!("DELETE FROM email_labels WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase labels of a user's e-mails"))?;
    sqlx::query!("DELETE FROM email_languages WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's languages"))?;
    sqlx::query!("DELETE FROM email_counts WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase counts of a user's e-mails"))?;
    sqlx::query!("DELETE FROM email_nodes WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase message ids of a user's e-mails"))?;
    sqlx::query!("DELETE FROM email_decisions WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's decisions about threads"))?;
    sqlx::query!("DELETE FROM email_threads WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's threads"))?;
    sqlx::query!("DELETE FROM email_folders WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's folders"))?;
    sqlx::query!("DELETE FROM email_drafts WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's drafts"))?;
    sqlx::query!("DELETE FROM email_submissions WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's submissions"))?;
    sqlx::query!("DELETE FROM email_uploads WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("erase a user's uploads"))?;
    sqlx::query!("DELETE FROM emails_removed WHERE user_id = ANY($1)", &users)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("forget what a user had deleted"))?;
    remember(connection, erased).await
}
