//! System tests: one binary, so that the whole stack is linked once.
#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod arbitrary;
mod document;
mod forgotten;
mod journeys;
mod outages;
mod simulation;
mod tidy;
mod two_users;
mod world;
