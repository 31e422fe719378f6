//! Real servers for tests: one `PostgreSQL` and one NATS per test run, a database and a NATS prefix per test.
//!
//! ```no_run
//! # async fn example() {
//! let database = orbit_testing::database().await; // migrated, this test's own
//! let nats = orbit_testing::nats().await; // connected, with a prefix of its own
//! # }
//! ```
//!
//! A test that stops or kills a server takes [`own_servers`]. Whatever a test waits for, it waits with [`eventually`].
//!
//! Nothing is left behind: a watchdog stops the servers and removes their directory as soon as the `cargo` that runs
//! the tests is gone. Everything here panics with a sentence when it fails, as a test would.

mod database;
mod eventually;
mod nats;
mod own;
pub mod peers;
mod run;

pub use database::TestDatabase;
pub use eventually::{Outcome, eventually};
pub use nats::TestNats;
pub use own::OwnServers;
pub use run::TestServers;

/// A migrated database of this test's own.
pub async fn database() -> TestDatabase {
    TestDatabase::new().await
}

/// A NATS client and a prefix of this test's own.
pub async fn nats() -> TestNats {
    TestNats::new().await
}

/// `PostgreSQL` and NATS that only this test uses, as durable as in `orbit up`.
pub async fn own_servers() -> OwnServers {
    OwnServers::start(|_| {}).await
}

/// Fails the test with the whole chain of causes.
fn must<T>(attempt: &str, result: anyhow::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{attempt}: {error:#}"))
}
