//! The servers that all tests of one run share.
//!
//! `cargo test` runs one test binary after the other, `cargo nextest` one process per test, many at once. What they
//! have in common is the cargo that they descend from: the owner of the run. The first process starts the servers,
//! the others find them through a state file, and they stop when the owner is gone.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use orbit_runtime::{Addresses, Home, ProcessId, Runtime, Servers, Setup, Terminal, install, stop_left_over};
use tokio::sync::OnceCell;

use crate::must;

/// One `PostgreSQL` and one NATS for the whole run, without durability.
#[derive(Debug)]
pub struct TestServers {
    runtime: Runtime,
    dir: PathBuf,
    addresses: Addresses,
}

impl TestServers {
    /// The servers of this run, started if this is the first test that needs them.
    pub async fn get() -> &'static Self {
        static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
        SERVERS
            .get_or_init(|| async { must("cannot start the servers of this test run", Self::find_or_start().await) })
            .await
    }

    /// `PostgreSQL`, as superuser. Its database `orbit` is empty: take a [`TestDatabase`](crate::TestDatabase).
    pub fn database_url(&self) -> &str {
        &self.addresses.database_url
    }

    /// NATS. All tests share it: take a [`TestNats`](crate::TestNats).
    pub fn nats_url(&self) -> &str {
        &self.addresses.nats_url
    }

    /// The installed programs, `pgbench` among them.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A directory that is removed at the end of the run.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    async fn find_or_start() -> anyhow::Result<Self> {
        let home = Home::locate()?;
        let (runtime, test_dir) = {
            let home = home.clone();
            // Both may take a while, and other tests may share this thread.
            tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
                let runtime = install(&home, &Terminal::new())?;
                let dir = home.test_dir().canonicalize().context("cannot enter the directory for tests")?;
                sweep(&dir);
                Ok((runtime, dir))
            })
            .await??
        };
        let owner = ProcessId::nearest_ancestor(&["cargo", "cargo-nextest"]).unwrap_or_else(ProcessId::current);
        let dir = test_dir.join(name_of(&owner));
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        // Held until the servers run, so that each run has one pair.
        let _lock = lock(dir.join("lock")).await?;
        let state = dir.join("addresses.json");
        let addresses = match fs::read_to_string(&state) {
            Ok(text) => {
                serde_json::from_str(&text).with_context(|| format!("cannot understand {}", state.display()))?
            }
            Err(_) => start(&runtime, &dir, owner, &state).await?,
        };
        Ok(Self { runtime, dir, addresses })
    }
}

async fn start(runtime: &Runtime, dir: &Path, owner: ProcessId, state: &Path) -> anyhow::Result<Addresses> {
    let mut setup = Setup::scratch(&dir.join("servers"))?;
    setup.remove = Some(dir.to_owned());
    setup.outlive = Some(owner);
    let addresses = Servers::start(runtime, setup).await?.leave();
    // It holds passwords.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(state)?;
    file.write_all(serde_json::to_string(&addresses)?.as_bytes())?;
    Ok(addresses)
}

async fn lock(path: PathBuf) -> anyhow::Result<File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        std::io::Result::Ok(file)
    });
    locked.await?.context("cannot lock the directory of this test run")
}

/// «pid-start»: which process a directory belongs to.
pub(crate) fn name_of(owner: &ProcessId) -> String {
    let started: String = owner.started.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    format!("{}-{started}", owner.pid)
}

/// Removes what runs left whose watchdog was killed or whose machine went down.
fn sweep(test_dir: &Path) {
    for entry in fs::read_dir(test_dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.split_once('-').and_then(|(pid, _)| pid.parse().ok()) else { continue };
        if ProcessId::of(pid).is_some_and(|owner| name_of(&owner) == name) {
            continue;
        }
        for data in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let _ = stop_left_over(&data.path());
        }
        // Another process may be doing the same, or the run's own watchdog.
        let _ = fs::remove_dir_all(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_run_left_is_swept_and_what_lives_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (dead, alive) = (dir.path().join("4194304-77"), dir.path().join(name_of(&ProcessId::current())));
        for run in [&dead, &alive] {
            fs::create_dir_all(run.join("servers/postgres")).unwrap();
        }
        sweep(dir.path());
        assert!(!dead.exists() && alive.exists());
    }
}
