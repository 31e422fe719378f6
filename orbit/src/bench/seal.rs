//! Seal: a log that is full already is folded into an empty tree, until the checkpoint of its head is signed.

use std::time::{Duration, Instant};

use orbit_event_store::proof::{Seal, Sealer};
use orbit_platform::{random, shutdown::Shutdown, signing::SigningKey};

use super::{
    Effort, Report,
    report::median,
    scratch::{Scratch, Writer},
    work::{AsyncCall, count, load},
};

/// Facts to seal.
const FACTS: i64 = 200_000;

pub async fn run(effort: Effort) -> anyhow::Result<Report> {
    let scratch = Scratch::start(32).await?;
    let store = scratch.store().await?;
    let users = scratch.users(&store, 64).await?;
    let mut head = store.log().head().await?;
    while head.position < FACTS {
        load(256, Duration::from_secs(1), |n| Fill(Writer::new(&store, users[n % users.len()]))).await?;
        head = store.log().head().await?;
    }
    let key = SigningKey::from_seed(&random::bytes());
    let key = key.ok_or_else(|| anyhow::anyhow!("the system gave no key to sign with"))?;
    let mut connection = scratch.pool.acquire().await?;
    let mut per_s = Vec::new();
    for _ in 0..effort.rounds {
        sqlx::raw_sql("TRUNCATE log.tiles, log.seals").execute(&scratch.pool).await?;
        let life = Shutdown::new();
        let sealer = Sealer::new(scratch.pool.clone(), key.clone(), scratch.clock.clone());
        let begun = Instant::now();
        life.spawn("bench.seal", sealer.run(life.clone()));
        while Seal::newest(&mut connection).await?.is_none_or(|seal| seal.size < head.position) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            anyhow::ensure!(begun.elapsed() < Duration::from_mins(2), "the sealer does not reach the head");
        }
        per_s.push(count(usize::try_from(head.position)?) / begun.elapsed().as_secs_f64());
        life.finish(Duration::from_secs(5)).await?;
    }
    let mut report = Report::default();
    report.add("seal_per_s", median(per_s));
    report.add("seal_events", count(usize::try_from(head.position)?));
    drop((connection, store));
    scratch.stop().await?;
    Ok(report)
}

struct Fill(Writer);

impl AsyncCall for Fill {
    async fn call(&mut self) -> anyhow::Result<()> {
        self.0.write().await
    }
}
