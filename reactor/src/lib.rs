//! The reactor: what Orbit does by itself and towards others. Never replayed.
//!
//! In reading order: [`app`] (what it is made of) · [`ingest`] (messages become e-mails, whoever brings them) ·
//! [`imports`] (mailboxes that users bring) · [`submissions`] (what is to be sent is sent, once) · [`sync`] (mailboxes
//! elsewhere and here in step, both ways) · `sweep` (what nobody may read any more is deleted). Kept here: invariant 7.

pub mod app;
mod blobs;
mod config;
pub mod imports;
pub mod ingest;
mod roles;
mod servers;
pub mod submissions;
pub mod sweep;
pub mod sync;
mod wake;
mod work;

pub use app::{Deps, Fault, ROLE, run, start};
pub use config::Config;
pub use servers::Mail;
