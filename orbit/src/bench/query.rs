//! Query: `GET /tasks/{id}` and a list of 50 over 64 connections, against `pgbench` running the same prepared statements
//! over as many connections to the same server.

use std::{fmt::Write as _, path::Path};

use anyhow::Context as _;
use orbit_events::{Partitions, UserId};
use orbit_platform::ids;
use orbit_query_api::statements;
use tokio::process::Command;
use uuid::Uuid;

use super::{
    Effort, Report,
    client::Client,
    report::median,
    scratch::{Scratch, Writer},
    server::{Roles, Server, User},
    work::{AsyncCall, Measured, load},
};

const CONNECTIONS: usize = 64;
const USERS: usize = 16;
const TASKS_PER_USER: usize = 500;

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let scratch = Scratch::start(8).await?;
    let server = Server::start(&scratch, Roles::All).await?;
    let mut users = Vec::new();
    for n in 0..USERS {
        users.push(fill(&server, n).await?);
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&scratch.pool).await?;
    let dir = scratch.directory().join("pgbench");
    std::fs::create_dir_all(&dir)?;
    let (one, list) = scripts(&users, &dir)?;
    let mut report = Report::default();
    for (name, scripts, lists) in [("query_one", one, false), ("query_list", list, true)] {
        let (mut yard, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            yard.push(pgbench(&scratch, &dir, &scripts, effort).await?);
            ours.push(over_http(&server, &users, lists, effort).await?);
        }
        report.add(
            format!("{name}_ratio"),
            median(yard.iter().zip(&ours).map(|(yard, ours)| ours.per_s / yard).collect()),
        );
        report.add(format!("{name}_per_s"), median(ours.iter().map(|m| m.per_s).collect()));
        report.add(format!("{name}_p99_ms"), median(ours.iter().map(|m| m.p99_ms).collect()));
        report.add(format!("{name}_pgbench_per_s"), median(yard));
    }
    drop(server);
    scratch.stop().await?;
    Ok(report)
}

/// A user with tasks.
struct Owner {
    user: User,
    tasks: Vec<Uuid>,
}

async fn fill(server: &Server, n: usize) -> anyhow::Result<Owner> {
    let user = server.register(n).await?;
    let writer = Writer::new(&server.store, UserId(user.id));
    let mut tasks = Vec::new();
    let mut newest = 0;
    for _ in 0..TASKS_PER_USER {
        let (id, position) = writer.create(ids::new_v7(server.store.clock())).await?;
        tasks.push(id);
        newest = position;
    }
    let mut client = Client::connect(server.address, Some(&user.token)).await?;
    let seen = client.send("GET", "/api/v1/tasks", &[("orbit-min-position", &newest.to_string())], None).await?;
    anyhow::ensure!(seen.status == 200, "GET /tasks answered {}: {}", seen.status, seen.text());
    Ok(Owner { user, tasks })
}

/// The statements of the query API with their parameters written in, one file for each of 64 choices.
fn scripts(users: &[Owner], dir: &Path) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut one, mut list) = (Vec::new(), Vec::new());
    for n in 0..CONNECTIONS {
        let owner = &users[n % users.len()];
        let partition = Partitions::DEFAULT.of(UserId(owner.user.id));
        let fill_in = |statement: &str, last: &str| {
            let user = format!("'{}'::uuid", owner.user.id);
            statement.replace("$1", &format!("{partition}::smallint")).replace("$2", &user).replace("$3", last)
        };
        let task = owner.tasks[n * 7 % owner.tasks.len()];
        for (kind, text, names) in [
            ("one", fill_in(&statements::one_task(), &format!("'{task}'::uuid")), &mut one),
            ("list", fill_in(&statements::list_of_tasks(), "51"), &mut list),
        ] {
            let name = format!("{kind}{n}.sql");
            let mut script = String::new();
            writeln!(script, "{};", text.trim().trim_end_matches(';'))?;
            std::fs::write(dir.join(&name), script)?;
            names.push(name);
        }
    }
    Ok((one, list))
}

/// Statements per second.
async fn pgbench(scratch: &Scratch, dir: &Path, scripts: &[String], effort: Effort) -> anyhow::Result<f64> {
    let mut command = Command::new(scratch.runtime.postgres_program("pgbench"));
    command.current_dir(dir).args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
    command.arg(format!("--client={CONNECTIONS}")).arg(format!("--time={}", effort.time.as_secs().max(1)));
    command.args(scripts.iter().map(|script| format!("--file={script}")));
    command.env("PGOPTIONS", "-c search_path=view,public -c role=orbit_query");
    command.arg(scratch.servers.database_url());
    let output = command.output().await.context("run pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    tps.with_context(|| format!("pgbench gave no figure: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

async fn over_http(server: &Server, users: &[Owner], lists: bool, effort: Effort) -> anyhow::Result<Measured> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for n in 0..CONNECTIONS {
        let owner = &users[n % users.len()];
        let client = Client::connect(server.address, Some(&owner.user.token)).await?;
        let path = |n: usize| format!("/api/v1/tasks/{}", owner.tasks[n * 7 % owner.tasks.len()]);
        let path = if lists { "/api/v1/tasks?limit=50".to_owned() } else { path(n) };
        clients.push(Some(Get { client, path }));
    }
    let clients = std::sync::Mutex::new(clients);
    let take = |n: usize| Caller(clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[n].take());
    load(CONNECTIONS, effort.time, take).await
}

struct Get {
    client: Client,
    path: String,
}

struct Caller(Option<Get>);

impl AsyncCall for Caller {
    async fn call(&mut self) -> anyhow::Result<()> {
        let get = self.0.as_mut().context("no connection was made for this caller")?;
        let answer = get.client.send("GET", &get.path, &[], None).await?;
        anyhow::ensure!(answer.status == 200, "{} answered {}: {}", get.path, answer.status, answer.text());
        Ok(())
    }
}
