//! The settings of this process: groups that the platform has, and nothing else.

use clap::Parser;
use orbit_platform::config::{
    AuthArgs, BlobArgs, DatabaseArgs, EnvironmentArgs, ErasureArgs, HttpArgs, KeysArgs, MailArgs, NatsArgs, ProofArgs,
    TelemetryArgs,
};

/// Orbit's commands over HTTP: everything that changes something.
///
/// Appends to the log in `PostgreSQL`, relays it to NATS and seals it.
#[derive(Parser, Clone, Debug)]
#[command(name = "orbit-command-api", version, after_help = EXAMPLES)]
pub struct Config {
    /// Where it runs.
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The broker.
    #[command(flatten)]
    pub nats: NatsArgs,
    /// The HTTP server.
    #[command(flatten)]
    pub http: HttpArgs,
    /// Where files are stored that are to be sent.
    #[command(flatten)]
    pub blobs: BlobArgs,
    /// E-mail.
    #[command(flatten)]
    pub mail: MailArgs,
    /// Access tokens.
    #[command(flatten)]
    pub auth: AuthArgs,
    /// The master key.
    #[command(flatten)]
    pub keys: KeysArgs,
    /// The key under the log's checkpoints.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// To be forgotten.
    #[command(flatten)]
    pub erasure: ErasureArgs,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

const EXAMPLES: &str = "Examples:
  DATABASE_URL=postgres://orbit:secret@db/orbit NATS_URL=nats://nats:4222 \\
  ORBIT_MASTER_KEY_FILE=/run/secrets/master.key ORBIT_SIGNING_KEY_FILE=/run/secrets/signing.pem \\
  ORBIT_PROOF_KEY_FILE=/run/secrets/proof.pem \\
      orbit-command-api --bind 0.0.0.0 --port 8001
  orbit-command-api --log debug --log-format json";
