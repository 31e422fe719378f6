//! Messages there and e-mails here.

use std::collections::BTreeMap;

use orbit_events::{FolderId, emails::Role};
use uuid::Uuid;

use super::{Fault, Pages, folders::role};

/// A message that was seen there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sync) struct Seen {
    pub uid: u32,
    /// Which e-mail it is here.
    pub email_id: Uuid,
    /// Its flags; none, if they are not known.
    pub flags: Option<i16>,
    /// Its keywords that stand for labels.
    pub keywords: Vec<String>,
}

/// Messages of a folder by their UIDs.
pub(in crate::sync) type Known = BTreeMap<u32, Seen>;

/// An e-mail that is no more where it lay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sync) struct Lost {
    pub email_id: Uuid,
    /// Where it lies now; nowhere, if it was deleted.
    pub place: Option<(FolderId, Role)>,
}

impl Pages {
    /// The messages of a folder that are known.
    pub async fn known(&self, folder_id: FolderId) -> Result<Known, Fault> {
        let rows =
            sqlx::query!("SELECT uid, email_id, flags, keywords FROM work.mail_uids WHERE folder_id = $1", folder_id.0)
                .fetch_all(&self.pool)
                .await
                .map_err(Fault::database("read what is known of a folder"))?;
        let seen = rows.into_iter().filter_map(|row| {
            let uid = u32::try_from(row.uid).ok()?;
            Some((uid, Seen { uid, email_id: row.email_id, flags: row.flags, keywords: row.keywords }))
        });
        Ok(seen.collect())
    }

    /// These messages are there, unless their account is gone: as with folders.
    pub async fn are_there(&self, folder_id: FolderId, seen: &[Seen]) -> Result<(), Fault> {
        let uids: Vec<i64> = seen.iter().map(|seen| seen.uid.into()).collect();
        let emails: Vec<Uuid> = seen.iter().map(|seen| seen.email_id).collect();
        let flags: Vec<Option<i16>> = seen.iter().map(|seen| seen.flags).collect();
        // There is no array of arrays of different lengths, and no space in a keyword.
        let keywords: Vec<String> = seen.iter().map(|seen| seen.keywords.join(" ")).collect();
        sqlx::query!(
            "INSERT INTO work.mail_uids (folder_id, uid, connection_id, user_id, email_id, flags, keywords)
             SELECT $1, s.uid, a.connection_id, $3, s.email_id, s.flags, string_to_array(s.keywords, ' ')
             FROM work.mail_accounts a,
                  unnest($4::bigint[], $5::uuid[], $6::smallint[], $7::text[]) AS s (uid, email_id, flags, keywords)
             WHERE a.connection_id = $2 FOR KEY SHARE OF a
             ON CONFLICT (folder_id, uid) DO UPDATE
                 SET email_id = excluded.email_id, flags = excluded.flags, keywords = excluded.keywords",
            folder_id.0,
            self.connection_id,
            self.user_id,
            &uids,
            &emails,
            &flags as &[Option<i16>],
            &keywords
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note messages"))?;
        Ok(())
    }

    /// A message has these keywords now.
    pub async fn has_keywords(&self, folder_id: FolderId, uid: u32, keywords: &[String]) -> Result<(), Fault> {
        sqlx::query!(
            "UPDATE work.mail_uids SET keywords = $3 WHERE folder_id = $1 AND uid = $2",
            folder_id.0,
            i64::from(uid),
            keywords
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note the keywords of a message"))?;
        Ok(())
    }

    /// These messages are there no more: what they stood for is missing.
    pub async fn are_gone(&self, folder_id: FolderId, uids: &[u32]) -> Result<(), Fault> {
        let uids: Vec<i64> = uids.iter().map(|uid| (*uid).into()).collect();
        sqlx::query!(
            "WITH gone AS (DELETE FROM work.mail_uids WHERE folder_id = $1 AND uid = ANY($2)
                           RETURNING connection_id, email_id, user_id)
             INSERT INTO work.mail_missing (connection_id, email_id, user_id)
             SELECT DISTINCT connection_id, email_id, user_id FROM gone ON CONFLICT DO NOTHING",
            folder_id.0,
            &uids
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that messages are gone"))?;
        Ok(())
    }

    /// We moved this message ourselves. Noted in one step: an e-mail that lies nowhere is passed over by whoever notes
    /// meanwhile what a server is to be told of it.
    pub async fn has_moved(&self, from: (FolderId, u32), to: (FolderId, u32)) -> Result<(), Fault> {
        sqlx::query!(
            "WITH account AS (
                 SELECT connection_id FROM work.mail_accounts WHERE connection_id = $1 FOR KEY SHARE),
             moved AS (
                 DELETE FROM work.mail_uids u USING account a
                 WHERE u.folder_id = $2 AND u.uid = $3 AND u.connection_id = a.connection_id
                 RETURNING u.connection_id, u.user_id, u.email_id, u.flags, u.keywords)
             INSERT INTO work.mail_uids (folder_id, uid, connection_id, user_id, email_id, flags, keywords)
             SELECT $4, $5, m.connection_id, m.user_id, m.email_id, m.flags, m.keywords FROM moved m
             ON CONFLICT (folder_id, uid) DO UPDATE
                 SET email_id = excluded.email_id, flags = excluded.flags, keywords = excluded.keywords",
            self.connection_id,
            from.0.0,
            i64::from(from.1),
            to.0.0,
            i64::from(to.1)
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note that a message was moved"))?;
        Ok(())
    }

    /// We took this message away ourselves, so nobody is to wonder where it is.
    pub async fn was_taken_away(&self, folder_id: FolderId, uid: u32) -> Result<(), Fault> {
        sqlx::query!("DELETE FROM work.mail_uids WHERE folder_id = $1 AND uid = $2", folder_id.0, i64::from(uid))
            .execute(&self.pool)
            .await
            .map_err(Fault::database("note that a message was taken away"))?;
        Ok(())
    }

    /// Where an e-mail lies there: folders, UIDs, flags, keywords.
    pub async fn places(&self, email_id: Uuid) -> Result<Vec<(FolderId, Seen)>, Fault> {
        let rows = sqlx::query!(
            "SELECT folder_id, uid, flags, keywords FROM work.mail_uids WHERE email_id = $1 AND connection_id = $2
             ORDER BY folder_id, uid",
            email_id,
            self.connection_id
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("look where an e-mail lies"))?;
        let place = rows.into_iter().filter_map(|row| {
            let uid = u32::try_from(row.uid).ok()?;
            Some((FolderId(row.folder_id), Seen { uid, email_id, flags: row.flags, keywords: row.keywords }))
        });
        Ok(place.collect())
    }

    /// E-mails that are missing, and where they are found after all, at most `limit`.
    pub async fn missing(&self, limit: i64) -> Result<Vec<Lost>, Fault> {
        let rows = sqlx::query!(
            r#"SELECT m.email_id, p.folder_id AS "folder_id?", p.role AS "role?"
               FROM work.mail_missing m
               LEFT JOIN LATERAL (
                   SELECT u.folder_id, f.role FROM work.mail_uids u JOIN work.mail_folders f USING (folder_id)
                   WHERE u.email_id = m.email_id AND u.connection_id = m.connection_id
                   ORDER BY f.role <> 'inbox', u.folder_id LIMIT 1) p ON true
               WHERE m.connection_id = $1 ORDER BY m.email_id LIMIT $2"#,
            self.connection_id,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("list what is missing"))?;
        let lost = rows.into_iter().map(|row| Lost {
            email_id: row.email_id,
            place: row.folder_id.zip(row.role).map(|(id, name)| (FolderId(id), role(&name))),
        });
        Ok(lost.collect())
    }

    /// Whether it is not known where this e-mail lies.
    pub async fn is_missing(&self, email_id: Uuid) -> Result<bool, Fault> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM work.mail_missing WHERE connection_id = $1 AND email_id = $2) AS "missing!""#,
            self.connection_id,
            email_id
        )
        .fetch_one(&self.pool)
        .await
        .map_err(Fault::database("ask whether an e-mail is missing"))
    }

    /// Whether anything is missing.
    pub async fn is_anything_missing(&self) -> Result<bool, Fault> {
        sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM work.mail_missing WHERE connection_id = $1) AS "missing!""#,
            self.connection_id
        )
        .fetch_one(&self.pool)
        .await
        .map_err(Fault::database("ask whether anything is missing"))
    }

    /// What became of these is known and recorded.
    pub async fn are_accounted_for(&self, emails: &[Uuid]) -> Result<(), Fault> {
        sqlx::query!(
            "DELETE FROM work.mail_missing WHERE connection_id = $1 AND email_id = ANY($2)",
            self.connection_id,
            emails
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note what became of what was missing"))?;
        Ok(())
    }
}
