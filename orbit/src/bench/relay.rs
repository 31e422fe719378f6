//! Relay: a log that is full already goes to an empty `JetStream`; every ack's sequence is checked to be the position.

use std::time::{Duration, Instant};

use orbit_event_store::relay::{History, Relay};
use orbit_events::subjects;
use orbit_platform::shutdown::Shutdown;

use super::{
    Effort, Report,
    report::median,
    scratch::{Scratch, Writer},
    work::{AsyncCall, count, load},
};

/// Facts to relay.
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
    let nats = scratch.nats().await?;
    let jetstream = async_nats::jetstream::new(nats.clone());
    let name = subjects::stream_name(Scratch::PREFIX, head.epoch);
    let mut per_s = Vec::new();
    for _ in 0..effort.rounds {
        let life = Shutdown::new();
        let relay = Relay::new(scratch.pool.clone(), nats.clone(), Scratch::PREFIX, History::default());
        let begun = Instant::now();
        life.spawn("bench.relay", relay.run(life.clone()));
        let mut last = 0;
        while last < head.position {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // Not there before the relay has made it.
            if let Ok(stream) = jetstream.get_stream(&name).await {
                last = i64::try_from(stream.cached_info().state.last_sequence)?;
            }
            anyhow::ensure!(begun.elapsed() < Duration::from_mins(2), "the relay stopped at {last}");
        }
        per_s.push(count(usize::try_from(head.position)?) / begun.elapsed().as_secs_f64());
        life.finish(Duration::from_secs(5)).await?;
        let info = jetstream.get_stream(&name).await?.get_info().await?;
        anyhow::ensure!(i64::try_from(info.state.messages)? == head.position, "{} messages", info.state.messages);
        jetstream.delete_stream(&name).await?;
    }
    let mut report = Report::default();
    report.add("relay_per_s", median(per_s));
    report.add("relay_events", count(usize::try_from(head.position)?));
    drop(store);
    scratch.stop().await?;
    Ok(report)
}

struct Fill(Writer);

impl AsyncCall for Fill {
    async fn call(&mut self) -> anyhow::Result<()> {
        self.0.write().await
    }
}
