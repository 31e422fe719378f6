//! `POST …/{id}/revert`: an object becomes what it was at an earlier version of its own.

use axum::response::Response;
use orbit_domain::{
    Aggregate,
    emails::{Draft, Email, Thread},
    tasks::{Label, List, Task},
    users::User,
};
use orbit_event_store::{Loaded, Unit};
use orbit_events::{DraftId, EmailId, LabelId, ListId, TaskId, ThreadId};
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
        path::PathId,
    },
    problem::{ApiError, FieldProblem, kinds},
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    answer::{self, Answered},
    plan::{self, Step, category_of},
    set_back::SetBack,
};
use crate::{
    error::Result,
    state::AppState,
    write::{self, Write, present},
};

/// Which version the object is to be as.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RevertTo, example = json!(parsed(r#"{"to_version": 3}"#)))]
pub struct RevertTo {
    /// 1 to the present version.
    #[serde(default)]
    #[schema(value_type = i64, required, minimum = 1)]
    to_version: Field<i64>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Make a task what it was
///
/// Every field becomes what it was at that version, by facts that say so. One that was in the trash then goes there, one
/// that is there now comes back, with the sub-tasks that went with it.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/revert", tag = "history", operation_id = "revert_task",
    request_body = RevertTo, params(("id" = Uuid, Path, description = "The task")),
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.tasks.revert", skip_all)]
pub async fn task(write: Write, PathId(id): PathId<TaskId>, body: JsonBody<RevertTo>) -> Result<Response> {
    revert::<Task>(&write, id.0, body).await
}

/// Make a list what it was
///
/// Every field becomes what it was at that version; a list that was taken off the board since comes back.
#[utoipa::path(post, path = "/api/v1/task-lists/{id}/revert", tag = "history", operation_id = "revert_list",
    request_body = RevertTo, params(("id" = Uuid, Path, description = "The list")),
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.lists.revert", skip_all)]
pub async fn list(write: Write, PathId(id): PathId<ListId>, body: JsonBody<RevertTo>) -> Result<Response> {
    revert::<List>(&write, id.0, body).await
}

/// Make a label what it was
#[utoipa::path(post, path = "/api/v1/labels/{id}/revert", tag = "history", operation_id = "revert_label",
    request_body = RevertTo, params(("id" = Uuid, Path, description = "The label")),
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.labels.revert", skip_all)]
pub async fn label(write: Write, PathId(id): PathId<LabelId>, body: JsonBody<RevertTo>) -> Result<Response> {
    revert::<Label>(&write, id.0, body).await
}

/// Make an e-mail what it was
///
/// Its marks, its labels and the folder it lies in. What was deleted does not come back.
#[utoipa::path(post, path = "/api/v1/emails/{id}/revert", tag = "history", operation_id = "revert_email",
    request_body = RevertTo, params(("id" = Uuid, Path, description = "The e-mail")),
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.emails.revert", skip_all)]
pub async fn email(write: Write, PathId(id): PathId<EmailId>, body: JsonBody<RevertTo>) -> Result<Response> {
    revert::<Email>(&write, id.0, body).await
}

/// Make a draft what it was
///
/// One that was thrown away comes back. One that was handed over to be sent stays as it is.
#[utoipa::path(post, path = "/api/v1/emails/drafts/{id}/revert", tag = "history", operation_id = "revert_draft",
    request_body = RevertTo, params(("id" = Uuid, Path, description = "The draft")),
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.drafts.revert", skip_all)]
pub async fn draft(write: Write, PathId(id): PathId<DraftId>, body: JsonBody<RevertTo>) -> Result<Response> {
    revert::<Draft>(&write, id.0, body).await
}

/// Make a decision about threads what it was
///
/// One that was taken back holds again.
#[utoipa::path(post, path = "/api/v1/emails/thread-decisions/{id}/revert", tag = "history",
    operation_id = "revert_thread_decision",
    request_body = RevertTo, params(("id" = Uuid, Path, description = "The decision")),
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.threads.revert", skip_all)]
pub async fn thread(write: Write, PathId(id): PathId<ThreadId>, body: JsonBody<RevertTo>) -> Result<Response> {
    revert::<Thread>(&write, id.0, body).await
}

/// Make profile and preferences what they were
///
/// Password and e-mail address stay what they are.
#[utoipa::path(post, path = "/api/v1/auth/me/revert", tag = "history", operation_id = "revert_me",
    request_body = RevertTo, responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.users.revert", skip_all)]
pub async fn me(write: Write, body: JsonBody<RevertTo>) -> Result<Response> {
    let id = write.user().0;
    revert::<User>(&write, id, body).await
}

async fn revert<A: SetBack>(write: &Write, id: Uuid, body: JsonBody<RevertTo>) -> Result<Response> {
    write.caller.require(A::SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let to_version = faults.required("to_version", body.value.to_version, Faults::any);
    let to_version = faults.finish_with(|| to_version)?;
    let (app, origin, if_match) = (write.app(), write.origin(), &write.request.if_match);
    let decide = |unit: Unit| async move {
        let now = present::<A>(&unit, id, if_match).await?;
        let steps = [step(app, now, to_version).await?];
        plan::carry_out(app, &unit, &steps).await?;
        answer::answer(&unit, &steps).await
    };
    let answer = write::transact(app, origin.clone(), write.mode(&body.bytes), decide).await?;
    Ok(answer::respond(app, origin, answer).await)
}

async fn step<A: Aggregate>(app: &AppState, now: Loaded<A>, to_version: i64) -> Result<Step> {
    if !(1..=now.version).contains(&to_version) {
        let field = FieldProblem::new("/to_version", "out_of_range", format!("must be 1 to {}", now.version));
        return Err(ApiError::of(&kinds::VALIDATION_FAILED, "1 field is not right").with_field(field).into());
    }
    let done = app.store.log().done::<A>(app.store.vault(), now.id, &[to_version].into()).await?;
    let wanted = done.into_iter().next().map(|done| done.change.after);
    Ok(Step {
        category: category_of::<A>().to_owned(),
        id: now.id,
        version: now.version,
        now: A::fields(&now.state),
        wanted: wanted.ok_or_else(|| ApiError::internal("a version without a fact"))?,
        cause: None,
        position: 0,
    })
}
