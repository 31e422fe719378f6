//! `orbit-query-api`: config → telemetry → build → run.

use std::time::Duration;

use clap::Parser;
use orbit_platform::{
    http::serve,
    shutdown::Shutdown,
    telemetry::{self, Destination},
};
use orbit_query_api::{App, Config, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let _telemetry = telemetry::init(&config.telemetry, "orbit-query-api", &Destination::Stderr)?;
    let listener = serve::listen(&config.http).await?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    run(listener, config, App::description(), shutdown.clone()).await?;
    Ok(shutdown.finish(Duration::from_secs(10)).await?)
}
