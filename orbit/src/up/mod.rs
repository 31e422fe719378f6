//! `orbit up`: one command, a working Orbit. Servers, secrets, schema, all roles in one process at one address.

pub mod demo;
pub mod secrets;
pub mod servers;
pub mod stack;
mod welcome;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use orbit_platform::{
    config::{
        AuthArgs, BlobArgs, DatabaseArgs, EnvironmentArgs, ErasureArgs, HttpArgs, KeysArgs, MailArgs, NatsArgs,
        ProofArgs, TelemetryArgs,
    },
    http::serve::listen,
    shutdown::Shutdown,
    telemetry::{self, Destination},
};
use orbit_query_api::config::PastArgs;
use orbit_runtime::Home;
use tokio::net::TcpListener;

use self::{
    servers::{Choice, Servers},
    stack::Stack,
    welcome::Welcome,
};
use crate::{
    place::{self, HomeArgs},
    print, schema,
};

const EXAMPLES: &str = "\
Examples:
  orbit up                                  http://127.0.0.1:8000, data in .orbit
  orbit up --demo                           with a user, lists, tasks and a mailbox to look at
  orbit up --port 8001 --home ../other      a second one beside it
  DATABASE_URL=postgres://… NATS_URL=nats://… orbit up    with your servers

Ctrl-C or SIGTERM stops everything that it has started. The data stay.";

/// A log larger than this is set aside at the next start: the one before it is kept, older ones are not.
const LOG_LIMIT: u64 = 10_000_000;

/// Arguments of `orbit up`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Fill a workspace to look at (a user, lists, labels, tasks and sub-tasks, a mailbox), once
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    past: PastArgs,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    blobs: BlobArgs,
    #[command(flatten)]
    mail: MailArgs,
    #[command(flatten)]
    auth: AuthArgs,
    #[command(flatten)]
    keys: KeysArgs,
    #[command(flatten)]
    proof: ProofArgs,
    #[command(flatten)]
    erasure: ErasureArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    /// The file that log lines go to, - for the terminal; logs/orbit.log in the home when not set
    #[arg(long, env = "ORBIT_LOG_FILE", value_name = "FILE", help_heading = "Telemetry")]
    log_file: Option<PathBuf>,
}

/// Runs until it is told to stop or something breaks, and leaves nothing running.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let home = args.home.locate()?;
    let choice = Choice::of(args.environment.environment, &args.database, &args.nats)?;
    // First whatever can refuse at once: who waits for an installation wants to have something of it.
    let _lock = home.lock()?;
    let listener = listen(&args.http).await?;
    let log = log_file(&home, args.log_file.as_deref())?;
    let destination = log.clone().map_or(Destination::Stderr, Destination::File);
    let _telemetry = telemetry::init(&args.telemetry, "orbit", &destination)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    let outcome = work(args, &home, choice, listener, log.as_deref(), &shutdown).await;
    // Whoever wants it stopped does not care what it was about to say: pip, for one, takes Ctrl-C as a failure.
    let stopped = if shutdown.is_cancelled() { Ok(()) } else { outcome };
    shutdown.trigger();
    stopped
}

/// From the servers to the end. Everything that was started is stopped again, however it goes.
async fn work(
    mut args: Args,
    home: &Home,
    choice: Choice,
    listener: TcpListener,
    log: Option<&Path>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    secrets::complete_signing_key(args.environment.environment, home, &mut args.auth)?;
    secrets::complete_proof_key(args.environment.environment, home, &mut args.proof)?;
    secrets::complete_master_key(args.environment.environment, home, &mut args.keys)?;
    let blobs = place::blobs_in(home, &args.blobs);
    args.blobs.blobs = Some(blobs);
    if choice == Choice::Own {
        print::line(&format!("Orbit in {}", home.root().display()))?;
    }
    let servers = Servers::start(choice, home, &mut args.database, &mut args.nats, shutdown).await?;
    let served = serve(&args, home, &servers, listener, log, shutdown).await;
    servers.stop().await;
    served
}

async fn serve(
    args: &Args,
    home: &Home,
    servers: &Servers,
    listener: TcpListener,
    log: Option<&Path>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    if shutdown.is_cancelled() {
        return Ok(());
    }
    match schema::migrate(&args.database).await? {
        0 => {}
        applied => print::line(&format!("Applied {applied} migrations."))?,
    }
    let address = welcome::address(listener.local_addr().context("the listener has no address")?);
    let stack = Stack::start(args, listener).await?;
    let running = run_until_the_end(args, home, servers, &stack, &address, log, shutdown).await;
    print::line("Stopping …")?;
    // Also when something broke: the first reason is the one to tell.
    let stopped = stack.stop().await;
    running?;
    stopped
}

async fn run_until_the_end(
    args: &Args,
    home: &Home,
    servers: &Servers,
    stack: &Stack,
    address: &str,
    log: Option<&Path>,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let greet = async {
        let demo = if args.demo { Some(demo::fill(address, home).await?) } else { None };
        let data = matches!(servers, Servers::Own(_)).then(|| home.data_dir());
        let blobs = args.blobs.blobs.as_deref().unwrap_or_default();
        Welcome { address, data, blobs, log, demo }.print()?;
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        exit = servers.exited() => Err(anyhow!("{exit}; what was acknowledged is safe: start Orbit again")),
        () = stack.broken() => Ok(()),
        failed = greet => failed,
    }
}

/// The file for log lines; `None` for the terminal.
fn log_file(home: &Home, wish: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let path = match wish.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) if path == Path::new("-") => return Ok(None),
        Some(path) => path.to_owned(),
        None => home.logs_dir().join("orbit.log"),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}: name another place with ORBIT_LOG_FILE", folder.display()))?;
    }
    if fs::metadata(&path).is_ok_and(|file| file.len() > LOG_LIMIT) {
        let aside = path.with_extension("log.old");
        fs::rename(&path, &aside).with_context(|| format!("cannot set {} aside", path.display()))?;
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_grown_large_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join(".orbit"));
        let path = log_file(&home, None).unwrap().unwrap();
        assert_eq!(path, home.logs_dir().join("orbit.log"));
        fs::File::create(&path).unwrap().set_len(LOG_LIMIT + 1).unwrap();
        log_file(&home, None).unwrap();
        assert!(!path.exists() && home.logs_dir().join("orbit.log.old").exists());
        assert_eq!(log_file(&home, Some(Path::new("-"))).unwrap(), None);
    }
}
