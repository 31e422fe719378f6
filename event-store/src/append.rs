//! The batcher: takes what is queued and appends it in one round trip and one transaction, each request with a verdict
//! of its own. No delay is added: while one batch commits, the next one gathers, and if it is large it is sent ahead.

use std::{collections::VecDeque, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use orbit_platform::{postgres::Pool, shutdown::Shutdown};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    Fault,
    appended::Appended,
    batch::{Footprint, Request},
    lane::Lane,
};

/// What bounds the batcher.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most requests in a batch.
    pub batch_requests: usize,
    /// Most bytes of payload in a batch; a single larger request goes alone.
    pub batch_bytes: usize,
    /// Most requests waiting; more are answered with [`Fault::Busy`] once they have waited for `queue_wait`.
    pub queue: usize,
    /// How long a request waits for a place in the queue.
    pub queue_wait: Duration,
    /// How long the database may be away, or silent, before waiting requests are given up.
    pub outage: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_requests: 512,
            batch_bytes: 1024 * 1024,
            queue: 4096,
            queue_wait: Duration::from_secs(5),
            outage: Duration::from_secs(5),
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Appended; the position before its first fact.
    Appended { base: i64 },
    /// A stream it writes or guards has another version.
    Conflict,
    /// Another stream holds a claim it takes.
    Taken(String),
    /// Its idempotency key has an answer already.
    Answered,
    /// Nothing is known, or nothing could be done.
    Failed(Fault),
}

/// A request and who waits for its verdict.
pub(crate) struct Queued {
    /// Boxed: it moves from queue to batch to answer.
    pub request: Box<Request>,
    pub reply: oneshot::Sender<Verdict>,
    pub since: Instant,
}

/// The way to the batcher. Clones lead to the same one.
#[derive(Clone)]
pub(crate) struct Appender {
    queue: mpsc::Sender<Queued>,
    limits: Limits,
}

impl Appender {
    /// Starts a batcher. It tells `appended` the new head after every commit.
    pub fn start(pool: &Pool, limits: Limits, appended: &Appended, shutdown: &Shutdown) -> Self {
        let (queue, queued) = mpsc::channel(limits.queue);
        let batcher = Batcher::new(pool, limits, queued, appended);
        shutdown.spawn("log.append", batcher.run(shutdown.clone()));
        Self { queue, limits }
    }

    /// Appends one request.
    pub async fn append(&self, request: Box<Request>) -> Verdict {
        let (reply, verdict) = oneshot::channel();
        let queued = Queued { request, reply, since: Instant::now() };
        match self.queue.try_send(queued) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(queued)) => {
                metrics::counter!("orbit_append_queue_full_total").increment(1);
                if self.queue.send_timeout(queued, self.limits.queue_wait).await.is_err() {
                    return Verdict::Failed(Fault::Busy);
                }
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Verdict::Failed(Fault::Busy),
        }
        // The batcher answers everything that it took, unless the process is stopping.
        verdict.await.unwrap_or(Verdict::Failed(Fault::OutcomeUnknown))
    }
}

/// Requests that a second batch must have to be sent while the first commits: the server then writes the second's
/// streams and claims while the first waits for the disk. Smaller batches gain more by growing.
const WORTH_A_SECOND_LANE: usize = 64;

/// Batches under way at most: the head is held by one, the other does what needs no position.
const LANES: usize = 2;

struct Batcher {
    queued: mpsc::Receiver<Queued>,
    /// Requests taken from the queue and not yet sent, oldest first.
    held: VecDeque<Queued>,
    limits: Limits,
    /// Connections without a batch under way.
    idle: Vec<Lane>,
    /// What the batches under way touch.
    footprints: Vec<(usize, Footprint)>,
}

impl Batcher {
    fn new(pool: &Pool, limits: Limits, queued: mpsc::Receiver<Queued>, appended: &Appended) -> Self {
        let lanes = (0..LANES).map(|number| Lane::new(number, pool, limits, appended)).collect();
        Self { queued, held: VecDeque::new(), limits, idle: lanes, footprints: Vec::new() }
    }

    /// Sends batches until `shutdown`; what was accepted by then is still appended.
    async fn run(mut self, shutdown: Shutdown) {
        let mut under_way = FuturesUnordered::new();
        let (mut closing, mut closed) = (false, false);
        loop {
            while self.held.len() < self.limits.batch_requests
                && let Ok(next) = self.queued.try_recv()
            {
                self.held.push_back(next);
            }
            if let Some((lane, batch)) = self.next_batch() {
                under_way.push(lane.commit(batch));
                continue;
            }
            if closed && self.held.is_empty() && under_way.is_empty() {
                return;
            }
            tokio::select! {
                Some(lane) = under_way.next(), if !under_way.is_empty() => {
                    self.footprints.retain(|(number, _)| *number != lane.number);
                    self.idle.push(lane);
                }
                next = self.queued.recv(), if !closed && self.held.len() < self.limits.batch_requests => match next {
                    Some(next) => self.held.push_back(next),
                    None => closed = true,
                },
                () = shutdown.cancelled(), if !closing => {
                    closing = true;
                    self.queued.close();
                }
            }
        }
    }

    /// A batch and a connection for it, if there is enough to send.
    fn next_batch(&mut self) -> Option<(Lane, Vec<Queued>)> {
        let enough = |requests: usize| requests > 0 && (self.footprints.is_empty() || requests >= WORTH_A_SECOND_LANE);
        if self.idle.is_empty() || !enough(self.held.len()) {
            return None;
        }
        let choice = choose(&self.held, &self.footprints, self.limits);
        if !enough(choice.chosen.len()) {
            return None;
        }
        let lane = self.idle.pop()?;
        self.footprints.push((lane.number, choice.footprint));
        let mut chosen = choice.chosen.into_iter().peekable();
        let (mut batch, mut left) = (Vec::new(), VecDeque::with_capacity(self.held.len()));
        for (n, queued) in std::mem::take(&mut self.held).into_iter().enumerate() {
            if chosen.next_if_eq(&n).is_some() {
                batch.push(queued);
            } else {
                left.push_back(queued);
            }
        }
        self.held = left;
        Some((lane, batch))
    }
}

/// What could be sent next.
struct Choice {
    /// Places of the requests among those held, ascending.
    chosen: Vec<usize>,
    footprint: Footprint,
}

/// The next batch, up to the limits. A request that touches what is in it or under way stays, and so does every later
/// one that touches *it*: nobody is overtaken by those who want the same, so nobody waits for ever.
fn choose(held: &VecDeque<Queued>, under_way: &[(usize, Footprint)], limits: Limits) -> Choice {
    let mut choice = Choice { chosen: Vec::new(), footprint: Footprint::default() };
    let mut ahead = Footprint::default();
    let mut bytes = 0;
    for (n, next) in held.iter().enumerate() {
        if choice.chosen.len() == limits.batch_requests {
            break;
        }
        let request = &next.request;
        let size = request.bytes();
        let fits = choice.chosen.is_empty() || bytes + size <= limits.batch_bytes;
        let free = !ahead.touches(request) && !under_way.iter().any(|(_, other)| other.touches(request));
        if fits && free && choice.footprint.admit(request) {
            bytes += size;
            choice.chosen.push(n);
        } else {
            ahead.add(request);
        }
    }
    choice
}

#[cfg(test)]
mod tests;
