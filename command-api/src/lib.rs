//! Orbit's commands over HTTP: requests in, facts appended, answers out.
//!
//! Reading order: [`app`] (what the process is made of) · `write` (the way of every write, the same for all routes) ·
//! `routes` (by context) · `error` and `problems` (what goes wrong, and how it is told).

mod api_tokens;
pub mod app;
pub mod config;
mod erasures;
mod error;
mod exports;
mod files;
mod mail_servers;
mod passwords;
mod problems;
mod reactor;
mod routes;
mod sessions;
mod state;
mod write;

pub use app::{App, Fault, LONG, Parts, run};
pub use config::Config;
pub use mail_servers::MailServers;
