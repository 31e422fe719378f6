//! What was changed here and is not changed there yet.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Fault, Pages};
use crate::sync::reaction::NAME;

/// Changes that one server refuses again and again are given up after so many tries.
const ATTEMPTS: i32 = 5;

/// An e-mail that was changed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) struct Changed {
    pub email_id: Uuid,
    /// Position of the newest change that is known.
    pub position: i64,
}

impl Pages {
    /// Up to which position it is known what was changed here.
    pub async fn known_up_to(&self) -> Result<i64, Fault> {
        sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM work.reactions WHERE name = $1")
            .bind(NAME)
            .fetch_one(&self.pool)
            .await
            .map_err(Fault::database("ask up to where the log was read"))
    }

    /// E-mails that were changed here, those first that wait longest, at most `limit`.
    pub async fn changed(&self, limit: i64) -> Result<Vec<Changed>, Fault> {
        sqlx::query_as!(
            Changed,
            "SELECT email_id, position FROM work.mail_outbound WHERE connection_id = $1
             ORDER BY attempts, position LIMIT $2",
            self.connection_id,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("list what was changed here"))
    }

    /// Those of these e-mails that were changed here: what the server says of them is older than that.
    pub async fn changed_of(&self, emails: &[Uuid]) -> Result<HashSet<Uuid>, Fault> {
        let changed = sqlx::query_scalar!(
            "SELECT email_id FROM work.mail_outbound WHERE connection_id = $1 AND email_id = ANY($2)",
            self.connection_id,
            emails
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("ask which of some were changed here"))?;
        Ok(changed.into_iter().collect())
    }

    /// These e-mails were changed here, nobody knows when.
    pub async fn are_changed(&self, emails: &[Uuid]) -> Result<(), Fault> {
        sqlx::query!(
            "INSERT INTO work.mail_outbound (connection_id, email_id, user_id, position)
             SELECT $1, unnest($3::uuid[]), $2, 0 ON CONFLICT DO NOTHING",
            self.connection_id,
            self.user_id,
            emails
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note what was changed here"))?;
        Ok(())
    }

    /// The server has it as it was here at that position.
    pub async fn was_told(&self, changed: &Changed) -> Result<(), Fault> {
        sqlx::query!(
            "DELETE FROM work.mail_outbound WHERE connection_id = $1 AND email_id = $2 AND position <= $3",
            self.connection_id,
            changed.email_id,
            changed.position
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that the server was told"))?;
        Ok(())
    }

    /// The server refused it. Says whether it is given up.
    pub async fn was_refused(&self, changed: &Changed) -> Result<bool, Fault> {
        let attempts = sqlx::query_scalar!(
            "UPDATE work.mail_outbound SET attempts = attempts + 1 WHERE connection_id = $1 AND email_id = $2
             RETURNING attempts",
            self.connection_id,
            changed.email_id
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("note that the server refused a change"))?;
        let given_up = attempts.is_some_and(|attempts| attempts >= ATTEMPTS);
        if given_up {
            self.was_told(changed).await?;
        }
        Ok(given_up)
    }
}
