//! Which `.orbit` directory a command works on, and which servers: those of the settings, or those of `orbit up`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use orbit_adapters::blobs::{Blobs, Location};
use orbit_event_store::{Log, MasterKey, Vault};
use orbit_platform::{
    clock::Clock,
    config::{BlobArgs, DatabaseArgs, Environment, EnvironmentArgs, KeysArgs, Secret},
    postgres::{self, Pool},
};
use orbit_runtime::{Addresses, Fault, Home};

use crate::up::secrets;

/// The directory of this Orbit's runtime, data, secrets and logs.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Local")]
pub struct HomeArgs {
    /// The directory of runtime, data, secrets and logs; .orbit in the workspace when not set
    #[arg(long = "home", env = "ORBIT_HOME", value_name = "DIRECTORY")]
    pub home: Option<PathBuf>,
}

impl HomeArgs {
    /// The directory that is meant, absolute.
    pub fn locate(&self) -> Result<Home, Fault> {
        match self.home.as_deref().filter(|home| !home.as_os_str().is_empty()) {
            Some(home) => std::path::absolute(home)
                .map(Home::at)
                .map_err(|source| Fault::Io { attempted: format!("find {}", home.display()), source }),
            None => Home::locate(),
        }
    }
}

/// The servers that `orbit up` was last started with on this home.
pub fn addresses(home: &Home) -> anyhow::Result<Addresses> {
    match Addresses::of_home(home)? {
        Some(addresses) => Ok(addresses),
        None => bail!(
            "there is no Orbit in {}: start one with `orbit up`, or set DATABASE_URL and NATS_URL",
            home.root().display()
        ),
    }
}

/// Where messages and files are: where the settings say, or in the home.
pub fn blobs_in(home: &Home, args: &BlobArgs) -> String {
    let named = args.blobs.clone().filter(|text| !text.is_empty());
    named.unwrap_or_else(|| home.data_dir().join("blobs").display().to_string())
}

/// The store of messages and files, if the settings name one, or the home has one.
pub fn blobs_there(home: &Home, args: &BlobArgs) -> anyhow::Result<Option<Blobs>> {
    let is_named = args.blobs.as_deref().is_some_and(|text| !text.is_empty());
    let is_there = is_named || Path::new(&blobs_in(home, args)).is_dir();
    if is_there { blobs(home, args).map(Some) } else { Ok(None) }
}

/// The store of messages and files; made, if it is not there.
pub fn blobs(home: &Home, args: &BlobArgs) -> anyhow::Result<Blobs> {
    let location = Location::from_args(&BlobArgs { blobs: Some(blobs_in(home, args)) })?;
    let location = location.context("ORBIT_BLOBS names no directory")?;
    Blobs::open(&location).with_context(|| {
        let Location::Directory(path) = &location;
        format!("{} cannot be used for messages and files: correct ORBIT_BLOBS", path.display())
    })
}

/// For a command beside a running Orbit: the database and the key of the settings, or those of the home.
pub fn beside(
    home: &Home,
    environment: Environment,
    database: &mut DatabaseArgs,
    keys: &mut KeysArgs,
) -> anyhow::Result<()> {
    if database.database_url.is_empty() {
        database.database_url = Secret::new(addresses(home)?.database_url);
    }
    secrets::complete_master_key(environment, home, keys)?;
    Ok(())
}

/// Where the log and the read models are that a command works on: those of the settings, or those of the home.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

/// The log and the read models, opened as a projector opens them.
pub struct Open {
    /// Connections of the projector's role.
    pub pool: Pool,
    /// The log.
    pub log: Log,
    /// Opens what is in it.
    pub vault: Vault,
    /// The time.
    pub clock: Clock,
}

impl Place {
    /// Opens it; `name` is what the connections are called.
    pub async fn open(mut self: Box<Self>, name: &str) -> anyhow::Result<Open> {
        let environment = self.environment.environment;
        beside(&self.home.locate()?, environment, &mut self.database, &mut self.keys)?;
        let master_key = MasterKey::from_args(&self.keys, environment)?;
        let path = Some(orbit_projector::SEARCH_PATH);
        let pool = postgres::connect_as(&self.database, name, path, orbit_projector::ROLE).await?;
        let clock = Clock::system();
        let vault = Vault::new(pool.clone(), &master_key, clock.clone());
        Ok(Open { log: Log::new(pool.clone()), vault, pool, clock })
    }
}
