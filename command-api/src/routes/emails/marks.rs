//! What happens to an e-mail: read, starred, archived, moved, labelled, put off, put into the trash, deleted.

use axum::response::Response;
use orbit_event_store::Unit;
use orbit_events::EmailId;
use orbit_platform::http::{
    extract::{Faults, JsonBody, OptionalJsonBody},
    path::PathId,
};

use super::{
    SCOPE,
    bodies::{EditEmail, LabelEmail, MoveEmail, SnoozeEmail},
    operation::Operation,
    views::WrittenEmail,
};
use crate::{error::Result, routes::read::Empty, write::Write};

/// Decides one operation and answers.
async fn run(write: &Write, id: EmailId, body: &[u8], operation: &Operation) -> Result<Response> {
    let if_match = &write.request.if_match;
    write.run(body, |unit: Unit| async move { operation.decide(&unit, id, if_match).await }).await
}

/// A verb without fields.
async fn verb(write: &Write, id: EmailId, body: OptionalJsonBody<Empty>, operation: Operation) -> Result<Response> {
    write.caller.require(SCOPE)?;
    body.value.check()?;
    run(write, id, &body.bytes, &operation).await
}

/// Change an e-mail
///
/// A JSON merge patch (RFC 7396): what is absent stays, what is `null` is taken away. What is in the trash can only be
/// read and starred there.
#[utoipa::path(patch, path = "/api/v1/emails/{id}", tag = "emails", operation_id = "edit_email", request_body = EditEmail,
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.edit", skip_all)]
pub async fn edit(write: Write, PathId(id): PathId<EmailId>, body: JsonBody<EditEmail>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let operation = body.value.read(&mut faults);
    faults.finish()?;
    run(&write, id, &body.bytes, &operation).await
}

/// Delete an e-mail for good
///
/// Only what is in the trash: it is put there first.
#[utoipa::path(delete, path = "/api/v1/emails/{id}", tag = "emails", operation_id = "delete_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 204, description = "It is gone")))]
#[tracing::instrument(name = "command.emails.delete", skip_all)]
pub async fn delete(write: Write, PathId(id): PathId<EmailId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    run(&write, id, b"", &Operation::Delete).await
}

/// Mark an e-mail as read
#[utoipa::path(post, path = "/api/v1/emails/{id}/read", tag = "emails", operation_id = "read_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.read", skip_all)]
pub async fn read(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Read).await
}

/// Mark an e-mail as not read
#[utoipa::path(post, path = "/api/v1/emails/{id}/unread", tag = "emails", operation_id = "unread_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.unread", skip_all)]
pub async fn unread(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Unread).await
}

/// Star an e-mail
#[utoipa::path(post, path = "/api/v1/emails/{id}/star", tag = "emails", operation_id = "star_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.star", skip_all)]
pub async fn star(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Star).await
}

/// Take the star off an e-mail
#[utoipa::path(post, path = "/api/v1/emails/{id}/unstar", tag = "emails", operation_id = "unstar_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.unstar", skip_all)]
pub async fn unstar(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Unstar).await
}

/// Put an e-mail into the archive
#[utoipa::path(post, path = "/api/v1/emails/{id}/archive", tag = "emails", operation_id = "archive_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.archive", skip_all)]
pub async fn archive(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Archive).await
}

/// Take an e-mail out of the archive
///
/// It is where it was before. What came in as archived goes to the inbox.
#[utoipa::path(post, path = "/api/v1/emails/{id}/unarchive", tag = "emails", operation_id = "unarchive_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.unarchive", skip_all)]
pub async fn unarchive(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Unarchive).await
}

/// Put an e-mail into the trash
#[utoipa::path(post, path = "/api/v1/emails/{id}/trash", tag = "emails", operation_id = "trash_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.trash", skip_all)]
pub async fn trash(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Trash).await
}

/// Take an e-mail out of the trash
///
/// It is where it was before. What came in as trash goes to the inbox.
#[utoipa::path(post, path = "/api/v1/emails/{id}/restore", tag = "emails", operation_id = "restore_email",
    params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.restore", skip_all)]
pub async fn restore(write: Write, PathId(id): PathId<EmailId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    verb(&write, id, body, Operation::Restore).await
}

/// Move an e-mail
///
/// To another folder of its account. Trash and archive are marks: where it lies stays known.
#[utoipa::path(post, path = "/api/v1/emails/{id}/move", tag = "emails", operation_id = "move_email",
    request_body = MoveEmail, params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.move", skip_all)]
pub async fn relocate(write: Write, PathId(id): PathId<EmailId>, body: JsonBody<MoveEmail>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let operation = body.value.read(&mut faults);
    let operation = faults.finish_with(|| operation)?;
    run(&write, id, &body.bytes, &operation).await
}

/// Put a label on an e-mail
///
/// An e-mail has at most 50.
#[utoipa::path(post, path = "/api/v1/emails/{id}/label", tag = "emails", operation_id = "label_email",
    request_body = LabelEmail, params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.label", skip_all)]
pub async fn label(write: Write, PathId(id): PathId<EmailId>, body: JsonBody<LabelEmail>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let label = body.value.read(&mut faults);
    let operation = faults.finish_with(|| label.map(Operation::Label))?;
    run(&write, id, &body.bytes, &operation).await
}

/// Take a label off an e-mail
#[utoipa::path(post, path = "/api/v1/emails/{id}/unlabel", tag = "emails", operation_id = "unlabel_email",
    request_body = LabelEmail, params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.unlabel", skip_all)]
pub async fn unlabel(write: Write, PathId(id): PathId<EmailId>, body: JsonBody<LabelEmail>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let label = body.value.read(&mut faults);
    let operation = faults.finish_with(|| label.map(Operation::Unlabel))?;
    run(&write, id, &body.bytes, &operation).await
}

/// Put an e-mail off
///
/// It is not in the lists until then.
#[utoipa::path(post, path = "/api/v1/emails/{id}/snooze", tag = "emails", operation_id = "snooze_email",
    request_body = SnoozeEmail, params(("id" = uuid::Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "The e-mail as it is now", body = WrittenEmail)))]
#[tracing::instrument(name = "command.emails.snooze", skip_all)]
pub async fn snooze(write: Write, PathId(id): PathId<EmailId>, body: JsonBody<SnoozeEmail>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let operation = body.value.read(&mut faults);
    let operation = faults.finish_with(|| operation)?;
    run(&write, id, &body.bytes, &operation).await
}
