//! NATS: its configuration, how to see that it is ready.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    account::Account,
    fault::{Attempt, Fault},
    install::Runtime,
    process::{stop_stranger, works_in},
    secrets::random,
    server::Plan,
    setup::Setup,
};

pub(crate) const TITLE: &str = "NATS";
/// TERM closes the streams' files in order.
pub(crate) const SIGNALS: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(5))];

/// Writes the configuration, which holds the password (a command line could be read by everybody), and says what to start.
pub(crate) fn plan(runtime: &Runtime, setup: &Setup, dir: PathBuf, port: u16) -> Result<Plan, Fault> {
    let config = dir.join("nats.conf");
    let quoted = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
    let mark = format!("orbit-{}", hex::encode(random::<6>()?));
    let text = format!(
        "server_name: {mark}\nlisten: \"127.0.0.1:{port}\"\npid_file: {}\njetstream {{ store_dir: {} }}\nauthorization {{ user: orbit, password: \"{}\" }}\n",
        quoted(&dir.join("nats.pid")),
        quoted(&dir),
        setup.nats_password
    );
    write_private(&config, &text, &runtime.account)?;
    Ok(Plan {
        name: "nats",
        title: TITLE,
        mark,
        log: setup.logs.join("nats.log"),
        program: runtime.nats_program(),
        arguments: vec!["--config".to_owned(), config.display().to_string()],
        dir,
        port,
    })
}

fn write_private(path: &Path, text: &str, account: &Account) -> Result<(), Fault> {
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    file.and_then(|mut file| file.write_all(text.as_bytes())).attempt(|| format!("write {}", draft.display()))?;
    account.give(&draft)?;
    fs::rename(&draft, path).attempt(|| format!("write {}", path.display()))
}

/// Creates the directory.
pub(crate) fn create(dir: &Path, account: &Account) -> Result<(), Fault> {
    let made = fs::create_dir_all(dir).and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)));
    made.attempt(|| format!("create {}", dir.display()))?;
    account.give(dir)
}

/// Stops what a killed owner left running on this data directory.
pub(crate) fn recover(dir: &Path) {
    let pid = fs::read_to_string(dir.join("nats.pid")).ok().and_then(|text| text.trim().parse().ok());
    if let Some(pid) = pid.filter(|pid| works_in(*pid, dir)) {
        tracing::warn!(pid, dir = %dir.display(), "stopping a NATS that was left running");
        stop_stranger(pid, dir, &SIGNALS);
    }
}

/// NATS greets each client with a line; it listens only after `JetStream` has recovered its streams.
/// The mark tells it from a stranger that has the port.
pub(crate) fn is_ready(plan: &Plan, _pid: u32) -> bool {
    let patience = Duration::from_secs(2);
    let greeting = TcpStream::connect_timeout(&([127, 0, 0, 1], plan.port).into(), patience).and_then(|stream| {
        stream.set_read_timeout(Some(patience))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    });
    greeting
        .is_ok_and(|line| line.starts_with("INFO ") && line.contains("\"jetstream\":true") && line.contains(&plan.mark))
}
