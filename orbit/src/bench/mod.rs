//! `orbit bench`: how fast this Orbit is on this machine, each figure with its yardstick from the same run.
//!
//! Every bench starts scratch servers of its own with `PostgreSQL`'s default durability, prints a table, and on its last
//! line (with `--json` on its only line) one flat object from figure to number. Ratios carry over between machines;
//! the other figures do not.

mod append;
mod as_of;
mod client;
mod http;
mod mail;
mod project;
mod query;
mod rebuild;
mod relay;
mod report;
mod scratch;
mod seal;
mod server;
mod work;

use std::time::Duration;

pub use report::Report;

/// Arguments of `orbit bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// Print nothing but the JSON object.
    #[arg(long)]
    json: bool,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often each measurement is taken; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// How many messages the bench of mail imports, once.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    messages: u32,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Commands through `transact`, against plain one-row inserts by as many callers.
    Append,
    /// The log to `JetStream`, every ack's sequence checked.
    Relay,
    /// The log into its Merkle tree: hashes, tiles, signed checkpoints.
    Seal,
    /// Read models: catching up from the log, and how soon a command is visible.
    Project,
    /// `POST /tasks`, against a route that only verifies the token.
    Http,
    /// `GET /tasks/{id}` and `GET /tasks`, against pgbench with the same statements.
    Query,
    /// Read models filled anew from a million facts, against one INSERT … SELECT over plain JSON; then `as-of` and `seal`.
    Rebuild,
    /// A mailbox from the file into all read models, and searches and lists in it over HTTP.
    Mail,
    /// The same two as of random moments in a log of 10,000 facts of their user.
    AsOf,
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    time: Duration,
    rounds: u32,
}

/// Runs one bench and prints its report.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let effort = Effort { time: Duration::from_secs(args.seconds), rounds: args.rounds };
    let report = match args.what {
        What::Append => append::run(effort).await?,
        What::Relay => relay::run(effort).await?,
        What::Seal => seal::run(effort).await?,
        What::Project => project::run(effort).await?,
        What::Http => http::run(effort).await?,
        What::Query => query::run(effort).await?,
        What::Rebuild => rebuild::run(effort).await?,
        What::Mail => mail::run(usize::try_from(args.messages)?).await?,
        What::AsOf => as_of::run(effort).await?,
    };
    report.print(args.json)
}
