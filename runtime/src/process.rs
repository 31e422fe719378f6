//! Processes that are not our children: who they are, whether they still live, how to tell them to stop.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// One process, told apart from a later one with the same number by its time of start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// When it started, in the system's own words (clock ticks since boot on Linux, `ps`'s `lstart` elsewhere).
    pub started: String,
}

impl ProcessId {
    /// The running process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self { pid, started: String::new() })
    }

    /// The live process with this number. A zombie is not alive.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: Status::of(pid)?.started })
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// The nearest ancestor of the running process whose program has one of these names.
    pub fn nearest_ancestor(names: &[&str]) -> Option<Self> {
        let mut status = Status::of(std::process::id())?;
        while status.parent > 1 {
            let pid = status.parent;
            status = Status::of(pid)?;
            if names.contains(&status.name.as_str()) {
                return Some(Self { pid, started: status.started });
            }
        }
        None
    }
}

struct Status {
    name: String,
    parent: u32,
    started: String,
}

impl Status {
    #[cfg(target_os = "linux")]
    fn of(pid: u32) -> Option<Self> {
        // proc(5): «pid (name) state ppid …», the start time is field 22. The name may hold spaces and parentheses.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        Some(Self {
            name: head.split_once('(')?.1.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            started: (*fields.get(19)?).to_owned(),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn of(pid: u32) -> Option<Self> {
        // lstart is five words («Mon Nov 22 20:28:00 2026»), the command is the rest of the line.
        let said =
            Command::new("ps").args(["-o", "stat=,ppid=,lstart=,comm=", "-p", &pid.to_string()]).output().ok()?;
        let line = String::from_utf8(said.stdout).ok()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.first()?.starts_with('Z') {
            return None;
        }
        let command = words.get(7..)?.join(" ");
        Some(Self {
            name: command.rsplit('/').next()?.to_owned(),
            parent: words.get(1)?.parse().ok()?,
            started: words.get(2..7)?.join(" "),
        })
    }
}

/// Whether `pid` is a live server of ours that works in `dir` (a physical path): numbers in old pid files may belong to anyone.
pub(crate) fn works_in(pid: u32, dir: &Path) -> bool {
    if cfg!(target_os = "linux") {
        // The system appends this to the path of a directory that was removed meanwhile.
        let removed = PathBuf::from(format!("{} (deleted)", dir.display()));
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at == dir || at == removed)
    } else {
        let said = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(&dir.display().to_string()))
    }
}

/// The live processes of a program that work in `dir` (a physical path). Nobody knows without `/proc`: none then.
pub(crate) fn workers_in(dir: &Path, program: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |pid: &u32| works_in(*pid, dir) && Status::of(*pid).is_some_and(|status| status.name == program);
    pids.filter(is_it).collect()
}

/// Sends a signal; a process that is gone does not mind.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Stops a server that is not our child: each signal in turn, until it is gone.
pub(crate) fn stop_stranger(pid: u32, dir: &Path, signals: &[(Signal, Duration)]) {
    for (strength, patience) in signals {
        if !works_in(pid, dir) {
            return;
        }
        signal(pid, *strength);
        let began = Instant::now();
        while works_in(pid, dir) && began.elapsed() < *patience {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_a_zombie_is_not() {
        assert!(ProcessId::current().is_alive());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive());
        child.kill().unwrap();
        let began = Instant::now();
        while id.is_alive() {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "a killed process that nobody has waited for still counts as alive"
            );
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!id.is_alive());
    }

    #[test]
    fn a_reused_number_is_another_process() {
        let mut other = ProcessId::current();
        other.started.push('0');
        assert!(!other.is_alive());
    }

    #[test]
    fn a_test_finds_the_cargo_that_runs_it() {
        // Not so when the test binary is started by hand; then there is nothing to find.
        if let Some(cargo) = ProcessId::nearest_ancestor(&["cargo", "cargo-nextest"]) {
            assert!(cargo.is_alive());
        }
    }
}
