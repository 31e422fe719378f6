//! Rows of `email_words`: what e-mails are found by. The words are made here, while the database writes the e-mails.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use orbit_domain::emails::words::{Analysis, People, Stems, vector};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{email::Change, written::Arrived};
use crate::{projection::ApplyFault, projections::rows::column};

/// Stems from batches before, for those to come: one of these for each batch that is under way.
static STEMS: Mutex<Vec<Stems>> = Mutex::new(Vec::new());
/// Most of them that are kept. Each is some megabytes.
const STEMS_KEPT: usize = 4;
/// E-mails whose words are made before others get their turn on this thread: a millisecond or less.
const BETWEEN_TURNS: usize = 8;

/// So many e-mails at once are an import. What is added to the index of words waits in a list then until there is more of
/// it than usual: the more there is to be sorted in together, the less each word costs. The next e-mail that comes alone
/// empties the list, which a search has to read through.
const MANY: usize = 100;

/// The words of e-mails, in the same order.
pub(super) async fn make(emails: &[Arrived<'_>]) -> Vec<String> {
    let mut stems = STEMS.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    let mut words = Vec::with_capacity(emails.len());
    for some in emails.chunks(BETWEEN_TURNS) {
        words.extend(some.iter().map(|email| words_of(email, &mut stems)));
        tokio::task::yield_now().await;
    }
    let mut kept = STEMS.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < STEMS_KEPT {
        kept.push(stems);
    }
    words
}

fn words_of(email: &Arrived<'_>, stems: &mut Stems) -> String {
    let received = email.received;
    let people = People::of(received);
    let analysis = Analysis {
        subject: received.subject.as_deref().unwrap_or_default(),
        names: &people.names,
        from: people.from,
        to: people.to,
        text: &received.text,
        language: received.language.as_deref(),
        has_attachment: email.has_attachments(),
    };
    vector(email.row.user_id, &analysis, stems)
}

/// Writes the words of those e-mails of which the database says that they came in.
pub(super) async fn store(
    connection: &mut PgConnection,
    emails: &[Arrived<'_>],
    words: &[String],
    changes: &[Change],
) -> Result<(), ApplyFault> {
    let written: HashSet<Uuid> = changes.iter().map(|change| change.id).collect();
    let rows: Vec<(&Arrived<'_>, &str)> =
        emails.iter().zip(words).filter(|(e, _)| written.contains(&e.row.id)).map(|(e, words)| (e, &**words)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    if rows.len() >= MANY {
        sqlx::query!(
            r#"SELECT set_config('gin_pending_list_limit', '32MB', true) AS "limit",
                      set_config('work_mem', '96MB', true) AS "memory""#
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(ApplyFault::database("make room for words of e-mails"))?;
    }
    sqlx::query!(
        "INSERT INTO email_words AS w (email_id, user_id, date, words, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::timestamptz[]), unnest($4::text[])::tsvector,
                unnest($5::bigint[])
         ON CONFLICT (email_id) DO UPDATE
             SET date = excluded.date, words = excluded.words, version = excluded.version
             WHERE w.version < excluded.version",
        &column(&rows, |(e, _)| e.row.id),
        &column(&rows, |(e, _)| e.row.user_id),
        &column(&rows, |(e, _)| e.row.date),
        &column(&rows, |(_, words)| *words) as &[&str],
        &column(&rows, |(e, _)| e.row.came.unwrap_or(e.row.version)),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write words of e-mails"))?;
    Ok(())
}
