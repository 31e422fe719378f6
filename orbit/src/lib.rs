//! The `orbit` command: everything that a person starts from a terminal, and the one place besides the system tests
//! that sees every process.
//!
//! Reading order: [`cli`] (the words) · [`up`] (servers, secrets, schema, all roles in one process) · [`serve`] (one
//! role) · [`schema`] (migrations) · [`doctor`] · [`verify`] · [`audit`] · [`parked`] · [`keys`] · `projections` · `rebuild` ·
//! `replay` · `import` · [`backup`] · [`restore`] · [`settings`] · [`mod@bench`].

pub mod audit;
pub mod backup;
pub mod bench;
pub mod cli;
mod completions;
pub mod doctor;
mod failure;
mod import;
pub mod keys;
pub mod parked;
mod place;
mod print;
mod projections;
mod ready;
mod rebuild;
mod replay;
pub mod restore;
pub mod schema;
pub mod serve;
pub mod settings;
pub mod up;
pub mod verify;

pub use cli::main;
