//! Who the servers run as: ourselves, or, as root, an unprivileged user, since `PostgreSQL` refuses to run as root.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    fault::{Attempt, Fault},
    home::Home,
};

/// Tried in this order. `initdb` insists on an entry in the user database, which all of these have.
const CANDIDATES: [&str; 3] = ["nobody", "daemon", "postgres"];

/// The user that the servers run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user that runs Orbit.
    Own,
    /// Another one, as Orbit runs as root.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Whoever owns the data that are already there; else ourselves; else, as root, an unprivileged user.
    pub(crate) fn of(home: &Home) -> Result<Self, Fault> {
        let data = home.data_dir().join("postgres");
        let owner = fs::metadata(&data).ok().map(|data| data.uid());
        let me = rustix::process::geteuid().as_raw();
        match owner {
            Some(owner) if me != 0 && owner != me => Err(Fault::NotYours { dir: home.data_dir(), owner }),
            _ if me != 0 => Ok(Self::Own),
            Some(owner) if owner != 0 => {
                passwd(|_, uid| uid == owner).ok_or(Fault::NotYours { dir: home.data_dir(), owner })
            }
            _ => Self::unprivileged().ok_or(Fault::NoAccount),
        }
    }

    fn unprivileged() -> Option<Self> {
        let known = CANDIDATES.iter().filter_map(|name| passwd(|entry, uid| entry == *name && uid != 0));
        // In a container's user namespace the user may exist on paper only: try.
        known.into_iter().find(|account| account.may_enter(Path::new("/")))
    }

    /// Makes `command` run as this user.
    pub(crate) fn put_on(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            // The standard library drops root's supplementary groups along with the user id.
            command.uid(*uid).gid(*gid);
        }
    }

    /// Gives a file or directory to this user.
    pub(crate) fn give(&self, path: &Path) -> Result<(), Fault> {
        match self {
            Self::Own => Ok(()),
            Self::Other { name, uid, gid } => {
                chown(path, Some(*uid), Some(*gid)).attempt(|| format!("give {} to user {name}", path.display()))
            }
        }
    }

    /// Whether this user can reach `dir`, found out by going there: modes, access lists and mounts all count.
    pub(crate) fn may_enter(&self, dir: &Path) -> bool {
        if *self == Self::Own {
            return true;
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cd -- \"$1\" && test -r .", "sh"]).arg(dir).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.put_on(&mut command);
        command.status().is_ok_and(|status| status.success())
    }

    /// The user's name, for messages.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Own => "you",
            Self::Other { name, .. } => name,
        }
    }
}

/// The first entry of the user database that fits. macOS writes nobody's number as -2.
fn passwd(fits: impl Fn(&str, u32) -> bool) -> Option<Account> {
    let entries = fs::read_to_string("/etc/passwd").ok()?;
    let number = |text: &str| text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned));
    entries.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, uid, gid) = (fields.next()?, number(fields.nth(1)?)?, number(fields.next()?)?);
        fits(name, uid).then(|| Account::Other { name: name.to_owned(), uid, gid })
    })
}
