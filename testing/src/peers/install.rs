//! The Python packages of the servers: pinned, held to their hashes, installed once per home.

use std::{
    fs::{self, OpenOptions},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, ensure};
use orbit_runtime::Home;

const REQUIREMENTS: &str = include_str!("../../peers.txt");
const ARGUMENTS: [&str; 9] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--disable-pip-version-check",
    "--no-input",
];

/// The directory of the packages; installs them where these are not there yet.
pub(super) fn install(home: &Home) -> anyhow::Result<PathBuf> {
    let test = home.test_dir().canonicalize().context("cannot enter the directory for tests")?;
    let (packages, stamp) = (test.join("peers"), test.join("peers").join("installed.txt"));
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(test.join("peers.lock"))?;
    lock.lock().context("cannot lock the mail servers of tests")?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == REQUIREMENTS) {
        return Ok(packages);
    }
    if packages.exists() {
        fs::remove_dir_all(&packages)?;
    }
    let requirements = test.join("peers.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let mut pip = Command::new("python3");
    pip.args(ARGUMENTS).arg("--target").arg(&packages).arg("-r").arg(&requirements);
    let said = pip.env("PIP_ROOT_USER_ACTION", "ignore").env("PIP_USER", "0").current_dir(&test).output();
    let said = said.context("python3 was not found")?;
    ensure!(said.status.success(), "pip: {}", String::from_utf8_lossy(&said.stderr));
    fs::remove_file(&requirements)?;
    // Last: what has it is whole.
    fs::write(&stamp, REQUIREMENTS)?;
    Ok(packages)
}
