//! Keeping book: how far each mailbox elsewhere is, and which message there is which e-mail here.
//!
//! Nothing of this is a fact: a complete pass makes it anew. In reading order: [`accounts`] (who keeps which account in
//! step) · [`folders`] · [`uids`] (messages there, e-mails here) · [`outbound`] (what was changed here and not there).

mod accounts;
mod folders;
mod outbound;
mod uids;

use sqlx::PgPool;
use uuid::Uuid;

pub(super) use accounts::{Account, Phase};
pub(super) use folders::{Cursor, Folder, Stage};
pub(super) use outbound::Changed;
pub(super) use uids::{Known, Seen};

/// The book of all accounts.
#[derive(Debug, Clone)]
pub(super) struct Book {
    pool: PgPool,
}

impl Book {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pages of one account.
    pub fn of(&self, connection_id: Uuid, user_id: Uuid) -> Pages {
        Pages { pool: self.pool.clone(), connection_id, user_id }
    }
}

/// What the book says of one account.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    pool: PgPool,
    pub connection_id: Uuid,
    pub user_id: Uuid,
}

/// The book could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{attempt}")]
pub(super) struct Fault {
    attempt: &'static str,
    #[source]
    source: sqlx::Error,
}

impl Fault {
    fn database(attempt: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self { attempt, source }
    }
}
