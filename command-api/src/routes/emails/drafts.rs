//! Drafts: begin, change, throw away, hand over to be sent. What is handed over becomes something else, which can still be
//! taken back for a while; nothing here leads outside.

use axum::{http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use orbit_domain::emails::{
    Body, Compose, Draft, Subject,
    draft::{AT_MOST, Command, Edit, USER},
};
use orbit_event_store::Unit;
use orbit_events::{DraftId, SubmissionId};
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
    compose::{self, AddressesBody, ComposeEmail},
    submit::{self, When},
    views::{Mailbox, WrittenDraft, WrittenSubmission},
};
use crate::{
    error::{Result, refusal},
    routes::read::{self, at_most, text},
    write::{Reply, Write, present},
};

/// What is to change of a draft: a JSON merge patch (RFC 7396).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"subject": "Tickets to Vienna, again", "cc": null}"#)))]
pub struct EditDraft {
    /// Whom it is for: all of them, at most 50; `null` for nobody.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    to: AddressesBody,
    /// Who gets a copy.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    cc: AddressesBody,
    /// Who gets a copy that the others do not know of.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Mailbox>>, max_items = 50)]
    bcc: AddressesBody,
    /// One line of at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    subject: Field<String>,
    /// Plain text of at most 100,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100_000)]
    body: Field<String>,
    /// All files that go with it, at most 10.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 10)]
    attachments: Field<Vec<Field<String>>>,
    /// The e-mail that it answers.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    reply_to_email_id: Field<String>,
    /// The account through which it is to be sent.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    connection_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// A draft is handed over.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"send_at": "2026-12-01T08:00:00Z"}"#)))]
pub struct SendDraft {
    /// When it is to be sent, at most a year ahead; as soon as it can no longer be taken back, if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    send_at: Field<DateTime<Utc>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Begin a draft
///
/// Everything may be left out until it is sent.
#[utoipa::path(post, path = "/api/v1/emails/drafts", tag = "emails", operation_id = "create_draft",
    request_body = ComposeEmail, responses((status = 201, description = "The draft", body = WrittenDraft)))]
#[tracing::instrument(name = "command.drafts.create", skip_all)]
pub async fn create(write: Write, body: JsonBody<ComposeEmail>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let written = body.value.read(&mut faults);
    let written: &Compose = &faults.finish_with(|| written)?;
    let app = write.app();
    let decide = |unit: Unit| async move {
        let limit = i64::try_from(AT_MOST).unwrap_or(i64::MAX);
        if unit.scan(USER, unit.context().user_id.0.as_bytes(), limit).await?.len() >= AT_MOST {
            let detail = format!("a user has at most {AT_MOST} drafts that are being written");
            return Err(refusal(StatusCode::CONFLICT, "too_many_drafts", None, detail).into());
        }
        let id = ids::new_v7(app.store.clock());
        let draft = unit.create::<Draft>(id, Command::Draft(Box::new(written.clone())))?;
        if let Some(draft) = draft.state.present() {
            submit::check(&unit, &draft.content).await?;
        }
        let draft = WrittenDraft::try_from(draft)?;
        Ok(Reply::created(&draft, format!("/api/v1/emails/drafts/{id}"))?.version(draft.version))
    };
    write.run(&body.bytes, decide).await
}

/// Change a draft
///
/// A JSON merge patch (RFC 7396): what is absent stays, what is `null` is taken away.
#[utoipa::path(patch, path = "/api/v1/emails/drafts/{id}", tag = "emails", operation_id = "edit_draft",
    request_body = EditDraft, params(("id" = Uuid, Path, description = "The draft")),
    responses((status = 200, description = "The draft as it is now", body = WrittenDraft)))]
#[tracing::instrument(name = "command.drafts.edit", skip_all)]
pub async fn edit(write: Write, PathId(id): PathId<DraftId>, body: JsonBody<EditDraft>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let edit = body.value.read(&mut faults);
    faults.finish()?;
    let (edit, if_match) = (&edit, &write.request.if_match);
    let decide = |unit: Unit| async move {
        let before = present::<Draft>(&unit, id.0, if_match).await?;
        let draft = unit.decide::<Draft>(id.0, Command::Edit(Box::new(edit.clone()))).await?;
        if let Some(after) = draft.state.present() {
            // What it named before may be gone by now, and need not be in the way of another word.
            submit::check_new(&unit, before.state.present().map(|before| &before.content), &after.content).await?;
        }
        let draft = WrittenDraft::try_from(draft)?;
        Ok(Reply::ok(&draft)?.version(draft.version))
    };
    write.run(&body.bytes, decide).await
}

/// Throw a draft away
#[utoipa::path(delete, path = "/api/v1/emails/drafts/{id}", tag = "emails", operation_id = "discard_draft",
    params(("id" = Uuid, Path, description = "The draft")),
    responses((status = 204, description = "It is gone")))]
#[tracing::instrument(name = "command.drafts.discard", skip_all)]
pub async fn discard(write: Write, PathId(id): PathId<DraftId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Draft>(&unit, id.0, if_match).await?;
        unit.decide::<Draft>(id.0, Command::Discard).await?;
        Ok(Reply::nothing())
    };
    write.run(b"", decide).await
}

/// Send a draft
///
/// It is held for a while, in which it can be cancelled; then it is a draft again. The answer to this `Idempotency-Key`
/// is kept for a week.
#[utoipa::path(post, path = "/api/v1/emails/drafts/{id}/send", tag = "emails", operation_id = "send_draft",
    request_body = Option<SendDraft>, params(("id" = Uuid, Path, description = "The draft")),
    responses((status = 202, description = "It is going to be sent", body = WrittenSubmission)))]
#[tracing::instrument(name = "command.drafts.send", skip_all)]
pub async fn send(write: Write, PathId(id): PathId<DraftId>, body: OptionalJsonBody<SendDraft>) -> Result<Response> {
    write.caller.require(SEND_SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let send_at = faults.optional("send_at", body.value.send_at, Faults::any);
    faults.finish()?;
    let (app, if_match) = (write.app(), &write.request.if_match);
    let when = When { send_at, hold: app.mail().send_hold };
    let decide = |unit: Unit| async move {
        let draft = present::<Draft>(&unit, id.0, if_match).await?;
        let submission_id = SubmissionId(ids::new_v7(app.store.clock()));
        unit.decide::<Draft>(id.0, Command::Submit(submission_id)).await?;
        let content = draft.state.present().map(|draft| draft.content.clone());
        let content = content.ok_or_else(orbit_platform::problem::ApiError::not_found)?;
        submit::submit(&unit, submission_id, content, Some(id), when).await
    };
    let answer = write.run_once(&body.bytes, decide).await?;
    app.reactor.wake().await;
    Ok(answer)
}

impl EditDraft {
    fn read(self, faults: &mut Faults) -> Edit {
        faults.unknown(self.unknown);
        let mut recipients = |name, field| match field {
            Field::Absent => None,
            Field::Null => Some(orbit_domain::emails::Recipients::default()),
            field @ (Field::Value(_) | Field::Faulty(_)) => compose::recipients(faults, name, field),
        };
        let (to, cc, bcc) = (recipients("to", self.to), recipients("cc", self.cc), recipients("bcc", self.bcc));
        let subject = faults.change("subject", or_empty(self.subject), text(Subject::parse));
        let body = faults.change("body", or_empty(self.body), text(Body::parse));
        let attachments = faults.patch("attachments", self.attachments, at_most(compose::MAX_ENTRIES));
        let attachments = attachments.and_then(|ids| compose::files(faults, ids.unwrap_or_default()));
        let reply_to_email_id = faults.patch("reply_to_email_id", self.reply_to_email_id, read::id);
        let connection_id = faults.patch("connection_id", self.connection_id, read::id);
        Edit { connection_id, reply_to_email_id, to, cc, bcc, subject, body, attachments }
    }
}

/// A text that is taken away is an empty one.
fn or_empty(field: Field<String>) -> Field<String> {
    match field {
        Field::Null => Field::Value(String::new()),
        field @ (Field::Absent | Field::Value(_) | Field::Faulty(_)) => field,
    }
}
