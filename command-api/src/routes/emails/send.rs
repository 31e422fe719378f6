//! Sending: a message at once, and what can be said about it until it is gone.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_domain::emails::{Compose, Submission, submission::Command};
use orbit_event_store::Unit;
use orbit_events::{SubmissionId, emails::Content};
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, OptionalJsonBody, Unknown},
        openapi::parsed,
        path::PathId,
    },
    ids,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    SCOPE, SEND_SCOPE,
    compose::{AddressesBody, ComposeEmail},
    submit::{self, When},
    views::{Mailbox, WrittenSubmission},
};
use crate::{
    error::Result,
    routes::read::Empty,
    write::{Reply, Write, present},
};

/// A message to send.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "to": [{"email": "grace@example.org", "name": "Grace"}], "subject": "Tickets to Vienna", "body": "Shall we?"
}"#)))]
pub struct SendEmail {
    /// Whom it is for, at most 50: addresses, or objects with `email` and `name`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    to: AddressesBody,
    /// Who gets a copy, at most 50.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    cc: AddressesBody,
    /// Who gets a copy that the others do not know of, at most 50.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    bcc: AddressesBody,
    /// One line of at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500, example = "Tickets to Vienna")]
    subject: Field<String>,
    /// Plain text of at most 100,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100_000)]
    body: Field<String>,
    /// Files that were uploaded for it, at most 10.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 10)]
    attachments: Field<Vec<Field<String>>>,
    /// The e-mail that it answers.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    reply_to_email_id: Field<String>,
    /// The account through which it is to be sent; the only one there is, if absent.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    connection_id: Field<String>,
    /// When it is to be sent, at most a year ahead; as soon as it can no longer be taken back, if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    send_at: Field<DateTime<Utc>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Another time for a message.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"send_at": "2026-12-01T08:00:00Z"}"#)))]
pub struct RescheduleSubmission {
    /// When it is to be sent, at most a year ahead.
    #[serde(default)]
    #[schema(value_type = DateTime<Utc>, required)]
    send_at: Field<DateTime<Utc>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Send an e-mail
///
/// It is held for a while (10 seconds, unless the operator set another time), in which it can be cancelled.
/// `Idempotency-Key` is required, and its answer is kept for a week: whatever happens on the way, the message is sent once.
#[utoipa::path(post, path = "/api/v1/emails/send", tag = "emails", operation_id = "send_email", request_body = SendEmail,
    params(("Idempotency-Key" = String, Header, description = "Required here: the same key and body get the same answer")),
    responses((status = 202, description = "It is going to be sent", body = WrittenSubmission)))]
#[tracing::instrument(name = "command.submissions.submit", skip_all)]
pub async fn send(write: Write, body: JsonBody<SendEmail>) -> Result<Response> {
    write.caller.require(SEND_SCOPE)?;
    write.request.require_key()?;
    let mut faults = Faults::new();
    let read = body.value.read(&mut faults);
    let (compose, send_at) = faults.finish_with(|| read)?;
    let content = &Content::from(compose);
    let app = write.app();
    let when = When { send_at, hold: app.mail().send_hold };
    let decide = |unit: Unit| async move {
        let id = SubmissionId(ids::new_v7(app.store.clock()));
        submit::submit(&unit, id, content.clone(), None, when).await
    };
    let answer = write.run_once(&body.bytes, decide).await?;
    app.reactor.wake().await;
    Ok(answer)
}

/// Cancel what is to be sent
///
/// While it is held or waits to be tried again, or when nobody knows whether it was sent. What was a draft is one again.
#[utoipa::path(post, path = "/api/v1/emails/submissions/{id}/cancel", tag = "emails", operation_id = "cancel_submission",
    params(("id" = Uuid, Path, description = "What is to be sent")),
    responses((status = 200, description = "What became of it", body = WrittenSubmission)))]
#[tracing::instrument(name = "command.submissions.cancel", skip_all)]
pub async fn cancel(write: Write, PathId(id): PathId<SubmissionId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    body.value.check()?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Submission>(&unit, id.0, if_match).await?;
        submit::cancel(&unit, id).await
    };
    write.run(&body.bytes, decide).await
}

/// Try again to send
///
/// Now, to all who have not got it: when it failed, waits to be tried again, or when nobody knows whether it was sent.
#[utoipa::path(post, path = "/api/v1/emails/submissions/{id}/retry", tag = "emails", operation_id = "retry_submission",
    params(("id" = Uuid, Path, description = "What is to be sent")),
    responses((status = 200, description = "What is to be sent", body = WrittenSubmission)))]
#[tracing::instrument(name = "command.submissions.retry", skip_all)]
pub async fn retry(write: Write, PathId(id): PathId<SubmissionId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require(SEND_SCOPE)?;
    body.value.check()?;
    change(&write, id, &body.bytes, &Command::Retry).await
}

/// Send at another time
///
/// While it is held or waits to be tried again.
#[utoipa::path(post, path = "/api/v1/emails/submissions/{id}/reschedule", tag = "emails",
    operation_id = "reschedule_submission", request_body = RescheduleSubmission,
    params(("id" = Uuid, Path, description = "What is to be sent")),
    responses((status = 200, description = "What is to be sent", body = WrittenSubmission)))]
#[tracing::instrument(name = "command.submissions.reschedule", skip_all)]
pub async fn reschedule(
    write: Write,
    PathId(id): PathId<SubmissionId>,
    body: JsonBody<RescheduleSubmission>,
) -> Result<Response> {
    write.caller.require(SEND_SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let send_at = faults.required("send_at", body.value.send_at, Faults::any);
    let command = faults.finish_with(|| send_at.map(Command::Reschedule))?;
    change(&write, id, &body.bytes, &command).await
}

async fn change(write: &Write, id: SubmissionId, body: &[u8], command: &Command) -> Result<Response> {
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Submission>(&unit, id.0, if_match).await?;
        let submission = unit.decide::<Submission>(id.0, command.clone()).await?;
        let submission = WrittenSubmission::try_from(submission)?;
        Ok(Reply::ok(&submission)?.version(submission.version))
    };
    let answer = write.run(body, decide).await?;
    write.app().reactor.wake().await;
    Ok(answer)
}

impl SendEmail {
    fn read(self, faults: &mut Faults) -> Option<(Compose, Option<DateTime<Utc>>)> {
        let send_at = faults.optional("send_at", self.send_at, Faults::any);
        let compose = ComposeEmail {
            to: self.to,
            cc: self.cc,
            bcc: self.bcc,
            subject: self.subject,
            body: self.body,
            attachments: self.attachments,
            reply_to_email_id: self.reply_to_email_id,
            connection_id: self.connection_id,
            unknown: self.unknown,
        };
        Some((compose.read(faults)?, send_at))
    }
}
