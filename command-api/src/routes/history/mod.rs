//! Undo and revert: what happened is taken back by facts that say so. Nothing is ever taken out of the log.

mod answer;
mod past;
mod plan;
mod revert;
pub mod set_back;
mod undo;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

/// The routes of this context.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(undo::undo))
        .routes(routes!(revert::task))
        .routes(routes!(revert::list))
        .routes(routes!(revert::label))
        .routes(routes!(revert::me))
        .routes(routes!(revert::email))
        .routes(routes!(revert::draft))
        .routes(routes!(revert::thread))
}
