//! The history: the caller's own facts as the log holds them, one by one, by what they happened to, and as they come.
//!
//! It reads the log, not a read model: what was written is there at once, and `Orbit-As-Of` is the log's own position.

mod causes;
mod changes;
mod list;
mod one;
mod question;
mod resources;
mod stream;
pub mod tail;
mod view;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Reads, reader::Context};

/// The context.
#[derive(Debug)]
pub struct History;

impl Context for History {
    /// No projection of that name announces anything: what an answer must have seen is looked for in its own snapshot.
    const PROJECTION: &'static str = "log";
    const SCOPE: &'static str = "history:read";
    const READS_THE_PAST: bool = false;
}

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    let own = OpenApiRouter::new().routes(routes!(list::all)).routes(routes!(one::get)).routes(routes!(stream::get));
    own.merge(resources::router())
}
