//! The `.orbit` directory: where the runtime, the data, the secrets and the logs of one Orbit are.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::fault::{Attempt, Fault};

/// One `.orbit` directory. Cheap to clone; nothing is created before it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// `ORBIT_HOME`, or else `.orbit` in the nearest Cargo workspace at or above the current directory, or else `.orbit` right here.
    pub fn locate() -> Result<Self, Fault> {
        let here = env::current_dir().attempt(|| "find the current directory".to_owned())?;
        if let Some(home) = env::var_os("ORBIT_HOME").filter(|home| !home.is_empty()) {
            return Ok(Self { root: here.join(home) });
        }
        let base = here.ancestors().find(|dir| is_workspace(dir)).unwrap_or(&here);
        Ok(Self { root: base.join(".orbit") })
    }

    /// The home at `root`, an absolute path.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The installed programs. As root this may be a symbolic link (see `place.rs`).
    pub fn runtime_dir(&self) -> PathBuf {
        self.root.join("runtime")
    }

    /// What the servers store. As root this may be a symbolic link.
    pub fn data_dir(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Generated secrets, mode 700.
    pub fn secrets_dir(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// What the servers say.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Scratch directories of test runs. As root this may be a symbolic link.
    pub fn test_dir(&self) -> PathBuf {
        self.root.join("test")
    }

    /// Whether a database has been created here.
    pub fn has_data(&self) -> bool {
        self.data_dir().join("postgres").join("PG_VERSION").exists()
    }

    /// Takes this home for the running process, until the lock is dropped or the process ends, however it ends.
    ///
    /// Two servers on one data directory would destroy it; this is what keeps a second `orbit up` out.
    pub fn lock(&self) -> Result<HomeLock, Fault> {
        self.create()?;
        let path = self.root.join("lock");
        let mut file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Advice only: whoever holds the lock may not have written its id yet.
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "?".to_owned() } else { pid.trim().to_owned() };
                return Err(Fault::InUse { home: self.root.clone(), pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Fault::Io { attempted: format!("lock {}", path.display()), source });
            }
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .and_then(|()| file.flush());
        written.attempt(|| format!("write {}", path.display()))?;
        Ok(HomeLock { file })
    }

    /// Creates the directory, enterable by everybody (the secrets inside are not), whatever the umask.
    pub(crate) fn create(&self) -> Result<(), Fault> {
        create_dir(&self.root, 0o755)
    }
}

/// Holds a [`Home`] for this process.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // Closing alone would not do: a child that another thread forks just now has the open file too, until its exec
        // closes it. Unlocking frees it for all who share it; should that fail, closing still frees it a moment later.
        let _ = self.file.unlock();
    }
}

/// Creates `dir` (and its parents) with exactly this mode. A directory that exists keeps the mode it has.
pub(crate) fn create_dir(dir: &Path, mode: u32) -> Result<(), Fault> {
    if dir.is_dir() {
        return Ok(());
    }
    let created = fs::create_dir_all(dir).and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(mode)));
    created.attempt(|| format!("create {}", dir.display()))
}

/// Opens (or creates) a file that is only there to be locked.
pub(crate) fn open_lock(path: &Path) -> Result<File, Fault> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.attempt(|| format!("open {}", path.display()))
}

fn is_workspace(dir: &Path) -> bool {
    fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join(".orbit"));
        let held = home.lock().unwrap();
        let refused = home.lock().unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        home.lock().unwrap();
    }
}
