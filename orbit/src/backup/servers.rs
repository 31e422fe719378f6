//! The database that is copied or made: the one that the settings name, or that of a home, whose servers are started for
//! the time being unless an `orbit up` runs them.

use anyhow::{Context, bail};
use orbit_platform::{
    config::{DatabaseArgs, Secret},
    shutdown::Shutdown,
};
use orbit_runtime::{Fault, Home, HomeLock, Secrets, Servers, Setup, Terminal, install_unless};

use crate::place::addresses;

/// A database that can be reached until this is [closed](Self::close).
#[derive(Debug)]
pub struct Reached {
    /// Where it is.
    pub database: DatabaseArgs,
    /// Ours to stop.
    servers: Option<Servers>,
    _lock: Option<HomeLock>,
}

impl Reached {
    /// To read from: beside a running Orbit or alone.
    pub async fn to_read(home: &Home, database: DatabaseArgs, shutdown: &Shutdown) -> anyhow::Result<Self> {
        if !database.database_url.is_empty() {
            return Ok(Self { database, servers: None, _lock: None });
        }
        if !home.has_data() {
            bail!("there is no Orbit in {}: name its home with --home, or set DATABASE_URL", home.root().display());
        }
        match home.lock() {
            Err(Fault::InUse { .. }) => {
                let database_url = Secret::new(addresses(home)?.database_url);
                Ok(Self { database: DatabaseArgs { database_url, ..database }, servers: None, _lock: None })
            }
            lock => Self::start(home, lock?, database, shutdown).await,
        }
    }

    /// To write to: alone.
    pub async fn alone(home: &Home, database: DatabaseArgs, shutdown: &Shutdown) -> anyhow::Result<Self> {
        if !database.database_url.is_empty() {
            return Ok(Self { database, servers: None, _lock: None });
        }
        let lock = home.lock()?;
        Self::start(home, lock, database, shutdown).await
    }

    async fn start(home: &Home, lock: HomeLock, database: DatabaseArgs, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let (place, life) = (home.clone(), shutdown.clone());
        let install = move || install_unless(&place, &Terminal::new(), &|| life.is_cancelled());
        let runtime =
            tokio::task::spawn_blocking(install).await.context("the installation was cut short: try again")??;
        let servers = Servers::start(&runtime, Setup::of_home(home, &Secrets::open(home)?)?).await?;
        let database_url = Secret::new(servers.database_url());
        Ok(Self { database: DatabaseArgs { database_url, ..database }, servers: Some(servers), _lock: Some(lock) })
    }

    /// Stops what was started for it.
    pub async fn close(self) {
        if let Some(servers) = self.servers {
            servers.stop().await;
        }
    }
}
