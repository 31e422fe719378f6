//! A running pair: `PostgreSQL` and NATS, from start to stop.

use std::{
    fmt, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    fault::{Attempt, Fault},
    home::{Home, create_dir},
    install::Runtime,
    nats, postgres,
    secrets::{Secrets, random},
    server::{Plan, Server},
    setup::Setup,
    watchdog::{Duty, Watchdog},
};

/// Where the servers are, passwords included.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// `postgres://orbit:…@127.0.0.1:…/orbit`; user `orbit` is a superuser.
    pub database_url: String,
    /// `nats://orbit:…@127.0.0.1:…`
    pub nats_url: String,
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The passwords stay out of logs and panics.
        let tail = |url: &str| url.rsplit('@').next().unwrap_or_default().to_owned();
        write!(f, "Addresses({}, {})", tail(&self.database_url), tail(&self.nats_url))
    }
}

impl Addresses {
    /// The addresses that the servers of this home were last started with; `None` if they never were.
    /// For commands beside a running `orbit up`, such as `orbit doctor`.
    pub fn of_home(home: &Home) -> Result<Option<Self>, Fault> {
        let Some(ports) = Ports::read(&home.data_dir()) else { return Ok(None) };
        let setup = Setup::of_home(home, &Secrets::open(home)?)?;
        Ok(Some(ports.addresses(&setup)))
    }
}

/// `PostgreSQL` and NATS, running. Dropping it stops both (and blocks until they are gone).
#[derive(Debug)]
pub struct Servers {
    pair: Arc<Mutex<Pair>>,
    addresses: Addresses,
    data: PathBuf,
}

/// A server that ended by itself.
#[derive(Clone, Debug)]
pub struct Exit {
    /// Which one.
    pub server: &'static str,
    /// The last thing that its log says.
    pub said: String,
    /// Its log.
    pub log: PathBuf,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has ended unexpectedly: {} (its log is {})", self.server, self.said, self.log.display())
    }
}

impl Servers {
    /// Starts both and waits until they are ready.
    ///
    /// Whoever calls this for a [`Home`] holds [`Home::lock`]. What a killed predecessor left running is stopped first.
    pub async fn start(runtime: &Runtime, setup: Setup) -> Result<Self, Fault> {
        let runtime = runtime.clone();
        let (pair, addresses, data) = blocking(move || {
            let ready = Pair::start(runtime, setup)?;
            let addresses = ready.ports().addresses(&ready.setup);
            let data = ready.data.clone();
            Ok((ready, addresses, data))
        })
        .await?;
        Ok(Self { pair: Arc::new(Mutex::new(pair)), addresses, data })
    }

    /// Where they are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The database `orbit` of this `PostgreSQL`, as its superuser.
    pub fn database_url(&self) -> &str {
        &self.addresses.database_url
    }

    /// This NATS.
    pub fn nats_url(&self) -> &str {
        &self.addresses.nats_url
    }

    /// Where NATS keeps its streams (below `jetstream`).
    pub fn nats_data_dir(&self) -> PathBuf {
        self.data.join("nats")
    }

    /// `PostgreSQL`'s data directory.
    pub fn postgres_data_dir(&self) -> PathBuf {
        self.data.join("postgres")
    }

    /// Resolves when one of them ends without having been told to.
    pub async fn exited(&self) -> Exit {
        loop {
            // Busy means that one of them is being stopped or started right now: look again.
            if let Ok(Some(exit)) = self.pair.try_lock().map(|mut pair| pair.exit()) {
                return exit;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops both in order and waits until nothing is left running.
    pub async fn stop(self) {
        self.with(|pair| {
            pair.stop();
            Ok(())
        })
        .await
        .unwrap_or_default();
    }

    /// Lets them run on until the process that the setup says they may outlive this one for is gone.
    pub fn leave(self) -> Addresses {
        if let Some(watchdog) = lock(&self.pair).watchdog.take() {
            watchdog.release();
        }
        self.addresses.clone()
    }

    /// Stops `PostgreSQL` in order: an outage, for tests.
    pub async fn stop_postgres(&self) -> Result<(), Fault> {
        self.with(|pair| {
            pair.postgres.stop(&postgres::SIGNALS);
            Ok(())
        })
        .await
    }

    /// Kills `PostgreSQL`: a crash, for tests.
    pub async fn kill_postgres(&self) -> Result<(), Fault> {
        self.with(|pair| {
            pair.postgres.stop(&[]);
            Ok(())
        })
        .await
    }

    /// Starts `PostgreSQL` again, on the same port and data, if it does not run.
    pub async fn start_postgres(&self) -> Result<(), Fault> {
        self.with(Pair::start_postgres).await
    }

    /// Stops NATS in order: an outage, for tests.
    pub async fn stop_nats(&self) -> Result<(), Fault> {
        self.with(|pair| {
            pair.nats.stop(&nats::SIGNALS);
            Ok(())
        })
        .await
    }

    /// Kills NATS: a crash, for tests.
    pub async fn kill_nats(&self) -> Result<(), Fault> {
        self.with(|pair| {
            pair.nats.stop(&[]);
            Ok(())
        })
        .await
    }

    /// Starts NATS again, on the same port and data, if it does not run.
    pub async fn start_nats(&self) -> Result<(), Fault> {
        self.with(Pair::start_nats).await
    }

    /// Starting and stopping wait for processes: on a thread where that harms nobody.
    async fn with(&self, work: impl FnOnce(&mut Pair) -> Result<(), Fault> + Send + 'static) -> Result<(), Fault> {
        let pair = Arc::clone(&self.pair);
        blocking(move || work(&mut lock(&pair))).await
    }
}

/// What [`Servers`] shares with the threads that start and stop.
#[derive(Debug)]
struct Pair {
    runtime: Runtime,
    setup: Setup,
    data: PathBuf,
    postgres: Server,
    nats: Server,
    watchdog: Option<Watchdog>,
}

impl Pair {
    fn start(runtime: Runtime, setup: Setup) -> Result<Self, Fault> {
        create_dir(&setup.logs, 0o755)?;
        create_dir(&setup.data, 0o755)?;
        runtime.account.give(&setup.data)?;
        let data = setup.data.canonicalize().attempt(|| format!("enter {}", setup.data.display()))?;
        let (postgres_dir, nats_dir) = (data.join("postgres"), data.join("nats"));
        postgres::recover(&postgres_dir)?;
        nats::recover(&nats_dir);

        let duty = Duty { outlive: setup.outlive.as_ref(), remove: setup.remove.as_deref() };
        let watchdog = Watchdog::start(duty)?;
        postgres::create(&runtime, &setup, &postgres_dir)?;
        nats::create(&nats_dir, &runtime.account)?;
        let last = Ports::read(&data);
        let postgres = {
            let plan = |port| Ok(postgres::plan(&runtime, &setup, postgres_dir.clone(), port));
            let start = |plan| postgres::start(&runtime, &plan, &watchdog);
            on_some_port(setup.postgres_port, last.map(|ports| ports.postgres), plan, start)?
        };
        let nats = {
            let plan = |port| nats::plan(&runtime, &setup, nats_dir.clone(), port);
            let start = |plan| Server::start(plan, &runtime.account, &watchdog, nats::is_ready);
            on_some_port(setup.nats_port, last.map(|ports| ports.nats), plan, start)?
        };
        let pair = Self { runtime, setup, data, postgres, nats, watchdog: Some(watchdog) };
        pair.ports().write(&pair.data)?;
        Ok(pair)
    }

    fn ports(&self) -> Ports {
        Ports { postgres: self.postgres.plan().port, nats: self.nats.plan().port }
    }

    fn start_postgres(&mut self) -> Result<(), Fault> {
        let Some(watchdog) = self.watchdog.as_ref().filter(|_| !self.postgres.is_running()) else { return Ok(()) };
        self.postgres = postgres::start(&self.runtime, self.postgres.plan(), watchdog)?;
        Ok(())
    }

    fn start_nats(&mut self) -> Result<(), Fault> {
        let Some(watchdog) = self.watchdog.as_ref().filter(|_| !self.nats.is_running()) else { return Ok(()) };
        self.nats = Server::start(self.nats.plan().clone(), &self.runtime.account, watchdog, nats::is_ready)?;
        Ok(())
    }

    fn exit(&mut self) -> Option<Exit> {
        let servers = [&mut self.postgres, &mut self.nats];
        let ended = servers.into_iter().find_map(|server| server.exited().is_some().then_some(server))?;
        let plan = ended.plan();
        Some(Exit { server: plan.title, said: ended.worst_line(), log: plan.log.clone() })
    }

    fn stop(&mut self) {
        // Throw-away data need no gentleness: the watchdog is quicker.
        if self.setup.remove.is_none() {
            self.nats.stop(&nats::SIGNALS);
            self.postgres.stop(&postgres::SIGNALS);
        }
        self.watchdog = None;
        let _ = (self.nats.exited(), self.postgres.exited());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Ends the watch, which stops what runs; then reaps it.
        self.watchdog = None;
        let _ = (self.nats.exited(), self.postgres.exited());
    }
}

/// Starts on the port that was asked for, or on last time's, or on one that is free.
fn on_some_port(
    asked: Option<u16>,
    last: Option<u16>,
    plan: impl Fn(u16) -> Result<Plan, Fault>,
    start: impl Fn(Plan) -> Result<Server, Fault>,
) -> Result<Server, Fault> {
    if let Some(port) = asked {
        return start(plan(port)?);
    }
    let mut next = last;
    for _ in 0..20 {
        let port = match next.take().filter(|port| is_free(*port)) {
            Some(port) => port,
            None => free_port()?,
        };
        match start(plan(port)?) {
            // Somebody was quicker between the look and the start.
            Err(Fault::PortTaken { .. }) => {}
            result => return result,
        }
    }
    start(plan(free_port()?)?)
}

/// A free port below those that systems give to outgoing connections: such a connection must not take the port of a
/// server that is restarted.
fn free_port() -> Result<u16, Fault> {
    for _ in 0..1_000 {
        let port = 10_000 + u16::from_le_bytes(random::<2>()?) % 22_000;
        if is_free(port) {
            return Ok(port);
        }
    }
    let any = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    Ok(any.attempt(|| "find a free port".to_owned())?.port())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Remembered in the data directory, so that addresses stay the same from start to start.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ports {
    postgres: u16,
    nats: u16,
}

impl Ports {
    fn read(data: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(data.join("ports.json")).ok()?).ok()
    }

    fn write(self, data: &Path) -> Result<(), Fault> {
        let path = data.join("ports.json");
        let text = serde_json::to_string(&self).attempt(|| format!("write {}", path.display()))?;
        fs::write(&path, text).attempt(|| format!("write {}", path.display()))
    }

    fn addresses(self, setup: &Setup) -> Addresses {
        Addresses {
            database_url: format!("postgres://orbit:{}@127.0.0.1:{}/orbit", setup.postgres_password, self.postgres),
            nats_url: format!("nats://orbit:{}@127.0.0.1:{}", setup.nats_password, self.nats),
        }
    }
}

fn lock(pair: &Mutex<Pair>) -> MutexGuard<'_, Pair> {
    // A panic in the middle of a start or stop leaves nothing that the next stop cannot handle.
    pair.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops the servers that a killed run left in `data`, if any.
pub fn stop_left_over(data: &Path) -> Result<(), Fault> {
    let Ok(data) = data.canonicalize() else { return Ok(()) };
    nats::recover(&data.join("nats"));
    postgres::recover(&data.join("postgres"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Fault::Io { attempted: "wait for a thread".to_owned(), source: error.into() }),
    }
}
