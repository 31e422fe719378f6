//! The query API: reads of the read models, each the caller's own, each saying as of which position it is.
//!
//! Reading order: [`app`] (what a running query API is made of) · `reader` (what every route takes: caller, scope,
//! freshness) · `freshness` (read your writes) · `past` (time travel) · `streams` (who is woken when the log grows) ·
//! `answer` (body and `Orbit-As-Of`) · `routes`, by context, the home of the SQL · [`config`].

// The examples of large bodies are one literal each.
#![recursion_limit = "256"]

mod answer;
mod api_tokens;
pub mod app;
pub mod config;
mod freshness;
mod past;
mod reader;
mod routes;
mod sessions;
pub mod statements;
mod streams;

pub use app::{App, Fault, Parts, run};
pub use config::Config;
