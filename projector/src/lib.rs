//! The projector: folds facts into read models, live and from the log.
//!
//! In reading order: [`projection`] says what a projection is, [`projections`] are the ones there are, [`runner`] keeps
//! them going, [`parked`] is what they could not apply, [`rebuild`] fills their tables anew, [`scrub`] rids pages of what
//! was erased. Kept here: invariant 4 (rows and checkpoint commit together) and
//! the reading half of invariant 3 (Postgres is the truth, NATS is speed).

mod app;
pub mod checkpoints;
mod config;
pub mod parked;
pub mod projection;
pub mod projections;
pub mod rebuild;
pub mod runner;
pub mod scratch;
pub mod scrub;
pub mod verify;

pub use app::{Fault, ROLE, SEARCH_PATH, run, start};
pub use config::Config;
pub use runner::Deps;

// The world of the tests in `tests/` serves those of the runner's insides too.
#[cfg(test)]
extern crate self as orbit_projector;
#[cfg(test)]
#[path = "../tests/it/world.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests here need less of it, and what helps tests may fail as tests do"
)]
mod world;
