//! `GET /emails/submissions` and `/emails/submissions/{id}`: e-mails on their way out.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
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

/// What became of what is to be sent.
#[derive(ToSchema)]
#[schema(as = SubmissionStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values; rows carry them as text")]
pub enum Status {
    Held,
    Sending,
    Deferred,
    Sent,
    Failed,
    Uncertain,
    Cancelled,
}

const STATUSES: [&str; 7] = ["held", "sending", "deferred", "sent", "failed", "uncertain", "cancelled"];

/// An e-mail on its way out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000f1", "draft_id": null, "connection_id": null,
    "message_id": "0197f0a00000700080000000000000f1@example.org", "from": {"email": "ada@example.org", "name": "Ada"},
    "to": [{"email": "bob@example.org", "name": "Bob"}], "cc": [], "bcc": [], "subject": "Lunch?", "status": "held",
    "hold_until": "2026-11-22T20:28:10Z", "scheduled": false, "attempts": 0, "next_attempt_at": null, "sent_at": null,
    "failure_code": null, "failure_detail": null, "results": [], "bounced": false, "created_by": "user",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 2
}"#)))]
pub struct Submission {
    /// Its id.
    pub id: Uuid,
    /// The draft that it was.
    pub draft_id: Option<Uuid>,
    /// The connection by which it goes.
    pub connection_id: Option<Uuid>,
    /// By which it is known elsewhere, without angle brackets.
    pub message_id: String,
    /// Whose it is.
    pub from: Address,
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Who gets a copy.
    pub cc: Vec<Address>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Vec<Address>,
    /// One line.
    pub subject: String,
    /// How far it is. `uncertain`: the server may have taken it and did not say so; it is not sent again without being
    /// asked.
    #[schema(value_type = Status)]
    pub status: String,
    /// Until when it can be taken back, while it is held.
    pub hold_until: Option<DateTime<Utc>>,
    /// Whether it is held until a time that the user chose.
    pub scheduled: bool,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next, while it is deferred.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it was not sent, as a code.
    pub failure_code: Option<String>,
    /// Why it was not sent, in the server's words.
    pub failure_detail: Option<String>,
    /// What was said of each recipient: `{"email", "accepted", "code", "detail"}` by the server, `{"email", "action",
    /// "status", "diagnostic"}` by reports that came back.
    #[schema(value_type = Vec<Object>)]
    pub results: Box<RawValue>,
    /// Whether a report came back that it could not be delivered.
    pub bounced: bool,
    /// Who had it sent.
    #[schema(value_type = Author)]
    pub created_by: String,
    /// When it was handed over.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    draft_id: Option<Uuid>,
    connection_id: Option<Uuid>,
    message_id: Option<String>,
    from_email: Option<String>,
    from_name: Option<String>,
    recipients: Option<Json<Recipients>>,
    subject: Option<String>,
    status: Option<String>,
    hold_until: Option<DateTime<Utc>>,
    scheduled: Option<bool>,
    attempts: Option<i32>,
    next_attempt_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    results: Option<Json<Box<RawValue>>>,
    bounced: Option<bool>,
    created_by: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn submission(self) -> Option<Submission> {
        let Json(Recipients { to, cc, bcc, .. }) = self.recipients?;
        Some(Submission {
            id: self.id?,
            draft_id: self.draft_id,
            connection_id: self.connection_id,
            message_id: self.message_id?,
            from: Address { email: self.from_email?, name: self.from_name },
            to,
            cc,
            bcc,
            subject: self.subject?,
            status: self.status?,
            hold_until: self.hold_until,
            scheduled: self.scheduled?,
            attempts: self.attempts?,
            next_attempt_at: self.next_attempt_at,
            sent_at: self.sent_at,
            failure_code: self.failure_code,
            failure_detail: self.failure_detail,
            results: self.results?.0,
            bounced: self.bounced?,
            created_by: self.created_by?,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }
}

/// What the caller has sent and is about to send, newest first.
#[utoipa::path(
    get, path = "/emails/submissions", tag = "emails", operation_id = "list_submissions",
    params(("status" = Option<Status>, Query, description = "How far it is; all if not given"), PageParameters),
    responses((status = 200, description = "A page of submissions", body = Page<Submission>))
)]
pub async fn all(reader: Reader<Emails>, mut query: Query) -> Result<Snapshot<Page<Submission>>, ApiError> {
    let status = query.value("status", |text| filters::name(&STATUSES, text));
    let (page, begin) = fixed::page::<DateTime<Utc>>(query, "created_at", true, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, status, begin).await }).await?;
    Ok(found.map(|all| page.page(all, None, |one| vec![json!(one.created_at), json!(one.id)])))
}

/// One submission: how far what is sent has come.
#[utoipa::path(
    get, path = "/emails/submissions/{id}", tag = "emails", operation_id = "get_submission",
    params(("id" = Uuid, Path, description = "The submission"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The submission", body = Submission, headers(("ETag" = String, description = "Its version"))),
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
    let submission = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    let version = submission.body.version;
    Ok(submission.unless_known(version, &known))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    status: Option<&str>,
    begin: &Begin<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Submission>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", s.id AS "id?", s.draft_id AS "draft_id?", s.connection_id AS "connection_id?",
                  s.message_id AS "message_id?", s.from_email AS "from_email?", s.from_name AS "from_name?",
                  s.recipients AS "recipients?: Json<Recipients>", s.subject AS "subject?", s.status AS "status?",
                  s.hold_until AS "hold_until?", s.scheduled AS "scheduled?", s.attempts AS "attempts?",
                  s.next_attempt_at AS "next_attempt_at?", s.sent_at AS "sent_at?", s.failure_code AS "failure_code?",
                  s.failure_detail AS "failure_detail?", s.results AS "results?: Json<Box<RawValue>>",
                  s.bounced AS "bounced?", s.created_by AS "created_by?", s.created_at AS "created_at?",
                  s.updated_at AS "updated_at?", s.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT s.id, s.draft_id, s.connection_id, s.message_id, s.from_email, s.from_name, s.recipients,
                      s.subject, s.status, s.hold_until, s.scheduled, s.attempts, s.next_attempt_at, s.sent_at,
                      s.failure_code, s.failure_detail, s.results, s.bounced, s.created_by, s.created_at, s.updated_at,
                      s.version FROM email_submissions s
               WHERE s.user_id = $2 AND ($3::text IS NULL OR s.status = $3)
                 AND ($4::timestamptz IS NULL OR (s.created_at, s.id) < ($4, $5))
               ORDER BY s.created_at DESC, s.id DESC LIMIT $6) s ON true
           ORDER BY s.created_at DESC, s.id DESC"#,
        whose.partition,
        whose.user_id,
        status,
        begin.value,
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::submission).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Submission>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", s.id AS "id?", s.draft_id AS "draft_id?", s.connection_id AS "connection_id?",
                  s.message_id AS "message_id?", s.from_email AS "from_email?", s.from_name AS "from_name?",
                  s.recipients AS "recipients?: Json<Recipients>", s.subject AS "subject?", s.status AS "status?",
                  s.hold_until AS "hold_until?", s.scheduled AS "scheduled?", s.attempts AS "attempts?",
                  s.next_attempt_at AS "next_attempt_at?", s.sent_at AS "sent_at?", s.failure_code AS "failure_code?",
                  s.failure_detail AS "failure_detail?", s.results AS "results?: Json<Box<RawValue>>",
                  s.bounced AS "bounced?", s.created_by AS "created_by?", s.created_at AS "created_at?",
                  s.updated_at AS "updated_at?", s.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN email_submissions s ON s.id = $3 AND s.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.submission() })
}
