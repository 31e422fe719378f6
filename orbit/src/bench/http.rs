//! HTTP: `POST /tasks` against a route of the same server that only verifies the token and answers 201, both over 64
//! connections from this process, the yardstick before and after each load, since what a machine does in a second
//! changes within seconds. First the command API (with its relay) as the process that it is in production, then
//! all roles in one, so that the same two cores also carry every read model as it follows.

use std::time::Duration;

use async_nats::jetstream;
use orbit_events::subjects;
use tokio::time::sleep;

use super::{
    Effort, Report,
    client::Client,
    report::median,
    scratch::Scratch,
    server::{Roles, Server, User, VERIFIED},
    work::{AsyncCall, Measured, count, load},
};

const CONNECTIONS: usize = 64;
const USERS: usize = 16;
/// What a load has left to relay and sealer is done by then: it is not the yardstick's to pay for.
const SETTLING: Duration = Duration::from_millis(500);

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let mut report = Report::default();
    measure(effort, Roles::Commands, "http", &mut report).await?;
    measure(effort, Roles::All, "http_all_roles", &mut report).await?;
    Ok(report)
}

async fn measure(effort: Effort, roles: Roles, name: &str, report: &mut Report) -> anyhow::Result<()> {
    let scratch = Scratch::start(8).await?;
    let server = Server::start(&scratch, roles).await?;
    let mut users = Vec::new();
    for n in 0..USERS {
        users.push(server.register(n).await?);
    }
    let jetstream = jetstream::new(scratch.nats().await?);
    let mut verified = vec![run_one(&server, &users, VERIFIED, effort).await?];
    let (mut posts, mut behind) = (Vec::new(), 0);
    for _ in 0..effort.rounds {
        posts.push(run_one(&server, &users, "/api/v1/tasks", effort).await?);
        behind = behind.max(relay_behind(&jetstream, &server).await?);
        sleep(SETTLING).await;
        verified.push(run_one(&server, &users, VERIFIED, effort).await?);
    }
    let of = |runs: &[Measured], pick: fn(&Measured) -> f64| median(runs.iter().map(pick).collect());
    let ratio = |(ours, yards): (&Measured, &[Measured])| 2.0 * ours.per_s / (yards[0].per_s + yards[1].per_s);
    let ratios = posts.iter().zip(verified.windows(2)).map(ratio).collect();
    report.add(format!("{name}_ratio"), median(ratios));
    report.add(format!("{name}_per_s"), of(&posts, |m| m.per_s));
    report.add(format!("{name}_p50_ms"), of(&posts, |m| m.p50_ms));
    report.add(format!("{name}_p99_ms"), of(&posts, |m| m.p99_ms));
    report.add(format!("{name}_verified_per_s"), of(&verified, |m| m.per_s));
    report.add(format!("{name}_relay_behind"), count(usize::try_from(behind)?));
    drop(server);
    scratch.stop().await
}

/// How many facts the relay has not published. The stream is asked first: what it gets meanwhile counts as missing.
async fn relay_behind(jetstream: &jetstream::Context, server: &Server) -> anyhow::Result<i64> {
    let log = server.store.log();
    let name = subjects::stream_name(Scratch::PREFIX, log.head().await?.epoch);
    let published = i64::try_from(jetstream.get_stream(&name).await?.cached_info().state.last_sequence)?;
    Ok((log.head().await?.position - published).max(0))
}

async fn run_one(server: &Server, users: &[User], path: &'static str, effort: Effort) -> anyhow::Result<Measured> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for n in 0..CONNECTIONS {
        clients.push(Some(Client::connect(server.address, Some(&users[n % users.len()].token)).await?));
    }
    let clients = std::sync::Mutex::new(clients);
    let take = |n: usize| clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[n].take();
    load(CONNECTIONS, effort.time, |n| Post { client: take(n), path }).await
}

struct Post {
    client: Option<Client>,
    path: &'static str,
}

impl AsyncCall for Post {
    async fn call(&mut self) -> anyhow::Result<()> {
        const BODY: &str = r#"{"title":"Ask the printer for a second proof","description":"The blue of the cover is too dark, and the spine is two millimetres off. Tell them by Thursday.","priority":"high","due_date":"2026-12-24"}"#;
        let client = self.client.as_mut().ok_or_else(|| anyhow::anyhow!("no connection was made for this caller"))?;
        let answer = client.send("POST", self.path, &[], Some(BODY.to_owned())).await?;
        anyhow::ensure!(answer.status == 201, "{} answered {}: {}", self.path, answer.status, answer.text());
        Ok(())
    }
}
