//! Rotation of the master key, while everything goes on.
//!
//! First the row of `vault.master` names the new key, under a lock that waits for keys that are just being made: from
//! then on new ones are wrapped by it. Then everything else is wrapped anew, a page at a time, each key only if it is
//! still what was read: one that is destroyed meanwhile stays destroyed. What is done says so, so that a rotation that
//! was cut short goes on where it was.

use uuid::Uuid;

use orbit_events::UserId;

use crate::{
    Fault, Vault,
    master::Key,
    vault::{SECRETS, secret_context, wrapping_context},
};

/// Keys that are wrapped anew in one statement.
const PAGE: i64 = 1_000;

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotation {
    /// Keys that this run has wrapped anew.
    pub rewrapped: u64,
    /// Keys that open with no key that is known. As long as there are any, no key may be thrown away.
    pub unreadable: u64,
}

/// What the vault's keys are wrapped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStatus {
    /// Whether new keys are wrapped by the first key of the settings.
    pub current: bool,
    /// Users' keys that are wrapped by the first key of the settings.
    pub by_first: i64,
    /// Users' keys that are wrapped by another one, or by one before keys had ids.
    pub by_others: i64,
    /// Users' keys that were destroyed.
    pub destroyed: i64,
}

struct Row {
    user_id: Uuid,
    key_no: i16,
    wrapped: Vec<u8>,
    wrapped_by: Option<Vec<u8>>,
}

impl Vault {
    /// Wraps everything by the first master key. `progress` is told after each page.
    pub async fn rotate(&self, mut progress: impl FnMut(Rotation)) -> Result<Rotation, Fault> {
        self.establish().await?;
        let to = self.master().first();
        sqlx::query!(
            "UPDATE vault.master SET key_id = $1, since = $2 WHERE key_id <> $1",
            &to.id[..],
            self.clock().now()
        )
        .execute(self.pool())
        .await
        .map_err(Fault::database("name the new master key"))?;
        self.rotate_secrets(&to).await?;
        let mut done = Rotation::default();
        let (mut user, mut key_no) = (Uuid::nil(), -1);
        loop {
            let page = sqlx::query_as!(
                Row,
                r#"SELECT user_id, key_no, wrapped AS "wrapped!", wrapped_by FROM vault.keys
                   WHERE wrapped IS NOT NULL AND wrapped_by IS DISTINCT FROM $1 AND (user_id, key_no) > ($2, $3)
                   ORDER BY user_id, key_no LIMIT $4"#,
                &to.id[..],
                user,
                key_no,
                PAGE
            )
            .fetch_all(self.pool())
            .await
            .map_err(Fault::database("read keys to wrap anew"))?;
            let Some(last) = page.last() else { return Ok(done) };
            (user, key_no) = (last.user_id, last.key_no);
            self.rotate_page(&to, &page, &mut done).await?;
            progress(done);
        }
    }

    async fn rotate_page(&self, to: &Key, page: &[Row], done: &mut Rotation) -> Result<(), Fault> {
        let (mut users, mut numbers, mut before, mut after) = (vec![], vec![], vec![], vec![]);
        for key in page {
            let context = wrapping_context(UserId(key.user_id), key.key_no);
            match self.unwrap_bytes(&key.wrapped, key.wrapped_by.as_deref(), &context) {
                Ok(plain) => {
                    users.push(key.user_id);
                    numbers.push(key.key_no);
                    before.push(key.wrapped.clone());
                    after.push(to.wrap(&plain, &context));
                }
                Err(_) => done.unreadable += 1,
            }
        }
        let changed = sqlx::query!(
            "UPDATE vault.keys k SET wrapped = n.after, wrapped_by = $5
             FROM unnest($1::uuid[], $2::smallint[], $3::bytea[], $4::bytea[]) AS n (user_id, key_no, before, after)
             WHERE k.user_id = n.user_id AND k.key_no = n.key_no AND k.wrapped = n.before",
            &users,
            &numbers,
            &before,
            &after,
            &to.id[..]
        )
        .execute(self.pool())
        .await
        .map_err(Fault::database("wrap keys anew"))?;
        done.rewrapped += changed.rows_affected();
        Ok(())
    }

    async fn rotate_secrets(&self, to: &Key) -> Result<(), Fault> {
        for name in SECRETS {
            let row = sqlx::query!("SELECT wrapped, wrapped_by FROM vault.secrets WHERE name = $1 LIMIT 1", name)
                .fetch_one(self.pool())
                .await
                .map_err(Fault::database("read a secret of the vault"))?;
            if row.wrapped_by == to.id {
                continue;
            }
            let context = secret_context(name);
            let plain = self.unwrap_bytes(&row.wrapped, Some(&row.wrapped_by), &context)?;
            sqlx::query!(
                "UPDATE vault.secrets SET wrapped = $2, wrapped_by = $3 WHERE name = $1 AND wrapped = $4",
                name,
                to.wrap(&plain, &context),
                &to.id[..],
                row.wrapped
            )
            .execute(self.pool())
            .await
            .map_err(Fault::database("wrap a secret anew"))?;
        }
        Ok(())
    }

    /// What the keys are wrapped by. Reads all of them.
    pub async fn key_status(&self) -> Result<KeyStatus, Fault> {
        let first = self.master().first();
        let row = sqlx::query!(
            r#"SELECT coalesce((SELECT key_id = $1 FROM vault.master LIMIT 1), true) AS "current!",
                      count(*) FILTER (WHERE wrapped IS NOT NULL AND wrapped_by IS NOT DISTINCT FROM $1) AS "by_first!",
                      count(*) FILTER (WHERE wrapped IS NOT NULL AND wrapped_by IS DISTINCT FROM $1) AS "by_others!",
                      count(*) FILTER (WHERE wrapped IS NULL) AS "destroyed!"
               FROM vault.keys"#,
            &first.id[..]
        )
        .fetch_one(self.pool())
        .await
        .map_err(Fault::database("look over the keys"))?;
        let (by_first, by_others) = (row.by_first, row.by_others);
        Ok(KeyStatus { current: row.current, by_first, by_others, destroyed: row.destroyed })
    }
}
