//! Tests of the query API: its routes on a real database, filled by the real projections.

#![expect(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod activities;
mod api_tokens;
mod bad_input;
mod documents;
mod exports;
mod freshness;
mod overviews;
mod pages;
mod process;
mod tasks;
mod users;
mod world;
