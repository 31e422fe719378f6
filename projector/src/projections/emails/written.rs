//! Writing rows of `emails`, and telling what became of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use orbit_events::{
    Recorded,
    emails::{Address, BlobRef, Part, SNIPPET_CHARS, email::Received},
};
use serde::Serialize;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    email::{Change, Place, Row},
    links,
};
use crate::{
    projection::{ApplyFault, Tables},
    projections::{
        copy,
        rows::{self, Gone, column},
    },
};

/// What e-mails came in with, by stream and version.
pub(super) type Contents<'a> = HashMap<(Uuid, i64), &'a Received>;

/// What these facts say of e-mails that came in.
pub(super) fn contents<'a>(facts: &[&'a Recorded]) -> Contents<'a> {
    let came = facts
        .iter()
        .filter_map(|fact| Some(((fact.envelope.stream_id, fact.envelope.version), links::received(fact)?)));
    came.collect()
}

/// Writes e-mails that came in.
pub(super) async fn put(
    connection: &mut PgConnection,
    emails: &[Arrived<'_>],
    tables: Tables,
) -> Result<Vec<Change>, ApplyFault> {
    match tables {
        Tables::Serving => insert(connection, emails).await,
        Tables::Fresh => copy(connection, emails).await,
    }
}

/// An e-mail that came in with these facts, and what it says.
pub(super) struct Arrived<'a> {
    pub row: &'a Row,
    pub received: &'a Received,
    pub snippet: String,
}

/// Whom an e-mail is for.
#[derive(Serialize)]
struct Recipients<'a> {
    to: &'a [Address],
    cc: &'a [Address],
    bcc: &'a [Address],
    reply_to: &'a [Address],
}

impl<'a> Arrived<'a> {
    /// What this row came in with, which is among these facts.
    pub fn find(row: &'a Row, contents: &Contents<'a>) -> Option<Self> {
        let received = *contents.get(&(row.id, row.came?))?;
        Some(Self { row, received, snippet: snippet(&received.text) })
    }

    /// Whether there is a file with it that its text does not show.
    pub fn has_attachments(&self) -> bool {
        self.received.parts.iter().any(|part| !part.inline)
    }

    fn recipients(&self) -> Json<Recipients<'a>> {
        let Received { to, cc, bcc, reply_to, .. } = self.received;
        Json(Recipients { to, cc, bcc, reply_to })
    }

    fn subject(&self) -> &'a str {
        self.received.subject.as_deref().unwrap_or_default()
    }

    fn sender(&self) -> &'a str {
        self.received.from.as_ref().map_or("", |from| &from.email)
    }

    fn sender_name(&self) -> Option<&'a str> {
        self.received.from.as_ref()?.name.as_deref()
    }

    fn size(&self) -> i64 {
        i64::try_from(self.received.size).unwrap_or(i64::MAX)
    }
}

/// The beginning of a text, in one line.
fn snippet(text: &str) -> String {
    let mut snippet = String::with_capacity(SNIPPET_CHARS);
    let mut chars = 0;
    for word in text.split_whitespace() {
        let gap = usize::from(chars > 0);
        let room = SNIPPET_CHARS.saturating_sub(chars + gap);
        if room == 0 {
            break;
        }
        if gap > 0 {
            snippet.push(' ');
        }
        snippet.extend(word.chars().take(room));
        chars += gap + word.chars().take(room).count();
    }
    snippet
}

/// Writes e-mails that came in. There is a row already only if the facts are delivered again; the version decides.
async fn insert(connection: &mut PgConnection, emails: &[Arrived<'_>]) -> Result<Vec<Change>, ApplyFault> {
    if emails.is_empty() {
        return Ok(Vec::new());
    }
    let written = sqlx::query!(
        r#"INSERT INTO emails AS e (id, user_id, folder_id, folder_role, role, message_id, subject, from_email, from_name,
                                    recipients, in_reply_to, refs, body_text, text_truncated, snippet, has_html,
                                    has_attachments, is_read, is_starred, is_archived, labels, size, language, notes,
                                    parts, raw, date, received_at, synced_at, trashed_at, snoozed_until, created_at,
                                    updated_at, version)
           SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::text[]), unnest($5::text[]),
                  unnest($6::text[]), unnest($7::text[]), unnest($8::text[]), unnest($9::text[]), unnest($10::jsonb[]),
                  unnest($11::jsonb[]), unnest($12::jsonb[]), unnest($13::text[]), unnest($14::boolean[]),
                  unnest($15::text[]), unnest($16::boolean[]), unnest($17::boolean[]), unnest($18::boolean[]),
                  unnest($19::boolean[]), unnest($20::boolean[]), unnest($21::text[])::text[], unnest($22::bigint[]),
                  unnest($23::text[]), unnest($24::jsonb[]), unnest($25::jsonb[]), unnest($26::jsonb[]),
                  unnest($27::timestamptz[]), unnest($28::timestamptz[]), unnest($29::timestamptz[]),
                  unnest($30::timestamptz[]), unnest($31::timestamptz[]), unnest($32::timestamptz[]),
                  unnest($33::timestamptz[]), unnest($34::bigint[])
           ON CONFLICT (id) DO UPDATE
               SET folder_id = excluded.folder_id, folder_role = excluded.folder_role, role = excluded.role,
                   message_id = excluded.message_id, subject = excluded.subject, from_email = excluded.from_email,
                   from_name = excluded.from_name, recipients = excluded.recipients,
                   in_reply_to = excluded.in_reply_to, refs = excluded.refs, body_text = excluded.body_text,
                   text_truncated = excluded.text_truncated, snippet = excluded.snippet, has_html = excluded.has_html,
                   has_attachments = excluded.has_attachments, is_read = excluded.is_read,
                   is_starred = excluded.is_starred, is_archived = excluded.is_archived, labels = excluded.labels,
                   size = excluded.size, language = excluded.language, notes = excluded.notes, parts = excluded.parts,
                   raw = excluded.raw, date = excluded.date, received_at = excluded.received_at,
                   synced_at = excluded.synced_at, trashed_at = excluded.trashed_at,
                   snoozed_until = excluded.snoozed_until, created_at = excluded.created_at,
                   updated_at = excluded.updated_at, version = excluded.version
               WHERE e.version < excluded.version
           RETURNING e.id, old.folder_id AS "folder_id?", old.role AS "role?", old.is_read AS "is_read?", old.language,
                     old.labels AS "labels?""#,
        &column(emails, |e| e.row.id),
        &column(emails, |e| e.row.user_id),
        &column(emails, |e| e.row.folder_id),
        &column(emails, |e| &*e.row.folder_role) as &[&str],
        &column(emails, |e| e.row.role()) as &[&str],
        &column(emails, |e| e.received.message_id.as_deref()) as &[Option<&str>],
        &column(emails, Arrived::subject) as &[&str],
        &column(emails, Arrived::sender) as &[&str],
        &column(emails, Arrived::sender_name) as &[Option<&str>],
        &column(emails, Arrived::recipients) as &[Json<Recipients<'_>>],
        &column(emails, |e| Json(&*e.received.in_reply_to)) as &[Json<&[String]>],
        &column(emails, |e| Json(&*e.received.references)) as &[Json<&[String]>],
        &column(emails, |e| &*e.received.text) as &[&str],
        &column(emails, |e| e.received.text_truncated),
        &column(emails, |e| &*e.snippet) as &[&str],
        &column(emails, |e| e.received.has_html),
        &column(emails, Arrived::has_attachments),
        &column(emails, |e| e.row.is_read),
        &column(emails, |e| e.row.is_starred),
        &column(emails, |e| e.row.is_archived),
        &column(emails, |e| e.row.labels_as_text()),
        &column(emails, Arrived::size),
        &column(emails, |e| e.received.language.as_deref()) as &[Option<&str>],
        &column(emails, |e| Json(&*e.received.notes)) as &[Json<&[String]>],
        &column(emails, |e| Json(&*e.received.parts)) as &[Json<&[Part]>],
        &column(emails, |e| Json(&e.received.raw)) as &[Json<&BlobRef>],
        &column(emails, |e| e.received.date),
        &column(emails, |e| e.received.received_at),
        // Since when it is here.
        &column(emails, |e| e.row.created_at),
        &column(emails, |e| e.row.trashed_at) as &[Option<DateTime<Utc>>],
        &column(emails, |e| e.row.snoozed_until) as &[Option<DateTime<Utc>>],
        &column(emails, |e| e.row.created_at),
        &column(emails, |e| e.row.updated_at),
        &column(emails, |e| e.row.version),
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("write e-mails that came in"))?;
    let rows: HashMap<Uuid, &Row> = emails.iter().map(|email| (email.row.id, email.row)).collect();
    let changes = written.into_iter().filter_map(|e| {
        let before = match (e.folder_id, e.role, e.is_read, e.labels) {
            (Some(folder_id), Some(role), Some(is_read), Some(labels)) => {
                Some(Place { folder_id, role, is_read, language: e.language, labels })
            }
            _ => None,
        };
        rows.get(&e.id).map(|row| row.change(before))
    });
    Ok(changes.collect())
}

/// Writes e-mails that came in into a table that holds none of them.
async fn copy(connection: &mut PgConnection, emails: &[Arrived<'_>]) -> Result<Vec<Change>, ApplyFault> {
    let statement = "COPY emails (id, user_id, folder_id, folder_role, role, message_id, subject, from_email, from_name,
        recipients, in_reply_to, refs, body_text, text_truncated, snippet, has_html, has_attachments, is_read, is_starred,
        is_archived, labels, size, language, notes, parts, raw, date, received_at, synced_at, trashed_at, snoozed_until,
        created_at, updated_at, version) FROM STDIN BINARY";
    copy::write(connection, statement, "fill e-mails", emails, |email, row| {
        let Arrived { row: marks, received, snippet } = email;
        row.put(marks.id)?;
        row.put(marks.user_id)?;
        row.put(marks.folder_id)?;
        row.put(&*marks.folder_role)?;
        row.put(marks.role())?;
        row.put(received.message_id.as_deref())?;
        row.put(email.subject())?;
        row.put(email.sender())?;
        row.put(email.sender_name())?;
        row.put(email.recipients())?;
        row.put(Json(&received.in_reply_to))?;
        row.put(Json(&received.references))?;
        row.put(&*received.text)?;
        row.put(received.text_truncated)?;
        row.put(&**snippet)?;
        row.put(received.has_html)?;
        row.put(email.has_attachments())?;
        row.put(marks.is_read)?;
        row.put(marks.is_starred)?;
        row.put(marks.is_archived)?;
        row.put(&marks.labels)?;
        row.put(email.size())?;
        row.put(received.language.as_deref())?;
        row.put(Json(&received.notes))?;
        row.put(Json(&received.parts))?;
        row.put(Json(&received.raw))?;
        row.put(received.date)?;
        row.put(received.received_at)?;
        // Since when it is here.
        row.put(marks.created_at)?;
        row.put(marks.trashed_at)?;
        row.put(marks.snoozed_until)?;
        row.put(marks.created_at)?;
        row.put(marks.updated_at)?;
        row.put(marks.version)
    })
    .await?;
    Ok(emails.iter().map(|email| email.row.change(None)).collect())
}

/// Writes the marks of e-mails that were there before.
pub(super) async fn update(connection: &mut PgConnection, rows: &[&Row]) -> Result<Vec<Change>, ApplyFault> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let written = sqlx::query!(
        r#"UPDATE emails AS e
           SET folder_id = r.folder_id, folder_role = r.folder_role, role = r.role, is_read = r.is_read,
               is_starred = r.is_starred, is_archived = r.is_archived, labels = r.labels::text[],
               trashed_at = r.trashed_at, snoozed_until = r.snoozed_until, updated_at = r.updated_at,
               version = r.version
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::boolean[],
                       $8::text[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bigint[])
                AS r (id, folder_id, folder_role, role, is_read, is_starred, is_archived, labels, trashed_at,
                      snoozed_until, updated_at, version)
           WHERE e.id = r.id AND e.version < r.version
           RETURNING e.id, old.folder_id, old.role, old.is_read, old.language, old.labels"#,
        &column(rows, |r| r.id),
        &column(rows, |r| r.folder_id),
        &column(rows, |r| &*r.folder_role) as &[&str],
        &column(rows, |r| r.role()) as &[&str],
        &column(rows, |r| r.is_read),
        &column(rows, |r| r.is_starred),
        &column(rows, |r| r.is_archived),
        &column(rows, |r| r.labels_as_text()),
        &column(rows, |r| r.trashed_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.snoozed_until) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("write e-mails that were marked"))?;
    let rows: HashMap<Uuid, &Row> = rows.iter().map(|row| (row.id, *row)).collect();
    let changes = written.into_iter().filter_map(|e| {
        let (folder_id, role, is_read, language, labels) = (e.folder_id, e.role, e.is_read, e.language, e.labels);
        rows.get(&e.id).map(|row| row.change(Some(Place { folder_id, role, is_read, language, labels })))
    });
    Ok(changes.collect())
}

/// Removes e-mails that were deleted, and their words. What holds threads together stays.
pub(super) async fn delete(connection: &mut PgConnection, gone: &[Gone]) -> Result<Vec<Change>, ApplyFault> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let ids = rows::ids(gone);
    sqlx::query!("DELETE FROM email_words WHERE email_id = ANY($1)", &ids)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("remove words of e-mails"))?;
    sqlx::query!("DELETE FROM email_phrases WHERE email_id = ANY($1)", &ids)
        .execute(&mut *connection)
        .await
        .map_err(ApplyFault::database("remove phrases of e-mails"))?;
    let removed = sqlx::query!(
        "DELETE FROM emails WHERE id = ANY($1)
         RETURNING id, user_id, date, folder_id, role, is_read, language, labels",
        &ids
    )
    .fetch_all(connection)
    .await
    .map_err(ApplyFault::database("remove e-mails"))?;
    let changes = removed.into_iter().map(|e| {
        let (folder_id, role, is_read, language, labels) = (e.folder_id, e.role, e.is_read, e.language, e.labels);
        let before = Some(Place { folder_id, role, is_read, language, labels });
        Change { id: e.id, user_id: e.user_id, date: e.date, before, after: None }
    });
    Ok(changes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_the_beginning_in_one_line() {
        assert_eq!(snippet("  Dear  Ada,\n\nlunch\tat noon? "), "Dear Ada, lunch at noon?");
        assert_eq!(snippet(""), "");
        let long = snippet(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), SNIPPET_CHARS);
        let words = snippet(&"abc ".repeat(1_000));
        assert!(words.chars().count() <= SNIPPET_CHARS && words.starts_with("abc abc") && !words.ends_with(' '));
    }
}
