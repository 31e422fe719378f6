//! Folders: which there are, and how far each is.

use chrono::{DateTime, Utc};
use orbit_events::{FolderId, emails::Role};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Failure, Fault, Pages};

/// A folder there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sync) struct Folder {
    pub id: FolderId,
    /// As the server spells it.
    pub path: Vec<u8>,
    pub role: Role,
    /// What is known of it.
    pub cursor: Cursor,
    /// In how many passes in a row the server did not list it.
    pub missed: i32,
}

/// How far a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) struct Cursor {
    /// Under which UIDs are known; none before the first pass.
    pub uid_validity: Option<u32>,
    /// All below this is taken in.
    pub uid_next: u32,
    /// The state that is known, where the server keeps one.
    pub modseq: Option<u64>,
}

/// What is done with a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum Stage {
    /// Its messages are numbered anew, and found again.
    Rematching,
    /// New messages are fetched.
    Fetching,
    /// Flags are compared, and what went is found.
    Comparing,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Rematching => "rematching",
            Self::Fetching => "fetching",
            Self::Comparing => "comparing",
        }
    }
}

/// Every role by its name.
const ROLES: [(&str, Role); 7] = [
    ("inbox", Role::Inbox),
    ("sent", Role::Sent),
    ("drafts", Role::Drafts),
    ("archive", Role::Archive),
    ("trash", Role::Trash),
    ("junk", Role::Junk),
    ("other", Role::Other),
];

fn role_name(role: Role) -> &'static str {
    ROLES.iter().find(|(_, known)| *known == role).map_or("other", |(name, _)| name)
}

pub(super) fn role(name: &str) -> Role {
    ROLES.iter().find(|(known, _)| *known == name).map_or(Role::Other, |(_, role)| *role)
}

struct Row {
    folder_id: Uuid,
    path: Vec<u8>,
    role: String,
    uid_validity: Option<i64>,
    uid_next: i64,
    modseq: Option<i64>,
    missed: i32,
}

impl From<Row> for Folder {
    fn from(row: Row) -> Self {
        Self {
            id: FolderId(row.folder_id),
            path: row.path,
            role: role(&row.role),
            cursor: Cursor {
                uid_validity: row.uid_validity.and_then(|number| number.try_into().ok()),
                uid_next: row.uid_next.try_into().unwrap_or(1),
                modseq: row.modseq.and_then(|number| number.try_into().ok()),
            },
            missed: row.missed,
        }
    }
}

impl Pages {
    /// All folders that are known, the inbox first.
    pub async fn folders(&self) -> Result<Vec<Folder>, Fault> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT folder_id, path, role, uid_validity, uid_next, modseq, missed
             FROM work.mail_folders WHERE connection_id = $1 ORDER BY role <> 'inbox', path",
            self.connection_id
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("list the folders of an account"))?;
        Ok(rows.into_iter().map(Folder::from).collect())
    }

    /// A folder is there, by this name and for this. Of an account that is gone nothing is noted: its row is locked, or what
    /// a worker notes that does not know yet would stay for ever.
    pub async fn folder_is_there(&self, folder_id: FolderId, path: &[u8], role: Role) -> Result<(), Fault> {
        sqlx::query!(
            "INSERT INTO work.mail_folders AS f (folder_id, connection_id, user_id, path, role)
             SELECT $1, a.connection_id, $3, $4, $5 FROM work.mail_accounts a WHERE a.connection_id = $2 FOR KEY SHARE
             ON CONFLICT (folder_id) DO UPDATE SET path = excluded.path, role = excluded.role, missed = 0
             WHERE (f.path, f.role, f.missed) IS DISTINCT FROM (excluded.path, excluded.role, 0)",
            folder_id.0,
            self.connection_id,
            self.user_id,
            path,
            role_name(role)
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note a folder"))?;
        Ok(())
    }

    /// The server did not list it this time.
    pub async fn folder_was_missed(&self, folder_id: FolderId) -> Result<(), Fault> {
        sqlx::query!("UPDATE work.mail_folders SET missed = missed + 1 WHERE folder_id = $1", folder_id.0)
            .execute(&self.pool)
            .await
            .map_err(Fault::database("note that a folder was missed"))?;
        Ok(())
    }

    /// It is no more. What lay there is missing from now on.
    pub async fn folder_is_gone(&self, folder_id: FolderId) -> Result<(), Fault> {
        const ATTEMPT: &str = "take a folder out of the book";
        let mut transaction = self.pool.begin().await.map_err(Fault::database(ATTEMPT))?;
        empty(&mut transaction, folder_id).await.map_err(Fault::database(ATTEMPT))?;
        sqlx::query!("DELETE FROM work.mail_folders WHERE folder_id = $1", folder_id.0)
            .execute(&mut *transaction)
            .await
            .map_err(Fault::database(ATTEMPT))?;
        transaction.commit().await.map_err(Fault::database(ATTEMPT))
    }

    /// The messages of a folder have other UIDs from now on: those that are known mean nothing, and what they stood for
    /// is missing until it is found again.
    pub async fn uids_begin_anew(&self, folder_id: FolderId, uid_validity: u32) -> Result<(), Fault> {
        const ATTEMPT: &str = "begin a folder's UIDs anew";
        let mut transaction = self.pool.begin().await.map_err(Fault::database(ATTEMPT))?;
        empty(&mut transaction, folder_id).await.map_err(Fault::database(ATTEMPT))?;
        sqlx::query!(
            "UPDATE work.mail_folders SET uid_validity = $2, uid_next = 1, modseq = NULL WHERE folder_id = $1",
            folder_id.0,
            i64::from(uid_validity)
        )
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        transaction.commit().await.map_err(Fault::database(ATTEMPT))
    }

    /// Nothing is done with any folder: this worker begins with the account, or leaves it. What it, or one that died, was
    /// in the midst of waits for the next pass.
    pub async fn none_is_under_way(&self, worker: Uuid) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_folders SET phase = 'waiting', done = 0, total = 0
             WHERE connection_id = $1 AND phase IN ('rematching', 'comparing', 'fetching')
                   AND EXISTS (SELECT FROM work.mail_accounts WHERE connection_id = $1 AND worker = $2)",
            self.connection_id,
            worker
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that nothing is done with an account's folders"))?;
        Ok(())
    }

    /// What is done with a folder, and how much of it is done.
    pub async fn stage(&self, folder_id: FolderId, stage: Stage, done: u64, total: u64) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_folders SET phase = $2, done = $3, total = $4 WHERE folder_id = $1",
            folder_id.0,
            stage.name(),
            i64::try_from(done).unwrap_or(i64::MAX),
            i64::try_from(total).unwrap_or(i64::MAX)
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note how far a folder is"))?;
        Ok(())
    }

    /// So many of the messages of a folder's stage are done.
    pub async fn done(&self, folder_id: FolderId, done: u64) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_folders SET done = $2 WHERE folder_id = $1",
            folder_id.0,
            i64::try_from(done).unwrap_or(i64::MAX)
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note how much of a folder is done"))?;
        Ok(())
    }

    /// All below this UID is taken in.
    pub async fn taken_in_below(&self, folder_id: FolderId, uid_next: u32, done: u64) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_folders SET uid_next = greatest(uid_next, $2), done = $3 WHERE folder_id = $1",
            folder_id.0,
            i64::from(uid_next),
            i64::try_from(done).unwrap_or(i64::MAX)
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note what is taken in of a folder"))?;
        Ok(())
    }

    /// A folder is in step, in this state of the server's.
    pub async fn folder_is_in_step(
        &self,
        folder_id: FolderId,
        modseq: Option<u64>,
        at: DateTime<Utc>,
    ) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_folders
             SET phase = 'idle', done = 0, total = 0, modseq = $2, synced_at = $3, error_code = NULL,
                 error_detail = NULL, error_at = NULL, next_try_at = NULL
             WHERE folder_id = $1",
            folder_id.0,
            modseq.and_then(|number| i64::try_from(number).ok()),
            at
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that a folder is in step"))?;
        Ok(())
    }

    /// The server refused something in this folder.
    pub async fn folder_failed(&self, folder_id: FolderId, failure: &Failure) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_folders
             SET phase = 'failed', error_code = $2, error_detail = $3, error_at = $4, next_try_at = $5
             WHERE folder_id = $1",
            folder_id.0,
            failure.code,
            failure.detail,
            failure.at,
            failure.next_try_at
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that a folder failed"))?;
        Ok(())
    }
}

/// What lay in a folder is missing from now on.
async fn empty(connection: &mut PgConnection, folder_id: FolderId) -> sqlx::Result<()> {
    sqlx::query!(
        "WITH gone AS (DELETE FROM work.mail_uids WHERE folder_id = $1 RETURNING connection_id, email_id, user_id)
         INSERT INTO work.mail_missing (connection_id, email_id, user_id)
         SELECT DISTINCT connection_id, email_id, user_id FROM gone ON CONFLICT DO NOTHING",
        folder_id.0
    )
    .execute(connection)
    .await
    .map(drop)
}
