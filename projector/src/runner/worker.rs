//! A worker: follows one partition for one projection, from the log and then live.

use std::{ops::ControlFlow, sync::Arc};

use orbit_events::Partition;
use orbit_platform::telemetry::trace::continued;
use tokio::{
    sync::{broadcast, watch},
    time::{Duration, Instant, sleep_until},
};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::{
    BATCH, BATCH_BYTES, Backoff, Course, Fault, Opened, Shared,
    catch_up::Batch,
    chain, envelope,
    feed::Waiting,
    pulse::{Progress, Pulse},
};
use crate::projection::{Registered, Tables};

/// How long the checkpoint may stay behind facts of which the projection wants none: a transaction for each would be
/// waste, but somebody may wait for the position.
const LAZY: Duration = Duration::from_millis(100);
/// How often the checkpoint of an idle partition follows the head.
const IDLE: Duration = Duration::from_secs(1);

/// So many facts at once leave something for later.
const MANY: usize = 100;
/// How long nothing must have come for a worker to rest.
const QUIET: Duration = Duration::from_millis(200);

/// Follows a partition until the future is dropped; begins again at the checkpoint whenever something fails.
pub(super) async fn run(shared: Arc<Shared>, projection: &'static Registered, partition: Partition) {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let fault = follow(&shared, projection, partition).await;
        metrics::counter!("orbit_projection_restarts_total", "projection" => projection.name).increment(1);
        let (projection, error) = (projection.name, chain(&fault));
        if matches!(fault, Fault::AheadOfLog { .. }) {
            tracing::error!(projection, partition, error, "a read model does not belong to this log");
        } else {
            tracing::warn!(projection, partition, error, "projecting begins again at the checkpoint");
        }
        if began.elapsed() > Duration::from_secs(10) {
            backoff.reset();
        }
        backoff.wait().await;
    }
}

/// Follows a partition until something fails.
pub(super) async fn follow(shared: &Shared, projection: &'static Registered, partition: Partition) -> Fault {
    let Err(fault) = Worker::follow(shared, projection, partition).await;
    fault
}

/// A worker whose claim ends tells so, however it ends.
pub(super) struct Leaving {
    pub shared: Arc<Shared>,
    pub projection: &'static str,
    pub partition: Partition,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.lags.leave(self.projection, self.partition);
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    projection: &'static Registered,
    partition: Partition,
    epoch: Uuid,
    course: Course,
    /// Every fact of the partition up to here has been applied, or is none that the projection wants.
    seen: i64,
    facts: broadcast::Receiver<Arc<Waiting>>,
    pulses: watch::Receiver<Pulse>,
    progress: Arc<Progress>,
    /// When the checkpoint is to catch up with what was seen.
    move_at: Option<Instant>,
    moved: Instant,
    /// When to rest, if many facts were applied since the last time and no others come.
    rest_at: Option<Instant>,
}

/// The feed has lost facts of this partition.
struct Hole;

impl<'a> Worker<'a> {
    async fn follow(
        shared: &'a Shared,
        projection: &'static Registered,
        partition: Partition,
    ) -> Result<std::convert::Infallible, Fault> {
        // In this order: what is appended after the head was read comes over the feed.
        let facts = shared.feed.subscribe(partition);
        let mut pulses = shared.pulses.clone();
        pulses.mark_unchanged();
        let head = shared.deps.log.head().await?;
        let course = {
            let _permit = shared.permit().await;
            Course::start(shared.deps.pool.clone(), projection, partition, Tables::Serving).await?
        };
        let seen = course.position();
        let progress = shared.lags.enter(projection.name, partition, seen);
        if seen > head.position {
            return Err(Fault::AheadOfLog { checkpoint: seen, head: head.position });
        }
        let epoch = head.epoch;
        let mut worker = Self {
            shared,
            projection,
            partition,
            epoch,
            course,
            seen,
            facts,
            pulses,
            progress,
            move_at: None,
            moved: Instant::now(),
            rest_at: None,
        };
        worker.catch_up(head.position).await?;
        loop {
            let Hole = worker.live().await?;
            metrics::counter!("orbit_projection_holes_total", "projection" => projection.name).increment(1);
            let head = shared.deps.log.head().await?;
            worker.catch_up(head.position).await?;
        }
    }

    /// Reads the log up to a position. What comes next is read and opened while facts are applied.
    async fn catch_up(&mut self, upto: i64) -> Result<(), Fault> {
        let (shared, projection, partition) = (self.shared, self.projection, self.partition);
        let read = async |after: i64| {
            let _permit = shared.permit().await;
            Batch::read(&shared.deps.log, &shared.deps.vault, projection, partition, after, upto).await
        };
        let mut batch = read(self.seen).await?;
        loop {
            let facts: Vec<&Opened> = batch.facts.iter().collect();
            if batch.last {
                return self.advance(&facts, batch.upto).await;
            }
            let (applied, next) = tokio::join!(self.advance(&facts, batch.upto), read(batch.upto));
            applied?;
            batch = next?;
        }
    }

    /// Applies facts as they come, until the feed has a hole.
    async fn live(&mut self) -> Result<Hole, Fault> {
        loop {
            let (move_at, rest_at) = (self.move_at, self.rest_at);
            let done = tokio::select! {
                biased;
                received = self.facts.recv() => match received {
                    Ok(first) => self.take(first).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => ControlFlow::Break(Hole),
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
                () = async { sleep_until(move_at.unwrap_or_else(Instant::now)).await }, if move_at.is_some() => {
                    self.move_checkpoint().await?;
                    ControlFlow::Continue(())
                }
                () = async { sleep_until(rest_at.unwrap_or_else(Instant::now)).await }, if rest_at.is_some() => {
                    self.rest().await?;
                    ControlFlow::Continue(())
                }
                changed = self.pulses.changed() => {
                    changed.map_err(Fault::broker("watch the head of the log"))?;
                    self.pulse().await?
                }
            };
            if let ControlFlow::Break(hole) = done {
                return Ok(hole);
            }
        }
    }

    /// Applies a fact and what else has come by now.
    async fn take(&mut self, first: Arc<Waiting>) -> Result<ControlFlow<Hole>, Fault> {
        let shared = self.shared;
        let _turn = shared.turn().await;
        let mut batch = Vec::new();
        let (mut upto, mut bytes) = (self.seen, 0);
        let mut next = Some(first);
        let mut flow = ControlFlow::Continue(());
        while let Some(delivered) = next {
            if delivered.previous > upto {
                flow = ControlFlow::Break(Hole);
                break;
            }
            if delivered.position > upto {
                upto = delivered.position;
                bytes += delivered.bytes;
                batch.push(delivered);
            }
            if batch.len() == BATCH || bytes >= BATCH_BYTES {
                break;
            }
            next = match self.facts.try_recv() {
                Ok(delivered) => Some(delivered),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {
                    flow = ControlFlow::Break(Hole);
                    None
                }
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
            };
        }
        let wants = |fact: &&Opened| self.projection.interest.wants(envelope(fact));
        let facts: Vec<&Opened> = batch.iter().map(|delivered| &delivered.fact).filter(wants).collect();
        self.advance(&facts, upto).await?;
        Ok(flow)
    }

    /// Compares what was seen with the head of the log.
    async fn pulse(&mut self) -> Result<ControlFlow<Hole>, Fault> {
        let head = self.pulses.borrow_and_update().head;
        if head.epoch != self.epoch {
            return Err(Fault::NewEpoch(head.epoch));
        }
        // All that the feed covers now is in the channel already: once that is empty, nothing up to there is missing.
        let coverage = self.shared.feed.coverage();
        while let Ok(delivered) = self.facts.try_recv() {
            if let ControlFlow::Break(hole) = self.take(delivered).await? {
                return Ok(ControlFlow::Break(hole));
            }
        }
        if self.facts.is_empty()
            && let Some(coverage) = coverage.filter(|coverage| coverage.goes_on_from(self.seen))
        {
            self.follow_head(coverage.upto);
        }
        if head.position > self.seen {
            self.catch_up(head.position).await?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Nothing up to here is left to do in this partition.
    fn follow_head(&mut self, upto: i64) {
        if upto > self.seen {
            self.seen = upto;
            self.progress.reached(upto);
            self.move_by(self.moved + IDLE);
        }
    }

    fn move_by(&mut self, at: Instant) {
        self.move_at = Some(self.move_at.map_or(at, |before| before.min(at)));
    }

    /// Applies facts; every fact up to `upto` is then seen.
    async fn advance(&mut self, facts: &[&Opened], upto: i64) -> Result<(), Fault> {
        let Some(first) = facts.first() else {
            if upto > self.seen {
                self.seen = upto;
                self.progress.reached(upto);
                self.move_by(Instant::now() + LAZY);
            }
            return Ok(());
        };
        self.progress.busy_with(envelope(first).recorded_at);
        let permit = self.shared.permit().await;
        let began = Instant::now();
        let spans = self.spans(facts);
        let span = spans.first().cloned().unwrap_or_else(Span::none);
        let applied = self.course.apply(facts, upto).instrument(span).await?;
        drop((permit, spans));
        let name = self.projection.name;
        metrics::histogram!("orbit_projection_apply_seconds", "projection" => name).record(began.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most some hundreds of facts")]
        metrics::histogram!("orbit_projection_batch_size", "projection" => name).record(facts.len() as f64);
        if applied.parked > 0 {
            metrics::counter!("orbit_projection_parked_total", "projection" => name).increment(applied.parked as u64);
        }
        self.reached(upto);
        if facts.len() >= MANY || self.rest_at.is_some() {
            self.rest_at = Some(Instant::now() + QUIET);
        }
        Ok(())
    }

    async fn rest(&mut self) -> Result<(), Fault> {
        self.rest_at = None;
        let _permit = self.shared.permit().await;
        self.course.rest().await
    }

    /// A span for each trace that facts of the batch belong to, so that every write's trace ends in its projection.
    fn spans(&self, facts: &[&Opened]) -> Vec<Span> {
        let traces = facts.iter().filter_map(|fact| envelope(fact).metadata.traceparent.as_deref());
        continued(traces, || {
            let name = format!("projection.{}.apply", self.projection.name);
            tracing::info_span!("projection.apply", otel.name = name, partition = self.partition, facts = facts.len())
        })
    }

    async fn move_checkpoint(&mut self) -> Result<(), Fault> {
        let permit = self.shared.permit().await;
        self.course.skip(self.seen).await?;
        drop(permit);
        self.reached(self.seen);
        Ok(())
    }

    /// The checkpoint stands here now.
    fn reached(&mut self, position: i64) {
        self.seen = position;
        self.move_at = None;
        self.moved = Instant::now();
        self.progress.reached(position);
        self.shared.announce(self.projection.name, self.partition, position);
    }
}
