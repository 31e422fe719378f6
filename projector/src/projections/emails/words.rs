//! Rows of `email_words` and `email_phrases`: what e-mails are found by. The words are made here while the database writes
//! the e-mails, and those of many are written beside them, over a second connection: no row is read but through that of its
//! e-mail.

use std::{
    collections::HashSet,
    slice,
    sync::{Mutex, PoisonError},
};

use orbit_domain::emails::words::{Analysis, People, Stems, Words, words};
use sqlx::{
    Connection, Encode, PgConnection, Postgres, Transaction, Type,
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
pub(super) const MANY: usize = 100;
/// E-mails whose words are written by the second connection while those of the next are made.
const AHEAD: usize = 125;

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

/// The words of e-mails, until it is known which of these came in.
pub(super) enum Prepared<'c> {
    /// In the same order.
    Made(Vec<Words>),
    /// Written, but not committed.
    Written(Transaction<'c, Postgres>),
}

/// Makes the words of e-mails, and writes them where there is a second connection.
pub(super) async fn prepare<'c>(second: Option<&'c mut PgConnection>, emails: &[Arrived<'_>]) -> Prepared<'c> {
    if let Some(second) = second.filter(|_| emails.len() >= MANY) {
        match write_ahead(second, emails).await {
            Ok(transaction) => return Prepared::Written(transaction),
            // The first connection tries the same, and finds out what is wrong.
            Err(fault) => tracing::warn!(error = %fault, "words of e-mails were not written ahead"),
        }
    }
    Prepared::Made(make(emails).await)
}

impl Prepared<'_> {
    /// Writes the words of those e-mails of which the database says that they came in, unless that is done.
    pub async fn store(
        self,
        connection: &mut PgConnection,
        emails: &[Arrived<'_>],
        written: &HashSet<Uuid>,
    ) -> Result<(), ApplyFault> {
        let words = match self {
            Self::Made(words) => words,
            Self::Written(transaction) => match transaction.commit().await {
                Ok(()) => return Ok(()),
                Err(_) => make(emails).await,
            },
        };
        let rows: Vec<(&Arrived<'_>, &Words)> =
            emails.iter().zip(&words).filter(|(e, _)| written.contains(&e.row.id)).collect();
        if rows.len() >= MANY {
            make_room(connection).await?;
        }
        insert(connection, &rows).await
    }
}

/// Writes the words of all of these. Of those that are there already nothing changes.
async fn write_ahead<'c>(
    second: &'c mut PgConnection,
    emails: &[Arrived<'_>],
) -> Result<Transaction<'c, Postgres>, ApplyFault> {
    let mut transaction =
        second.begin().await.map_err(ApplyFault::database("begin to write words of e-mails ahead"))?;
    // Like the e-mails they need not wait for the disk. And whoever is in the way may wait for the first connection.
    sqlx::query!(
        r#"SELECT set_config('synchronous_commit', 'off', true) AS "commit",
                  set_config('lock_timeout', '2s', true) AS "locks""#
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(ApplyFault::database("begin to write words of e-mails ahead"))?;
    make_room(&mut transaction).await?;
    let mut rest = emails.chunks(AHEAD);
    let mut made = make_next(&mut rest).await;
    while let Some((some, words)) = made {
        let rows: Vec<(&Arrived<'_>, &Words)> = some.iter().zip(&words).collect();
        let (inserted, next) = tokio::join!(insert(&mut transaction, &rows), make_next(&mut rest));
        inserted?;
        made = next;
    }
    Ok(transaction)
}

async fn make_next<'a, 'e>(rest: &mut slice::Chunks<'a, Arrived<'e>>) -> Option<(&'a [Arrived<'e>], Vec<Words>)> {
    let some = rest.next()?;
    Some((some, make(some).await))
}

/// The words of e-mails, in the same order.
async fn make(emails: &[Arrived<'_>]) -> Vec<Words> {
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

/// What words of many e-mails are written with.
async fn make_room(connection: &mut PgConnection) -> Result<(), ApplyFault> {
    sqlx::query!(
        r#"SELECT set_config('gin_pending_list_limit', '64MB', true) AS "limit",
                  set_config('work_mem', '192MB', true) AS "memory""#
    )
    .fetch_one(connection)
    .await
    .map_err(ApplyFault::database("make room for words of e-mails"))?;
    Ok(())
}

async fn insert(connection: &mut PgConnection, rows: &[(&Arrived<'_>, &Words)]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids = column(rows, |(e, _)| e.row.id);
    let users = column(rows, |(e, _)| e.row.user_id);
    let dates = column(rows, |(e, _)| e.row.date);
    let versions = column(rows, |(e, _)| e.row.came.unwrap_or(e.row.version));
    sqlx::query!(
        "INSERT INTO email_words AS w (email_id, user_id, date, words, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::timestamptz[]), unnest($4::tsvector[]),
                unnest($5::bigint[])
         ON CONFLICT (email_id) DO UPDATE
             SET date = excluded.date, words = excluded.words, version = excluded.version
             WHERE w.version < excluded.version",
        &ids,
        &users,
        &dates,
        &column(rows, |(_, words)| Vector(&words.vector)) as &[Vector<'_>],
        &versions,
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("write words of e-mails"))?;
    sqlx::query!(
        "INSERT INTO email_phrases AS p (email_id, user_id, date, sequence, pairs, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::timestamptz[]), unnest($4::bytea[]),
                unnest($5::bytea[]), unnest($6::bigint[])
         ON CONFLICT (email_id) DO UPDATE
             SET date = excluded.date, sequence = excluded.sequence, pairs = excluded.pairs, version = excluded.version
             WHERE p.version < excluded.version",
        &ids,
        &users,
        &dates,
        &column(rows, |(_, words)| &*words.sequence) as &[&[u8]],
        &column(rows, |(_, words)| &*words.pairs) as &[&[u8]],
        &versions,
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write what phrases are looked for in"))?;
    Ok(())
}

/// Empties the list of what is not sorted into the index yet, if it is longer than usual. Whoever adds a row to the index
/// does so; only its owner could do without one. So one is added that is nobody's, and taken away before anybody sees it.
pub(super) async fn sort_in(connection: &mut PgConnection) -> Result<(), ApplyFault> {
    sqlx::query!(
        "INSERT INTO email_words (email_id, user_id, date, words, version)
         SELECT $1, $1, 'epoch', 'x', 0 FROM set_config('work_mem', '192MB', true)",
        Uuid::nil()
    )
    .execute(&mut *connection)
    .await
    .map_err(ApplyFault::database("sort in words of e-mails"))?;
    sqlx::query!("DELETE FROM email_words WHERE email_id = $1", Uuid::nil())
        .execute(connection)
        .await
        .map_err(ApplyFault::database("take away what was only to sort in words of e-mails"))?;
    Ok(())
}
