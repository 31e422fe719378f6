//! Queries of the users context: the account, devices, API tokens, connections.

mod connections;
mod devices;
mod exports;
mod me;
pub mod sessions;
mod tokens;
pub mod zone;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Reads, reader::Context};

/// The context.
#[derive(Debug)]
pub struct Users;

impl Context for Users {
    const PROJECTION: &'static str = "users";
    const SCOPE: &'static str = "users:read";
}

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new()
        .routes(routes!(me::get))
        .routes(routes!(exports::all))
        .routes(routes!(exports::get))
        .routes(routes!(exports::download))
        .routes(routes!(devices::all))
        .routes(routes!(tokens::all))
        .routes(routes!(tokens::get))
        .routes(routes!(connections::all))
        .routes(routes!(connections::get))
}
