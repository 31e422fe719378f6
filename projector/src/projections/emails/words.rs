//! Rows of `email_words`: what e-mails are found by. The words are made here, while the database writes the e-mails.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use orbit_domain::emails::words::{Analysis, People, Stems, Words, words};
use sqlx::{
    Encode, PgConnection, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo},
};
use uuid::Uuid;

use super::written::Arrived;
use crate::{projection::ApplyFault, projections::rows::column};

/// Stems from batches before, for those to come: one of these for each batch that is under way.
static STEMS: Mutex<Vec<Stems>> = Mutex::new(Vec::new());
/// Most of them that are kept. Each is some megabytes.
const STEMS_KEPT: usize = 4;
/// E-mails whose words are made before others get their turn on this thread: a millisecond or less.
const BETWEEN_TURNS: usize = 8;

/// So many e-mails at once are an import. What is added to the index of words waits in a list then until there is more of
/// it than usual: the more there is to be sorted in together, the less each word costs. A search has to read through that
/// list, so it is emptied when nothing more comes ([`sort_in`]).
const MANY: usize = 100;

/// A `tsvector`, in the format in which the database takes it without reading text.
struct Vector<'a>(&'a [u8]);

impl Type<Postgres> for Vector<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("tsvector")
    }
}

impl PgHasArrayType for Vector<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("tsvector")
    }
}

impl Encode<'_, Postgres> for Vector<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0);
        Ok(IsNull::No)
    }
}

/// The words of e-mails, in the same order.
pub(super) async fn make(emails: &[Arrived<'_>]) -> Vec<Words> {
    let mut stems = STEMS.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    let mut all = Vec::with_capacity(emails.len());
    for some in emails.chunks(BETWEEN_TURNS) {
        all.extend(some.iter().map(|email| words_of(email, &mut stems)));
        tokio::task::yield_now().await;
    }
    let mut kept = STEMS.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < STEMS_KEPT {
        kept.push(stems);
    }
    all
}

fn words_of(email: &Arrived<'_>, stems: &mut Stems) -> Words {
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
    words(email.row.user_id, &analysis, stems)
}

/// Writes the words of those e-mails of which the database says that they came in.
pub(super) async fn store(
    connection: &mut PgConnection,
    emails: &[Arrived<'_>],
    words: &[Words],
    written: &HashSet<Uuid>,
) -> Result<(), ApplyFault> {
    let rows: Vec<(&Arrived<'_>, &Words)> =
        emails.iter().zip(words).filter(|(e, _)| written.contains(&e.row.id)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    if rows.len() >= MANY {
        sqlx::query!(
            r#"SELECT set_config('gin_pending_list_limit', '64MB', true) AS "limit",
                      set_config('work_mem', '192MB', true) AS "memory""#
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(ApplyFault::database("make room for words of e-mails"))?;
    }
    sqlx::query!(
        "INSERT INTO email_words AS w (email_id, user_id, date, words, sequence, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::timestamptz[]), unnest($4::tsvector[]),
                unnest($5::bytea[]), unnest($6::bigint[])
         ON CONFLICT (email_id) DO UPDATE
             SET date = excluded.date, words = excluded.words, sequence = excluded.sequence, version = excluded.version
             WHERE w.version < excluded.version",
        &column(&rows, |(e, _)| e.row.id),
        &column(&rows, |(e, _)| e.row.user_id),
        &column(&rows, |(e, _)| e.row.date),
        &column(&rows, |(_, words)| Vector(&words.vector)) as &[Vector<'_>],
        &column(&rows, |(_, words)| &*words.sequence) as &[&[u8]],
        &column(&rows, |(e, _)| e.row.came.unwrap_or(e.row.version)),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write words of e-mails"))?;
    Ok(())
}

/// Empties the list of what is not sorted into the index yet, if it is longer than usual. Whoever adds a row to the index
/// does so; only its owner could do without one. So the newest row is written again as it is.
pub(super) async fn sort_in(connection: &mut PgConnection) -> Result<(), ApplyFault> {
    sqlx::query!(
        "WITH newest AS (SELECT email_id FROM email_words ORDER BY email_id DESC LIMIT 1),
              memory AS (SELECT set_config('work_mem', '192MB', true)),
              gone AS (DELETE FROM email_words w USING newest n, memory WHERE w.email_id = n.email_id
                       RETURNING w.email_id, w.user_id, w.date, w.words, w.sequence, w.version)
         INSERT INTO email_words (email_id, user_id, date, words, sequence, version)
         SELECT g.email_id, g.user_id, g.date, g.words, g.sequence, g.version FROM gone g"
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("sort in words of e-mails"))?;
    Ok(())
}
