//! What happens to a task: complete, reopen, dismiss, move, restore.

use axum::response::Response;
use orbit_events::TaskId;
use orbit_platform::http::{
    extract::{Faults, JsonBody, OptionalJsonBody},
    path::PathId,
    query::Query,
};

use super::{
    SCOPE,
    bodies::{Children, CompleteTask, DismissTask, MoveTask},
    on_tasks::run,
    operation::Operation,
    views::WrittenTask,
};
use crate::{
    error::Result,
    routes::read::Empty,
    write::{Parameters, Write},
};

/// `?children=leave|complete`
pub struct ChildrenParameter(Option<Children>);

impl Parameters for ChildrenParameter {
    fn read(query: &mut Query) -> Self {
        Self(query.value("children", Children::parse))
    }
}

/// Complete a task
///
/// With `children=complete` (in the body or the query) its open sub-tasks are completed too, at most 5,000.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/complete", tag = "tasks", operation_id = "complete_task",
    request_body = Option<CompleteTask>,
    params(("id" = uuid::Uuid, Path, description = "The task"),
           ("children" = Option<String>, Query, description = "`leave` or `complete`: what happens to open sub-tasks")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.complete", skip_all)]
pub async fn complete(
    write: Write<ChildrenParameter>,
    PathId(id): PathId<TaskId>,
    body: OptionalJsonBody<CompleteTask>,
) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let in_body = body.value.read(&mut faults);
    let in_query = write.request.parameters.0;
    if in_body.is_some_and(|asked| in_query.is_some_and(|other| asked != other)) {
        faults.broken::<()>("children", "contradiction", "body and query do not say the same");
    }
    let children = in_body.or(in_query).unwrap_or_default();
    let operation = faults.finish_with(|| Some(Operation::Complete(id, children)))?;
    run(&write, &body.bytes, &operation).await
}

/// Reopen a task
///
/// One that was done or dismissed is to be done again.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/reopen", tag = "tasks", operation_id = "reopen_task",
    params(("id" = uuid::Uuid, Path, description = "The task")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.reopen", skip_all)]
pub async fn reopen(write: Write, PathId(id): PathId<TaskId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    body.value.check()?;
    run(&write, &body.bytes, &Operation::Reopen(id)).await
}

/// Dismiss a task
///
/// It was turned down: neither done nor to be done.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/dismiss", tag = "tasks", operation_id = "dismiss_task",
    request_body = Option<DismissTask>,
    params(("id" = uuid::Uuid, Path, description = "The task")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.dismiss", skip_all)]
pub async fn dismiss(
    write: Write,
    PathId(id): PathId<TaskId>,
    body: OptionalJsonBody<DismissTask>,
) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let reason = body.value.read(&mut faults);
    let operation = faults.finish_with(|| Some(Operation::Dismiss(id, reason)))?;
    run(&write, &body.bytes, &operation).await
}

/// Move a task
///
/// To the end of a list, or right before or right after another task. The server computes the place.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/move", tag = "tasks", operation_id = "move_task", request_body = MoveTask,
    params(("id" = uuid::Uuid, Path, description = "The task")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.move", skip_all)]
pub async fn relocate(write: Write, PathId(id): PathId<TaskId>, body: JsonBody<MoveTask>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let target = body.value.read(&mut faults);
    let operation = faults.finish_with(|| Some(Operation::Move(id, target?)))?;
    run(&write, &body.bytes, &operation).await
}

/// Restore a task
///
/// Out of the trash to its old place, with the sub-tasks that went into the trash with it. If its list is gone it goes to
/// the first list; if its parent is gone or in the trash, it comes back as part of none.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/restore", tag = "tasks", operation_id = "restore_task",
    params(("id" = uuid::Uuid, Path, description = "The task")),
    responses((status = 200, description = "The task as it is now", body = WrittenTask)))]
#[tracing::instrument(name = "command.tasks.restore", skip_all)]
pub async fn restore(write: Write, PathId(id): PathId<TaskId>, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    body.value.check()?;
    run(&write, &body.bytes, &Operation::Restore(id)).await
}
