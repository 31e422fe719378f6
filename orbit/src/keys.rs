//! `orbit keys`: what the users' keys are wrapped by, and wrapping them by another master key.

use anyhow::{Context, bail};
use clap::Subcommand;
use orbit_event_store::{MasterKey, Rotation, Vault};
use orbit_platform::{
    clock::Clock,
    config::{DatabaseArgs, Environment, EnvironmentArgs, KeysArgs, generate_master_key},
    postgres,
};
use orbit_runtime::{Home, MASTER_KEY, NEXT_MASTER_KEY, Secrets};

use crate::{
    place::{HomeArgs, beside},
    print,
    up::secrets,
};

const EXAMPLES: &str = "\
Examples:
  orbit keys status
  orbit keys rotate          beside `orbit up`: makes a new master key, and takes it over when all is done
  ORBIT_MASTER_KEY_FILE=new ORBIT_MASTER_KEY_PREVIOUS_FILE=old orbit keys rotate

Every process must accept both keys before a rotation begins: see docs/HISTORY.md.";

/// Arguments of `orbit keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say how many keys are wrapped by the master key, and how many by another one
    #[command(after_help = "Example:\n  orbit keys status")]
    Status {
        #[command(flatten)]
        place: Box<Place>,
    },
    /// Wrap every key by the master key of the settings, while everything goes on; go on where an earlier run was cut short
    #[command(after_help = "Example:\n  orbit keys rotate")]
    Rotate {
        #[command(flatten)]
        place: Box<Place>,
    },
}

/// Where they are.
#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Does what the words say.
pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.action {
        Action::Status { place } => status(*place).await,
        Action::Rotate { place } => rotate(*place).await,
    }
}

impl Place {
    async fn vault(&self) -> anyhow::Result<Vault> {
        let master_key = MasterKey::from_args(&self.keys, self.environment.environment)?;
        let role = orbit_command_api::app::ROLE;
        let pool = postgres::connect_as(&self.database, "orbit keys", None, role).await?;
        let vault = Vault::new(pool, &master_key, Clock::system());
        vault.require_fit().await?;
        Ok(vault)
    }
}

async fn status(mut place: Place) -> anyhow::Result<()> {
    let home = place.home.locate()?;
    beside(&home, place.environment.environment, &mut place.database, &mut place.keys)?;
    let status = place.vault().await?.key_status().await?;
    print::line(&format!("{} keys are wrapped by the master key of the settings.", status.by_first))?;
    print::line(&format!("{} keys are wrapped by another one.", status.by_others))?;
    print::line(&format!("{} keys were destroyed.", status.destroyed))?;
    if status.by_others > 0 || !status.current {
        print::line("`orbit keys rotate` wraps all of them by the master key of the settings.")?;
    }
    Ok(())
}

async fn rotate(mut place: Place) -> anyhow::Result<()> {
    let home = place.home.locate()?;
    let environment = place.environment.environment;
    let local = environment == Environment::Development && !secrets::is_master_key_given(&place.keys);
    beside(&home, environment, &mut place.database, &mut place.keys)?;
    if local {
        // The other way round: what was the key becomes the one that is accepted beside it.
        let secrets = Secrets::open(&home)?;
        secrets.get_or_create(NEXT_MASTER_KEY, || Ok(generate_master_key()))?;
        place.keys.master_key_file = Some(secrets.path(NEXT_MASTER_KEY));
        place.keys.master_key_previous_file = Some(secrets.path(MASTER_KEY));
    }
    let vault = place.vault().await?;
    let before = vault.key_status().await?;
    print::line(&format!("{} keys are to be wrapped anew.", before.by_others))?;
    let mut told = 0;
    let done = vault
        .rotate(|so_far| {
            if so_far.rewrapped >= told + 10_000 {
                told = so_far.rewrapped;
                // Whether anybody listens is nothing that would stop a rotation.
                let _ = print::line(&format!("{told} of {}", before.by_others));
            }
        })
        .await?;
    finish(local.then_some(&home), done)
}

fn finish(local: Option<&Home>, done: Rotation) -> anyhow::Result<()> {
    let Rotation { rewrapped, unreadable } = done;
    print::line(&format!("{rewrapped} keys were wrapped anew."))?;
    if unreadable > 0 {
        bail!("{unreadable} keys open with neither master key: keep the previous one, and see `orbit doctor`");
    }
    match local {
        Some(home) => {
            Secrets::open(home)?.take_over(NEXT_MASTER_KEY, MASTER_KEY).context("the new key is not in its place")?;
            print::line("The new master key has taken the place of the old one, which opens nothing any more.")
        }
        None => print::line(
            "Nothing is wrapped by the previous master key any more: give every process the new one alone, and destroy the other. Backups from before need it.",
        ),
    }
}
