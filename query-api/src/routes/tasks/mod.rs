//! Queries of the tasks context: tasks, the board, statistics, search; lists; labels.

mod board;
mod labels;
mod lists;
mod lists_of_tasks;
mod one;
mod question;
mod search;
mod statistics;
mod view;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Reads, reader::Context};

pub use lists_of_tasks::sql as list_statement;
pub use one::sql as one_statement;

/// The context.
#[derive(Debug)]
pub struct Tasks;

impl Context for Tasks {
    const PROJECTION: &'static str = "tasks";
    const SCOPE: &'static str = "tasks:read";
}

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new()
        .routes(routes!(lists_of_tasks::all))
        .routes(routes!(lists_of_tasks::today))
        .routes(routes!(lists_of_tasks::trash))
        .routes(routes!(lists_of_tasks::subtasks))
        .routes(routes!(board::get))
        .routes(routes!(statistics::get))
        .routes(routes!(search::get))
        .routes(routes!(one::get))
        .routes(routes!(lists::all))
        .routes(routes!(lists::get))
        .routes(routes!(labels::all))
        .routes(routes!(labels::get))
}
