//! Filling: the log is read once, in spans of all partitions; each span is opened once and applied to every projection
//! that wants it. Each (projection, partition) pair follows at its own pace, twice as many at once as there are workers,
//! since the database writes the rows of one while those of another are made. None waits for the others at the end of a
//! span, the next one is opened meanwhile, and the one after that read.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use orbit_event_store::{Log, Stored, Vault};
use orbit_events::{Partition, Partitions};
use orbit_platform::postgres::Pool;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{Deps, Fault, Progress, Step};
use crate::{
    projection::{Registered, Tables},
    runner::{Course, Fault as RunnerFault, Opened, envelope},
};

/// Most facts in a span: the larger, the more often a row's changes meet in memory and the row is written once.
const SPAN: i64 = 40_000;
/// Facts of the first span, before it is known how large they are.
const FIRST_SPAN: i64 = 1_000;
/// Sealed bytes that a span is aimed at: long texts make it shorter.
const SPAN_BYTES: i64 = 32 * 1024 * 1024;
/// Spans that wait for whoever is slowest, besides the one it is at: so far the others may be ahead.
const AHEAD: usize = 1;
/// Batches under way for each worker: one whose rows are made, one whose rows the database writes.
const BATCHES_EACH: u16 = 2;
/// Most batches under way: each has a connection.
const MOST_BATCHES: u16 = 64;
/// How often the head is caught up with before it is left to whoever holds it still.
const ROUNDS: u32 = 5;
/// So close behind the head, another round is not worth it.
const CLOSE: i64 = 1_000;

/// Tables under way.
pub struct Fill {
    log: Log,
    vault: Vault,
    tracks: Vec<Track>,
    workers: usize,
    batches: Arc<Semaphore>,
    span: i64,
    progress: watch::Sender<Progress>,
}

/// One projection in one partition.
struct Track {
    projection: &'static Registered,
    partition: Partition,
    course: Course,
}

/// Facts of all partitions, sealed or [opened](Opened).
struct Span<F> {
    facts: HashMap<Partition, Vec<F>>,
    /// Every fact up to here has been read.
    upto: i64,
}

/// How many batches so many workers have under way.
pub(super) fn batches(workers: i16) -> u16 {
    (workers.unsigned_abs().max(1) * BATCHES_EACH).min(MOST_BATCHES)
}

impl Fill {
    /// Begins, or goes on, at the checkpoints of the rebuild's own schema: `pool` has it as its `search_path`.
    pub async fn start(
        pool: &Pool,
        deps: &Deps,
        chosen: &[&'static Registered],
        partitions: Partitions,
        workers: i16,
        progress: &watch::Sender<Progress>,
    ) -> Result<Self, Fault> {
        let mut tracks = Vec::new();
        for projection in chosen {
            for partition in partitions.all() {
                let course = Course::start(pool.clone(), projection, partition, Tables::Fresh).await?;
                tracks.push(Track { projection, partition, course });
            }
        }
        let batches = Arc::new(Semaphore::new(batches(workers).into()));
        let (log, vault) = (deps.log.clone(), deps.vault.clone());
        let workers = usize::from(workers.unsigned_abs()).max(1);
        let fill = Self { log, vault, tracks, workers, batches, span: FIRST_SPAN, progress: progress.clone() };
        fill.progress.send_modify(|progress| progress.position = fill.position());
        Ok(fill)
    }

    /// Every fact up to here has been folded.
    pub fn position(&self) -> i64 {
        self.tracks.iter().map(|track| track.course.position()).min().unwrap_or(0)
    }

    /// Whether no projection is further in any partition than the position that `served` names for it.
    pub fn is_within(&self, served: &dyn Fn(&str, Partition) -> i64) -> bool {
        self.tracks.iter().all(|track| track.course.position() <= served(track.projection.name, track.partition))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { position: self.position(), ..*self.progress.borrow() }
    }

    /// Says what is being done.
    pub fn step(&self, step: Step) {
        self.progress.send_modify(|progress| progress.step = step);
    }

    /// Folds the log up to a position, and then what has come meanwhile, until little is left.
    pub async fn upto(&mut self, head: i64) -> Result<(), Fault> {
        let mut target = head;
        for _ in 0..ROUNDS {
            self.fold(&|_, _| target).await?;
            let head = self.log.head().await.map_err(RunnerFault::from)?.position;
            if head - target < CLOSE {
                break;
            }
            target = head;
        }
        Ok(())
    }

    /// Folds each projection's partitions up to the position that `target` names for them.
    pub async fn fold(&mut self, target: &(dyn Fn(&str, Partition) -> i64 + Sync)) -> Result<(), Fault> {
        let targets: Vec<i64> = self.tracks.iter().map(|t| target(t.projection.name, t.partition)).collect();
        let upto = targets.iter().copied().max().unwrap_or(0);
        self.progress.send_modify(|progress| progress.target = upto);
        let due = self.tracks.iter().zip(&targets).filter(|(track, target)| track.course.position() < **target);
        let Some(from) = due.map(|(track, _)| track.course.position()).min() else { return Ok(()) };
        let reached: Arc<[AtomicI64]> = self.tracks.iter().map(|track| track.course.position().into()).collect();
        let (mut feeds, mut following) = (Vec::new(), JoinSet::new());
        for (place, (track, target)) in self.tracks.drain(..).zip(targets).enumerate() {
            let (feed, spans) = mpsc::channel(AHEAD);
            feeds.push(feed);
            let (batches, reached, progress) = (self.batches.clone(), reached.clone(), self.progress.clone());
            following.spawn(async move {
                let note = |position, facts| {
                    reached[place].store(position, Ordering::Relaxed);
                    let all = reached.iter().map(|reached| reached.load(Ordering::Relaxed)).min().unwrap_or(0);
                    progress.send_modify(|progress| {
                        progress.position = progress.position.max(all);
                        progress.facts += facts;
                    });
                };
                track.follow(spans, target, &batches, note).await.map(|track| (place, track))
            });
        }
        let (log, vault, span, workers) = (self.log.clone(), self.vault.clone(), self.span, self.workers);
        let mut feeding = JoinSet::new();
        feeding.spawn(async move {
            let (sealed, spans) = mpsc::channel(AHEAD);
            let read = read(&log, from..upto, span, sealed);
            tokio::try_join!(read, feed(&vault, workers, spans, &feeds)).map(|(next, ())| next)
        });
        let mut tracks = Vec::with_capacity(following.len());
        while let Some(ended) = following.join_next().await {
            tracks.push(ended.map_err(RunnerFault::broker("wait for a partition"))??);
        }
        while let Some(ended) = feeding.join_next().await {
            self.span = ended.map_err(RunnerFault::broker("wait for the log"))??;
        }
        tracks.sort_by_key(|(place, _)| *place);
        self.tracks = tracks.into_iter().map(|(_, track)| track).collect();
        Ok(())
    }
}

impl Track {
    /// Applies what of the spans is its own, up to `target`, and notes after each where it is and how many facts it took.
    async fn follow(
        mut self,
        mut spans: mpsc::Receiver<Arc<Span<Opened>>>,
        target: i64,
        batches: &Semaphore,
        note: impl Fn(i64, i64),
    ) -> Result<Self, Fault> {
        while let Some(span) = spans.recv().await {
            let _batch = batches.acquire().await.expect("the semaphore is never closed");
            let facts = self.take(&span, target).await?;
            note(self.course.position(), facts);
        }
        Ok(self)
    }

    async fn take(&mut self, span: &Span<Opened>, target: i64) -> Result<i64, Fault> {
        let (from, to) = (self.course.position(), span.upto.min(target));
        if to <= from {
            return Ok(0);
        }
        let wanted = |fact: &&Opened| {
            let envelope = envelope(fact);
            envelope.position > from && envelope.position <= to && self.projection.interest.wants(envelope)
        };
        let facts: Vec<&Opened> = span.facts.get(&self.partition).into_iter().flatten().filter(wanted).collect();
        if facts.is_empty() {
            self.course.skip(to).await?;
        } else {
            self.course.apply(&facts, to).await?;
        }
        Ok(i64::try_from(facts.len()).unwrap_or(i64::MAX))
    }
}

/// Reads span by span; how many facts the next should hold. Ends early when nobody takes them any more.
async fn read(
    log: &Log,
    positions: Range<i64>,
    mut limit: i64,
    sealed: mpsc::Sender<Span<Stored>>,
) -> Result<i64, RunnerFault> {
    let (mut from, upto) = (positions.start, positions.end);
    while from < upto {
        let stored = log.span(from, upto, limit).await?;
        let count = i64::try_from(stored.len()).unwrap_or(i64::MAX);
        let bytes: usize = stored.iter().map(|fact| fact.data.len()).sum();
        let each = i64::try_from(bytes).unwrap_or(i64::MAX) / count.max(1);
        from = stored.last().filter(|_| count == limit).map_or(upto, |fact| fact.envelope.position);
        limit = (SPAN_BYTES / each.max(1)).clamp(FIRST_SPAN, SPAN).min(limit.saturating_mul(4));
        let mut facts: HashMap<Partition, Vec<Stored>> = HashMap::new();
        for fact in stored {
            facts.entry(fact.partition).or_default().push(fact);
        }
        if sealed.send(Span { facts, upto: from }).await.is_err() {
            break;
        }
    }
    Ok(limit)
}

/// Opens span by span, as many partitions at once as there are workers, and gives each to all that follow. Ends early when one
/// of them has: it failed, and says so itself.
async fn feed(
    vault: &Vault,
    workers: usize,
    mut spans: mpsc::Receiver<Span<Stored>>,
    feeds: &[mpsc::Sender<Arc<Span<Opened>>>],
) -> Result<(), RunnerFault> {
    while let Some(span) = spans.recv().await {
        let mut opening: JoinSet<Result<_, RunnerFault>> = JoinSet::new();
        let (mut sealed, mut facts) = (span.facts.into_iter(), HashMap::new());
        loop {
            for (partition, stored) in sealed.by_ref().take(workers - opening.len()) {
                let vault = vault.clone();
                opening.spawn(async move { Ok((partition, Stored::open_all(stored, &vault).await?)) });
            }
            let Some(opened) = opening.join_next().await else { break };
            facts.extend([opened.map_err(RunnerFault::broker("wait for facts to be opened"))??]);
        }
        let span = Arc::new(Span { facts, upto: span.upto });
        for feed in feeds {
            if feed.send(span.clone()).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
