//! The reactor on a real log and real blobs: messages become e-mails once, whatever happens on the way.

#![allow(clippy::unwrap_used, reason = "what helps tests may fail as tests do")]

mod bounces;
mod copies;
mod gate;
mod imports;
mod ingest;
mod office;
mod progress;
mod relay;
mod submissions;
mod sweep;
mod sync;
mod synced;
mod world;
