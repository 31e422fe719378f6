//! The pulse: looks at the head of the log once a second for all workers of the process, so that read models follow also
//! when nothing comes over NATS, and tells how far behind they are.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use orbit_event_store::Head;
use orbit_events::Partition;
use orbit_platform::shutdown::Shutdown;
use tokio::{sync::watch, time::timeout};

use super::{ANSWER_WITHIN, Fault, Shared, chain};
use crate::parked;

/// How often the head is looked at while the feed brings everything.
const PERIOD: Duration = Duration::from_secs(1);
/// How often it is looked at while the feed does not.
const PERIOD_WITHOUT_FEED: Duration = Duration::from_millis(250);
/// How long the feed may take to bring what the head says is there, before workers read it from the log.
const GRACE: Duration = Duration::from_millis(200);
/// Parked facts are counted with every so many pulses.
const COUNT_PARKED_EVERY: u64 = 5;

/// The head of the log, looked at just now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    pub head: Head,
}

/// How far the workers of this process have got.
#[derive(Default)]
pub(crate) struct Lags(Mutex<HashMap<(&'static str, Partition), Arc<Progress>>>);

/// How far one worker has got.
#[derive(Default)]
pub(crate) struct Progress {
    position: AtomicI64,
    /// When the oldest fact that it is busy with was recorded, in microseconds since 1970; 0 if it is idle.
    busy_with: AtomicI64,
    behind: Mutex<Option<Behind>>,
}

/// A head that the worker has not reached, and when that was first seen.
#[derive(Clone, Copy)]
struct Behind {
    head: i64,
    since: DateTime<Utc>,
}

impl Progress {
    pub fn reached(&self, position: i64) {
        self.position.store(position, Ordering::Relaxed);
        self.busy_with.store(0, Ordering::Relaxed);
    }

    pub fn busy_with(&self, recorded_at: DateTime<Utc>) {
        self.busy_with.store(recorded_at.timestamp_micros(), Ordering::Relaxed);
    }

    /// How many positions, and how long, the worker is behind this head.
    fn lag(&self, head: i64, now: DateTime<Utc>) -> (i64, Duration) {
        let position = self.position.load(Ordering::Relaxed);
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        if position >= head {
            *behind = None;
            return (0, Duration::ZERO);
        }
        // Whoever has passed the head that was noted, and is behind again, is behind a newer one.
        let noted = behind.filter(|noted| noted.head > position).unwrap_or(Behind { head, since: now });
        *behind = Some(noted);
        let busy_with = DateTime::from_timestamp_micros(self.busy_with.load(Ordering::Relaxed));
        let oldest = busy_with.filter(|at| at.timestamp_micros() > 0).map_or(noted.since, |at| at.min(noted.since));
        (head - position, (now - oldest).to_std().unwrap_or_default())
    }
}

impl Lags {
    /// A worker begins at its checkpoint, or begins again there: what it was behind, it still is.
    pub fn enter(&self, projection: &'static str, partition: Partition, position: i64) -> Arc<Progress> {
        let progress = self.with(|all| all.entry((projection, partition)).or_default().clone());
        progress.reached(position);
        progress
    }

    /// Another node tells the lag from now on.
    pub fn leave(&self, projection: &'static str, partition: Partition) {
        self.with(|all| all.remove(&(projection, partition)));
        gauge(projection, partition, 0, Duration::ZERO);
    }

    fn tell(&self, head: i64, now: DateTime<Utc>) {
        self.with(|all| {
            for ((projection, partition), progress) in all.iter() {
                let (events, time) = progress.lag(head, now);
                gauge(projection, *partition, events, time);
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<(&'static str, Partition), Arc<Progress>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn gauge(projection: &'static str, partition: Partition, events: i64, time: Duration) {
    let labels = [("projection", projection.to_owned()), ("partition", partition.to_string())];
    metrics::gauge!("orbit_projection_lag_events", &labels).set(as_f64(events));
    metrics::gauge!("orbit_projection_lag_seconds", &labels).set(time.as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "a gauge forgives the last bits of a large number")]
fn as_f64(count: i64) -> f64 {
    count as f64
}

/// Beats until `shutdown`.
pub(super) async fn run(shared: Arc<Shared>, beat: watch::Sender<Pulse>, shutdown: Shutdown) {
    let work = async {
        let mut well = true;
        for count in 0.. {
            match look(&shared).await {
                Ok(head) => {
                    well = true;
                    let by_feed = timeout(GRACE, shared.feed.brings(head.position)).await.is_ok();
                    let _ = beat.send(Pulse { head });
                    shared.lags.tell(head.position, shared.deps.clock.now());
                    if count % COUNT_PARKED_EVERY == 0 {
                        tell_parked(&shared).await;
                    }
                    tokio::time::sleep(if by_feed { PERIOD } else { PERIOD_WITHOUT_FEED }).await;
                }
                Err(fault) => {
                    if std::mem::take(&mut well) {
                        tracing::warn!(error = chain(&fault), "cannot read the head of the log, trying again");
                    }
                    tokio::time::sleep(PERIOD_WITHOUT_FEED).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
    // Whoever listens takes the end of the beat for a fault: listeners go first.
    drop(shared);
    beat.closed().await;
}

async fn look(shared: &Shared) -> Result<Head, Fault> {
    let head = timeout(ANSWER_WITHIN, shared.deps.log.head()).await;
    Ok(head.map_err(Fault::broker("hear from the database in time"))??)
}

async fn tell_parked(shared: &Shared) {
    // A database that does not answer is told of elsewhere.
    let Ok(counts) = parked::counts(&shared.deps.pool).await else { return };
    for projection in crate::projections::ALL {
        let count = counts.get(projection.name).copied().unwrap_or(0);
        metrics::gauge!("orbit_parked_facts", "projection" => projection.name).set(as_f64(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_begins_again_is_still_behind_what_it_was_behind() {
        let lags = Lags::default();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(lags.enter("tasks", 0, 10).lag(12, at(100)), (2, Duration::ZERO));
        assert_eq!(lags.enter("tasks", 0, 10).lag(15, at(107)), (5, Duration::from_secs(7)));
        lags.leave("tasks", 0);
        assert_eq!(lags.enter("tasks", 0, 10).lag(15, at(108)), (5, Duration::ZERO), "claimed anew");
    }

    #[test]
    fn lag_counts_from_the_oldest_fact_that_waits() {
        let lags = Lags::default();
        let progress = lags.enter("tasks", 0, 10);
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(progress.lag(10, at(100)), (0, Duration::ZERO));
        assert_eq!(progress.lag(12, at(101)), (2, Duration::ZERO), "seen for the first time");
        assert_eq!(progress.lag(15, at(104)), (5, Duration::from_secs(3)), "still behind the first");
        progress.busy_with(at(50));
        assert_eq!(progress.lag(15, at(105)), (5, Duration::from_secs(55)), "busy with something old");
        progress.reached(12);
        assert_eq!(progress.lag(15, at(106)), (3, Duration::ZERO), "behind a newer head");
        progress.reached(15);
        assert_eq!(progress.lag(15, at(107)), (0, Duration::ZERO));
    }
}
