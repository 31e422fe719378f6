//! `orbit audit`: what somebody outside needs to hold Orbit to what it has signed.

mod export;

use std::path::PathBuf;

use clap::Subcommand;
use orbit_platform::{
    config::{DatabaseArgs, Secret},
    postgres,
};
use orbit_query_api::app::ROLE;

use crate::{
    place::{HomeArgs, addresses},
    print,
};

const EXAMPLES: &str = "\
Examples:
  orbit audit export /media/witness/orbit     everything a witness needs; again later, and it adds what is new";

const EXPORT_EXAMPLES: &str = "\
Examples:
  orbit audit export /media/witness/orbit
  orbit audit export ./proof --home /srv/orbit/.orbit

Called again for the same directory it adds what is new, after it has made sure that the log
still begins with what the directory holds. Keep the directory where Orbit's administrators
cannot write: that is what makes it a witness.";

/// Arguments of `orbit audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write checkpoint, tree and entries as files (C2SP tlog-tiles), without anything that users wrote
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// Where to
        directory: PathBuf,
        #[command(flatten)]
        place: Box<Place>,
    },
}

/// Where the log is.
#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Does what the words say.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Action::Export { directory, mut place } = args.action;
    if place.database.database_url.is_empty() {
        place.database.database_url = Secret::new(addresses(&place.home.locate()?)?.database_url);
    }
    // Reading is all that this role may do.
    let pool = postgres::connect_as(&place.database, "orbit audit", None, ROLE).await?;
    let exported = export::export(&mut *pool.acquire().await?, &directory).await;
    pool.close().await;
    let export::Exported { before, size, origin } = exported?;
    match size - before {
        0 => print::line(&format!("{} holds all {size} facts of {origin} already.", directory.display())),
        new => print::line(&format!("{} holds {size} facts of {origin}, {new} of them new.", directory.display())),
    }
}
