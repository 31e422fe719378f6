//! `orbit import`: taking in what lies in files of this machine, beside a running Orbit.

mod mail;

use clap::Subcommand;

const EXAMPLES: &str = "\
Examples:
  orbit import mail --user ada@example.org ~/Mail/old.mbox
  orbit import mail --help";

/// Arguments of `orbit import`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Messages: files of one (.eml) or many (mbox, tar), and Maildirs
    Mail(Box<mail::Args>),
}

/// Does what the words say.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Mail(args) => mail::run(*args).await,
    }
}
