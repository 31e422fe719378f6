//! `orbit-command-api`: config → telemetry → build → run.

use std::time::Duration;

use clap::Parser;
use orbit_command_api::{App, Config, run};
use orbit_platform::{
    http::serve::listen,
    shutdown::Shutdown,
    telemetry::{self, Destination},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "orbit-command-api", &Destination::Stderr)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    let listener = listen(&config.http).await?;
    run(listener, config, App::description(), shutdown.clone()).await?;
    Ok(shutdown.finish(Duration::from_secs(10)).await?)
}
