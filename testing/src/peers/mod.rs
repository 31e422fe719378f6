//! Mail servers that tests talk to: pymap and dovecot for IMAP, aiosmtpd for SMTP.
//!
//! Each is its test's own, in a directory of its own, on a port of the loopback; it stops with the value, or when the
//! process that started it is gone, since it reads a pipe that the system closes then. What is of Python is installed
//! once per home, into `test/peers`.

mod dovecot;
mod install;
mod process;
mod smtp;

use std::path::{Path, PathBuf};

use orbit_runtime::{Home, Terminal};
use process::Process;
pub use smtp::{SmtpServer, SmtpSetup, Way};

use crate::must;

/// Whom all servers here know.
pub const USER: &str = "ada@example.org";
/// By what they know her.
pub const PASSWORD: &str = "correct-horse";

/// An IMAP server with one user, [`USER`], and her empty inbox.
#[derive(Debug)]
pub struct ImapServer {
    /// In the clear, with STARTTLS where there is a certificate.
    pub port: u16,
    /// With TLS from the first byte; pymap has none.
    pub tls_port: Option<u16>,
    process: Process,
}

impl ImapServer {
    /// The certificate to trust, as PEM.
    pub fn certificate(&self) -> PathBuf {
        self.process.dir().join("certificate.pem")
    }

    /// Where dovecot keeps her mail: a Maildir, with folders as `.Name` in it.
    pub fn maildir(&self) -> PathBuf {
        self.process.dir().join("mail").join(USER)
    }
}

/// pymap: has OBJECTID, IDLE and MOVE, and neither CONDSTORE nor SPECIAL-USE.
pub async fn pymap() -> ImapServer {
    let started = run(|place| {
        let mut command = place.python("imap.py");
        command.args(["--user", USER, "--password", PASSWORD]);
        let mut process = Process::start(command, place.dir)?;
        Ok(ImapServer { port: process.said_port()?, tls_port: None, process })
    });
    must("cannot start pymap", started.await)
}

/// dovecot: has CONDSTORE, QRESYNC, SPECIAL-USE, IDLE and MOVE, and no OBJECTID.
///
/// `None` where it is not installed: the test says so and has nothing to try. With `ORBIT_REQUIRE_PEERS=1`, as `.ci/run`
/// sets it, it fails instead. This is the only server that may be missing: it comes from the system, not from pip.
///
/// # Panics
/// When it is missing and must not be, or cannot be started.
pub async fn dovecot() -> Option<ImapServer> {
    dovecot_with(dovecot::Folders::Usual).await
}

/// The same as some providers run it: all folders are below the inbox, and there are none that nobody made.
///
/// # Panics
/// As [`dovecot`].
pub async fn dovecot_below_inbox() -> Option<ImapServer> {
    dovecot_with(dovecot::Folders::BelowInbox).await
}

async fn dovecot_with(folders: dovecot::Folders) -> Option<ImapServer> {
    if let Err(why) = dovecot::find() {
        let required = std::env::var_os("ORBIT_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(!required, "{why}");
        eprintln!("not tried against dovecot: {why}");
        return None;
    }
    Some(must("cannot start dovecot", run(move |place| dovecot::start(place, folders)).await))
}

/// aiosmtpd: keeps what it takes, and fails as the recipients' names ask it to (`testing/peers/smtp.py`).
pub async fn aiosmtpd(setup: SmtpSetup) -> SmtpServer {
    must("cannot start aiosmtpd", run(move |place| smtp::start(place, &setup)).await)
}

/// Where a server is started: its directory, and the Python packages.
struct Place {
    dir: process::Dir,
    packages: PathBuf,
}

impl Place {
    /// A script of `testing/peers`.
    fn python(&self, script: &str) -> std::process::Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
        let mut command = std::process::Command::new("python3");
        command.arg(script).env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Starts a server on a thread that may wait.
async fn run<T: Send + 'static>(start: impl FnOnce(Place) -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    let started = tokio::task::spawn_blocking(move || {
        let home = Home::locate()?;
        // What makes the directory for tests one that an unprivileged user may enter.
        orbit_runtime::install(&home, &Terminal::new())?;
        let packages = install::install(&home)?;
        start(Place { dir: process::Dir::new(&home)?, packages })
    });
    started.await?
}
