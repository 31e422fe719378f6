//! `GET /emails/drafts` and `/emails/drafts/{id}`: e-mails that are being written.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Emails,
    view::{Address, Author, Recipients},
};
use crate::{
    answer::{IfNoneMatch, Snapshot},
    past::About,
    reader::{Reader, Whose},
    routes::{
        filters,
        fixed::{self, Begin, PageParameters},
    },
};

/// What became of a draft.
#[derive(ToSchema)]
#[schema(as = DraftStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Status {
    Pending,
    Sent,
    Discarded,
}

const STATUSES: [&str; 3] = ["pending", "sent", "discarded"];

/// An e-mail that is being written.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000e1", "reply_to_email_id": null, "connection_id": null,
    "to": [{"email": "bob@example.org", "name": "Bob"}], "cc": [], "bcc": [], "subject": "Lunch?",
    "body": "Are you free at noon?", "attachments": [], "status": "pending", "submission_id": null,
    "created_by": "user", "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct Draft {
    /// Its id.
    pub id: Uuid,
    /// The e-mail that it answers.
    pub reply_to_email_id: Option<Uuid>,
    /// The connection by which it is to go.
    pub connection_id: Option<Uuid>,
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Who gets a copy.
    pub cc: Vec<Address>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Vec<Address>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Uploads that go with it.
    pub attachments: Vec<Uuid>,
    /// What became of it.
    #[schema(value_type = Status)]
    pub status: String,
    /// What it was handed over as, once it is sent.
    pub submission_id: Option<Uuid>,
    /// Who wrote it.
    #[schema(value_type = Author)]
    pub created_by: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    reply_to_email_id: Option<Uuid>,
    connection_id: Option<Uuid>,
    recipients: Option<Json<Recipients>>,
    subject: Option<String>,
    body: Option<String>,
    attachments: Option<Vec<Uuid>>,
    status: Option<String>,
    submission_id: Option<Uuid>,
    created_by: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn draft(self) -> Option<Draft> {
        let Json(Recipients { to, cc, bcc, .. }) = self.recipients?;
        Some(Draft {
            id: self.id?,
            reply_to_email_id: self.reply_to_email_id,
            connection_id: self.connection_id,
            to,
            cc,
            bcc,
            subject: self.subject?,
            body: self.body?,
            attachments: self.attachments?,
            status: self.status?,
            submission_id: self.submission_id,
            created_by: self.created_by?,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }
}

/// The caller's drafts, last changed first: those that are still being written, unless `status` says otherwise.
#[utoipa::path(
    get, path = "/emails/drafts", tag = "emails", operation_id = "list_drafts",
    params(("status" = Option<Status>, Query, description = "What became of it; pending if not given"), PageParameters),
    responses((status = 200, description = "A page of drafts", body = Page<Draft>))
)]
pub async fn all(reader: Reader<Emails>, mut query: Query) -> Result<Snapshot<Page<Draft>>, ApiError> {
    let status = query.value("status", |text| filters::name(&STATUSES, text)).unwrap_or(STATUSES[0]);
    let (page, begin) = fixed::page::<DateTime<Utc>>(query, "updated_at", true, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, status, begin).await }).await?;
    Ok(found.map(|drafts| page.page(drafts, None, |draft| vec![json!(draft.updated_at), json!(draft.id)])))
}

/// One draft, whatever became of it.
#[utoipa::path(
    get, path = "/emails/drafts/{id}", tag = "emails", operation_id = "get_draft",
    params(("id" = Uuid, Path, description = "The draft"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The draft", body = Draft, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
    )
)]
pub async fn get(
    reader: Reader<Emails>,
    PathId(id): PathId,
    known: IfNoneMatch,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let draft = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    let version = draft.body.version;
    Ok(draft.unless_known(version, &known))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    status: &str,
    begin: &Begin<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Draft>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", d.id AS "id?", d.reply_to_email_id AS "reply_to_email_id?",
                  d.connection_id AS "connection_id?", d.recipients AS "recipients?: Json<Recipients>",
                  d.subject AS "subject?", d.body AS "body?", d.attachments AS "attachments?", d.status AS "status?",
                  d.submission_id AS "submission_id?", d.created_by AS "created_by?", d.created_at AS "created_at?",
                  d.updated_at AS "updated_at?", d.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT d.id, d.reply_to_email_id, d.connection_id, d.recipients, d.subject, d.body, d.attachments,
                      d.status, d.submission_id, d.created_by, d.created_at, d.updated_at, d.version FROM email_drafts d
               WHERE d.user_id = $2 AND d.status = $3
                 AND ($4::timestamptz IS NULL OR (d.updated_at, d.id) < ($4, $5))
               ORDER BY d.updated_at DESC, d.id DESC LIMIT $6) d ON true
           ORDER BY d.updated_at DESC, d.id DESC"#,
        whose.partition,
        whose.user_id,
        status,
        begin.value,
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::draft).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Draft>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", d.id AS "id?", d.reply_to_email_id AS "reply_to_email_id?",
                  d.connection_id AS "connection_id?", d.recipients AS "recipients?: Json<Recipients>",
                  d.subject AS "subject?", d.body AS "body?", d.attachments AS "attachments?", d.status AS "status?",
                  d.submission_id AS "submission_id?", d.created_by AS "created_by?", d.created_at AS "created_at?",
                  d.updated_at AS "updated_at?", d.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN email_drafts d ON d.id = $3 AND d.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.draft() })
}
