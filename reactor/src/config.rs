//! Settings of the reactor as a process of its own: flags and environment.

use clap::Parser;
use orbit_platform::config::{
    BlobArgs, DatabaseArgs, EnvironmentArgs, HttpArgs, KeysArgs, MailArgs, NatsArgs, TelemetryArgs,
};

const EXAMPLES: &str = "\
Examples:
  DATABASE_URL=postgres://orbit:password@db/orbit NATS_URL=nats://nats:4222 ORBIT_BLOBS=/srv/orbit/blobs ORBIT_MASTER_KEY_FILE=/run/secrets/master-key orbit-reactor
  orbit-reactor --port 8004 --log-format json

Run as many as you like: they share the work out among themselves. All need the same directory of blobs.";

/// Takes mailboxes in, sends what is to be sent, and does whatever else Orbit does by itself
#[derive(Parser, Clone, Debug)]
#[command(name = "orbit-reactor", version, after_help = EXAMPLES)]
pub struct Config {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub environment: EnvironmentArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub nats: NatsArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub blobs: BlobArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub mail: MailArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub keys: KeysArgs,
    /// For `/health`, `/health/ready` and `/metrics`; nothing else is served.
    #[command(flatten)]
    pub http: HttpArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group says what it is")]
    pub telemetry: TelemetryArgs,
}
