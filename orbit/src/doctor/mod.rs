//! `orbit doctor`: looks at runtime, database, broker, log, stream, read models and blobs, and says what it sees.

mod blobs;
mod checks;
mod patient;

use anyhow::bail;
use orbit_platform::config::{BlobArgs, DatabaseArgs, NatsArgs};

use self::{checks::Finding, patient::Patient};
use crate::{place::HomeArgs, print};

const EXAMPLES: &str = "\
Examples:
  orbit doctor                   the servers of a running `orbit up`, or those of DATABASE_URL and NATS_URL
  orbit doctor --home /srv/orbit/.orbit

Exit code 1 if something is wrong. A read model that is a moment behind is not wrong; one with parked facts is.";

/// Arguments of `orbit doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    nats: NatsArgs,
    #[command(flatten)]
    blobs: BlobArgs,
}

/// Looks, prints a table, and fails if something is wrong.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let patient = Patient::find(&args.home.locate()?, args.database, args.nats, &args.blobs)?;
    let findings = checks::all(&patient).await;
    let heading = ["", "CHECK", "FOUND"].map(str::to_owned).to_vec();
    let rows = findings.iter().map(Finding::row);
    print::text(&print::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))?;
    match findings.iter().filter(|finding| finding.is_wrong()).count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong: the table says what"),
        wrong => bail!("{wrong} things are wrong: the table says what"),
    }
}
