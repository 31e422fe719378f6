//! Rows of `email_drafts`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    emails::{
        Address, Author, Content,
        draft::{self, Discarded, Drafted, Edited, Reopened},
    },
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column, uuids_as_text},
};

/// Whom something is for.
#[derive(Serialize, Deserialize)]
pub(super) struct Recipients {
    to: Vec<Address>,
    cc: Vec<Address>,
    bcc: Vec<Address>,
}

impl Recipients {
    pub fn of(content: &Content) -> Self {
        Self { to: content.to.clone(), cc: content.cc.clone(), bcc: content.bcc.clone() }
    }
}

/// A draft.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    reply_to_email_id: Option<Uuid>,
    connection_id: Option<Uuid>,
    recipients: Json<Recipients>,
    subject: String,
    body: String,
    attachments: Vec<Uuid>,
    status: Cow<'static, str>,
    submission_id: Option<Uuid>,
    created_by: Cow<'static, str>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = draft::Event;

    fn pick(event: &Event) -> Option<&draft::Event> {
        if let Event::Draft(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            r#"SELECT id, user_id, reply_to_email_id, connection_id, recipients AS "recipients: Json<Recipients>", subject,
                      body, attachments, status, submission_id, created_by, created_at, updated_at, version
               FROM email_drafts WHERE id = ANY($1)"#,
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read drafts"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &draft::Event, envelope: &Envelope) -> Option<Self> {
        let row = match event {
            draft::Event::Drafted(drafted) => Self::drafted(row.as_ref(), drafted, envelope),
            draft::Event::Edited(Edited { content }) => row?.with(content),
            draft::Event::Discarded(Discarded {}) => Self { status: Cow::Borrowed("discarded"), ..row? },
            draft::Event::Submitted(submitted) => {
                Self { status: Cow::Borrowed("sent"), submission_id: Some(submitted.submission_id.0), ..row? }
            }
            draft::Event::Reopened(Reopened {}) => {
                Self { status: Cow::Borrowed("pending"), submission_id: None, ..row? }
            }
        };
        Some(Self { updated_at: envelope.recorded_at, version: envelope.version, ..row })
    }
}

impl Row {
    /// It is begun, perhaps anew after it was thrown away.
    fn drafted(before: Option<&Self>, Drafted { content, created_by }: &Drafted, envelope: &Envelope) -> Self {
        let row = Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            reply_to_email_id: None,
            connection_id: None,
            recipients: Json(Recipients::of(content)),
            subject: String::new(),
            body: String::new(),
            attachments: Vec::new(),
            status: Cow::Borrowed("pending"),
            submission_id: None,
            created_by: Cow::Borrowed(author(*created_by)),
            created_at: before.map_or(envelope.recorded_at, |row| row.created_at),
            updated_at: envelope.recorded_at,
            version: envelope.version,
        };
        row.with(content)
    }

    fn with(self, content: &Content) -> Self {
        Self {
            reply_to_email_id: content.reply_to_email_id.map(Uuid::from),
            connection_id: content.connection_id.map(Uuid::from),
            recipients: Json(Recipients::of(content)),
            subject: content.subject.clone(),
            body: content.body.clone(),
            attachments: content.attachments.iter().map(|file| file.0).collect(),
            ..self
        }
    }
}

/// Who wrote something.
pub(super) fn author(author: Author) -> &'static str {
    match author {
        Author::User => "user",
        Author::Agent => "agent",
    }
}

/// Writes drafts that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_drafts AS d (id, user_id, reply_to_email_id, connection_id, recipients, subject, body,
                                        attachments, status, submission_id, created_by, created_at, updated_at, version)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::jsonb[]),
                unnest($6::text[]), unnest($7::text[]), unnest($8::text[])::uuid[], unnest($9::text[]),
                unnest($10::uuid[]), unnest($11::text[]), unnest($12::timestamptz[]), unnest($13::timestamptz[]),
                unnest($14::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET reply_to_email_id = excluded.reply_to_email_id, connection_id = excluded.connection_id,
                 recipients = excluded.recipients, subject = excluded.subject, body = excluded.body,
                 attachments = excluded.attachments, status = excluded.status, submission_id = excluded.submission_id,
                 created_by = excluded.created_by, updated_at = excluded.updated_at, version = excluded.version
             WHERE d.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| r.reply_to_email_id) as &[Option<Uuid>],
        &column(rows, |r| r.connection_id) as &[Option<Uuid>],
        &column(rows, |r| Json(&*r.recipients)) as &[Json<&Recipients>],
        &column(rows, |r| &*r.subject) as &[&str],
        &column(rows, |r| &*r.body) as &[&str],
        &column(rows, |r| uuids_as_text(&r.attachments)),
        &column(rows, |r| &*r.status) as &[&str],
        &column(rows, |r| r.submission_id) as &[Option<Uuid>],
        &column(rows, |r| &*r.created_by) as &[&str],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write drafts"))?;
    Ok(())
}
