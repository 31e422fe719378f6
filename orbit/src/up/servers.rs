//! The database and the broker of `orbit up`: its own, installed and started, or those that the settings name.

use anyhow::{Context, bail};
use orbit_platform::{
    config::{DatabaseArgs, Environment, NatsArgs, Secret},
    shutdown::Shutdown,
};
use orbit_runtime::{Exit, Fault, Home, Secrets, Setup, Terminal, install_unless};

use crate::print;

/// Whose servers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Orbit installs and runs them.
    Own,
    /// `DATABASE_URL` and `NATS_URL` name them.
    Given,
}

impl Choice {
    /// Both addresses or none.
    pub fn of(environment: Environment, database: &DatabaseArgs, nats: &NatsArgs) -> anyhow::Result<Self> {
        match (database.database_url.is_empty(), nats.nats_url.is_empty()) {
            (false, false) => Ok(Self::Given),
            (true, true) if environment == Environment::Production => bail!(
                "with ORBIT_ENV=production Orbit does not run servers of its own, whose passwords are generated: set DATABASE_URL and NATS_URL"
            ),
            (true, true) => Ok(Self::Own),
            (false, true) => bail!(
                "DATABASE_URL is set but NATS_URL is not: set both to use your servers, or neither to have Orbit install and run its own"
            ),
            (true, false) => bail!(
                "NATS_URL is set but DATABASE_URL is not: set both to use your servers, or neither to have Orbit install and run its own"
            ),
        }
    }
}

/// The servers of this run.
#[derive(Debug)]
pub enum Servers {
    /// Ours to watch and to stop.
    Own(orbit_runtime::Servers),
    /// Somebody else's.
    Given,
}

impl Servers {
    /// Installs and starts what is ours, and writes the addresses into the settings.
    pub async fn start(
        choice: Choice,
        home: &Home,
        database: &mut DatabaseArgs,
        nats: &mut NatsArgs,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        if choice == Choice::Given {
            return Ok(Self::Given);
        }
        let (place, life) = (home.clone(), shutdown.clone());
        let install = move || install_unless(&place, &Terminal::new(), &|| life.is_cancelled());
        let installed =
            tokio::task::spawn_blocking(install).await.context("the installation was cut short: start Orbit again")?;
        if matches!(installed, Err(Fault::Stopped)) {
            print::line("Stopped before PostgreSQL and NATS were installed: nothing of them stays.")?;
        }
        let runtime = installed?;
        let setup = Setup::of_home(home, &Secrets::open(home)?)?;
        let servers = orbit_runtime::Servers::start(&runtime, setup).await?;
        database.database_url = Secret::new(servers.database_url());
        nats.nats_url = Secret::new(servers.nats_url());
        Ok(Self::Own(servers))
    }

    /// Resolves when one of ours has ended by itself.
    pub async fn exited(&self) -> Exit {
        match self {
            Self::Own(servers) => servers.exited().await,
            Self::Given => std::future::pending().await,
        }
    }

    /// Stops what is ours and waits until nothing is left running.
    pub async fn stop(self) {
        if let Self::Own(servers) = self {
            servers.stop().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(environment: Environment, database: &str, nats: &str) -> Result<Choice, String> {
        let database = DatabaseArgs {
            database_url: Secret::new(database),
            database_connections: 1,
            database_acquire_timeout_ms: 1,
        };
        let nats = NatsArgs { nats_url: Secret::new(nats), nats_prefix: "orbit".to_owned() };
        Choice::of(environment, &database, &nats).map_err(|error| error.to_string())
    }

    #[test]
    fn one_address_without_the_other_is_one_clear_sentence() {
        assert_eq!(choice(Environment::Development, "", ""), Ok(Choice::Own));
        assert_eq!(choice(Environment::Production, "postgres://x", "nats://x"), Ok(Choice::Given));
        let missing = choice(Environment::Development, "postgres://x", " ").unwrap_err();
        assert!(missing.starts_with("DATABASE_URL is set but NATS_URL is not: set both"), "{missing}");
        let missing = choice(Environment::Development, "", "nats://x").unwrap_err();
        assert!(missing.starts_with("NATS_URL is set but DATABASE_URL is not: set both"), "{missing}");
    }

    #[test]
    fn production_gets_no_servers_with_generated_passwords() {
        assert!(choice(Environment::Production, "", "").unwrap_err().contains("set DATABASE_URL and NATS_URL"));
    }
}
