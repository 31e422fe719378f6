//! Keeping book: how far each mailbox elsewhere is, and which message there is which e-mail here.
//!
//! Nothing of this is a fact: a complete pass makes it anew, but for what is missing or still to be told. In reading order:
//! [`accounts`] (who keeps which account in step) · [`folders`] · [`uids`] (messages there, e-mails here) · [`outbound`]
//! (what was changed here and not there).

mod accounts;
mod folders;
mod outbound;
mod uids;

use chrono::{DateTime, Utc};
use orbit_platform::postgres::Pool;
use uuid::Uuid;

use crate::work::Fault;

pub(super) use accounts::{Account, Phase};
pub(super) use folders::{Cursor, Folder, Stage};
pub(super) use outbound::Changed;
pub(super) use uids::{Known, Seen};

/// The book of all accounts.
#[derive(Debug, Clone)]
pub(super) struct Book {
    pool: Pool,
}

impl Book {
    pub fn new(pool: Pool) -> Self {
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
    pool: Pool,
    pub connection_id: Uuid,
    pub user_id: Uuid,
}

/// How something failed, for its user: no secret, and nothing of what is in e-mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// A stable name.
    pub code: &'static str,
    /// One sentence.
    pub detail: &'static str,
    pub at: DateTime<Utc>,
    /// When it is tried again; `None`: not before the account's settings change.
    pub next_try_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use orbit_events::{FolderId, emails::Role};

    use super::*;

    #[tokio::test]
    async fn of_an_account_that_is_gone_nothing_is_noted() {
        let database = orbit_testing::database().await;
        let pool = database.pool();
        let pages = Book::new(pool.into()).of(Uuid::from_u128(1), Uuid::from_u128(2));
        let folder = FolderId(Uuid::from_u128(3));
        let seen = [Seen { uid: 7, email_id: Uuid::from_u128(4), flags: None, keywords: vec![] }];
        let noted = async || {
            pages.folder_is_there(folder, b"INBOX", Role::Inbox).await.unwrap();
            pages.are_there(folder, &seen).await.unwrap();
            (pages.folders().await.unwrap().len(), pages.known(folder).await.unwrap().len())
        };
        assert_eq!(noted().await, (0, 0));
        sqlx::query(
            "INSERT INTO work.mail_accounts (connection_id, user_id, settings, phase) VALUES ($1, $2, 1, 'waiting')",
        )
        .bind(pages.connection_id)
        .bind(pages.user_id)
        .execute(pool)
        .await
        .unwrap();
        assert_eq!(noted().await, (1, 1));
    }

    #[tokio::test]
    async fn what_was_moved_lies_elsewhere_with_its_flags() {
        let database = orbit_testing::database().await;
        let pages = Book::new(database.pool().into()).of(Uuid::from_u128(1), Uuid::from_u128(2));
        let (from, to) = (FolderId(Uuid::from_u128(3)), FolderId(Uuid::from_u128(5)));
        let account =
            "INSERT INTO work.mail_accounts (connection_id, user_id, settings, phase) VALUES ($1, $2, 1, 'waiting')";
        let inserted = sqlx::query(account).bind(pages.connection_id).bind(pages.user_id);
        inserted.execute(database.pool()).await.unwrap();
        let seen = |uid| Seen { uid, email_id: Uuid::from_u128(4), flags: Some(1), keywords: vec!["work".to_owned()] };
        pages.folder_is_there(from, b"INBOX", Role::Inbox).await.unwrap();
        pages.folder_is_there(to, b"Archive", Role::Archive).await.unwrap();
        pages.are_there(from, &[seen(7)]).await.unwrap();
        // Already there under that number, as something else: what was moved is what is there now.
        pages
            .are_there(to, &[Seen { email_id: Uuid::from_u128(6), flags: None, keywords: vec![], ..seen(9) }])
            .await
            .unwrap();
        pages.has_moved((from, 7), (to, 9)).await.unwrap();
        assert_eq!(pages.places(Uuid::from_u128(4)).await.unwrap(), [(to, seen(9))]);
        assert_eq!(pages.places(Uuid::from_u128(6)).await.unwrap(), []);
        // What is not where it is said to be is not moved.
        pages.has_moved((from, 7), (to, 10)).await.unwrap();
        assert_eq!(pages.known(to).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_under_way_where_a_worker_begins_with_an_account_or_leaves_it() {
        let database = orbit_testing::database().await;
        let pages = Book::new(database.pool().into()).of(Uuid::from_u128(1), Uuid::from_u128(2));
        let rows = "WITH a AS (INSERT INTO work.mail_accounts (connection_id, user_id, settings, phase, worker)
                               VALUES ($1, $2, 1, 'syncing', $3))
                    INSERT INTO work.mail_folders (folder_id, connection_id, user_id, path, role, phase, done, total)
                    SELECT gen_random_uuid(), $1, $2, p::bytea, 'other', p, 1, 2
                    FROM unnest(ARRAY['waiting', 'rematching', 'comparing', 'fetching', 'idle', 'failed']) AS p";
        let worker = Uuid::from_u128(3);
        let inserted = sqlx::query(rows).bind(pages.connection_id).bind(pages.user_id).bind(worker);
        inserted.execute(database.pool()).await.unwrap();
        let phases = async || -> Vec<String> {
            let sql = "SELECT convert_from(path, 'UTF8') || ' ' || phase FROM work.mail_folders ORDER BY path";
            sqlx::query_scalar(sql).fetch_all(database.pool()).await.unwrap()
        };
        let before = phases().await;
        pages.none_is_under_way(Uuid::from_u128(4)).await.unwrap();
        assert_eq!(phases().await, before, "another worker has the account");
        pages.none_is_under_way(worker).await.unwrap();
        let expected = [
            "comparing waiting",
            "failed failed",
            "fetching waiting",
            "idle idle",
            "rematching waiting",
            "waiting waiting",
        ];
        assert_eq!(phases().await, expected);
    }
}
