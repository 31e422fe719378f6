//! One running server: started under the watchdog's eyes, watched until it is ready, stopped for sure.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    account::Account,
    fault::{Attempt, Fault},
    process::signal,
    watchdog::Watchdog,
};

/// Announces the coming server to the watchdog through standard input, then becomes it. `exec` keeps the number.
const ANNOUNCE: &str = "echo \"$1 $$ $2\" >&0 && shift 2 && exec \"$@\" </dev/null";
/// A log larger than this is set aside at the next start.
const LOG_LIMIT: u64 = 5_000_000;
/// Recovery after a crash replays up to 8 GB of log; that takes minutes on a slow disk.
const PATIENCE: Duration = Duration::from_mins(5);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the watchdog calls it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The server's working directory, physical: by it a process is recognised as this server.
    pub dir: PathBuf,
    pub log: PathBuf,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub port: u16,
    /// A name for this start that the server tells those who ask, where it can.
    pub mark: String,
}

#[derive(Debug)]
pub(crate) struct Server {
    plan: Plan,
    child: Option<Child>,
    /// Where this start's part of the log begins.
    log_from: u64,
}

impl Server {
    fn spawn(plan: Plan, account: &Account, watchdog: &Watchdog) -> Result<Self, Fault> {
        let (file, log_from) = open_log(&plan.log).attempt(|| format!("write {}", plan.log.display()))?;
        let copy = file.try_clone().attempt(|| format!("write {}", plan.log.display()))?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ANNOUNCE, "sh", plan.name]).arg(&plan.dir).arg(&plan.program).args(&plan.arguments);
        command.stdin(watchdog.ear()?).stdout(file).stderr(copy).current_dir(&plan.dir).process_group(0);
        // Settings of the caller's shell must not change a server of ours.
        for name in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGTZ"] {
            command.env_remove(name);
        }
        account.put_on(&mut command);
        let child = command.spawn().attempt(|| format!("start {}", plan.title))?;
        Ok(Self { plan, child: Some(child), log_from })
    }

    /// Starts it and waits until `ready` says that it is. One that does not get there is stopped.
    pub(crate) fn start(
        plan: Plan,
        account: &Account,
        watchdog: &Watchdog,
        ready: fn(&Plan, u32) -> bool,
    ) -> Result<Self, Fault> {
        let mut server = Self::spawn(plan, account, watchdog)?;
        match server.wait_until(ready) {
            Ok(()) => Ok(server),
            Err(fault) => {
                server.stop(&[]);
                Err(fault)
            }
        }
    }

    /// Waits until `ready` says so.
    fn wait_until(&mut self, ready: impl Fn(&Plan, u32) -> bool) -> Result<(), Fault> {
        let began = Instant::now();
        loop {
            if self.exited().is_some() {
                return Err(self.failure());
            }
            if self.child.as_ref().is_some_and(|child| ready(&self.plan, child.id())) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(self.failure());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn failure(&self) -> Fault {
        let said = self.said();
        if said.contains("ddress already in use") {
            return Fault::PortTaken { server: self.plan.title, port: self.plan.port };
        }
        Fault::DidNotStart { server: self.plan.title, said: worst(&said), log: self.plan.log.clone() }
    }

    /// What it wrote to its log since its start, the end of it.
    pub(crate) fn said(&self) -> String {
        let mut said = Vec::new();
        let read = File::open(&self.plan.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.log_from.max(log.metadata()?.len().saturating_sub(64_000))))?;
            log.read_to_end(&mut said)
        });
        // Without a log there is nothing to quote; the fault is told all the same.
        let _ = read;
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The worst line of its log since its start.
    pub(crate) fn worst_line(&self) -> String {
        worst(&self.said())
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it ended, if it did without being told to.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.is_some() && self.exited().is_none()
    }

    /// Sends each signal in turn until it is gone, the last one being KILL.
    pub(crate) fn stop(&mut self, signals: &[(Signal, Duration)]) {
        let Some(mut child) = self.child.take() else { return };
        for (strength, patience) in signals {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            // Not yet waited for, so the number is still this child's.
            signal(child.id(), *strength);
            let began = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && began.elapsed() < *patience {
                thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Opens a log for appending, setting a large one aside first. Returns where this start's part begins.
fn open_log(log: &Path) -> io::Result<(File, u64)> {
    if fs::metadata(log).is_ok_and(|about| about.len() > LOG_LIMIT) {
        fs::rename(log, log.with_extension("log.old"))?;
    }
    let file = OpenOptions::new().append(true).create(true).open(log)?;
    let from = file.metadata()?.len();
    Ok((file, from))
}

/// The line of a log that tells a person most.
fn worst(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let grave =
        lines().rev().find(|line| ["FATAL", "PANIC", "[FTL]", "nats-server:"].iter().any(|sign| line.contains(sign)));
    let line = grave.or_else(|| lines().next_back()).unwrap_or("it said nothing");
    // Time and process number tell nobody anything here.
    let text =
        ["FATAL:", "PANIC:", "[FTL]"].iter().find_map(|sign| line.split_once(sign)).map_or(line, |(_, text)| text);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_line_of_a_log_is_quoted_without_its_time() {
        let log =
            "2026-11-22 20:44:14.567 UTC [1] FATAL:  could not create lock file\n2026-11-22 [1] LOG:  shut down\n";
        assert_eq!(worst(log), "could not create lock file");
        assert_eq!(worst("a\nb\n\n"), "b");
        assert_eq!(worst(""), "it said nothing");
    }

    #[test]
    fn a_log_that_has_grown_large_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("postgres.log");
        File::create(&log).unwrap().set_len(LOG_LIMIT + 1).unwrap();
        let (_file, from) = open_log(&log).unwrap();
        assert_eq!((from, log.with_extension("log.old").exists()), (0, true));
        fs::write(&log, "abc").unwrap();
        assert_eq!(open_log(&log).unwrap().1, 3);
    }
}
