//! The real `PostgreSQL` and NATS: started, stopped, killed, orphaned, robbed of their ports.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{ask, ask_at, installed, kill, open_dir, ready_file, running_in, setup, spawn_holder, start, wait_until};
use orbit_runtime::{Addresses, Fault, Home, ProcessId, Servers, Setup};

/// Not a test but what other tests run and kill: it holds servers for as long as it lives.
#[tokio::test]
async fn holder() {
    let Some(root) = env::var_os(common::HOLD) else { return };
    let home = Home::at(root);
    let _lock = home.lock().unwrap();
    let _servers = start(&home).await;
    fs::write(ready_file(&home), "").unwrap();
    std::future::pending::<()>().await;
}

fn spawn(home: &Home) -> std::process::Child {
    spawn_holder(&env::current_exe().unwrap(), "holder", home, |_| {})
}

fn port(url: &str) -> u16 {
    url.rsplit_once('@').unwrap().1.split_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart_at_the_same_address() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    ask(&servers, "CREATE EXTENSION vector; CREATE TABLE t AS SELECT 'kept'::text AS v");
    assert_eq!(ask(&servers, "SHOW fsync; SHOW synchronous_commit; SHOW server_encoding"), "on\non\nUTF8");
    let first = servers.addresses().clone();
    assert_eq!(Addresses::of_home(&home).unwrap().unwrap(), first);
    servers.stop().await;
    assert_eq!(running_in(&home.data_dir()), [0; 0]);

    let began = Instant::now();
    let servers = start(&home).await;
    assert!(began.elapsed() < Duration::from_secs(3), "the second start took {:?}", began.elapsed());
    assert_eq!(*servers.addresses(), first);
    assert_eq!(ask(&servers, "SELECT v FROM t"), "kept");
    servers.stop().await;
}

#[tokio::test]
async fn both_servers_want_their_passwords() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    let (_, runtime) = installed();
    let wrong = format!("postgres://orbit:wrong@127.0.0.1:{}/orbit", port(servers.database_url()));
    let output = Command::new(runtime.postgres_program("psql")).args([&wrong, "-c", "SELECT 1"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("password authentication failed"));
    let mut greeting = String::new();
    let stream = TcpStream::connect(("127.0.0.1", port(servers.nats_url()))).unwrap();
    BufReader::new(stream).read_line(&mut greeting).unwrap();
    assert!(greeting.contains("\"auth_required\":true"), "{greeting}");
    // Anybody may read a command line.
    let password = servers.nats_url().split([':', '@']).nth(2).unwrap().to_owned();
    for pid in running_in(&home.data_dir()) {
        assert!(!fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains(&password));
    }
}

#[tokio::test]
async fn an_owner_that_is_killed_leaves_nothing_running_and_the_next_start_recovers() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let mut holder = spawn(&home);
    let addresses = Addresses::of_home(&home).unwrap().unwrap();
    ask_at(&addresses.database_url, "CREATE TABLE t AS SELECT 'kept'::text AS v");
    assert!(running_in(&home.data_dir()).len() > 2);
    let refused = home.lock().unwrap_err().to_string();
    assert!(refused.contains(&format!("process {}", holder.id())), "{refused}");

    kill("KILL", holder.id());
    holder.wait().unwrap();
    wait_until("both servers are gone", || running_in(&home.data_dir()).is_empty());
    let _lock = home.lock().unwrap();
    let servers = start(&home).await;
    assert_eq!(ask(&servers, "SELECT v FROM t"), "kept");
}

#[tokio::test]
async fn servers_that_even_the_watchdog_left_running_are_stopped_by_the_next_start() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let mut holder = spawn(&home);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap_or_default();
    let commands = children
        .split_whitespace()
        .map(|pid| (pid, fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()));
    let mut watchdogs: Vec<u32> =
        commands.filter(|(_, line)| line.contains("orbit-watchdog")).map(|(pid, _)| pid.parse().unwrap()).collect();
    if watchdogs.is_empty() {
        // Children are listed under the thread that started them.
        watchdogs = watchdogs_of(holder.id());
    }
    assert_eq!(watchdogs.len(), 1);
    kill("KILL", watchdogs[0]);
    kill("KILL", holder.id());
    holder.wait().unwrap();
    let left = running_in(&home.data_dir());
    assert!(!left.is_empty());

    let servers = start(&home).await;
    assert_eq!(ask(&servers, "SELECT 1"), "1");
    let now = running_in(&home.data_dir());
    assert!(left.iter().all(|pid| !now.contains(pid)), "{left:?} and {now:?}");
}

fn watchdogs_of(parent: u32) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_it = |pid: &u32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let above = stat.rsplit_once(')').and_then(|(_, tail)| tail.split_whitespace().nth(1)?.parse().ok());
        line.contains("orbit-watchdog") && above == Some(parent)
    };
    pids.filter(is_it).collect()
}

#[tokio::test]
async fn a_stale_lock_file_with_the_number_of_another_process_prevents_nothing() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    let file = servers.postgres_data_dir().join("postmaster.pid");
    let stale = fs::read_to_string(&file).unwrap();
    servers.kill_postgres().await.unwrap();
    servers.stop().await;
    // As after a reboot: the number now belongs to somebody else, this test for example.
    let rest = stale.split_once('\n').unwrap().1;
    fs::write(&file, format!("{}\n{rest}", std::process::id())).unwrap();
    let servers = start(&home).await;
    assert_eq!(ask(&servers, "SELECT 1"), "1");
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_is_named() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let (_, runtime) = installed();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().port();
    let postgres = Setup { postgres_port: Some(taken), ..setup(&home) };
    let nats = Setup { nats_port: Some(taken), ..setup(&home) };
    for (setup, name) in [(postgres, "PostgreSQL"), (nats, "NATS")] {
        let refused = Servers::start(&runtime, setup).await.unwrap_err();
        assert!(matches!(refused, Fault::PortTaken { server, port } if server == name && port == taken), "{refused}");
    }
    assert_eq!(running_in(&home.data_dir()), [0; 0], "what had started was stopped");
}

#[tokio::test]
async fn a_remembered_port_that_is_taken_meanwhile_is_replaced() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    let first = servers.addresses().clone();
    servers.stop().await;
    let _stranger = TcpListener::bind(("127.0.0.1", port(&first.database_url))).unwrap();
    let servers = start(&home).await;
    assert_ne!(servers.database_url(), first.database_url);
    assert_eq!(servers.nats_url(), first.nats_url);
    assert_eq!(ask(&servers, "SELECT 1"), "1");
}

#[tokio::test]
async fn a_server_that_dies_is_noticed_and_named_and_one_that_is_stopped_is_not() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    servers.stop_nats().await.unwrap();
    servers.stop_postgres().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), servers.exited()).await.is_err());
    servers.start_nats().await.unwrap();
    servers.start_postgres().await.unwrap();
    assert_eq!(ask(&servers, "SELECT 1"), "1");

    let pid = fs::read_to_string(servers.nats_data_dir().join("nats.pid")).unwrap().trim().parse().unwrap();
    kill("KILL", pid);
    let exit = tokio::time::timeout(Duration::from_secs(5), servers.exited()).await.unwrap();
    assert_eq!(exit.server, "NATS");
    assert!(exit.to_string().contains("nats.log"), "{exit}");
    servers.start_nats().await.unwrap();
    servers.stop().await;
    assert_eq!(running_in(&home.data_dir()), [0; 0]);
}

#[tokio::test]
async fn a_killed_postgres_starts_again_with_what_it_had_committed() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    ask(&servers, "CREATE TABLE t AS SELECT 'kept'::text AS v");
    servers.kill_postgres().await.unwrap();
    servers.start_postgres().await.unwrap();
    assert_eq!(ask(&servers, "SELECT v FROM t"), "kept");
}

#[tokio::test]
async fn a_busy_postgres_that_is_killed_again_and_again_starts_each_time_at_once() {
    let dir = open_dir();
    let home = Home::at(dir.path().join(".orbit"));
    let servers = start(&home).await;
    ask(&servers, "CREATE TABLE t (v int)");
    for round in 1..=4 {
        // Neither of them looks up from its work to see that the postmaster is gone.
        let busy =
            ["SELECT count(*) FROM generate_series(1, 2e9::bigint)", "INSERT INTO t SELECT generate_series(1, 1e8)"];
        let mut clients = busy.map(|sql| spawn_client(&servers, sql));
        let working = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()";
        wait_until("both are at work", || ask(&servers, working) == "2");
        servers.kill_postgres().await.unwrap();
        let began = Instant::now();
        servers.start_postgres().await.unwrap_or_else(|fault| panic!("round {round}: {fault}"));
        assert!(began.elapsed() < Duration::from_secs(10), "round {round} took {:?}", began.elapsed());
        assert_eq!(ask(&servers, "SELECT count(*) FROM t"), "0");
        for client in &mut clients {
            assert!(!client.wait().unwrap().success(), "its connection was cut");
        }
    }
}

fn spawn_client(servers: &Servers, sql: &str) -> std::process::Child {
    let (_, runtime) = installed();
    let mut command = Command::new(runtime.postgres_program("psql"));
    command.args(["-XAtq", servers.database_url(), "-c", sql]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn servers_left_to_another_process_stop_and_vanish_when_that_one_is_gone() {
    let dir = open_dir();
    let data = dir.path().join("scratch dir");
    let (_, runtime) = installed();
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let mut setup = Setup::scratch(&data).unwrap();
    setup.outlive = ProcessId::of(owner.id());
    let addresses = Servers::start(&runtime, setup).await.unwrap().leave();
    assert_eq!(ask_at(&addresses.database_url, "SELECT 1"), "1");
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("data and servers are gone", || !data.exists() && running_in(dir.path()).is_empty());
}

#[tokio::test]
async fn scratch_servers_that_fail_to_start_leave_nothing_although_their_owner_lives() {
    let dir = open_dir();
    let data = dir.path().join("scratch");
    let (_, runtime) = installed();
    let mut setup = Setup::scratch(&data).unwrap();
    setup.outlive = Some(ProcessId::current());
    setup.postgres_settings.push(("shared_buffers".into(), "nonsense".into()));
    let refused = Servers::start(&runtime, setup).await.unwrap_err().to_string();
    assert!(refused.contains("PostgreSQL did not start") && refused.contains("shared_buffers"), "{refused}");
    assert!(!data.exists());
}
