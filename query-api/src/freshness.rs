//! Read your writes: a read that names a position waits, at most two seconds, until the read model has reached it.
//!
//! Projectors announce every commit over core NATS; one subscription per process feeds a watch channel for each
//! projection and partition. Announcements are hints: they may be lost (then a slow poll of the checkpoints finds out),
//! or run ahead of a replica, or of a database that was restored. What decides is the checkpoint that comes back in the
//! same snapshot as the rows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::BoxFuture};
use orbit_events::{Partition, Partitions, UserId, subjects};
use orbit_platform::{
    postgres::{self, Pool},
    problem::ApiError,
    shutdown::Shutdown,
};
use sqlx::{Postgres, pool::PoolConnection};
use tokio::{sync::watch, time};

use crate::{answer::Snapshot, app::POOL, routes::checkpoints};

/// How long a read waits for its position.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How often a waiting read looks at the checkpoint itself, in case its announcement was lost.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait before asking for the announcements again after a failure.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);

/// How far the projections of each partition are known to be. Clones share the knowledge.
#[derive(Clone, Debug)]
pub struct Freshness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    partitions: Partitions,
    known: Vec<(&'static str, Vec<watch::Sender<i64>>)>,
}

/// What a read asks for: a projection, the caller's partition of it, and perhaps a position.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Name of the projection.
    pub projection: &'static str,
    /// The caller's partition.
    pub partition: Partition,
    /// `Orbit-Min-Position`
    pub min_position: Option<i64>,
    /// Since when it waits: its patience ends two seconds later.
    pub begun: Instant,
}

impl Freshness {
    /// Knows nothing yet of these projections.
    pub fn new(pool: Pool, partitions: Partitions, projections: impl IntoIterator<Item = &'static str>) -> Self {
        let channels = || partitions.all().map(|_| watch::Sender::new(0)).collect();
        let known = projections.into_iter().map(|name| (name, channels())).collect();
        Self(Arc::new(Inner { pool, partitions, known }))
    }

    /// Listens to the projectors' announcements until `shutdown`.
    pub fn listen(&self, nats: async_nats::Client, prefix: &str, shutdown: &Shutdown) {
        let (this, life) = (self.clone(), shutdown.clone());
        let (all, prefix) = (subjects::all_projected(prefix), subjects::all_projected(prefix).replace('>', ""));
        shutdown.spawn("query.announcements", async move {
            while !life.is_cancelled() {
                tokio::select! {
                    () = this.hear(&nats, &all, &prefix) => {}
                    () = life.cancelled() => return,
                }
                tokio::select! {
                    () = time::sleep(SUBSCRIBE_AGAIN) => {}
                    () = life.cancelled() => return,
                }
            }
        });
    }

    async fn hear(&self, nats: &async_nats::Client, all: &str, prefix: &str) {
        // The client keeps the subscription over reconnections: this ends only when the client does.
        let mut announcements = match nats.subscribe(all.to_owned()).await {
            Ok(announcements) => announcements,
            Err(error) => {
                tracing::warn!(%error, "cannot listen to the projectors; reads that wait will poll");
                return;
            }
        };
        while let Some(message) = announcements.next().await {
            let topic = message.subject.strip_prefix(prefix).and_then(|rest| rest.rsplit_once('.'));
            let position = std::str::from_utf8(&message.payload).ok().and_then(|text| text.parse().ok());
            if let (Some((projection, partition)), Some(position)) = (topic, position)
                && let Ok(partition) = partition.parse()
            {
                self.learn(projection, partition, position);
            }
        }
    }

    /// The partition of a user.
    pub fn partition(&self, user: UserId) -> Partition {
        self.0.partitions.of(user)
    }

    fn channel(&self, projection: &str, partition: Partition) -> Option<&watch::Sender<i64>> {
        let (_, partitions) = self.0.known.iter().find(|(name, _)| *name == projection)?;
        partitions.get(usize::try_from(partition).ok()?)
    }

    /// Remembers a checkpoint that was seen.
    fn learn(&self, projection: &str, partition: Partition, position: i64) {
        if let Some(channel) = self.channel(projection, partition) {
            channel.send_if_modified(|known| {
                let news = position > *known;
                *known = position.max(*known);
                news
            });
        }
    }

    /// Asks a question, once the read model is known to have reached the wanted position, and again while the answer's
    /// own snapshot has not (another replica gave it). 503 `projection_lag` when the time is up.
    pub async fn read<T, F>(
        &self,
        wanted: Wanted,
        question: impl Fn(PoolConnection<Postgres>) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        if let Some(min_position) = wanted.min_position {
            self.reach(wanted, min_position).await?;
        }
        loop {
            let snapshot = question(postgres::acquire(&self.0.pool, POOL).await?).await.map_err(explain)?;
            match wanted.min_position {
                Some(min_position) if snapshot.as_of < min_position => {
                    again(wanted, min_position, snapshot.as_of).await?;
                }
                _ => return Ok(snapshot),
            }
        }
    }

    /// Waits until the position is known to be reached: announced, or seen in the table. Boxed, so that it is compiled
    /// once and not for each question.
    fn reach(&self, wanted: Wanted, min_position: i64) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(self.wait(wanted, min_position))
    }

    async fn wait(&self, wanted: Wanted, min_position: i64) -> Result<(), ApiError> {
        let Wanted { projection, partition, begun, .. } = wanted;
        let Some(channel) = self.channel(projection, partition) else { return Ok(()) };
        let mut known = channel.subscribe();
        if *known.borrow_and_update() >= min_position {
            return Ok(());
        }
        loop {
            let mut connection = postgres::acquire(&self.0.pool, POOL).await?;
            let at = checkpoints::position(&mut connection, projection, partition).await?;
            drop(connection);
            self.learn(projection, partition, at);
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if at >= min_position {
                break;
            }
            if left.is_zero() {
                return Err(lag(min_position, at));
            }
            let announced = known.wait_for(|position| *position >= min_position);
            if time::timeout(left.min(POLL), announced).await.is_ok() {
                break;
            }
        }
        metrics::histogram!("orbit_read_wait_seconds", "projection" => projection).record(begun.elapsed());
        Ok(())
    }
}

/// Waits before the question is asked again; 503 when the time is up.
fn again(wanted: Wanted, min_position: i64, at: i64) -> BoxFuture<'static, Result<(), ApiError>> {
    Box::pin(async move {
        if wanted.begun.elapsed() >= PATIENCE {
            return Err(lag(min_position, at));
        }
        time::sleep(POLL).await;
        Ok(())
    })
}

/// A statement that took too long is given up like a request; everything else is what it always is.
pub(crate) fn explain(error: sqlx::Error) -> ApiError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some("57014") { ApiError::timeout().with_source(error) } else { error.into() }
}

fn lag(wanted: i64, at: i64) -> ApiError {
    metrics::counter!("orbit_read_lag_total").increment(1);
    ApiError::projection_lag(wanted, at)
}

#[cfg(test)]
mod tests {
    use orbit_testing::eventually;
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    #[tokio::test]
    async fn what_was_announced_is_known_without_asking_the_database() {
        let nats = orbit_testing::nats().await;
        let nowhere = PgPoolOptions::new().connect_lazy("postgres://127.0.0.1:1/nowhere").unwrap().into();
        let (freshness, shutdown) = (Freshness::new(nowhere, Partitions(8), ["tasks", "users"]), Shutdown::new());
        freshness.listen(nats.client().clone(), nats.prefix(), &shutdown);
        let announce = async |projection, partition, payload: &'static str| {
            let subject = subjects::projected(nats.prefix(), projection, partition);
            nats.client().publish(subject, payload.into()).await.unwrap();
        };
        let known = |projection, partition| *freshness.channel(projection, partition).unwrap().borrow();
        eventually(Duration::from_secs(5), || async {
            for (projection, partition, payload) in
                [("nobody", 3, "7"), ("tasks", 99, "7"), ("tasks", 3, "many"), ("tasks", 3, "4711"), ("tasks", 3, "12")]
            {
                announce(projection, partition, payload).await;
            }
            nats.client().flush().await.unwrap();
            known("tasks", 3) == 4711
        })
        .await;
        assert_eq!((known("tasks", 2), known("users", 3)), (0, 0));
        let wanted = Wanted { projection: "tasks", partition: 3, min_position: Some(4711), begun: Instant::now() };
        freshness.reach(wanted, 4711).await.unwrap();
        shutdown.finish(Duration::from_secs(5)).await.unwrap();
    }
}
