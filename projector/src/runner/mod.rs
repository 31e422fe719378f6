//! The runner: claims (projection, partition) pairs and folds their facts, from the log and, at its head, as they come.
//!
//! In reading order: `claims` shares the pairs out among the nodes; a `worker` follows one pair; a `course` is the
//! place that a pair has got to and writes a batch and the checkpoint together (invariant 4); `feed` brings facts over
//! `JetStream`; `pulse` looks at the head of the log, so that nobody depends on the feed (invariant 3); `catch_up`
//! folds what the log holds and ends.

mod catch_up;
mod claims;
mod course;
mod fault;
mod feed;
mod pulse;
#[cfg(test)]
mod tests;
mod worker;

use std::{sync::Arc, time::Duration};

use orbit_event_store::{Log, Unreadable, Vault};
use orbit_events::{Envelope, Partition, Recorded, subjects};
use orbit_platform::{clock::Clock, postgres::Pool, shutdown::Shutdown};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

pub use catch_up::{CaughtUp, catch_up};
pub use fault::Fault;

pub(crate) use course::Course;
pub(crate) use fault::chain;

use crate::projection::Registered;

/// Most facts in one batch: one transaction, held in memory.
pub const BATCH: usize = 500;
/// Sealed bytes with which a batch ends, however few facts it has: what is opened takes several times as much.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Connections of the pool that batches leave alone: for the head, the keys and the readiness page.
const SPARE_CONNECTIONS: u32 = 2;
/// How long the database may take to answer what is quickly answered, before it counts as lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Live batches under way at once: one projector takes no more of a small machine than its commands do.
const LIVE: usize = 2;
/// Shortest and longest wait before what failed is begun again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What a projector works with.
#[derive(Clone)]
pub struct Deps {
    /// Writes read models: its connections have the role `orbit_projector` and a `search_path` that begins with the
    /// schema of the read models.
    pub pool: Pool,
    /// Reads the log.
    pub log: Log,
    /// Opens payloads.
    pub vault: Vault,
    /// Brings facts and carries announcements; may be down.
    pub nats: async_nats::Client,
    /// What every subject begins with.
    pub prefix: String,
    /// For how far behind read models are.
    pub clock: Clock,
}

/// A fact as read: opened, or why it could not be.
pub type Opened = Result<Recorded, (Envelope, Unreadable)>;

pub(crate) fn envelope(opened: &Opened) -> &Envelope {
    match opened {
        Ok(fact) => &fact.envelope,
        Err((envelope, _)) => envelope,
    }
}

/// What all workers of a process share.
pub(crate) struct Shared {
    deps: Deps,
    feed: feed::Feed,
    pulses: tokio::sync::watch::Receiver<pulse::Pulse>,
    lags: pulse::Lags,
    permits: Arc<Semaphore>,
    /// Live batches under way.
    live: Semaphore,
}

impl Shared {
    /// Leave to apply live facts. What comes in while a worker waits goes into its batch, so under load batches grow
    /// and the database is left to the commands.
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.live.acquire().await.expect("the semaphore is never closed")
    }

    /// Leave to use a connection. Without it, more workers than connections would time out waiting for one.
    async fn permit(&self) -> OwnedSemaphorePermit {
        permit(&self.permits).await
    }

    /// Tells whoever waits that a read model has got this far. An announcement nobody can take is lost: readers poll too.
    fn announce(&self, projection: &str, partition: Partition, position: i64) {
        if self.deps.nats.connection_state() != async_nats::connection::State::Connected {
            return;
        }
        let subject = subjects::projected(&self.deps.prefix, projection, partition);
        let publish = self.deps.nats.publish(subject, position.to_string().into());
        let _: Option<Result<(), _>> = futures_util::FutureExt::now_or_never(publish);
    }
}

async fn permit(permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    permits.clone().acquire_owned().await.expect("the semaphore is never closed")
}

fn permits(pool: &Pool) -> Arc<Semaphore> {
    let most = pool.options().get_max_connections().saturating_sub(SPARE_CONNECTIONS).max(1);
    Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX >> 3)))
}

/// Starts to claim and fold, until `shutdown`. Whatever fails is begun again; nothing here ends by itself.
pub fn start(deps: Deps, projections: &'static [Registered], shutdown: &Shutdown) {
    let life = shutdown.clone();
    shutdown.spawn("projector", async move {
        let token = life.token();
        tokio::select! {
            () = life.cancelled() => {}
            shared = set_up(deps, &life) => {
                let claims = claims::Claims::new(shared, projections, life.clone());
                claims.run(token).await;
            }
        }
    });
}

/// Waits for the database, then starts what the workers share.
async fn set_up(deps: Deps, shutdown: &Shutdown) -> Arc<Shared> {
    let mut backoff = Backoff::default();
    let head = loop {
        match deps.log.head().await {
            Ok(head) => break head,
            Err(fault) => {
                tracing::warn!(error = chain(&fault), "cannot read the head of the log, trying again");
                backoff.wait().await;
            }
        }
    };
    let (beat, pulses) = tokio::sync::watch::channel(pulse::Pulse { head });
    let feed = feed::Feed::new(head.partitions);
    let permits = permits(&deps.pool);
    let shared =
        Arc::new(Shared { deps, feed, pulses, lags: pulse::Lags::default(), permits, live: Semaphore::new(LIVE) });
    shutdown.spawn("pulse of the log", pulse::run(shared.clone(), beat, shutdown.clone()));
    shutdown.spawn("feed of facts", feed::run(shared.clone(), shutdown.clone()));
    shared
}

/// Waits that grow, from [`BACKOFF`]'s first to its second.
#[derive(Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    pub async fn wait(&mut self) {
        let (shortest, longest) = BACKOFF;
        tokio::time::sleep(longest.min(shortest * 2_u32.pow(self.0.min(10)))).await;
        self.0 += 1;
    }

    pub fn reset(&mut self) {
        self.0 = 0;
    }
}
