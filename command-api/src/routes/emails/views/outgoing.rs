//! Drafts and what is sent, as writes answer them.

use chrono::{DateTime, Utc};
use orbit_domain::emails::{
    Draft, Submission,
    draft::{self, Present},
    submission::{Reason, Standing},
};
use orbit_event_store::Loaded;
use orbit_events::{
    AttachmentId, ConnectionId, DraftId, EmailId, SubmissionId,
    emails::{Author, Content, Recipient},
};
use orbit_platform::{http::openapi::parsed, problem::ApiError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Mailbox, mailboxes};

/// A draft after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b55", "reply_to_email_id": null, "connection_id": null,
    "to": [{"email": "grace@example.org", "name": "Grace"}], "cc": [], "bcc": [], "subject": "Tickets to Vienna",
    "body": "Shall we?", "attachments": [], "status": "pending", "submission_id": null, "created_by": "user",
    "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct WrittenDraft {
    /// Its id.
    pub id: Uuid,
    /// The e-mail that it answers.
    #[schema(value_type = Option<Uuid>)]
    pub reply_to_email_id: Option<EmailId>,
    /// The account through which it is to be sent.
    #[schema(value_type = Option<Uuid>)]
    pub connection_id: Option<ConnectionId>,
    /// Whom it is for.
    pub to: Vec<Mailbox>,
    /// Who gets a copy.
    pub cc: Vec<Mailbox>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Vec<Mailbox>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Files that go with it.
    #[schema(value_type = Vec<Uuid>)]
    pub attachments: Vec<AttachmentId>,
    /// `pending`, or `sent` once it was handed over.
    pub status: String,
    /// What it became when it was handed over.
    #[schema(value_type = Option<Uuid>)]
    pub submission_id: Option<SubmissionId>,
    /// Who wrote it: `user` or `agent`.
    #[schema(value_type = String)]
    pub created_by: Author,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<Draft>> for WrittenDraft {
    type Error = ApiError;

    fn try_from(draft: Loaded<Draft>) -> Result<Self, ApiError> {
        let (Present { content, created_by }, submission_id) = match draft.state {
            draft::State::Present(draft) => (*draft, None),
            draft::State::Submitted { draft, submission_id } => (*draft, Some(submission_id)),
            draft::State::Absent | draft::State::Discarded => return Err(ApiError::not_found()),
        };
        let Content { connection_id, reply_to_email_id, to, cc, bcc, subject, body, attachments } = content;
        Ok(Self {
            id: draft.id,
            reply_to_email_id,
            connection_id,
            to: mailboxes(to),
            cc: mailboxes(cc),
            bcc: mailboxes(bcc),
            subject,
            body,
            attachments,
            status: if submission_id.is_some() { "sent" } else { "pending" }.to_owned(),
            submission_id,
            created_by,
            created_at: draft.created_at,
            updated_at: draft.updated_at,
            version: draft.version,
        })
    }
}

/// What a server said about one recipient.
#[derive(ToSchema)]
#[schema(as = SubmissionResult)]
#[expect(dead_code, reason = "only its schema is used: the values are those of the facts")]
pub struct ResultOfRecipient {
    /// Whom it is for.
    email: String,
    /// Whether the server took it.
    accepted: bool,
    /// The server's code.
    code: Option<u16>,
    /// The server's words.
    detail: Option<String>,
}

/// What is sent, after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b56", "draft_id": null, "connection_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b44",
    "reply_to_email_id": null, "message_id": "019302d56f3c7b1e9c530d6a3c1f2b56@example.org", "from_email": "ada@example.org",
    "from_name": "Ada", "to": [{"email": "grace@example.org", "name": "Grace"}], "cc": [], "bcc": [],
    "subject": "Tickets to Vienna", "status": "held", "hold_until": "2026-11-22T20:28:10Z", "scheduled": false,
    "attempts": 0, "next_attempt_at": null, "sent_at": null, "failure_code": null, "failure_detail": null, "results": [],
    "bounced": false, "created_by": "user", "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z",
    "version": 2
}"#)))]
pub struct WrittenSubmission {
    /// Its id.
    pub id: Uuid,
    /// The draft that it was.
    #[schema(value_type = Option<Uuid>)]
    pub draft_id: Option<DraftId>,
    /// The account through which it is sent.
    #[schema(value_type = Option<Uuid>)]
    pub connection_id: Option<ConnectionId>,
    /// The e-mail that it answers.
    #[schema(value_type = Option<Uuid>)]
    pub reply_to_email_id: Option<EmailId>,
    /// Its message id.
    pub message_id: String,
    /// Whom it is from.
    pub from_email: String,
    /// The name beside that.
    pub from_name: Option<String>,
    /// Whom it is for.
    pub to: Vec<Mailbox>,
    /// Who gets a copy.
    pub cc: Vec<Mailbox>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Vec<Mailbox>,
    /// One line.
    pub subject: String,
    /// `held`, `sending`, `deferred`, `sent`, `failed`, `uncertain` or `cancelled`.
    pub status: String,
    /// Until when it is held, and can be cancelled.
    pub hold_until: Option<DateTime<Utc>>,
    /// Whether somebody chose that time.
    pub scheduled: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When the server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it was not sent, for programs.
    pub failure_code: Option<String>,
    /// Why it was not sent, in words.
    pub failure_detail: Option<String>,
    /// What the server said about each recipient.
    #[schema(value_type = Vec<ResultOfRecipient>)]
    pub results: Vec<Recipient>,
    /// Whether a report came that it did not arrive.
    pub bounced: bool,
    /// Who wanted it: `user` or `agent`.
    #[schema(value_type = String)]
    pub created_by: Author,
    /// When that was.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<Submission>> for WrittenSubmission {
    type Error = ApiError;

    fn try_from(submission: Loaded<Submission>) -> Result<Self, ApiError> {
        let (sheet, standing) = submission.state.wanted().ok_or_else(ApiError::not_found)?;
        let failure = Failure::of(standing);
        let content = sheet.content.clone();
        let (hold_until, scheduled) = match standing {
            Standing::Held { until, scheduled } => (Some(*until), *scheduled),
            _ => (None, false),
        };
        Ok(Self {
            id: submission.id,
            draft_id: sheet.draft_id,
            connection_id: content.connection_id,
            reply_to_email_id: content.reply_to_email_id,
            message_id: sheet.message_id.clone(),
            from_email: sheet.from.email.clone(),
            from_name: sheet.from.name.clone(),
            to: mailboxes(content.to),
            cc: mailboxes(content.cc),
            bcc: mailboxes(content.bcc),
            subject: content.subject,
            status: standing.name().to_owned(),
            hold_until,
            scheduled,
            attempts: sheet.attempts,
            next_attempt_at: if let Standing::Deferred { until, .. } = standing { Some(*until) } else { None },
            sent_at: if let Standing::Sent { sent_at } = standing { Some(*sent_at) } else { None },
            failure_code: failure.code,
            failure_detail: failure.detail,
            results: sheet.results.clone(),
            bounced: sheet.bounced,
            created_by: sheet.created_by,
            created_at: submission.created_at,
            updated_at: submission.updated_at,
            version: submission.version,
        })
    }
}

/// Why a message was not sent.
struct Failure {
    code: Option<String>,
    detail: Option<String>,
}

impl Failure {
    fn of(standing: &Standing) -> Self {
        let (code, detail) = match standing {
            Standing::Deferred { reason: Reason { code, detail }, .. }
            | Standing::Failed { reason: Reason { code, detail } } => (code.as_str(), detail),
            Standing::Uncertain { detail } => ("uncertain", detail),
            Standing::Held { .. } | Standing::Attempting { .. } | Standing::Sent { .. } | Standing::Cancelled => {
                return Self { code: None, detail: None };
            }
        };
        Self { code: Some(code.to_owned()), detail: Some(detail.clone()) }
    }
}
