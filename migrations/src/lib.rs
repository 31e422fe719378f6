//! The database's shape: SQL files, forward only, in one [`MIGRATOR`].

/// Every migration, in order. Run by `orbit up`, `orbit migrate` and the tests.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./sql");
