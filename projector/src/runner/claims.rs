//! Claims: which (projection, partition) pairs this node works on.
//!
//! A claim is an advisory lock of one session: it ends with the node's connection, so a node that dies frees its pairs at
//! once. Nodes count each other in the table `nodes` and take an even share each. Two nodes that believe to hold the
//! same pair (a connection can be dead before its node knows) do no harm: see [`super::course`].

use std::{collections::HashMap, sync::Arc, time::Duration};

use orbit_events::Partition;
use orbit_platform::{ids, shutdown::Shutdown};
use sqlx::{Connection, PgConnection};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ANSWER_WITHIN, Backoff, Fault, Shared, chain, worker};
use crate::projection::Registered;

/// How often a node says that it lives, and looks at its share.
const BEAT: Duration = Duration::from_secs(1);
/// How long a node counts that does not say so.
const DEAD_AFTER_S: f64 = 5.0;

type Pair = (&'static str, Partition);

/// The share of a node.
pub(super) struct Claims {
    node: Uuid,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    pairs: Vec<(&'static Registered, Partition)>,
    workers: HashMap<Pair, Running>,
}

struct Running {
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Claims {
    pub fn new(shared: Arc<Shared>, projections: &'static [Registered], shutdown: Shutdown) -> Self {
        let partitions = shared.pulses.borrow().head.partitions;
        let pair = |partition| projections.iter().map(move |projection| (projection, partition));
        let mut pairs: Vec<_> = partitions.all().flat_map(pair).collect();
        let node = ids::new_event_id();
        // Each node begins to look elsewhere, so that they seldom reach for the same pairs.
        let begin = usize::from(node.as_bytes()[15]) % pairs.len().max(1);
        pairs.rotate_left(begin);
        Self { node, shared, shutdown, pairs, workers: HashMap::new() }
    }

    /// Claims and releases until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut connection = None;
        loop {
            let served = tokio::select! {
                () = stop.cancelled() => break,
                served = self.serve(&mut connection, &mut backoff) => served,
            };
            let Err(fault) = served;
            tracing::warn!(error = chain(&fault), "lost the connection that holds the claims, stopping all work");
            connection = None;
            self.stop_all().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = backoff.wait() => {}
            }
        }
        self.stop_all().await;
        if let Some(connection) = connection {
            self.leave(connection).await;
        }
    }

    async fn serve(
        &mut self,
        slot: &mut Option<PgConnection>,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, Fault> {
        let connection = self.shared.deps.pool.acquire().await.map_err(Fault::database("connect to claim work"))?;
        let connection = slot.insert(connection.detach());
        loop {
            let turn = timeout(ANSWER_WITHIN, self.turn(connection)).await;
            turn.map_err(Fault::broker("hear from the connection that holds the claims in time"))??;
            backoff.reset();
            tokio::time::sleep(BEAT).await;
        }
    }

    /// One look at the share.
    async fn turn(&mut self, connection: &mut PgConnection) -> Result<(), Fault> {
        let nodes = self.beat(connection).await?;
        let share = self.pairs.len().div_ceil(nodes);
        while self.workers.len() > share {
            // The last of the order, so that what a node begins with stays its own.
            let held = self
                .pairs
                .iter()
                .rev()
                .find(|(projection, partition)| self.workers.contains_key(&(projection.name, *partition)));
            let Some((projection, partition)) = held.copied() else { break };
            self.stop_one((projection.name, partition)).await;
            release(connection, (projection.name, partition)).await?;
            tracing::info!(projection = projection.name, partition, "released to another node");
        }
        let free = self.pairs.iter().filter(|(p, partition)| !self.workers.contains_key(&(p.name, *partition)));
        let free: Vec<_> = free.copied().collect();
        if self.workers.len() < share && !free.is_empty() {
            for place in claim(connection, &free, share - self.workers.len()).await? {
                if let Some((projection, partition)) = free.get(place) {
                    self.start_one(projection, *partition);
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "there are a handful of pairs")]
        metrics::gauge!("orbit_projection_claims").set(self.workers.len() as f64);
        Ok(())
    }

    /// Says that this node lives; returns how many do.
    async fn beat(&self, connection: &mut PgConnection) -> Result<usize, Fault> {
        let nodes = sqlx::query_scalar!(
            r#"WITH me AS (
                   INSERT INTO nodes (node_id, backend_pid, seen_at) VALUES ($1, pg_backend_pid(), clock_timestamp())
                   ON CONFLICT (node_id) DO UPDATE SET backend_pid = excluded.backend_pid, seen_at = excluded.seen_at
               ), dead AS (
                   DELETE FROM nodes WHERE seen_at < clock_timestamp() - interval '1 minute' AND node_id <> $1
               )
               SELECT 1 + count(*) AS "nodes!" FROM nodes n
               WHERE n.node_id <> $1 AND n.seen_at > clock_timestamp() - make_interval(secs => $2)
                 AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = n.backend_pid)"#,
            self.node,
            DEAD_AFTER_S
        )
        .fetch_one(connection)
        .await
        .map_err(Fault::database("say that this node lives"))?;
        Ok(usize::try_from(nodes).unwrap_or(1))
    }

    fn start_one(&mut self, projection: &'static Registered, partition: Partition) {
        let stop = self.shutdown.token().child_token();
        let (end, ended) = oneshot::channel();
        let (shared, token) = (self.shared.clone(), stop.clone());
        tracing::debug!(projection = projection.name, partition, "claimed");
        self.shutdown.spawn("projection", async move {
            let leaving = worker::Leaving { shared: shared.clone(), projection: projection.name, partition };
            tokio::select! {
                () = token.cancelled() => {}
                () = worker::run(shared, projection, partition) => {}
            }
            drop((leaving, end));
        });
        self.workers.insert((projection.name, partition), Running { stop, ended });
    }

    async fn stop_one(&mut self, pair: Pair) {
        if let Some(running) = self.workers.remove(&pair) {
            running.stop.cancel();
            // Its sender is dropped, never used.
            let _ = running.ended.await;
        }
    }

    async fn stop_all(&mut self) {
        self.workers.values().for_each(|running| running.stop.cancel());
        for (_, running) in self.workers.drain() {
            let _ = running.ended.await;
        }
    }

    /// Frees the locks and the node's place, so that others need not wait to find out.
    async fn leave(&self, mut connection: PgConnection) {
        let left = async {
            sqlx::query!("DELETE FROM nodes WHERE node_id = $1", self.node).execute(&mut connection).await?;
            connection.close().await
        };
        if !matches!(timeout(ANSWER_WITHIN, left).await, Ok(Ok(()))) {
            tracing::debug!("could not take leave; other nodes will find out");
        }
    }
}

/// Locks up to `most` of these pairs that nobody else has; returns their places among them.
async fn claim(
    connection: &mut PgConnection,
    pairs: &[(&'static Registered, Partition)],
    most: usize,
) -> Result<Vec<usize>, Fault> {
    let projections: Vec<String> = pairs.iter().map(|(projection, _)| projection.name.to_owned()).collect();
    let partitions: Vec<Partition> = pairs.iter().map(|(_, partition)| *partition).collect();
    // The function is called for one row after the other and no more of them than LIMIT lets through. The schema is part
    // of the key because a rebuild fills another one.
    let claimed = sqlx::query_scalar!(
        r#"SELECT place AS "place!" FROM unnest($1::text[], $2::smallint[]) WITH ORDINALITY AS p (projection, partition, place)
           WHERE pg_try_advisory_lock(hashtextextended(current_schema() || '.' || projection, partition)) LIMIT $3"#,
        &projections,
        &partitions,
        i64::try_from(most).unwrap_or(i64::MAX)
    )
    .fetch_all(connection)
    .await
    .map_err(Fault::database("claim partitions"))?;
    Ok(claimed.into_iter().filter_map(|place| usize::try_from(place - 1).ok()).collect())
}

async fn release(connection: &mut PgConnection, (projection, partition): Pair) -> Result<(), Fault> {
    sqlx::query_scalar!(
        "SELECT pg_advisory_unlock(hashtextextended(current_schema() || '.' || $1, $2))",
        projection,
        i64::from(partition)
    )
    .fetch_one(connection)
    .await
    .map_err(Fault::database("release a partition"))?;
    Ok(())
}
