//! `PostgreSQL`: creating the cluster, its settings, how to see that it is ready.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    account::Account,
    fault::{Attempt, Fault},
    install::Runtime,
    process::{signal, stop_stranger, workers_in, works_in},
    server::{Plan, Server},
    setup::{Setup, Tuning},
    watchdog::Watchdog,
};

pub(crate) const TITLE: &str = "PostgreSQL";
/// Fast shutdown (sessions are ended, a checkpoint is written), then immediate (recovery at the next start).
pub(crate) const SIGNALS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(20)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// How long the children of a killed postmaster get to end, the second half of it under `KILL`.
const ORPHANS: Duration = Duration::from_secs(4);
/// How long a start is repeated while the one before is ending.
const ENDING: Duration = Duration::from_secs(10);

/// Creates the cluster and the database `orbit` if there is none. Half-made ones left by a crash are removed.
pub(crate) fn create(runtime: &Runtime, setup: &Setup, dir: &Path) -> Result<(), Fault> {
    if dir.join("PG_VERSION").exists() {
        return Ok(());
    }
    let draft = dir.with_extension("new");
    for dir in [&draft, dir] {
        if dir.exists() {
            fs::remove_dir_all(dir).attempt(|| format!("remove {}", dir.display()))?;
        }
    }
    fs::create_dir(&draft)
        .and_then(|()| fs::set_permissions(&draft, fs::Permissions::from_mode(0o700)))
        .attempt(|| format!("create {}", draft.display()))?;
    runtime.account.give(&draft)?;
    let password = PasswordFile::write(&draft.with_extension("password"), &setup.postgres_password, &runtime.account)?;

    let mut initdb = Command::new(runtime.postgres_program("initdb"));
    initdb.args(["--username=orbit", "--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions", "--no-sync"]);
    // The builtin provider: the same order of text on every machine, and fast.
    initdb.args(["--locale-provider=builtin", "--locale=C.UTF-8", "--lc-messages=C"]);
    // Iterations slow down guessing a weak password; ours has 192 random bits, so they would only slow down every connection.
    initdb.args(["--set", "scram_iterations=1", "--set", "timezone=UTC", "--set", "log_timezone=UTC"]);
    initdb.arg("--pwfile").arg(&password.0).arg("--pgdata").arg(&draft);
    run(initdb, &runtime.account, setup, "")?;
    drop(password);

    let mut single = Command::new(runtime.postgres_program("postgres"));
    single.args(["--single", "-E", "-c", "exit_on_error=on", "-D"]).arg(&draft).arg("postgres");
    run(single, &runtime.account, setup, "CREATE DATABASE orbit;\n")?;
    rustix::fs::sync();
    fs::rename(&draft, dir).attempt(|| format!("create {}", dir.display()))
}

/// Runs one of `PostgreSQL`'s programs to its end.
fn run(mut command: Command, account: &Account, setup: &Setup, input: &str) -> Result<(), Fault> {
    let log = setup.logs.join("initdb.log");
    let name = command.get_program().to_string_lossy().into_owned();
    account.put_on(&mut command);
    command.current_dir("/").env_remove("PGDATA").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().attempt(|| format!("run {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Should it have ended already, its own words say why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().attempt(|| format!("run {name}"))?;
    let mut said = output.stdout;
    said.extend(output.stderr);
    let said = String::from_utf8_lossy(&said);
    fs::write(&log, said.as_bytes()).attempt(|| format!("write {}", log.display()))?;
    // A single-user backend reports errors in its output and ends well all the same.
    let error = said.lines().find(|line| ["error:", "ERROR:", "FATAL:"].iter().any(|sign| line.contains(sign)));
    if output.status.success() && error.is_none() {
        return Ok(());
    }
    let said = error.or(said.lines().last()).unwrap_or("it said nothing").trim().to_owned();
    Err(Fault::DidNotStart { server: TITLE, said, log })
}

/// The first password, in a file that only the server's user can read and that is gone afterwards.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn write(path: &Path, password: &str, account: &Account) -> Result<Self, Fault> {
        let _ = fs::remove_file(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| writeln!(file, "{password}")).attempt(|| format!("write {}", path.display()))?;
        let file = Self(path.to_owned());
        account.give(path)?;
        Ok(file)
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Stops what a killed owner left running on this data directory, and removes a lock file that would stop a start.
pub(crate) fn recover(dir: &Path) -> Result<(), Fault> {
    let path = dir.join("postmaster.pid");
    let pid = read_pid(&path);
    if let Some(pid) = pid.filter(|pid| works_in(*pid, dir)) {
        tracing::warn!(pid, dir = %dir.display(), "stopping a PostgreSQL that was left running");
        stop_stranger(pid, dir, &SIGNALS);
    }
    // While any of them is there, the lock file says rightly that nobody may start.
    let (Some(pid), true) = (pid, stop_orphans(dir)) else { return Ok(()) };
    // PostgreSQL removes the lock of a dead process itself, but takes any live process with that number for a
    // postmaster: after a reboot, or in a container, it often is some other one.
    if path.exists() && Path::new(&format!("/proc/{pid}")).exists() && !works_in(pid, dir) {
        fs::remove_file(&path).attempt(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

/// Stops the children of a postmaster that was killed, and tells whether all are gone. They end by themselves once they
/// notice, which a busy one does after minutes; until then they hold its shared memory, and no other one starts.
fn stop_orphans(dir: &Path) -> bool {
    let began = Instant::now();
    loop {
        let orphans = workers_in(dir, "postgres");
        if orphans.is_empty() || began.elapsed() > ORPHANS {
            return orphans.is_empty();
        }
        // What a postmaster itself sends when one of its children crashes; the recovery that follows is due anyway.
        let strength = if began.elapsed() < ORPHANS / 2 { Signal::QUIT } else { Signal::KILL };
        for pid in orphans {
            signal(pid, strength);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Starts it, once whatever is left of one before is gone. Where that cannot be seen, the next start tells: it is
/// repeated for a while.
pub(crate) fn start(runtime: &Runtime, plan: &Plan, watchdog: &Watchdog) -> Result<Server, Fault> {
    let began = Instant::now();
    loop {
        recover(&plan.dir)?;
        match Server::start(plan.clone(), &runtime.account, watchdog, is_ready) {
            Err(fault) if is_of_the_one_before(&fault) && began.elapsed() < ENDING => {
                tracing::warn!(%fault, "the PostgreSQL before this one is still ending, trying again");
                thread::sleep(Duration::from_millis(100));
            }
            result => return result,
        }
    }
}

/// Whether it did not start because one before it has not quite ended.
fn is_of_the_one_before(fault: &Fault) -> bool {
    let signs = ["pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"];
    matches!(fault, Fault::DidNotStart { said, .. } if signs.iter().any(|sign| said.contains(sign)))
}

pub(crate) fn plan(runtime: &Runtime, setup: &Setup, dir: PathBuf, port: u16) -> Plan {
    let mut arguments = vec!["-D".to_owned(), dir.display().to_string()];
    let mut set = |name: &str, value: &str| arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    set("listen_addresses", "127.0.0.1");
    set("port", &port.to_string());
    set("unix_socket_directories", "");
    let megabytes = |cap: u64, share: u64| format!("{}MB", (memory() / share / 1_000_000).clamp(64, cap));
    match setup.tuning {
        Tuning::Durable => {
            set("max_connections", "200");
            set("shared_buffers", &megabytes(4096, 8));
            set("max_wal_size", "8GB");
            // A new segment of the write-ahead log filled with zeros first would stop all commits for tens of
            // milliseconds, several times a second while a young database is busy. Durability is the same.
            set("wal_init_zero", "off");
            // A segment that was reused would keep what it held until it is written over: of somebody who was erased, too.
            set("wal_recycle", "off");
            // Nor are the values of a row that is refused to be found in the server's log.
            set("log_error_verbosity", "terse");
        }
        Tuning::Scratch => {
            set("max_connections", "300");
            set("shared_buffers", &megabytes(256, 16));
            set("max_wal_size", "1GB");
            // The data do not outlive the run.
            for name in ["fsync", "synchronous_commit", "full_page_writes", "autovacuum"] {
                set(name, "off");
            }
        }
    }
    for (name, value) in &setup.postgres_settings {
        set(name, value);
    }
    Plan {
        name: "postgres",
        title: TITLE,
        mark: String::new(),
        log: setup.logs.join("postgres.log"),
        program: runtime.postgres_program("postgres"),
        dir,
        arguments,
        port,
    }
}

/// The postmaster writes its state into line 8 of its lock file.
fn is_ready(plan: &Plan, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(plan.dir.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    lines.next().is_some_and(|line| line.trim() == pid.to_string())
        && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

fn read_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.lines().next()?.trim().parse().ok()
}

/// Bytes of memory that this machine or container has.
fn memory() -> u64 {
    const UNKNOWN: u64 = 4_000_000_000;
    if cfg!(target_os = "macos") {
        let said = Command::new("sysctl").args(["-n", "hw.memsize"]).output().ok();
        return said.and_then(|said| String::from_utf8(said.stdout).ok()?.trim().parse().ok()).unwrap_or(UNKNOWN);
    }
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(kilobytes.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    });
    let container =
        fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    machine.unwrap_or(UNKNOWN).min(container.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_tried_again() {
        let fault = |said: &str| Fault::DidNotStart { server: TITLE, said: said.to_owned(), log: PathBuf::new() };
        assert!(is_of_the_one_before(&fault("pre-existing shared memory block (key 1, ID 2) is still in use")));
        assert!(is_of_the_one_before(&fault("lock file \"postmaster.pid\" already exists")));
        assert!(!is_of_the_one_before(&fault("could not create shared memory segment: No space left on device")));
        assert!(!is_of_the_one_before(&Fault::PortTaken { server: TITLE, port: 1 }));
    }
}
