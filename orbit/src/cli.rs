//! The command line: every subcommand, and the way from its words to its code.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, where backticks are noise")]

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    audit, backup, bench, completions, doctor, failure, import, keys, parked, projections, ready, rebuild, replay,
    restore, schema, serve, settings, up, verify,
};

const EXAMPLES: &str = "\
Examples:
  orbit up                       everything in one process, with servers of its own
  orbit up --demo --port 8001    with something to look at, on another port
  orbit doctor                   is all as it should be?
  orbit serve command-api        one process of several, for production
  orbit COMMAND --help           settings and examples of a command

In the repository: `cargo orbit up` is `cargo run --release --package orbit -- up`.";

const BENCH_EXAMPLES: &str = "\
Examples:
  orbit bench append             each on scratch servers, beside its yardstick
  orbit bench relay --json       only the last line: one JSON object, figure to number";

/// How long threads that do not listen may take to end once everything is stopped.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// Orbit: the event-sourced backend of a personal workspace.
#[derive(Debug, Parser)]
#[command(name = "orbit", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one process, with servers of its own unless DATABASE_URL and NATS_URL name some
    Up(Box<up::Args>),
    /// Run one process, for production
    Serve(serve::Args),
    /// Bring the database's schema up to date
    Migrate(schema::Args),
    /// Check runtime, database, broker, positions and lag, and print a table
    Doctor(Box<doctor::Args>),
    /// Verify that nothing in the log was changed: positions, streams, hashes, signatures, read models
    Verify(Box<verify::Args>),
    /// What a witness outside needs
    Audit(audit::Args),
    /// Facts that a projection could not apply: list, retry, discard
    Parked(parked::Args),
    /// Show the projections: version, position, lag, size, parked facts, rebuilds under way
    Projections(projections::Args),
    /// Fill read models anew from the log while the old ones serve, and put the new ones in their place
    Rebuild(Box<rebuild::Args>),
    /// Print facts of the log in their order, decrypted, without secrets
    Replay(Box<replay::Args>),
    /// Copy the database into a directory while Orbit runs: facts, read models and keys apart
    Backup(backup::Args),
    /// Make a database out of a backup, with a new epoch
    Restore(Box<restore::Args>),
    /// Take mailboxes in that lie in files of this machine
    Import(import::Args),
    /// The keys over the users' keys: status, rotate
    Keys(keys::Args),
    /// Ask a running process whether it is ready
    Ready(ready::Args),
    /// Show the settings in effect, without secrets
    Config(settings::Args),
    /// Print .env.example: every setting with its default
    EnvExample(settings::ExampleArgs),
    /// Measure how fast this Orbit is on this machine
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(bench::Args),
    /// Print a script that completes this command's words in a shell
    Completions(completions::Args),
}

/// Parses the words, does what they say, and turns a failure into one line and exit code 1.
pub fn main() -> ExitCode {
    // Clap's own answers (help, version, a word it does not know) print themselves and exit.
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            failure::report(&anyhow::Error::new(error).context("the system gave no thread to run on"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(cli));
    runtime.shutdown_timeout(LAST_GRACE);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failure::report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Up(args) => up::run(*args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Migrate(args) => schema::run(args).await,
        Command::Doctor(args) => doctor::run(*args).await,
        Command::Verify(args) => verify::run(*args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Parked(args) => parked::run(args).await,
        Command::Projections(args) => projections::run(args).await,
        Command::Rebuild(args) => rebuild::run(*args).await,
        Command::Replay(args) => replay::run(*args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Restore(args) => restore::run(*args).await,
        Command::Import(args) => import::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::Ready(args) => ready::run(args).await,
        Command::Config(args) => settings::run(&args),
        Command::EnvExample(_) => settings::print_example(),
        Command::Bench(args) => bench::run(args).await,
        Command::Completions(args) => completions::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn look(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{path} --help shows no example");
            command.get_subcommands().for_each(|below| look(below, &path));
        }
        look(&Cli::command(), "");
    }
}
