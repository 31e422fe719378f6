//! Tasks themselves: write down, change, delete, label.

use axum::response::Response;
use orbit_event_store::Unit;
use orbit_events::{LabelId, TaskId};
use orbit_platform::http::{
    extract::{Faults, JsonBody, OptionalJsonBody},
    path::PathId,
};

use super::{
    SCOPE,
    bodies::{CreateTask, EditTask},
    operation::Operation,
    views::WrittenTask,
};
use crate::{
    error::Result,
    routes::read::{Empty, PathIds},
    write::{self, Write},
};

/// Decides one operation and answers.
pub async fn run<P: Send + Sync>(write: &Write<P>, body: &[u8], operation: &Operation) -> Result<Response> {
    let (app, if_match, origin) = (write.app(), &write.request.if_match, write.origin());
    let decide = |unit: Unit| async move { operation.decide(app, &unit, if_match).await };
    let answer = write::transact(app, origin.clone(), write.mode(body), decide).await?;
    if !write.request.dry_run {
        operation.follow_up(app, origin).await;
    }
    Ok(write::respond(answer))
}

/// Write down a task
///
/// Without `list_id` it goes to the user's first list, without a neighbour to the end of the list.
#[utoipa::path(post, path = "/api/v1/tasks", tag = "tasks", operation_id = "create_task", request_body = CreateTask,
    responses((status = 201, description = "The task", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.create", skip_all)]
pub async fn create(write: Write, body: JsonBody<CreateTask>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let new = body.value.read(&mut faults);
    let operation = faults.finish_with(|| Some(Operation::Create(Box::new(new?))))?;
    run(&write, &body.bytes, &operation).await
}

/// Change a task
///
/// A JSON merge patch (RFC 7396): what is absent stays, what is `null` is taken away.
#[utoipa::path(patch, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "edit_task", request_body = EditTask,
    params(("id" = uuid::Uuid, Path, description = "The task")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.edit", skip_all)]
pub async fn edit(write: Write, PathId(id): PathId<TaskId>, body: JsonBody<EditTask>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let changes = body.value.read(&mut faults);
    let operation = faults.finish_with(|| Some(Operation::Edit(id, Box::new(changes))))?;
    run(&write, &body.bytes, &operation).await
}

/// Put a task into the trash
///
/// Its sub-tasks go with it, at any depth, at most 5,000, and come back with it when it is restored.
#[utoipa::path(delete, path = "/api/v1/tasks/{id}", tag = "tasks", operation_id = "delete_task",
    params(("id" = uuid::Uuid, Path, description = "The task")),
    responses((status = 204, description = "It is in the trash")))]
#[tracing::instrument(name = "command.tasks.delete", skip_all)]
pub async fn delete(write: Write, PathId(id): PathId<TaskId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    run(&write, b"", &Operation::Delete(id)).await
}

/// Put a label on a task
#[utoipa::path(post, path = "/api/v1/tasks/{id}/labels/{label_id}", tag = "tasks", operation_id = "label_task",
    params(("id" = uuid::Uuid, Path, description = "The task"), ("label_id" = uuid::Uuid, Path, description = "The label")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.label", skip_all)]
pub async fn label(
    write: Write,
    PathIds(id, label): PathIds<TaskId, LabelId>,
    body: OptionalJsonBody<Empty>,
) -> Result<Response> {
    write.caller.require(SCOPE)?;
    body.value.check()?;
    run(&write, &body.bytes, &Operation::Label(id, label)).await
}

/// Take a label off a task
#[utoipa::path(delete, path = "/api/v1/tasks/{id}/labels/{label_id}", tag = "tasks", operation_id = "unlabel_task",
    params(("id" = uuid::Uuid, Path, description = "The task"), ("label_id" = uuid::Uuid, Path, description = "The label")),
    responses((status = 204, description = "It is not on the task")))]
#[tracing::instrument(name = "command.tasks.unlabel", skip_all)]
pub async fn unlabel(write: Write, PathIds(id, label): PathIds<TaskId, LabelId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    run(&write, b"", &Operation::Unlabel(id, label)).await
}
