//! `GET /emails/threads`: conversations, the one with the newest e-mail first.

use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{
        openapi::parsed,
        page::{Page, PageRequest},
        query::{self, Query, Sort, SortKey},
    },
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::{FromRow, PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Emails,
    asked::{Place, place},
    view::Address,
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::{
        conditions::Sql,
        fixed::{PageParameters, uncounted},
    },
};

/// A thread: e-mails that belong together, as far as they are outside the trash and junk.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = EmailThread, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000c1", "subject": "Lunch?",
    "participants": [{"email": "bob@example.org", "name": "Bob"}], "emails": 2, "unread": 1, "has_attachments": false,
    "is_starred": false, "first_date": "2026-11-22T20:28:00Z", "last_date": "2026-11-22T21:00:00Z",
    "last_email_id": "0197f0a0-0000-7000-8000-0000000000c2", "snippet": "At noon then."
}"#)))]
pub struct Thread {
    /// The id of its oldest e-mail.
    pub id: Uuid,
    /// That of its oldest e-mail.
    pub subject: String,
    /// Whom its e-mails are from, in the order of their first ones; at most 20.
    pub participants: Vec<Address>,
    /// How many e-mails there are.
    pub emails: i32,
    /// How many of them were not read.
    pub unread: i32,
    /// Whether there is a file with one of them.
    pub has_attachments: bool,
    /// Whether one of them was starred.
    pub is_starred: bool,
    /// When the oldest was written.
    pub first_date: DateTime<Utc>,
    /// When the newest was written.
    pub last_date: DateTime<Utc>,
    /// The newest.
    pub last_email_id: Uuid,
    /// The beginning of the newest.
    pub snippet: String,
}

/// A row of a statement that answers even if there is no thread.
#[derive(Debug, FromRow)]
pub struct Row {
    pub as_of: i64,
    pub thread_id: Option<Uuid>,
    pub subject: Option<String>,
    pub participants: Option<Json<Vec<Address>>>,
    pub emails: Option<i32>,
    pub unread: Option<i32>,
    pub has_attachments: Option<bool>,
    pub is_starred: Option<bool>,
    pub first_date: Option<DateTime<Utc>>,
    pub last_date: Option<DateTime<Utc>>,
    pub last_email_id: Option<Uuid>,
    pub snippet: Option<String>,
}

impl Row {
    /// The thread, if there is one.
    pub fn thread(self) -> Option<Thread> {
        Some(Thread {
            id: self.thread_id?,
            subject: self.subject?,
            participants: self.participants?.0,
            emails: self.emails?,
            unread: self.unread?,
            has_attachments: self.has_attachments?,
            is_starred: self.is_starred?,
            first_date: self.first_date?,
            last_date: self.last_date?,
            last_email_id: self.last_email_id?,
            snippet: self.snippet?,
        })
    }
}

/// What a list of threads is asked for.
struct Asked {
    place: Option<Place>,
    unread: Option<bool>,
    after: Option<(DateTime<Utc>, Uuid)>,
    page: PageRequest,
}

/// The caller's threads, the one with the newest e-mail first.
#[utoipa::path(
    get, path = "/emails/threads", tag = "emails", operation_id = "list_email_threads",
    params(
        ("folder" = Option<String>, Query, description = "Where one of its e-mails is to be found: a role such as `inbox`, or the id of a folder", example = "inbox"),
        ("unread" = Option<bool>, Query, description = "Whether one of its e-mails was not read"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of threads", body = Page<Thread>))
)]
pub async fn all(reader: Reader<Emails>, mut query: Query) -> Result<Snapshot<Page<Thread>>, ApiError> {
    let (place, unread) = (query.value("folder", place), query.value("unread", query::boolean));
    let sort = Sort { keys: vec![SortKey { column: "last_date", descending: true }] };
    let page = uncounted(&mut query, reader.cursors(), &sort);
    query.finish()?;
    let after = page.after.as_ref().map(|after| Ok::<_, ApiError>((after.get(0)?, after.get(1)?))).transpose()?;
    let asked = &Asked { place, unread, after, page };
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, asked).await }).await?;
    Ok(found.map(|threads| asked.page.page(threads, None, |thread| vec![json!(thread.last_date), json!(thread.id)])))
}

async fn list(db: &mut PgConnection, whose: Whose, asked: &Asked) -> sqlx::Result<Snapshot<Vec<Thread>>> {
    let mut sql =
        Sql::new("SELECT c.as_of, t.thread_id, t.subject, t.participants, t.emails, t.unread, t.has_attachments,");
    sql.push(" t.is_starred, t.first_date, t.last_date, t.last_email_id, t.snippet FROM (SELECT coalesce((");
    sql.push("SELECT k.position FROM checkpoints k WHERE k.projection = 'emails' AND k.partition = ");
    sql.push_bind(whose.partition).push("), 0) AS as_of, ").push_bind(whose.user_id).push("::uuid AS user_id) c");
    sql.push(
        " LEFT JOIN LATERAL (SELECT t.thread_id, t.subject, t.participants, t.emails, t.unread, t.has_attachments,",
    );
    sql.push(" t.is_starred, t.first_date, t.last_date, t.last_email_id, t.snippet FROM email_threads t");
    sql.push(" WHERE t.user_id = $2");
    if let Some(unread) = asked.unread {
        sql.push(if unread { " AND t.unread > 0" } else { " AND t.unread = 0" });
    }
    push_place(&mut sql, asked.place.as_ref());
    if let Some((date, id)) = asked.after {
        sql.push(" AND (t.last_date, t.thread_id) < (").push_bind(date).push(", ").push_bind(id).push(")");
    }
    sql.push(" ORDER BY t.last_date DESC, t.thread_id DESC LIMIT ").push(asked.page.fetch());
    sql.push(") t ON true ORDER BY t.last_date DESC, t.thread_id DESC");
    let rows = sql.build_query_as::<Row>().fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::thread).collect() })
}

/// Condition that an e-mail of a thread `t` lies there. A role is written, not bound: whether to begin at the threads
/// or at the e-mails depends on which it is.
fn push_place(sql: &mut Sql, place: Option<&Place>) {
    let condition = match place {
        Some(Place::Role(role)) => [" AND e.role = '", role, "'"].concat(),
        Some(Place::Folder(_)) => " AND e.role = e.folder_role AND e.folder_id = ".to_owned(),
        Some(Place::Named(_) | Place::Anywhere) | None => return,
    };
    sql.push(" AND t.thread_id IN (SELECT k.thread_id FROM email_links k JOIN emails e ON e.id = k.email_id");
    sql.push(" WHERE e.user_id = $2").push(condition);
    if let Some(Place::Folder(id)) = place {
        sql.push_bind(*id);
    }
    sql.push(")");
}
