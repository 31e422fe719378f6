//! Routes, in process, on a real database: what a client sees, and what the log holds afterwards.

#![expect(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod accounts;
mod bad_input;
mod batch;
mod common;
mod connection_tests;
mod connections;
mod document;
mod emails;
mod erasure;
mod exports;
mod follow_ups;
mod imports;
mod lists;
mod logins;
mod placing;
mod process;
mod races;
mod subtasks;
mod tasks;
mod tokens;
mod undo;
mod writes;
