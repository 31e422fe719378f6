//! Mailboxes elsewhere: nothing but forgetting what is kept of them. How they are kept in step is the matter of the reactor.

use orbit_platform::postgres::Pool;
use uuid::Uuid;

use crate::Fault;

/// Deletes all that is written down of the mailboxes of a user who is being forgotten: the names of folders, which
/// message is which e-mail, and which copies are owed. Their accounts first: whoever is noting something of one then waits, and finds it gone.
pub(crate) async fn forget(pool: &Pool, user: Uuid) -> Result<(), Fault> {
    for statement in [
        "DELETE FROM work.mail_accounts WHERE user_id = $1",
        "DELETE FROM work.mail_folders WHERE user_id = $1",
        "DELETE FROM work.mail_uids WHERE user_id = $1",
        "DELETE FROM work.mail_missing WHERE user_id = $1",
        "DELETE FROM work.mail_outbound WHERE user_id = $1",
        "DELETE FROM work.mail_copies WHERE user_id = $1",
    ] {
        let deleted = sqlx::query(statement).bind(user).execute(pool).await;
        deleted.map_err(Fault::database("forget a user's mailboxes"))?;
    }
    Ok(())
}
