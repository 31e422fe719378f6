//! The projector on a real Postgres and a real NATS.
#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod claims;
mod emails;
mod laws;
mod live;
mod mail;
mod poison;
mod rebuild;
mod scratch;
mod stories;
mod world;
