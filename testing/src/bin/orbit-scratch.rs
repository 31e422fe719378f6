//! `orbit-scratch COMMAND …` runs a command with scratch servers and a migrated database, then removes both.
//!
//! The command finds them through `DATABASE_URL` and `NATS_URL`; its exit code is passed on.
//! Used where a command needs a database but no test harness: `cargo sqlx prepare --check`.

use std::{env, ffi::OsString, io::Write, process::ExitCode};

use anyhow::Context;
use orbit_migrations::MIGRATOR;
use orbit_runtime::{Home, Servers, Setup, Terminal, install};
use sqlx::{Connection, PgConnection};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> ExitCode {
    match answer().await {
        Ok(code) => code,
        Err(error) => {
            // Should standard error be closed, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "orbit-scratch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn answer() -> anyhow::Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let program = words.next().context("usage: orbit-scratch COMMAND [ARGUMENT …]")?;
    // From here on both are ours to handle: the servers must be stopped first.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let work = run(program, words.collect());
    tokio::select! {
        code = work => code,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

/// Dropping this future at any point stops everything that it started.
async fn run(program: OsString, arguments: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let home = Home::locate()?;
    let runtime = install(&home, &Terminal::new())?;
    let test_dir = home.test_dir().canonicalize().context("cannot enter the directory for tests")?;
    let setup = Setup::scratch(&test_dir.join(format!("scratch-{}", std::process::id())))?;
    let servers = Servers::start(&runtime, setup).await?;

    let mut connection = PgConnection::connect(servers.database_url()).await?;
    MIGRATOR.run(&mut connection).await.context("cannot migrate the scratch database")?;
    // Projections and queries name tables without a schema, as the processes' connections let them.
    sqlx::raw_sql("ALTER DATABASE orbit SET search_path TO view, public").execute(&mut connection).await?;
    connection.close().await?;

    let mut command = Command::new(&program);
    command.args(arguments).env("DATABASE_URL", servers.database_url()).env("NATS_URL", servers.nats_url());
    let status =
        command.kill_on_drop(true).status().await.with_context(|| format!("cannot run {}", program.display()))?;
    servers.stop().await;
    // A command that a signal ended has no code.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
