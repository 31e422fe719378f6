//! Time travel: how long one task and a list take as of random moments in the log of a user with 10,000 facts.

use std::time::Instant;

use anyhow::Context as _;
use futures_util::{StreamExt, TryStreamExt, stream};
use orbit_domain::tasks::{Task, Title, task};
use orbit_event_store::Mode;
use orbit_events::UserId;
use orbit_platform::{ids, random};
use uuid::Uuid;

use super::{
    Effort, Report,
    client::Client,
    scratch::{Scratch, Writer},
    server::{Roles, Server, User},
    work::percentile,
};

/// Facts of the user, beside those of the registration.
const FACTS: usize = 10_000;
/// Facts of one task: it is written down, renamed, done, and done again.
const PER_TASK: usize = 4;
/// Commands under way at once while the log is filled.
const AT_ONCE: usize = 64;

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let scratch = Scratch::start(8).await?;
    let server = Server::start(&scratch, Roles::All).await?;
    let mut report = Report::default();
    measure(&server, effort, &mut report).await?;
    drop(server);
    scratch.stop().await?;
    Ok(report)
}

/// Fills the log of a new user and adds `as_of_one_p95_ms` and `as_of_list_p95_ms`.
pub async fn measure(server: &Server, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let user = server.register(FACTS).await?;
    let (tasks, newest) = fill(server, &user).await?;
    let mut client = Client::connect(server.address, Some(&user.token)).await?;
    // The first question makes the tables of a session and reads what mentions what: once, not each time.
    ask(&mut client, &format!("/api/v1/tasks/{}?as_of={newest}", tasks[0])).await?;
    for (name, list) in [("as_of_one", false), ("as_of_list", true)] {
        let (mut latencies, until) = (Vec::new(), Instant::now() + effort.time * effort.rounds);
        while Instant::now() < until {
            // In the newest half, where the log is long: a figure for an empty past would flatter.
            let position = newest - any_below(newest / 2);
            let path = if list {
                format!("/api/v1/tasks?limit=50&as_of={position}")
            } else {
                let task = tasks[usize::try_from(any_below(i64::try_from(tasks.len() / 2)?))?];
                format!("/api/v1/tasks/{task}?as_of={position}")
            };
            let begun = Instant::now();
            ask(&mut client, &path).await?;
            latencies.push(begun.elapsed());
        }
        latencies.sort_unstable();
        report.add(format!("{name}_p50_ms"), percentile(&latencies, 0.5));
        report.add(format!("{name}_p95_ms"), percentile(&latencies, 0.95));
    }
    Ok(())
}

async fn ask(client: &mut Client, path: &str) -> anyhow::Result<()> {
    let answer = client.send("GET", path, &[], None).await?;
    anyhow::ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.text());
    Ok(())
}

/// Tasks in the order in which they were written down, and the position of the newest fact.
async fn fill(server: &Server, user: &User) -> anyhow::Result<(Vec<Uuid>, i64)> {
    let writer = Writer::new(&server.store, UserId(user.id));
    let count = FACTS / PER_TASK;
    let tasks: Vec<Uuid> = stream::iter(0..count)
        .map(|_| async { writer.create(ids::new_v7(server.store.clock())).await.map(|(id, _)| id) })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut newest = 0;
    for round in 1..PER_TASK {
        let ends: Vec<i64> =
            stream::iter(&tasks).map(|task| change(&writer, *task, round)).buffered(AT_ONCE).try_collect().await?;
        newest = ends.into_iter().max().context("there are tasks")?;
    }
    Ok((tasks, newest))
}

/// One fact of a task that there is.
async fn change(writer: &Writer, id: Uuid, round: usize) -> anyhow::Result<i64> {
    let title = Title::parse(&format!("Ask the printer for proof number {round}"))?;
    let command = match round {
        1 => task::Command::Edit(task::Edit { title: Some(title), ..task::Edit::default() }),
        2 => task::Command::Complete,
        _ => task::Command::Reopen,
    };
    let answer = writer.store.transact(writer.origin(), Mode::default(), |unit| {
        let command = command.clone();
        async move { unit.decide::<Task>(id, command).await.map(|_| id).map_err(anyhow::Error::from) }
    });
    Ok(answer.await?.position)
}

fn any_below(end: i64) -> i64 {
    i64::from(u32::from_le_bytes(random::nonce())) % end.max(1)
}
