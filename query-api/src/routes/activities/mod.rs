//! Queries of the activities context: every fact about the caller, told as a sentence.

mod export;
mod list;
mod one;
mod question;
mod search;
mod types;
mod view;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Reads, reader::Context};

pub use question::action_type;

/// The context.
#[derive(Debug)]
pub struct Activities;

impl Context for Activities {
    const PROJECTION: &'static str = "activities";
    const SCOPE: &'static str = "activities:read";
}

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new()
        .routes(routes!(list::all))
        .routes(routes!(list::recent))
        .routes(routes!(types::all))
        .routes(routes!(export::get))
        .routes(routes!(search::get))
        .routes(routes!(one::get))
}
