//! System tests: one binary, so that the whole stack is linked once.
#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod arbitrary;
mod document;
mod forgotten;
mod histories;
mod journeys;
mod mail;
mod outages;
mod rebuilds;
mod simulation;
mod tidy;
mod time_travel;
mod two_users;
mod undo;
mod world;
