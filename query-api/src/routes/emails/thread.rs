//! `GET /emails/threads/{id}`: a conversation with its e-mails.

use orbit_platform::{
    http::{openapi::parsed, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Emails,
    threads::{self, Thread},
    view::{self, Address, COLUMNS, Email, JOINS},
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::conditions::Sql,
};

/// E-mails of a thread at most. Further ones are found under `/emails?thread=…`.
const EMAILS_AT_MOST: usize = 500;

/// A thread with its e-mails.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = WholeEmailThread, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000c1", "subject": "Lunch?",
    "participants": [{"email": "bob@example.org", "name": "Bob"}], "emails": 2, "unread": 1, "has_attachments": false,
    "is_starred": false, "first_date": "2026-11-22T20:28:00Z", "last_date": "2026-11-22T21:00:00Z",
    "last_email_id": "0197f0a0-0000-7000-8000-0000000000c2", "snippet": "At noon then.", "data": [], "has_more": false
}"#)))]
pub struct Whole {
    /// The thread itself.
    #[serde(flatten)]
    pub thread: Thread,
    /// Its e-mails outside the trash and junk, oldest first; at most 500.
    pub data: Vec<Email>,
    /// Whether it has more e-mails than these: `GET /emails?thread=…&sort=date` has them all.
    pub has_more: bool,
}

/// One thread, with its e-mails outside the trash and junk, oldest first. Any e-mail of it names it.
#[utoipa::path(
    get, path = "/emails/threads/{id}", tag = "emails", operation_id = "get_email_thread",
    params(("id" = Uuid, Path, description = "The thread: the id of any e-mail in it")),
    responses((status = 200, description = "The thread", body = Whole))
)]
pub async fn get(reader: Reader<Emails>, PathId(id): PathId, query: Query) -> Result<Snapshot<Whole>, ApiError> {
    query.finish()?;
    reader.ask(|mut db, whose| async move { find(&mut db, whose, id).await }).await?.found()
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Whole>>> {
    let row = sqlx::query_as!(
        threads::Row,
        r#"SELECT c.as_of AS "as_of!", t.thread_id AS "thread_id?", t.subject AS "subject?",
                  t.participants AS "participants?: Json<Vec<Address>>", t.emails AS "emails?", t.unread AS "unread?",
                  t.has_attachments AS "has_attachments?", t.is_starred AS "is_starred?", t.first_date AS "first_date?",
                  t.last_date AS "last_date?", t.last_email_id AS "last_email_id?", t.snippet AS "snippet?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN email_links l ON l.email_id = $3 AND l.user_id = $2
           LEFT JOIN email_threads t ON t.thread_id = l.thread_id AND t.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(&mut *db).await?;
    let as_of = row.as_of;
    let Some(thread) = row.thread() else { return Ok(Snapshot { as_of, body: None }) };
    let mut data = emails(db, whose, thread.id).await?;
    let has_more = data.len() > EMAILS_AT_MOST;
    data.truncate(EMAILS_AT_MOST);
    Ok(Snapshot { as_of, body: Some(Whole { thread, data, has_more }) })
}

/// The e-mails of a thread, and one more than are shown.
async fn emails(db: &mut PgConnection, whose: Whose, thread: Uuid) -> sqlx::Result<Vec<Email>> {
    let mut sql = Sql::new("SELECT ");
    sql.push(COLUMNS).push(" FROM (SELECT ").push_bind(0_i64).push("::bigint AS as_of, ").push_bind(whose.user_id);
    sql.push("::uuid AS user_id) c JOIN (SELECT m.email_id FROM email_links m WHERE m.user_id = $2 AND m.thread_id = ");
    sql.push_bind(thread).push(") m ON true JOIN emails e ON e.id = m.email_id AND e.user_id = $2");
    sql.push(" AND e.role NOT IN ('trash', 'junk')").push(JOINS);
    sql.push(" ORDER BY e.date, e.id LIMIT ").push(EMAILS_AT_MOST + 1);
    let rows = sql.build().fetch_all(db).await?;
    let emails = rows.iter().filter_map(|row| view::Row::from_row(row).map(view::Row::email).transpose());
    emails.collect()
}
