//! A process that stops the servers when their owner is gone, so that not even `kill -9` leaves them running.
//!
//! It is a shell script, since a fork without exec is forbidden in safe Rust, and reads a pipe whose only lasting
//! writer is the owner: the system closes it however the owner ends. Each server tells the watchdog its own number
//! through that pipe before it becomes the server, so there is no moment at which a server runs unwatched.
//! The watchdog has a process group of its own: Ctrl-C in the terminal must not reach it or the servers.

use std::{
    io::{PipeWriter, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    fault::{Attempt, Fault},
    process::ProcessId,
};

const SCRIPT: &str = include_str!("watchdog.sh");

#[derive(Debug)]
pub(crate) struct Watchdog {
    process: Child,
    /// Open as long as the servers are to run.
    pipe: Option<PipeWriter>,
    released: bool,
}

/// When the watchdog acts and what it does besides stopping the servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duty<'a> {
    /// Whom the servers outlive the pipe for.
    pub outlive: Option<&'a ProcessId>,
    /// The directory to remove at last. Its data are not worth a gentle shutdown.
    pub remove: Option<&'a Path>,
}

impl Watchdog {
    pub(crate) fn start(duty: Duty<'_>) -> Result<Self, Fault> {
        let (reader, writer) = std::io::pipe().attempt(|| "make a pipe".to_owned())?;
        let (pid, started) =
            duty.outlive.map_or_else(Default::default, |owner| (owner.pid.to_string(), owner.started.clone()));
        let mut command = Command::new("/bin/sh");
        // Through the environment, so that a list of processes shows a name and not a whole script.
        command.env("ORBIT_WATCHDOG", SCRIPT).args([
            "-c",
            "eval \"$ORBIT_WATCHDOG\"",
            "orbit-watchdog",
            &pid,
            &started,
        ]);
        command.arg(if duty.remove.is_some() { "abrupt" } else { "gentle" });
        command.arg(duty.remove.unwrap_or(Path::new("")));
        command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").process_group(0);
        let process = command.spawn().attempt(|| "run /bin/sh".to_owned())?;
        Ok(Self { process, pipe: Some(writer), released: false })
    }

    /// The end of the pipe that a new server announces itself through.
    pub(crate) fn ear(&self) -> Result<Stdio, Fault> {
        let copy = self.pipe.as_ref().map(PipeWriter::try_clone).transpose().attempt(|| "copy a pipe".to_owned())?;
        Ok(copy.map_or_else(Stdio::null, Stdio::from))
    }

    /// Lets go without stopping anything: from now on only the process that it outlives counts.
    pub(crate) fn release(mut self) {
        self.released = true;
    }
}

impl Drop for Watchdog {
    /// Ends the watch: what still runs is stopped, the other duties are done, and that is waited for.
    fn drop(&mut self) {
        if !self.released {
            // Should the watchdog itself be gone, its duties are left to the next start.
            let _ = self.pipe.as_mut().map(|pipe| pipe.write_all(b"now\n"));
        }
        self.pipe = None;
        if !self.released {
            let _ = self.process.wait();
        }
    }
}
