//! Administration: what is asked of the machine, not of anybody's data.

mod rebuilds;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

/// The routes of this context.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(rebuilds::request)).routes(routes!(rebuilds::cancel))
}
