//! Project: the tasks projection catching up from the log, opening every payload; then, live, how long after its commit
//! a command is visible in the query API at 500 commands a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orbit_domain::tasks::{Task, Title, task};
use orbit_event_store::{Log, Mode, Vault};
use orbit_events::UserId;
use orbit_platform::{ids, postgres, shutdown::Shutdown};
use orbit_projector::{projections, runner::catch_up};
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::{
    Effort, Report,
    client::Client,
    report::median,
    scratch::{Scratch, Writer},
    server::{Roles, Server, User},
    work::{AsyncCall, count, load, percentile},
};

/// Facts to catch up with: tasks written down, then changed twice each.
const FACTS: i64 = 200_000;
const USERS: usize = 200;
const LIVE_USERS: usize = 16;
/// Commands a second while visibility is measured.
const LIVE_RATE: u32 = 500;

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let mut report = Report::default();
    caught_up(effort, &mut report).await?;
    live(effort, &mut report).await?;
    Ok(report)
}

async fn caught_up(effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::start(32).await?;
    let store = scratch.store().await?;
    let users = scratch.users(&store, USERS).await?;
    let mut head = store.log().head().await?;
    while head.position < FACTS {
        let tell = |n: usize| Story::new(Writer::new(&store, users[n % USERS]));
        load(256, Duration::from_secs(1), tell).await?;
        head = store.log().head().await?;
    }
    let path = Some(orbit_projector::SEARCH_PATH);
    let pool = postgres::connect_as(&scratch.database_args(), "bench", path, orbit_projector::ROLE).await?;
    let mut per_s = Vec::new();
    for _ in 0..effort.rounds {
        sqlx::raw_sql("TRUNCATE view.checkpoints, view.tasks, view.task_lists, view.labels")
            .execute(&scratch.pool)
            .await?;
        // Keys are not cached from the round before: opening is part of the figure.
        let vault = Vault::new(pool.clone(), &scratch.master_key, scratch.clock.clone());
        let tasks = projections::find("tasks").map_or(&[][..], std::slice::from_ref);
        let caught = catch_up(&pool, &Log::new(pool.clone()), &vault, tasks).await?;
        anyhow::ensure!(i64::try_from(caught.facts)? == head.position, "{} of {} facts", caught.facts, head.position);
        per_s.push(count(usize::try_from(caught.facts)?) / caught.took.as_secs_f64());
    }
    report.add("project_per_s", median(per_s));
    report.add("project_events", count(usize::try_from(head.position)?));
    pool.close().await;
    drop(store);
    scratch.stop().await
}

/// Writes a task down, gives it another title, and completes it: three commands.
pub struct Story {
    writer: Writer,
}

impl Story {
    /// Told by this writer.
    pub fn new(writer: Writer) -> Self {
        Self { writer }
    }
}

impl AsyncCall for Story {
    async fn call(&mut self) -> anyhow::Result<()> {
        let id = self.writer.create(ids::new_v7(self.writer.store.clock())).await?.0;
        let title = Title::parse("Ask the printer for a third proof, on paper this time")?;
        let edit = task::Edit { title: Some(title), ..task::Edit::default() };
        for command in [task::Command::Edit(edit), task::Command::Complete] {
            let writer = &self.writer;
            writer
                .store
                .transact(writer.origin(), Mode::default(), |unit| {
                    let command = command.clone();
                    async move { unit.decide::<Task>(id, command).await.map(|_| id).map_err(anyhow::Error::from) }
                })
                .await?;
        }
        Ok(())
    }
}

async fn live(effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::start(8).await?;
    let server = Server::start(&scratch, Roles::All).await?;
    let mut users = Vec::new();
    for n in 0..LIVE_USERS {
        let user = server.register(n).await?;
        let mut readers = Vec::new();
        for _ in 0..8 {
            readers.push(Mutex::new(Client::connect(server.address, Some(&user.token)).await?));
        }
        users.push(Arc::new(Reader { user, readers }));
    }
    let life = Shutdown::new();
    let (sender, mut seen) = mpsc::channel(4096);
    let commands = u64::from(LIVE_RATE) * effort.time.as_secs().max(1) * u64::from(effort.rounds);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / LIVE_RATE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let begun = Instant::now();
    for n in 0..usize::try_from(commands)? {
        ticks.tick().await;
        let (reader, sender) = (users[n % LIVE_USERS].clone(), sender.clone());
        let writer = Writer::new(&server.store, UserId(reader.user.id));
        life.spawn("bench.visible", async move {
            let visible = reader.visible(&writer, n / LIVE_USERS).await;
            // The receiver waits for every one.
            let _ = sender.send(visible).await;
        });
    }
    drop(sender);
    let mut latencies = Vec::new();
    while let Some(visible) = seen.recv().await {
        latencies.push(visible?);
    }
    let rate = count(latencies.len()) / begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    report.add("visible_p50_ms", percentile(&latencies, 0.5));
    report.add("visible_p99_ms", percentile(&latencies, 0.99));
    report.add("visible_commands_per_s", rate);
    drop((users, server));
    scratch.stop().await
}

/// A user's connections to the query API.
struct Reader {
    user: User,
    readers: Vec<Mutex<Client>>,
}

impl Reader {
    /// From the commit of a new task until the query API has answered with it.
    async fn visible(&self, writer: &Writer, n: usize) -> anyhow::Result<Duration> {
        let (id, position): (Uuid, i64) = writer.create(ids::new_v7(writer.store.clock())).await?;
        let committed = Instant::now();
        let mut client = self.readers[n % self.readers.len()].lock().await;
        let position = position.to_string();
        let path = format!("/api/v1/tasks/{id}");
        let answer = client.send("GET", &path, &[("orbit-min-position", &position)], None).await?;
        anyhow::ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.text());
        Ok(committed.elapsed())
    }
}
