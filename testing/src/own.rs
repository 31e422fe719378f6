//! Servers of one test's own, which it may stop and kill.

use std::ops::Deref;

use orbit_runtime::{Servers, Setup, Tuning};

use crate::{TestDatabase, TestNats, TestServers, database::random_name, must};

/// `PostgreSQL` and NATS of one test's own; all that [`Servers`] can do, and databases and prefixes as usual.
/// Both are stopped, and their data removed, with the value or with the process.
#[derive(Debug)]
pub struct OwnServers {
    servers: Servers,
}

impl OwnServers {
    /// Starts a pair as durable as in `orbit up`, after `change` has had its say.
    pub async fn start(change: impl FnOnce(&mut Setup)) -> Self {
        let run = TestServers::get().await;
        let data = run.dir().join(format!("own-{}", random_name()));
        let started = async {
            let mut setup = Setup::scratch(&data)?;
            setup.tuning = Tuning::Durable;
            setup.postgres_settings = vec![("shared_buffers".to_owned(), "128MB".to_owned())];
            change(&mut setup);
            anyhow::Ok(Servers::start(run.runtime(), setup).await?)
        };
        Self { servers: must("cannot start servers for this test", started.await) }
    }

    /// A migrated database on this `PostgreSQL`.
    pub async fn database(&self) -> TestDatabase {
        TestDatabase::on(self.servers.database_url()).await
    }

    /// A connection to this NATS.
    pub async fn nats(&self) -> TestNats {
        TestNats::on(self.servers.nats_url()).await
    }

    /// Stops both now, and waits for it.
    pub async fn stop(self) {
        self.servers.stop().await;
    }
}

impl Deref for OwnServers {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        &self.servers
    }
}
