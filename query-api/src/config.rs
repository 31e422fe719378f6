//! The settings of the query API.

use clap::Parser;
use orbit_platform::config::{
    AuthArgs, BlobArgs, DatabaseArgs, EnvironmentArgs, HttpArgs, KeysArgs, NatsArgs, Secret, TelemetryArgs,
};

/// Orbit's queries over HTTP: everything that only reads.
///
/// Reads the read models in the database, and listens to the projectors over NATS.
#[derive(Parser, Clone, Debug)]
#[command(name = "orbit-query-api", version, after_help = EXAMPLES)]
pub struct Config {
    /// Where it runs.
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    /// Where it listens.
    #[command(flatten)]
    pub http: HttpArgs,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// A replica to read from.
    #[command(flatten)]
    pub replica: ReplicaArgs,
    /// Reads of the past.
    #[command(flatten)]
    pub past: PastArgs,
    /// The broker.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// What e-mails and their files are read from.
    #[command(flatten)]
    pub blobs: BlobArgs,
    /// Access tokens.
    #[command(flatten)]
    pub auth: AuthArgs,
    /// Sealing: API tokens are read from the log, and cursors are made under a key derived from it.
    #[command(flatten)]
    pub keys: KeysArgs,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// A replica to read from.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "PostgreSQL")]
pub struct ReplicaArgs {
    /// A streaming replica that the read models are read from; `DATABASE_URL` when not set
    #[arg(long, env = "ORBIT_READ_DATABASE_URL", hide_env_values = true)]
    pub read_database_url: Option<Secret>,
}

impl ReplicaArgs {
    /// The settings of the replica, if there is one: those of the database at another address.
    pub fn instead_of(&self, database: &DatabaseArgs) -> Option<DatabaseArgs> {
        let url = self.read_database_url.clone().filter(|url| !url.is_empty())?;
        Some(DatabaseArgs { database_url: url, ..database.clone() })
    }
}

/// Reads of the past.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "PostgreSQL")]
pub struct PastArgs {
    /// How many reads of the past are folded at once: connections to the database beside the others
    #[arg(long, env = "ORBIT_AS_OF_CONNECTIONS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub as_of_connections: u32,
}

const EXAMPLES: &str = "Examples:
  DATABASE_URL=postgres://orbit:secret@db/orbit NATS_URL=nats://nats:4222 \\
  ORBIT_MASTER_KEY_FILE=/run/secrets/master.key ORBIT_SIGNING_KEY_FILE=/run/secrets/signing.pem \\
      orbit-query-api --bind 0.0.0.0 --port 8002
  ORBIT_READ_DATABASE_URL=postgres://orbit:secret@replica/orbit orbit-query-api";
