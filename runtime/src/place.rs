//! Where the servers' directories physically are.
//!
//! `PostgreSQL` resolves its own path and its data directory to absolute, physical paths. Started as an unprivileged
//! user it must be able to enter every directory on the way, which it cannot when root's clone lies in `/root`
//! (mode 700). Then `runtime`, `data` and `test` live in a place of their own under `/var/lib/orbit`, and `.orbit`
//! holds symbolic links. The links are the only record of which place belongs to which home.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::{
    account::Account,
    fault::{Attempt, Fault},
    home::{Home, create_dir},
    secrets::random,
};

const BASES: [&str; 3] = ["/var/lib/orbit", "/opt/orbit", "/var/tmp/orbit"];
/// In each place: the home that it was made for.
const MARKER: &str = "home";

/// Makes `runtime`, `data` and `test` exist where `account` may enter. The caller holds the installation's lock.
pub(crate) fn settle(home: &Home, account: &Account) -> Result<(), Fault> {
    home.create()?;
    let enters = account.may_enter(home.root());
    let mut place = None;
    for entry in [home.runtime_dir(), home.data_dir(), home.test_dir()] {
        if is_link(&entry) {
            if entry.exists() {
                continue;
            }
            tracing::warn!(link = %entry.display(), "what this link pointed to is gone: starting afresh");
            fs::remove_file(&entry).attempt(|| format!("remove {}", entry.display()))?;
        }
        if enters {
            create_dir(&entry, 0o755)?;
            continue;
        }
        if place.is_none() {
            place = Some(new_place(home, account)?);
        }
        if let Some(place) = &place {
            relocate(&entry, place)?;
        }
    }
    account.give(&home.data_dir())
}

/// Moves what `entry` holds into `place` and leaves a link.
fn relocate(entry: &Path, place: &Path) -> Result<(), Fault> {
    let Some(name) = entry.file_name() else { return Ok(()) };
    let target = place.join(name);
    if entry.exists() {
        // `mv` and not rename: the place may be on another file system.
        let moved = Command::new("mv").arg(entry).arg(&target).status();
        let moved =
            moved.and_then(|status| if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) });
        moved.attempt(|| format!("move {} to {}", entry.display(), target.display()))?;
    }
    create_dir(&target, 0o755)?;
    std::os::unix::fs::symlink(&target, entry).attempt(|| format!("link {} to {}", entry.display(), target.display()))
}

fn new_place(home: &Home, account: &Account) -> Result<PathBuf, Fault> {
    // The name is new each time: the data of an older home that lay at the same path may still be somebody's.
    let path = home.root().as_os_str().as_encoded_bytes();
    let name = format!("{}-{}", hex::encode(&Sha256::digest(path)[..6]), hex::encode(random::<3>()?));
    for base in BASES.map(Path::new) {
        let place = base.join(&name);
        if create_dir(base, 0o755).is_err() || create_dir(&place, 0o755).is_err() {
            continue;
        }
        let marked = fs::write(place.join(MARKER), path);
        if marked.is_ok() && account.may_enter(&place) {
            tidy(base);
            return Ok(place);
        }
        let _ = fs::remove_dir_all(&place);
    }
    Err(Fault::NoPlace { user: account.name().to_owned(), home: home.root().to_owned() })
}

/// Gives back the space of homes that are gone: what can be installed again, never data (a disk may only be unmounted).
fn tidy(base: &Path) {
    let Ok(places) = fs::read_dir(base) else { return };
    for place in places.flatten().map(|entry| entry.path()) {
        let Ok(home) = fs::read_to_string(place.join(MARKER)) else { continue };
        let gone = fs::symlink_metadata(&home).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if !gone {
            continue;
        }
        let _ = fs::remove_dir_all(place.join("runtime"));
        let _ = fs::remove_dir_all(place.join("test"));
        let empty = fs::remove_dir(place.join("data")).is_ok() || !place.join("data").exists();
        if empty {
            let _ = fs::remove_dir_all(&place);
        }
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|entry| entry.file_type().is_symlink())
}
