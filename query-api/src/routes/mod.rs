//! Every route that reads, by context; and what their questions have in common.

pub mod activities;
mod audit;
pub mod checkpoints;
mod conditions;
mod filters;
mod fixed;
pub mod tasks;
pub mod users;
mod words;

use utoipa_axum::router::OpenApiRouter;

use crate::{app::Reads, reader::Context};

/// All routes.
pub fn routes() -> OpenApiRouter<Reads> {
    // One line per context.
    OpenApiRouter::new()
        .merge(users::router())
        .merge(tasks::router())
        .merge(activities::router())
        .merge(audit::router())
}

/// The projections whose checkpoints are waited for.
pub const PROJECTIONS: [&str; 3] = [
    // One line per context.
    <users::Users as Context>::PROJECTION,
    <tasks::Tasks as Context>::PROJECTION,
    <activities::Activities as Context>::PROJECTION,
];
