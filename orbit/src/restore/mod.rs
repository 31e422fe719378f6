//! `orbit restore`: a database out of a backup. Made beside the present one and given its name when it is complete, so
//! that a restore that fails has changed nothing.
//!
//! Reading order: `source` (the backup) · `target` (the database) · `load` (from one into the other) · `forget`
//! (who was erased since) · `blobs` (messages and files) · `owner` (whose tables).

mod blobs;
mod forget;
mod load;
mod owner;
mod source;
mod target;

use std::{fmt::Write, path::PathBuf};

use anyhow::bail;
use orbit_event_store::MasterKey;
use orbit_platform::{
    config::{BlobArgs, DatabaseArgs, EnvironmentArgs, KeysArgs},
    shutdown::Shutdown,
};
use orbit_runtime::{Home, MASTER_KEY};
use serde_json::json;
use uuid::Uuid;

use self::{load::Restored, source::Source, target::Target};
use crate::{
    backup::{progress::Progress, servers::Reached, tools::Tool},
    place::HomeArgs,
    print,
    up::secrets,
};

const EXAMPLES: &str = "\
Examples:
  orbit restore ~/backups/monday                       into a new .orbit, with the old master key put there before
  orbit restore ~/backups/monday --replace             in the place of the database that is there
  orbit restore /backups/monday --keys /safe/monday    keys that were kept elsewhere
  DATABASE_URL=postgres://… ORBIT_MASTER_KEY=… orbit restore /backups/monday

All Orbit processes of that database must be stopped. The present database is left as it is until the restored one is
complete, and with --replace it stays beside it under another name. The restored log has a new epoch: the relay makes a
new stream for it, and read models go on from where they were.";

/// Arguments of `orbit restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The directory that `orbit backup` made
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Where the keys are, if not in the backup: its directory keys, or that of a later backup
    #[arg(long, value_name = "DIRECTORY")]
    keys: Option<PathBuf>,
    /// Take the place of a database that holds facts; it is set aside under another name
    #[arg(long)]
    replace: bool,
    /// Forget this user again, who was erased after the backup was made; may be given several times
    #[arg(long, value_name = "USER")]
    forget: Vec<Uuid>,
    /// Say what was done as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    blobs: BlobArgs,
    #[command(flatten)]
    master: KeysArgs,
}

/// What was done.
struct Done {
    name: String,
    restored: Restored,
    position: i64,
    forgotten: usize,
    /// Packs of messages and files that were missing.
    packs: u64,
    aside: Option<String>,
}

/// Restores, or changes nothing.
pub async fn run(mut args: Args) -> anyhow::Result<()> {
    let home = args.home.locate()?;
    let source = Source::find(&args.directory, args.keys.as_deref())?;
    let master_key = find_master_key(&mut args, &home)?;
    source.verify().await?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    let reached = Reached::alone(&home, args.database.clone(), &shutdown).await?;
    let done = work(&args, &home, &source, &reached.database, master_key, &shutdown).await;
    reached.close().await;
    let done = done?;
    if args.json {
        return print::line(
            &json!({
                "database": done.name, "position": done.position, "backed_up_position": done.restored.position,
                "epoch": done.restored.epoch, "read_models": done.restored.views, "forgotten_again": done.forgotten,
                "set_aside": done.aside, "packs": done.packs,
            })
            .to_string(),
        );
    }
    print::text(&page(&done, &source))
}

/// The key that the users' keys were wrapped with. A new one, as a fresh home would get, could not read them.
fn find_master_key(args: &mut Args, home: &Home) -> anyhow::Result<MasterKey> {
    let environment = args.environment.environment;
    let file = home.secrets_dir().join(MASTER_KEY);
    if !secrets::gives_master_key(&args.master) && !file.exists() {
        bail!(
            "there is no master key in {}: put the one of the Orbit that was backed up there, or set ORBIT_MASTER_KEY; it is not in the backup, and without it nobody can read that",
            file.display()
        );
    }
    secrets::complete_master_key(environment, home, &mut args.master)?;
    Ok(MasterKey::from_args(&args.master, environment)?)
}

async fn work(
    args: &Args,
    home: &Home,
    source: &Source,
    database: &DatabaseArgs,
    master_key: MasterKey,
    shutdown: &Shutdown,
) -> anyhow::Result<Done> {
    let pg_restore = Tool::find(home, "pg_restore", source.manifest.pg_dump).await?;
    let mut target = Target::look(database).await?;
    target.require_free(args.replace)?;
    let draft = target.create_draft().await?;
    let users: Vec<Uuid> = target.forgotten.iter().chain(&args.forget).copied().collect();
    let fill = async {
        let progress = Progress::begin("Restoring");
        let restored = load::fill(&draft, source, &pg_restore, &master_key, &progress).await?;
        let (forgotten, position) = if users.is_empty() {
            (vec![], restored.position)
        } else {
            progress.now("Forgetting again");
            forget::again(&draft, master_key.clone(), &users).await?
        };
        // Before the database gets its name: what its facts speak of must be there. What stays if that fails harms nobody.
        progress.now("Copying messages and files");
        let packs = blobs::bring(home, &args.blobs, source, &users).await?;
        Ok((restored, forgotten, position, packs))
    };
    let filled = tokio::select! {
        filled = fill => filled,
        () = shutdown.cancelled() => Err(anyhow::anyhow!("stopped: nothing was changed")),
    };
    let swapped = match filled {
        Ok(filled) => target.swap().await.map(|aside| (filled, aside)),
        Err(error) => Err(error),
    };
    match swapped {
        Ok(((restored, forgotten, position, packs), aside)) => {
            // Only now: until here they may have been somebody's.
            blobs::forget(home, &args.blobs, &users).await?;
            Ok(Done { name: target.name, restored, position, forgotten: forgotten.len(), packs, aside })
        }
        Err(error) => {
            // One that stays is marked as unfinished, and the next restore removes it.
            let _ = target.drop_draft().await;
            Err(error)
        }
    }
}

fn page(done: &Done, source: &Source) -> String {
    let mut page = format!(
        "Restored the database {} from the backup of {}: the log up to position {}, in the new epoch {}.\n",
        done.name,
        source.manifest.created_at.format("%Y-%m-%d %H:%M:%S UTC"),
        done.restored.position,
        done.restored.epoch
    );
    if !done.restored.views {
        page.push_str("Read models are folded anew from the log as soon as a projector runs.\n");
    }
    match &source.manifest.blobs {
        Some(there) => {
            let _ = writeln!(page, "Of {} packs of messages and files {} were missing.", there.objects, done.packs);
        }
        None => page.push_str("Messages and files were not in the backup.\n"),
    }
    if done.forgotten > 0 {
        let _ = writeln!(
            page,
            "{} users who were erased since were forgotten again: the log is at position {} now.",
            done.forgotten, done.position
        );
    }
    if let Some(aside) = &done.aside {
        let _ = writeln!(
            page,
            "The database that was there is called {aside} now; when you need it no more: DROP DATABASE \"{aside}\""
        );
    }
    page.push_str(
        "\nNext: start Orbit, with the same master key, and ask `orbit doctor`.\n\
         Whoever was erased after the backup is known again unless it is said above: erase them once more (--forget).\n",
    );
    page
}
