//! The log: append, read, the unit of work (the only way a command reaches the log), idempotency, claims, the vault
//! with the users' keys, and the relay to `JetStream`.
//!
//! Kept here: invariants 1 (positions), 2 (sequence = position), 5 (facts never change), 6 (sealed payloads).

mod append;
mod appended;
mod attempts;
mod audit;
mod batch;
mod claims;
pub mod exports;
mod fault;
mod idempotency;
pub mod imports;
mod lane;
mod loaded;
mod mailboxes;
mod master;
mod outgoing;
mod past;
pub mod proof;
mod read;
pub mod rebuilds;
pub mod relay;
mod replay;
mod rotation;
mod store;
mod stored;
mod undo;
mod unit;
mod vault;

pub use append::Limits;
pub use attempts::{Attempts, Lock};
pub use audit::Audit;
pub use claims::Held;
pub use fault::Fault;
pub use idempotency::{Idempotency, Keep};
pub use loaded::Loaded;
pub use master::MasterKey;
pub use past::{Kinds, Selection, Standing};
pub use read::{Head, Known, Log, Page};
pub use replay::Which;
pub use rotation::{KeyStatus, Rotation};
pub use store::{EventStore, Settings};
pub use stored::{Opened, Stored, Unreadable};
pub use undo::{Done, LOOKBACK, Wanted};
pub use unit::{Answer, Contested, Mode, Origin, Refused, Unit};
pub use vault::{BlobKey, Vault};
