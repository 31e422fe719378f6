//! Rows of `email_threads`: what threads hold, as the e-mails in them make it.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use orbit_events::emails::Address;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{email::Change, links::Touched};
use crate::{projection::ApplyFault, projections::rows::column};

/// Most people of whom a thread tells.
const PARTICIPANTS: usize = 20;

/// An e-mail as its thread sees it.
struct Part {
    thread_id: Uuid,
    user_id: Uuid,
    id: Uuid,
    subject: String,
    from_email: String,
    from_name: Option<String>,
    snippet: String,
    has_attachments: bool,
    is_read: bool,
    is_starred: bool,
    date: DateTime<Utc>,
}

/// Tells anew what these threads hold, and those of the e-mails that changed.
pub(super) async fn tell(
    connection: &mut PgConnection,
    mut touched: Touched,
    changes: &[Change],
) -> Result<(), ApplyFault> {
    touched.extend(find_changed(connection, changes).await?);
    if touched.is_empty() {
        return Ok(());
    }
    let touched: Vec<Uuid> = touched.into_iter().collect();
    let parts = sqlx::query_as!(
        Part,
        "SELECT l.thread_id, e.user_id, e.id, e.subject, e.from_email, e.from_name, e.snippet, e.has_attachments,
                e.is_read, e.is_starred, e.date
         FROM email_links l JOIN emails e ON e.id = l.email_id
         WHERE l.thread_id = ANY($1) AND e.role NOT IN ('trash', 'junk') ORDER BY l.thread_id, e.date, e.id",
        &touched
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(ApplyFault::database("read what is in threads"))?;
    let rows: Vec<Row<'_>> = parts.chunk_by(|one, next| one.thread_id == next.thread_id).filter_map(Row::of).collect();
    store(connection, &rows).await?;
    let told: HashSet<Uuid> = rows.iter().map(|row| row.first.thread_id).collect();
    let empty: Vec<Uuid> = touched.into_iter().filter(|thread| !told.contains(thread)).collect();
    remove(connection, &empty).await
}

/// The threads of e-mails that changed.
async fn find_changed(connection: &mut PgConnection, changes: &[Change]) -> Result<Vec<Uuid>, ApplyFault> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let emails = column(changes, |change| change.id);
    sqlx::query_scalar!("SELECT DISTINCT thread_id FROM email_links WHERE email_id = ANY($1)", &emails)
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("look for threads of e-mails"))
}

/// A thread, which has an e-mail.
struct Row<'a> {
    first: &'a Part,
    last: &'a Part,
    participants: Vec<Address>,
    emails: i32,
    unread: i32,
    has_attachments: bool,
    is_starred: bool,
}

impl<'a> Row<'a> {
    /// Of the e-mails of one thread, oldest first.
    fn of(parts: &'a [Part]) -> Option<Self> {
        let count = |parts: usize| i32::try_from(parts).unwrap_or(i32::MAX);
        Some(Self {
            first: parts.first()?,
            last: parts.last()?,
            participants: participants(parts),
            emails: count(parts.len()),
            unread: count(parts.iter().filter(|part| !part.is_read).count()),
            has_attachments: parts.iter().any(|part| part.has_attachments),
            is_starred: parts.iter().any(|part| part.is_starred),
        })
    }
}

/// Whom e-mails are from, each once.
fn participants(parts: &[Part]) -> Vec<Address> {
    let mut known = BTreeSet::new();
    let named = parts.iter().filter(|part| !part.from_email.is_empty() || part.from_name.is_some());
    named
        .filter(|part| known.insert(part.from_email.to_lowercase()))
        .take(PARTICIPANTS)
        .map(|part| Address { email: part.from_email.clone(), name: part.from_name.clone() })
        .collect()
}

async fn store(connection: &mut PgConnection, rows: &[Row<'_>]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_threads (thread_id, user_id, subject, participants, emails, unread, has_attachments,
                                    is_starred, first_date, last_date, last_email_id, snippet)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::integer[], $6::integer[],
                              $7::boolean[], $8::boolean[], $9::timestamptz[], $10::timestamptz[], $11::uuid[],
                              $12::text[])
         ON CONFLICT (thread_id) DO UPDATE
             SET subject = excluded.subject, participants = excluded.participants, emails = excluded.emails,
                 unread = excluded.unread, has_attachments = excluded.has_attachments,
                 is_starred = excluded.is_starred, first_date = excluded.first_date, last_date = excluded.last_date,
                 last_email_id = excluded.last_email_id, snippet = excluded.snippet",
        &column(rows, |r| r.first.thread_id),
        &column(rows, |r| r.first.user_id),
        &column(rows, |r| &*r.first.subject) as &[&str],
        &column(rows, |r| Json(&*r.participants)) as &[Json<&[Address]>],
        &column(rows, |r| r.emails),
        &column(rows, |r| r.unread),
        &column(rows, |r| r.has_attachments),
        &column(rows, |r| r.is_starred),
        &column(rows, |r| r.first.date),
        &column(rows, |r| r.last.date),
        &column(rows, |r| r.last.id),
        &column(rows, |r| &*r.last.snippet) as &[&str],
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write threads"))?;
    Ok(())
}

async fn remove(connection: &mut PgConnection, empty: &[Uuid]) -> Result<(), ApplyFault> {
    if empty.is_empty() {
        return Ok(());
    }
    sqlx::query!("DELETE FROM email_threads WHERE thread_id = ANY($1)", empty)
        .execute(connection)
        .await
        .map_err(ApplyFault::database("remove threads of nothing"))?;
    Ok(())
}
