//! `orbit backup`: the database as it is at one moment, while writing goes on, into a directory.
//!
//! Reading order: `snapshot` (the moment) · `dump` (the archives) · `manifest` (what makes them a backup) ·
//! `tools` (`pg_dump`) · `servers` (whose database). The way back is [`crate::restore`]. Why it is done like this:
//! `docs/adr/0015-backups-are-dumps-of-one-moment.md`.

pub mod blobs;
mod dump;
pub mod manifest;
pub mod progress;
pub mod servers;
mod snapshot;
pub mod tools;

use std::{path::PathBuf, time::Instant};

use anyhow::bail;
use indicatif::DecimalBytes;
use orbit_adapters::blobs::Blobs;
use orbit_platform::{
    clock::Clock,
    config::{BlobArgs, DatabaseArgs},
    shutdown::Shutdown,
};
use orbit_runtime::Home;
use serde_json::json;

use self::{
    dump::Draft,
    manifest::{KEYS, Manifest},
    servers::Reached,
    snapshot::Snapshot,
    tools::{Login, Tool},
};
use crate::{
    place::{self, HomeArgs},
    print,
};

const EXAMPLES: &str = "\
Examples:
  orbit backup ~/backups/monday            of the Orbit in .orbit, running or not
  orbit backup --home /srv/orbit/.orbit /backups/monday
  DATABASE_URL=postgres://… orbit backup /backups/monday
  orbit backup --json /backups/monday      one JSON object at the end
  orbit backup --no-blobs /backups/monday  without messages and files, which are copied by other means

Writing goes on meanwhile: what was acknowledged before the command began is in the backup. Needs pg_dump, which `orbit
up` has installed. The master key is not in the backup: keep a copy of .orbit/secrets/master-key elsewhere.";

/// Arguments of `orbit backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the backup goes: a directory that does not exist yet, or an empty one
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Say what was done as one JSON object
    #[arg(long)]
    json: bool,
    /// Leave out messages and files
    #[arg(long)]
    no_blobs: bool,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    blobs: BlobArgs,
}

/// Makes the backup, or nothing.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let home = args.home.locate()?;
    let begun = Instant::now();
    let blobs = if args.no_blobs { None } else { place::blobs_there(&home, &args.blobs)? };
    let mut draft = Draft::begin(&args.directory)?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    let reached = Reached::to_read(&home, args.database, &shutdown).await?;
    let made = tokio::select! {
        made = copy(&home, &reached.database, &mut draft, blobs.as_ref(), args.no_blobs) => made,
        () = shutdown.cancelled() => Err(anyhow::anyhow!("stopped: nothing of the backup stays")),
    };
    reached.close().await;
    let manifest = made?;
    let packs = manifest.blobs.as_ref().map_or(0, |packs| packs.bytes);
    let bytes = manifest.files.values().map(|file| file.bytes).sum::<u64>() + packs;
    let directory = draft.path().display().to_string();
    if args.json {
        return print::line(
            &json!({
                "directory": directory, "position": manifest.position, "epoch": manifest.epoch,
                "schema": manifest.schema, "created_at": manifest.created_at, "bytes": bytes, "blobs": manifest.blobs,
                "seconds": begun.elapsed().as_secs_f64(),
            })
            .to_string(),
        );
    }
    print::text(&page(&manifest, &directory, bytes, begun.elapsed().as_secs_f64()))
}

async fn copy(
    home: &Home,
    database: &DatabaseArgs,
    draft: &mut Draft,
    blobs: Option<&Blobs>,
    without: bool,
) -> anyhow::Result<Manifest> {
    let created_at = Clock::system().now();
    let snapshot = Snapshot::take(database).await?;
    if snapshot.server < 18 {
        bail!("the server is PostgreSQL {}, and Orbit needs 18 or newer", snapshot.server);
    }
    if snapshot.has_blobs && blobs.is_none() && !without {
        bail!(
            "facts speak of messages and files, and nobody says where those lie: set ORBIT_BLOBS, or leave them out with --no-blobs"
        );
    }
    let pg_dump = Tool::find(home, "pg_dump", snapshot.server).await?;
    let manifest = draft.write(&snapshot, created_at, &pg_dump, &Login::of(database)?, blobs).await?;
    snapshot.release().await;
    Ok(manifest)
}

fn page(manifest: &Manifest, directory: &str, bytes: u64, seconds: f64) -> String {
    let blobs = match &manifest.blobs {
        Some(packs) => format!("{} packs of messages and files are in it.", packs.objects),
        None => "Messages and files are not in it.".to_owned(),
    };
    format!(
        "Backed up the log up to position {} into {directory} ({}, {seconds:.1} s). {blobs}\n\n\
         Keep the master key too, elsewhere: it is not in there, and without it nobody can read the backup.\n\
         {directory}/{KEYS} may be kept elsewhere as well, and for less long: who was erased is in there.\n\
         Restore it with: orbit restore {directory}\n",
        manifest.position,
        DecimalBytes(bytes)
    )
}
