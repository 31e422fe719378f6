//! What the tests of the command share: a home with the installed programs, a running `orbit up`, a look at what runs.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use orbit_testing::TestServers;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// How long anything may take that a person waits for.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The command, in an environment that says nothing to it.
pub fn orbit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orbit"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("ORBIT_") || name.starts_with("OTEL_") || name == "DATABASE_URL" || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A fresh home whose programs are those that the tests have installed, so that nothing is downloaded again.
pub struct TestHome {
    dir: tempfile::TempDir,
}

impl TestHome {
    pub async fn new() -> Self {
        // Installs what is missing.
        TestServers::get().await;
        let dir = tempfile::Builder::new().prefix("orbit-command-").tempdir().unwrap();
        // As root the servers run as somebody else, who must be able to get here.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = dir.path().join(".orbit");
        fs::create_dir(&home).unwrap();
        let installed = orbit_runtime::Home::locate().unwrap().runtime_dir().canonicalize().unwrap();
        symlink(installed, home.join("runtime")).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join(".orbit")
    }

    /// Processes that work in or below this home: its servers.
    pub fn running(&self) -> Vec<u32> {
        let Ok(home) = self.path().canonicalize() else { return Vec::new() };
        let pids =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at.starts_with(&home))).collect()
    }

    /// The pid of one of its servers.
    pub fn pid_of(&self, file: &str) -> u32 {
        let text = fs::read_to_string(self.path().join("data").join(file)).unwrap();
        text.lines().next().unwrap().trim().parse().unwrap()
    }
}

/// A running `orbit up`, killed with the test.
pub struct Up {
    pub child: Child,
    pub address: String,
    output: PathBuf,
}

impl Up {
    /// Starts it and waits until it says where it is.
    pub fn start(home: &TestHome, more: &[&str]) -> Self {
        Self::start_with(home, more, |_| {})
    }

    pub fn start_with(home: &TestHome, more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let port = free_port();
        let output = home.dir.path().join("output");
        let file = fs::File::create(&output).unwrap();
        let mut command = orbit();
        command.arg("up").args(more).env("ORBIT_HOME", home.path()).env("ORBIT_PORT", port.to_string());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        change(&mut command);
        let mut up = Self { child: command.spawn().unwrap(), address: format!("http://127.0.0.1:{port}"), output };
        let begun = Instant::now();
        while !up.said().contains("Ctrl-C") {
            let ended = up.child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {}", up.said());
            std::thread::sleep(Duration::from_millis(10));
        }
        up
    }

    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        kill(signal, self.pid());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop and expects that it does so in order.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.said());
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = client().get(format!("{}{path}", self.address)).send().await.unwrap();
        (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
        post(&self.address, path, token, body).await
    }

    /// Registers somebody and gives the access token.
    pub async fn register(&self, email: &str) -> String {
        register(&self.address, email).await
    }

    /// The titles of somebody's tasks.
    pub async fn titles(&self, token: &str) -> Vec<String> {
        titles(&self.address, token).await
    }
}

pub async fn post(address: &str, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let request = client().post(format!("{address}{path}")).bearer_auth(token).json(body);
    let answer = request.send().await.unwrap();
    (answer.status(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

pub async fn register(address: &str, email: &str) -> String {
    let body = json!({ "email": email, "password": "Correct-Horse-1", "name": "Ada" });
    let (status, answer) = post(address, "/api/v1/auth/register", "", &body).await;
    assert_eq!(status, 201, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

pub async fn titles(address: &str, token: &str) -> Vec<String> {
    let request = client().get(format!("{address}/api/v1/tasks?limit=200")).bearer_auth(token);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let tasks = answer["data"].as_array().into_iter().flatten();
    tasks.map(|task| task["title"].as_str().unwrap().to_owned()).collect()
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

pub fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success());
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a command that is expected to fail with one sentence, and gives the sentence.
pub fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    sentence(&output)
}

/// The sentence of a command that failed as it should: exit code 1, `error: …` as its last line and only once, nothing
/// that looks like a trace.
pub fn sentence(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace") && !said.contains("Caused by"), "{said}");
    let last = said.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Has a user ask to be erased, of an Orbit that gives no time of grace, and waits until they are.
pub async fn erase(address: &str, token: &str, password: &str) {
    let me = format!("{address}/api/v1/auth/me");
    let asked = client().delete(&me).bearer_auth(token).json(&serde_json::json!({ "password": password }));
    assert_eq!(asked.send().await.unwrap().status(), 202);
    until("the user is erased", || async {
        client().get(&me).bearer_auth(token).send().await.unwrap().status() == 401
    })
    .await;
}

/// Waits until something is so.
pub async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < PATIENCE, "after {PATIENCE:?} still not so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a file's mode is exactly this.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
