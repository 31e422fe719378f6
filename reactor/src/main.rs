//! The reactor as a process of its own.

use clap::Parser;
use orbit_platform::{
    http::serve::listen,
    shutdown::Shutdown,
    telemetry::{self, Destination},
};
use orbit_reactor::{Config, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "orbit-reactor", &Destination::Stderr)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    telemetry::metrics::start_upkeep(&shutdown);
    let listener = listen(&config.http).await?;
    Ok(run(config, listener, shutdown).await?)
}
