//! `orbit serve PROCESS`: one process of several, for production. What the crates' own programs do, and a look at the
//! schema before.

use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use orbit_platform::{
    config::{DatabaseArgs, HttpArgs, TelemetryArgs},
    http::{docs::Description, serve::listen},
    shutdown::Shutdown,
    telemetry::{self, Destination},
};
use sqlx::Connection;
use tokio::net::TcpListener;

use crate::schema;

const EXAMPLES: &str = "\
Examples:
  orbit serve command-api --port 8001
  orbit serve projector --port 8002
  orbit serve query-api --port 8003
  orbit serve reactor --port 8004

All want DATABASE_URL, NATS_URL and ORBIT_MASTER_KEY; the HTTP processes also a key for
access tokens, and command-api one for checkpoints of the log; all but the projector ORBIT_BLOBS,
one directory for messages and files. Run as many of each as you like.
`orbit serve PROCESS --help` lists all settings.";

/// How long tasks may take to end once the server has.
const GRACE: Duration = Duration::from_secs(10);

/// Arguments of `orbit serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    process: Process,
}

/// One process, with the settings of its crate.
#[derive(Debug, Subcommand)]
enum Process {
    /// HTTP commands, the log and the relay
    CommandApi(Box<orbit_command_api::Config>),
    /// Facts to read models
    Projector(Box<orbit_projector::Config>),
    /// HTTP queries
    QueryApi(Box<orbit_query_api::Config>),
    /// Mailboxes to e-mails, and whatever else Orbit does by itself
    Reactor(Box<orbit_reactor::Config>),
}

impl Process {
    /// Its name in telemetry, and the settings that are looked at before it starts.
    fn common(&self) -> (&'static str, &DatabaseArgs, &HttpArgs, &TelemetryArgs) {
        match self {
            Self::CommandApi(config) => ("orbit-command-api", &config.database, &config.http, &config.telemetry),
            Self::Projector(config) => ("orbit-projector", &config.database, &config.http, &config.telemetry),
            Self::QueryApi(config) => ("orbit-query-api", &config.database, &config.http, &config.telemetry),
            Self::Reactor(config) => ("orbit-reactor", &config.database, &config.http, &config.telemetry),
        }
    }
}

/// Runs it until Ctrl-C or SIGTERM.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let (name, database, http, telemetry) = args.process.common();
    let _telemetry = telemetry::init(telemetry, name, &Destination::Stderr)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    let listener = listen(http).await?;
    check_schema(database).await?;
    start(args.process, listener, &shutdown).await?;
    Ok(shutdown.finish(GRACE).await?)
}

async fn start(process: Process, listener: TcpListener, shutdown: &Shutdown) -> anyhow::Result<()> {
    let shutdown = shutdown.clone();
    match process {
        Process::CommandApi(config) => orbit_command_api::run(listener, *config, whole_api(), shutdown).await?,
        Process::Projector(config) => orbit_projector::run(*config, listener, shutdown).await?,
        Process::QueryApi(config) => orbit_query_api::run(listener, *config, whole_api(), shutdown).await?,
        Process::Reactor(config) => orbit_reactor::run(*config, listener, shutdown).await?,
    }
    Ok(())
}

/// What every process tells about the API: a proxy sends the question about a write to the process that reads.
pub(crate) fn whole_api() -> Description {
    orbit_command_api::App::description().merge(orbit_query_api::App::description())
}

/// A process works on exactly the schema it was made for.
async fn check_schema(database: &DatabaseArgs) -> anyhow::Result<()> {
    let mut connection = schema::connect(database, "orbit serve").await?;
    let state = schema::state(&mut connection).await.context("cannot read which migrations the database has")?;
    let _ = connection.close().await;
    state.require_current()
}
