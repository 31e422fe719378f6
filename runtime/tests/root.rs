//! Orbit as root and as somebody else. Nothing to see for who is not root, whom `PostgreSQL` runs as directly.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

use common::{ask_at, installed, is_root, kill, open_dir, ready_file, running_in, setup, spawn_holder, wait_until};
use orbit_runtime::{Addresses, Home, Servers, install};

const NOBODY: u32 = 65_534;

/// Not a test but what another test runs as an ordinary user.
#[tokio::test]
async fn holder() {
    let Some(root) = env::var_os(common::HOLD) else { return };
    let home = Home::at(root);
    let runtime = install(&home, &()).unwrap();
    let _servers = Servers::start(&runtime, setup(&home)).await.unwrap();
    fs::write(ready_file(&home), "").unwrap();
    std::future::pending::<()>().await;
}

/// Gives a new home the programs that this checkout has, so that nothing is downloaded again.
fn furnish(home: &Home) {
    let (checkout, _) = installed();
    fs::create_dir_all(home.root()).unwrap();
    let from = checkout.runtime_dir().canonicalize().unwrap();
    assert!(Command::new("cp").arg("-a").arg(from).arg(home.runtime_dir()).status().unwrap().success());
}

fn copy_of_this_program(dir: &Path) -> std::path::PathBuf {
    let copy = dir.join("program");
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[tokio::test]
async fn as_root_the_servers_run_as_an_unprivileged_user() {
    if !is_root() {
        return;
    }
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    furnish(&home);
    let runtime = install(&home, &()).unwrap();
    let servers = Servers::start(&runtime, setup(&home)).await.unwrap();
    assert!(!home.data_dir().is_symlink(), "everybody may enter here, so the data stay in their place");
    let pids = running_in(&home.data_dir());
    assert!(pids.len() > 2);
    for pid in pids {
        assert_eq!(fs::metadata(format!("/proc/{pid}")).unwrap().uid(), NOBODY);
    }
    servers.stop().await;
}

#[tokio::test]
async fn where_only_root_may_enter_the_servers_live_elsewhere_and_keep_their_data() {
    if !is_root() {
        return;
    }
    let dir = open_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let home = Home::at(dir.path().join("clone").join(".orbit"));
    furnish(&home);
    let runtime = install(&home, &()).unwrap();
    let servers = Servers::start(&runtime, setup(&home)).await.unwrap();
    ask_at(servers.database_url(), "CREATE TABLE t AS SELECT 'kept'::text AS v");
    servers.stop().await;

    let place = home.data_dir().canonicalize().unwrap().parent().unwrap().to_owned();
    assert!(!place.starts_with(dir.path()));
    assert!(home.runtime_dir().canonicalize().unwrap().starts_with(&place));
    let runtime = install(&home, &()).unwrap();
    let servers = Servers::start(&runtime, setup(&home)).await.unwrap();
    assert_eq!(ask_at(servers.database_url(), "SELECT v FROM t"), "kept");
    assert_eq!(home.data_dir().canonicalize().unwrap().parent().unwrap(), place);
    servers.stop().await;
    fs::remove_dir_all(place).unwrap();
}

#[tokio::test]
async fn an_ordinary_user_needs_no_root() {
    if !is_root() {
        return;
    }
    let dir = open_dir();
    let home = Home::at(dir.path().join("clone").join(".orbit"));
    furnish(&home);
    assert!(Command::new("chown").args(["-R", "nobody"]).arg(dir.path()).status().unwrap().success());
    let program = copy_of_this_program(dir.path());
    let as_nobody = |command: &mut Command| {
        command.uid(NOBODY).gid(NOBODY).current_dir(dir.path());
    };
    let mut holder = spawn_holder(&program, "holder", &home, as_nobody);
    assert_eq!(fs::metadata(home.secrets_dir()).unwrap().uid(), NOBODY);
    let addresses = Addresses::of_home(&home).unwrap().unwrap();
    assert_eq!(ask_at(&addresses.database_url, "SELECT current_user"), "orbit");
    kill("TERM", holder.id());
    holder.wait().unwrap();
    wait_until("both servers are gone", || running_in(&home.data_dir()).is_empty());
}

#[tokio::test]
async fn data_of_another_user_are_left_alone() {
    if !is_root() {
        return;
    }
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    furnish(&home);
    fs::create_dir_all(home.data_dir().join("postgres")).unwrap();
    chown(home.data_dir().join("postgres"), Some(4_242), None).unwrap();
    let refused = install(&home, &()).unwrap_err().to_string();
    assert!(refused.contains("belongs to user 4242"), "{refused}");
}
