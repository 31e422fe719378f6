//! aiosmtpd, and what it took.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{PASSWORD, Place, Process, USER};

/// How the way to it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// In the clear.
    #[default]
    Plain,
    /// In the clear until STARTTLS, without which it takes nothing.
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// How it is set up.
#[derive(Clone, Debug, Default)]
pub struct SmtpSetup {
    /// How the way to it is kept.
    pub way: Way,
    /// Whether it wants [`USER`] and [`PASSWORD`] first.
    pub login: bool,
    /// A Maildir that it lays a copy of all it takes into, as some providers do: dovecot's folder of what was sent.
    pub sent: Option<PathBuf>,
    /// The largest message that it takes.
    pub size: Option<usize>,
}

/// An SMTP server that keeps what it takes.
#[derive(Debug)]
pub struct SmtpServer {
    /// Where it listens.
    pub port: u16,
    process: Process,
}

pub(super) fn start(place: Place, setup: &SmtpSetup) -> anyhow::Result<SmtpServer> {
    let dir = place.dir.path();
    fs::create_dir(dir.join("taken"))?;
    let mut command = place.python("smtp.py");
    command.arg(dir.join("taken"));
    if setup.way != Way::Plain {
        command.arg("--certificate").arg(certify(dir)?);
        command.args(["--tls", if setup.way == Way::Tls { "at-once" } else { "starttls" }]);
    }
    if setup.login {
        command.args(["--user", USER, "--password", PASSWORD]);
    }
    if let Some(sent) = &setup.sent {
        command.arg("--sent").arg(sent);
    }
    if let Some(size) = setup.size {
        command.args(["--size", &size.to_string()]);
    }
    let mut process = Process::start(command, place.dir)?;
    Ok(SmtpServer { port: process.said_port()?, process })
}

impl SmtpServer {
    /// The certificate to trust, as PEM.
    pub fn certificate(&self) -> PathBuf {
        self.process.dir().join("certificate.pem")
    }

    /// All copies that it took for a recipient.
    pub fn copies(&self, recipient: &str) -> Vec<Vec<u8>> {
        let mine = format!("{recipient}+");
        let files = fs::read_dir(self.process.dir().join("taken")).into_iter().flatten().flatten();
        let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(&mine));
        files.filter_map(|file| fs::read(file.path()).ok()).collect()
    }
}

/// A certificate for the loopback, and its key in one file with it; only the certificate is in `certificate.pem`.
pub(super) fn certify(dir: &Path) -> anyhow::Result<PathBuf> {
    let names = ["127.0.0.1", "localhost"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    let both = dir.join("server.pem");
    fs::write(dir.join("certificate.pem"), made.cert.pem())?;
    fs::write(&both, made.cert.pem() + &made.signing_key.serialize_pem())?;
    Ok(both)
}
