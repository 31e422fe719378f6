//! A server as a child of the test, and the directory that it works in.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, bail};
use orbit_runtime::{Home, ProcessId};

use crate::run::name_of;

/// A directory of one server, removed with it; one that a killed test left is removed by the next run.
#[derive(Debug)]
pub(super) struct Dir(PathBuf);

impl Dir {
    pub(super) fn new(home: &Home) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let test = home.test_dir().canonicalize().context("cannot enter the directory for tests")?;
        // Short, since dovecot's sockets lie in it and their paths may have some hundred bytes.
        let of_process = test.join(name_of(&ProcessId::current()));
        let dir = of_process.join(format!("p{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // Gone with the last server of this process.
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

/// A server that reads its standard input and ends when that does.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdout: Option<ChildStdout>,
    dir: Dir,
}

impl Process {
    pub(super) fn start(mut command: Command, dir: Dir) -> anyhow::Result<Self> {
        let log = File::create(dir.path().join("stderr"))?;
        command.current_dir(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let stdout = child.stdout.take();
        Ok(Self { child, stdout, dir })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The port that it says first.
    pub(super) fn said_port(&mut self) -> anyhow::Result<u16> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let Ok(port) = line.trim().parse() else { bail!("it said no port: {}", self.complaints("")) };
        Ok(port)
    }

    /// What it wrote on standard error, and into a log of its own.
    pub(super) fn complaints(&self, log: &str) -> String {
        let files = ["stderr", log].map(|name| fs::read_to_string(self.dir().join(name)).unwrap_or_default());
        files.concat()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input: it stops what it has started, then itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
