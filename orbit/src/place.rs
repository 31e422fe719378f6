//! Which `.orbit` directory a command works on, and which servers: those of the settings, or those of `orbit up`.

use std::path::PathBuf;

use anyhow::bail;
use orbit_platform::config::{DatabaseArgs, Environment, KeysArgs, Secret};
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
