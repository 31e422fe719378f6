//! `orbit ready`: asks a running process whether it can do its work. Made for health checks of containers.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode};

use crate::print;

const EXAMPLES: &str = "\
Examples:
  orbit ready                                  the process on this machine, at ORBIT_PORT
  orbit ready --url http://10.0.0.7:8000";

/// Arguments of `orbit ready`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the process listens; `http://127.0.0.1:PORT` when not given
    #[arg(long)]
    url: Option<String>,
    /// The port on this machine
    #[arg(long, env = "ORBIT_PORT", default_value_t = 8000)]
    port: u16,
}

/// Prints `ready`, or fails and names what is not.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.url.unwrap_or_else(|| format!("http://127.0.0.1:{}", args.port));
    let url = format!("{}/health/ready", url.trim_end_matches('/'));
    let client = Client::builder().timeout(Duration::from_secs(4)).no_proxy().build()?;
    let answer = client.get(&url).send().await;
    let answer = answer.with_context(|| format!("nothing answers at {url}: start Orbit, or correct --url"))?;
    match answer.status() {
        StatusCode::OK => print::line("ready"),
        StatusCode::SERVICE_UNAVAILABLE => {
            let body: serde_json::Value = answer.json().await.unwrap_or_default();
            let culprits: Vec<_> =
                body["culprits"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
            bail!(
                "not ready: {}",
                if culprits.is_empty() { "it does not say why".to_owned() } else { culprits.join(", ") }
            )
        }
        status => bail!("{url} answered {status}, which no Orbit does: correct --url"),
    }
}
