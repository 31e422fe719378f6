//! dovecot, as an unprivileged user in a directory of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use super::{ImapServer, PASSWORD, Place, Process, USER, smtp::certify};

/// Its settings changed with 2.4 so much that no file is good for both.
const VERSION: &str = "2.3.";
const PATIENCE: Duration = Duration::from_secs(10);
/// Where it is on systems that keep such programs from the search path of their users.
const PATHS: &str = "PATH=$PATH:/usr/local/sbin:/usr/sbin; ";
/// Runs it until standard input ends. Its children outlive it for a moment, and hold its port and directory.
const SCRIPT: &str = "set -m; dovecot -F -c \"$1\" & server=$!; cat >/dev/null; kill $server; wait $server
    for turn in $(seq 100); do kill -0 -- -$server 2>/dev/null || exit; sleep 0.05; done; kill -9 -- -$server";

/// Where folders may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folders {
    /// Beside the inbox; one for what was sent and one for what was deleted are there.
    Usual,
    /// Below the inbox, and nowhere else.
    BelowInbox,
}

impl Folders {
    fn settings(self) -> &'static str {
        match self {
            Self::Usual => {
                "  mailbox Sent {
    special_use = \\Sent
    auto = subscribe
  }
  mailbox Trash {
    special_use = \\Trash
    auto = subscribe
  }"
            }
            Self::BelowInbox => "  prefix = INBOX/",
        }
    }
}

/// Whether it is there, and if not, why.
pub(super) fn find() -> Result<(), String> {
    let said = Command::new("/bin/sh").args(["-c", &format!("{PATHS}dovecot --version")]).output();
    let version = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
    if version.starts_with(VERSION) {
        Ok(())
    } else if version.is_empty() {
        Err("dovecot is not installed (Debian: dovecot-imapd)".to_owned())
    } else {
        Err(format!("dovecot {version} is installed, and dovecot {VERSION}x is needed"))
    }
}

pub(super) fn start(place: Place, folders: Folders) -> anyhow::Result<ImapServer> {
    let account = Account::find()?;
    let both = certify(place.dir.path())?;
    for folder in ["mail", "run"] {
        fs::create_dir(place.dir.path().join(folder))?;
    }
    let file = place.dir.path().join("dovecot.conf");
    let (port, tls_port) = (free_port()?, free_port()?);
    fs::write(&file, settings(place.dir.path(), &both, &account, (port, tls_port), folders))?;
    fs::write(place.dir.path().join("users"), format!("{USER}:{{PLAIN}}{PASSWORD}\n"))?;
    for path in ["", "mail", "run", "users", "server.pem", "dovecot.conf"].map(|name| place.dir.path().join(name)) {
        account.give(&path)?;
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{PATHS}{SCRIPT}"), "orbit-dovecot"]).arg(&file);
    account.put_on(&mut command);
    let process = Process::start(command, place.dir)?;
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() || TcpStream::connect(("127.0.0.1", tls_port)).is_err() {
        ensure!(began.elapsed() < PATIENCE, "it does not listen: {}", process.complaints("run/log"));
        thread::sleep(Duration::from_millis(20));
    }
    Ok(ImapServer { port, tls_port: Some(tls_port), process })
}

/// It can only be told a port: one that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Who it runs as: ourselves, or as root somebody who may do little.
struct Account {
    user: String,
    group: String,
    uid: u32,
    gid: u32,
    other: bool,
}

impl Account {
    fn find() -> anyhow::Result<Self> {
        let root = id(&["-u"])? == "0";
        let whom: &[&str] = if root { &["nobody"] } else { &[] };
        let ask = |what: &'static str| id(&[&[what], whom].concat());
        let (uid, gid) = (ask("-u")?.parse()?, ask("-g")?.parse()?);
        Ok(Self { user: ask("-un")?, group: ask("-gn")?, uid, gid, other: root })
    }

    fn put_on(&self, command: &mut Command) {
        if self.other {
            command.uid(self.uid).gid(self.gid);
        }
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        if self.other {
            chown(path, Some(self.uid), Some(self.gid)).with_context(|| format!("cannot give {}", path.display()))?;
        }
        Ok(())
    }
}

fn id(arguments: &[&str]) -> anyhow::Result<String> {
    let said = Command::new("id").args(arguments).output().context("cannot run id")?;
    if !said.status.success() {
        bail!("id {}: {}", arguments.join(" "), String::from_utf8_lossy(&said.stderr));
    }
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}

fn settings(
    dir: &Path,
    certificate: &Path,
    account: &Account,
    (port, tls_port): (u16, u16),
    folders: Folders,
) -> String {
    let folders = folders.settings();
    let (dir, certificate) = (dir.display(), certificate.display());
    let Account { user, group, uid, gid, .. } = account;
    format!(
        "base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/run/log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
listen = 127.0.0.1
protocols = imap
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login
mail_location = maildir:{dir}/mail/%u
mail_max_userip_connections = 100
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
{folders}
}}
"
    )
}
