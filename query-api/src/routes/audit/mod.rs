//! The proof that nothing was changed: signed checkpoints of the log, and proofs that lead to them.
//!
//! A checkpoint and a consistency proof are nobody's: they hold hashes over everybody's facts and how many there are,
//! which every answer to a command tells too. A fact is somebody's. Though its proof holds only hashes, it begins with
//! the fact's envelope, and whether a position is somebody else's is nobody's business: it is a 404 like everything else
//! of others.

mod checkpoint;
mod consistency;
mod inclusion;
mod sealed;

use base64::{Engine, engine::general_purpose::STANDARD};
use orbit_event_store::{Fault, proof::tree::Hash};
use orbit_platform::{
    http::query::Refusal,
    problem::{ApiError, FieldProblem, kinds},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Reads, reader::Context};

/// The context.
#[derive(Debug)]
pub struct Audit;

impl Context for Audit {
    // There is none to wait for: what is asked here is the log's own tree.
    const PROJECTION: &'static str = "log";
    const SCOPE: &'static str = "history:read";
    const READS_THE_PAST: bool = false;
}

/// Its routes.
pub fn router() -> OpenApiRouter<Reads> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint::get))
        .routes(routes!(inclusion::get))
        .routes(routes!(consistency::get))
}

/// A position, or a number of facts: from 1 on.
fn positive(text: &str) -> Result<i64, Refusal> {
    let number = text.parse().ok().filter(|number| *number >= 1);
    number.ok_or_else(|| ("invalid", "a whole number from 1 on is expected".to_owned()))
}

/// 400: a parameter that is a number, but not one that fits the others or the log.
fn unfit(name: &str, says: impl Into<String>) -> ApiError {
    let field = FieldProblem::new(format!("?{name}"), "invalid", says);
    ApiError::of(&kinds::INVALID_QUERY, format!("not right: {name}")).with_field(field)
}

fn base64(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

fn explain(fault: Fault) -> ApiError {
    match fault {
        Fault::Database { source, .. } => source.into(),
        fault => ApiError::internal(fault),
    }
}
