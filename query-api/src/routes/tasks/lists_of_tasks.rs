//! `GET /tasks`, `/tasks/today`, `/tasks/trash`, `/tasks/{id}/subtasks`: lists of tasks.

use orbit_platform::{
    http::{cursor::CursorKey, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};
use uuid::Uuid;

use super::{
    Tasks,
    question::{About, FILTERS, Question, list},
    view::Task,
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::{filters, users::zone},
};

/// What all lists of tasks are filtered by.
pub struct TaskFilters;

impl IntoParams for TaskFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters::parameters(&FILTERS)
    }
}

/// What else all lists of tasks can be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct TaskParameters {
    /// Words in title or description: all of them, "phrases", or, -not; the last one may be the beginning of a word
    #[param(max_length = 500, nullable = false)]
    q: Option<String>,
    /// Columns in order of weight, each with `-` for descending: `created_at`, `updated_at`, `due_date`, `priority`,
    /// `title`, `position` (in the trash also `deleted_at`). Tasks without a due date come last either way.
    #[param(example = "-due_date,created_at", nullable = false)]
    sort: Option<String>,
    /// The most tasks on the page
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and sort
    #[param(nullable = false)]
    cursor: Option<String>,
    /// `total`: how many tasks there are on all pages
    #[param(example = "total", nullable = false)]
    include: Option<String>,
}

async fn ask(reader: &Reader<Tasks>, question: Question) -> Result<Snapshot<Page<Task>>, ApiError> {
    let question = &question;
    reader.ask(|mut db, whose| async move { list(&mut db, whose, question).await }).await?.found()
}

/// The caller's tasks, newest first unless `sort` says otherwise, without those in the trash.
#[utoipa::path(
    get, path = "/tasks", tag = "tasks", operation_id = "list_tasks", params(TaskFilters, TaskParameters),
    responses((status = 200, description = "A page of tasks", body = Page<Task>))
)]
pub async fn all(reader: Reader<Tasks>, query: Query) -> Result<Snapshot<Page<Task>>, ApiError> {
    let question = Question::read(query, About::Present, reader.cursors())?;
    ask(&reader, question).await
}

/// What is on for today: due today in the user's time zone or in the list called Today; neither done nor dismissed.
#[utoipa::path(
    get, path = "/tasks/today", tag = "tasks", operation_id = "list_tasks_of_today", params(TaskFilters, TaskParameters),
    responses((status = 200, description = "A page of tasks, the most important first", body = Page<Task>))
)]
pub async fn today(reader: Reader<Tasks>, query: Query) -> Result<Snapshot<Page<Task>>, ApiError> {
    let zone = zone::of_caller(&reader).await?;
    let today = zone.day(reader.now());
    let question = Question::read(query, About::Today(today), reader.cursors())?;
    ask(&reader, question).await
}

/// The tasks in the trash, last deleted first.
#[utoipa::path(
    get, path = "/tasks/trash", tag = "tasks", operation_id = "list_deleted_tasks", params(TaskFilters, TaskParameters),
    responses((status = 200, description = "A page of tasks", body = Page<Task>))
)]
pub async fn trash(reader: Reader<Tasks>, query: Query) -> Result<Snapshot<Page<Task>>, ApiError> {
    let question = Question::read(query, About::Trash, reader.cursors())?;
    ask(&reader, question).await
}

/// The direct sub-tasks of a task, in their order, without those in the trash.
#[utoipa::path(
    get, path = "/tasks/{id}/subtasks", tag = "tasks", operation_id = "list_subtasks",
    params(("id" = Uuid, Path, description = "The task they are part of"), TaskFilters, TaskParameters),
    responses((status = 200, description = "A page of tasks", body = Page<Task>))
)]
pub async fn subtasks(
    reader: Reader<Tasks>,
    PathId(id): PathId,
    query: Query,
) -> Result<Snapshot<Page<Task>>, ApiError> {
    let question = Question::read(query, About::SubTasksOf(id), reader.cursors())?;
    ask(&reader, question).await
}

/// The text of the statement behind `GET /tasks` without filters, first page: `$1` partition, `$2` user.
pub fn sql() -> String {
    let nobody = Whose { partition: 0, user_id: Uuid::nil() };
    let question = Question::read(Query::parse("/tasks", ""), About::Present, &CursorKey::derive(b""));
    let question = question.expect("a list without filters can always be asked for");
    question.statement(nobody).into_string()
}
