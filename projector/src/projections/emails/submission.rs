//! Rows of `email_submissions`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use orbit_domain::emails::submission::says_failed;
use orbit_events::{
    Envelope, Event,
    emails::{
        BouncedRecipient, Recipient,
        submission::{self, Cancelled, Submitted},
    },
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::draft::{Recipients, author};
use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// What is known about a recipient.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    /// What the server said.
    Said(Recipient),
    /// What a report said later.
    Reported(BouncedRecipient),
}

/// A message that is to be sent.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    draft_id: Option<Uuid>,
    connection_id: Option<Uuid>,
    message_id: String,
    from_email: String,
    from_name: Option<String>,
    recipients: Json<Recipients>,
    subject: String,
    status: Cow<'static, str>,
    hold_until: Option<DateTime<Utc>>,
    scheduled: bool,
    attempts: i32,
    next_attempt_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    results: Json<Vec<Answer>>,
    bounced: bool,
    created_by: Cow<'static, str>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = submission::Event;

    fn pick(event: &Event) -> Option<&submission::Event> {
        if let Event::Submission(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            r#"SELECT id, user_id, draft_id, connection_id, message_id, from_email, from_name,
                      recipients AS "recipients: Json<Recipients>", subject, status, hold_until, scheduled, attempts,
                      next_attempt_at, sent_at, failure_code, failure_detail, results AS "results: Json<Vec<Answer>>",
                      bounced, created_by, created_at, updated_at, version
               FROM email_submissions WHERE id = ANY($1)"#,
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read submissions"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &submission::Event, envelope: &Envelope) -> Option<Self> {
        let row = match event {
            submission::Event::Submitted(submitted) => Self::submitted(submitted, envelope),
            submission::Event::Held(held) => row?.held(held.until, held.scheduled),
            submission::Event::Attempted(attempted) => {
                let attempts = i32::try_from(attempted.attempt).unwrap_or(i32::MAX);
                Self { attempts, ..row?.stand("sending", None) }
            }
            submission::Event::Deferred(deferred) => Self {
                next_attempt_at: Some(deferred.until),
                ..row?.stand("deferred", Some((&deferred.code, &deferred.detail))).answered(&deferred.recipients)
            },
            submission::Event::Sent(sent) => {
                Self { sent_at: Some(sent.sent_at), ..row?.stand("sent", None).answered(&sent.recipients) }
            }
            submission::Event::DeliveryFailed(failed) => {
                row?.stand("failed", Some((&failed.code, &failed.detail))).answered(&failed.recipients)
            }
            submission::Event::Uncertain(uncertain) => row?.stand("uncertain", Some(("uncertain", &uncertain.detail))),
            submission::Event::Bounced(bounced) => {
                let mut row = row?;
                row.bounced |= says_failed(&bounced.recipients);
                row.results.extend(bounced.recipients.iter().cloned().map(Answer::Reported));
                row
            }
            submission::Event::Cancelled(Cancelled {}) => row?.stand("cancelled", None),
        };
        Some(Self { updated_at: envelope.recorded_at, version: envelope.version, ..row })
    }
}

impl Row {
    fn submitted(submitted: &Submitted, envelope: &Envelope) -> Self {
        let content = &submitted.content;
        Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            draft_id: submitted.draft_id.map(Uuid::from),
            connection_id: content.connection_id.map(Uuid::from),
            message_id: submitted.message_id.clone(),
            from_email: submitted.from.email.clone(),
            from_name: submitted.from.name.clone(),
            recipients: Json(Recipients::of(content)),
            subject: content.subject.clone(),
            // Until when follows in the same breath.
            status: Cow::Borrowed("held"),
            hold_until: Some(submitted.date),
            scheduled: false,
            attempts: 0,
            next_attempt_at: Some(submitted.date),
            sent_at: None,
            failure_code: None,
            failure_detail: None,
            results: Json(Vec::new()),
            bounced: false,
            created_by: Cow::Borrowed(author(submitted.created_by)),
            created_at: envelope.recorded_at,
            updated_at: envelope.recorded_at,
            version: envelope.version,
        }
    }

    /// It waits. After it had failed, those who were refused are tried again.
    fn held(mut self, until: DateTime<Utc>, scheduled: bool) -> Self {
        if matches!(&*self.status, "failed" | "uncertain") {
            self.results.retain(|answer| match answer {
                Answer::Said(recipient) => recipient.accepted,
                Answer::Reported(_) => true,
            });
        }
        Self { hold_until: Some(until), next_attempt_at: Some(until), scheduled, ..self.stand("held", None) }
    }

    fn stand(self, status: &'static str, failure: Option<(&str, &str)>) -> Self {
        let (failure_code, failure_detail) = failure.map(|(code, detail)| (code.to_owned(), detail.to_owned())).unzip();
        let status = Cow::Borrowed(status);
        Self { status, hold_until: None, next_attempt_at: None, failure_code, failure_detail, ..self }
    }

    /// The server has said this about recipients, in place of what it said before.
    fn answered(mut self, recipients: &[Recipient]) -> Self {
        self.results.retain(|answer| matches!(answer, Answer::Reported(_)));
        self.results.splice(0..0, recipients.iter().cloned().map(Answer::Said));
        self
    }
}

/// Writes submissions that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_submissions AS s (id, user_id, draft_id, connection_id, message_id, from_email, from_name,
                                             recipients, subject, status, hold_until, scheduled, attempts,
                                             next_attempt_at, sent_at, failure_code, failure_detail, results, bounced,
                                             created_by, created_at, updated_at, version)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                              $8::jsonb[], $9::text[], $10::text[], $11::timestamptz[], $12::boolean[], $13::integer[],
                              $14::timestamptz[], $15::timestamptz[], $16::text[], $17::text[], $18::jsonb[],
                              $19::boolean[], $20::text[], $21::timestamptz[], $22::timestamptz[], $23::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET status = excluded.status, hold_until = excluded.hold_until, scheduled = excluded.scheduled,
                 attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, sent_at = excluded.sent_at,
                 failure_code = excluded.failure_code, failure_detail = excluded.failure_detail,
                 results = excluded.results, bounced = excluded.bounced, updated_at = excluded.updated_at,
                 version = excluded.version
             WHERE s.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| r.draft_id) as &[Option<Uuid>],
        &column(rows, |r| r.connection_id) as &[Option<Uuid>],
        &column(rows, |r| &*r.message_id) as &[&str],
        &column(rows, |r| &*r.from_email) as &[&str],
        &column(rows, |r| r.from_name.as_deref()) as &[Option<&str>],
        &column(rows, |r| Json(&*r.recipients)) as &[Json<&Recipients>],
        &column(rows, |r| &*r.subject) as &[&str],
        &column(rows, |r| &*r.status) as &[&str],
        &column(rows, |r| r.hold_until) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.scheduled),
        &column(rows, |r| r.attempts),
        &column(rows, |r| r.next_attempt_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.sent_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.failure_code.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.failure_detail.as_deref()) as &[Option<&str>],
        &column(rows, |r| Json(&*r.results)) as &[Json<&Vec<Answer>>],
        &column(rows, |r| r.bounced),
        &column(rows, |r| &*r.created_by) as &[&str],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write submissions"))?;
    Ok(())
}
