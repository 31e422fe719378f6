//! What the tests of this crate share: a scratch home with the real programs, and a look at what runs.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use orbit_runtime::{Home, Runtime, Secrets, Servers, Setup, Terminal, install};

/// Set for a child of a test that is to hold servers until it is killed: the home.
pub const HOLD: &str = "ORBIT_TEST_HOLD";

/// The programs that this checkout has (or now gets) for `orbit up` and its tests.
pub fn installed() -> (Home, Runtime) {
    let home = Home::locate().unwrap();
    let runtime = install(&home, &Terminal::new()).unwrap();
    (home, runtime)
}

/// A directory that everybody may enter, gone at the end of the test.
pub fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("orbit-runtime-").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// What `orbit up` starts, with little memory.
pub fn setup(home: &Home) -> Setup {
    let mut setup = Setup::of_home(home, &Secrets::open(home).unwrap()).unwrap();
    setup.postgres_settings = vec![("shared_buffers".into(), "32MB".into()), ("max_wal_size".into(), "100MB".into())];
    setup
}

pub async fn start(home: &Home) -> Servers {
    let (_, runtime) = installed();
    Servers::start(&runtime, setup(home)).await.unwrap()
}

/// What `PostgreSQL` answers to `sql`.
pub fn ask(servers: &Servers, sql: &str) -> String {
    ask_at(servers.database_url(), sql)
}

pub fn ask_at(url: &str, sql: &str) -> String {
    let (_, runtime) = installed();
    let output = Command::new(runtime.postgres_program("psql")).args(["-XAtq", url, "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The processes that work in or below `dir`: its servers.
pub fn running_in(dir: &Path) -> Vec<u32> {
    let Ok(dir) = dir.canonicalize() else { return Vec::new() };
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at.starts_with(&dir))).collect()
}

/// Waits, for at most 30 s.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "after 30 s still not so: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `holder`, a test of this very binary, in a process of its own which may be killed, and waits until it has servers.
pub fn spawn_holder(
    program: &Path,
    holder: &str,
    home: &Home,
    configure: impl FnOnce(&mut Command),
) -> std::process::Child {
    let mut command = Command::new(program);
    command.args(["--exact", holder, "--nocapture"]).env(HOLD, home.root());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    configure(&mut command);
    let mut child = command.spawn().unwrap();
    wait_until("the holder has servers", || {
        assert!(child.try_wait().unwrap().is_none(), "the holder ended early");
        ready_file(home).exists()
    });
    fs::remove_file(ready_file(home)).unwrap();
    child
}

/// Written by the holder when its servers are ready.
pub fn ready_file(home: &Home) -> PathBuf {
    home.root().join("ready")
}

pub fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success());
}

pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}
