//! Tests of the query API: its routes on a real database, filled by the real projections.

#![expect(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod activities;
mod api_tokens;
mod audit;
mod bad_input;
mod documents;
mod email_files;
mod email_imports;
mod email_lists;
mod email_past;
mod email_searches;
mod email_sync;
mod email_threads;
mod emails;
mod exports;
mod freshness;
mod histories;
mod history;
mod log;
mod mail;
mod overviews;
mod pages;
mod process;
mod streams;
mod tasks;
mod time_travel;
mod users;
mod world;
mod writing;
