//! Tasks: lists (Kanban columns), tasks with sub-tasks, labels.

mod batch;
mod bodies;
mod first_list;
mod labels;
mod lists;
mod on_tasks;
mod operation;
mod place;
mod set_back;
mod trash;
mod tree;
mod verbs;
mod views;

use orbit_domain::tasks::{list, task};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub use first_list::FirstLists;
pub use place::jitter;
pub use set_back::follow_up;

/// What these routes take of an API token.
const SCOPE: &str = "tasks:write";

/// The routes of this context.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(on_tasks::create))
        .routes(routes!(batch::batch))
        .routes(routes!(on_tasks::edit, on_tasks::delete))
        .routes(routes!(verbs::complete))
        .routes(routes!(verbs::reopen))
        .routes(routes!(verbs::dismiss))
        .routes(routes!(verbs::relocate))
        .routes(routes!(verbs::restore))
        .routes(routes!(on_tasks::label, on_tasks::unlabel))
        .routes(routes!(lists::create))
        .routes(routes!(lists::edit, lists::delete))
        .routes(routes!(lists::relocate))
        .routes(routes!(labels::create))
        .routes(routes!(labels::edit, labels::delete))
}

/// Whether a claim is on a place in an order.
pub fn is_place(scope: &str) -> bool {
    matches!(scope, list::ORDER | task::ORDER)
}
