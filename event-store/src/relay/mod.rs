//! The relay: publishes the log to `JetStream` so that a message's sequence is its fact's position (invariant 2).
//!
//! The relay is the stream's only publisher, and every message says which sequence it expects before itself. So a second
//! relay, a retry or a lost ack can neither duplicate nor reorder: the server refuses. And the ack of one message vouches
//! for all before it, so few ask for one. Losing the broker costs latency and no fact: whatever is
//! missing in the stream is read from the log again.

mod acks;
mod message;
mod stream;

use std::{sync::Arc, time::Duration};

use async_nats::{Client, Subscriber, jetstream};
use futures_util::{StreamExt, future::BoxFuture};
use orbit_events::{Partition, subjects};
use orbit_platform::{
    postgres::{self, Pool},
    shutdown::Shutdown,
    telemetry::trace::continued,
};
use sqlx::PgConnection;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tracing::Span;

pub use message::{Incoming, Malformed, parse};

use crate::{
    EventStore, Fault,
    appended::{Appended, BUSY, GATHER, Reader},
    outgoing::Outgoing,
    read::Log,
};
use acks::{ACK_TIMEOUT, Acks};

/// Facts published at once.
const BATCH: usize = 1_000;
/// Messages that may wait for their ack while the next batch is read.
const IN_FLIGHT: i64 = 1_000;
/// How long a relay lives on what its own process appends before it looks into the log, and finds out whether the
/// connection that holds its lock is still there.
const LOOK_IN: Duration = Duration::from_secs(1);
/// How many facts a starting relay looks through for the newest of each partition.
const LOOK_BACK: i64 = 10_000;
/// How long reading a batch may take: after it the connection counts as lost, and another relay may have the lock.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the log is looked at when nothing announces an append.
const POLL: Duration = Duration::from_millis(250);
/// How often a relay that has nothing to do looks whether the stream is still what it left.
const LOOK: Duration = Duration::from_secs(5);
/// How long a relay that is not the active one waits before it asks again.
const STANDBY: Duration = Duration::from_secs(1);
/// Longest wait before a relay that failed starts over.
const MOST_BACKOFF: Duration = Duration::from_secs(2);
/// Advisory lock of the active relay, one per database: "orbit" in ASCII and 1.
const LOCK: i64 = 0x6f72_6269_7401;

/// What the relay keeps in `JetStream`.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Most messages in the stream; also how far back a recreated stream reaches.
    pub messages: i64,
    /// Most bytes in the stream.
    pub bytes: i64,
    /// Copies within a cluster.
    pub replicas: usize,
}

impl Default for History {
    fn default() -> Self {
        Self { messages: 1_000_000, bytes: 4 * 1024 * 1024 * 1024, replicas: 1 }
    }
}

/// Why the relay had to start over.
#[derive(Debug, thiserror::Error)]
pub enum RelayFault {
    /// The log could not be read.
    #[error("read the log to relay it")]
    Log(#[from] Fault),
    /// The connection that holds the relay's lock failed.
    #[error("hold the relay's lock")]
    Lock(#[source] sqlx::Error),
    /// The broker did not do what was asked.
    #[error("{attempt}")]
    Broker {
        /// What was attempted.
        attempt: &'static str,
        /// What the client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker did not answer in time.
    #[error("no ack for position {0} within {ACK_TIMEOUT:?}")]
    NoAck(i64),
    /// The broker refused a message: another relay was faster, or the stream is not what we thought.
    #[error("the broker refused position {position}: {reason}")]
    Refused {
        /// The message's position.
        position: i64,
        /// What the broker said.
        reason: String,
    },
    /// The stream was deleted, or somebody else wrote to it.
    #[error("the stream ends at {found:?} and not at position {expected}")]
    Changed {
        /// What the relay had published.
        expected: i64,
        /// Where the stream ends; `None` if there is none.
        found: Option<i64>,
    },
    /// The stream gave a message another sequence than its position. Must not happen; the stream is checked anew.
    #[error("position {position} was acknowledged as sequence {sequence}")]
    OutOfStep {
        /// The message's position.
        position: i64,
        /// The stream's sequence.
        sequence: i64,
    },
}

impl RelayFault {
    fn broker<E: std::error::Error + Send + Sync + 'static>(attempt: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Broker { attempt, source: Box::new(source) }
    }
}

/// Publishes the log of one database.
#[derive(Clone)]
pub struct Relay {
    pool: Pool,
    nats: Client,
    prefix: String,
    history: History,
    /// What this process appends.
    own: Appended,
    /// Key of the advisory lock; tests let two relays lead at once.
    lock: i64,
}

impl Relay {
    /// A relay from the database of `pool` to the stream of `prefix`.
    pub fn new(pool: Pool, nats: Client, prefix: impl Into<String>, history: History) -> Self {
        Self { pool, nats, prefix: prefix.into(), history, own: Appended::new(0), lock: LOCK }
    }

    /// The same relay, in one process with the store that appends: what goes through there it need not read.
    #[must_use]
    pub fn beside(self, store: &EventStore) -> Self {
        Self { own: store.fresh().clone(), ..self }
    }

    /// Relays until `shutdown`. Several may run; one is active at a time, and two at once would do no harm.
    pub fn run(self, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut backoff = Duration::from_millis(50);
            loop {
                let started = Instant::now();
                let outcome = tokio::select! {
                    outcome = self.lead() => outcome,
                    () = shutdown.cancelled() => return,
                };
                metrics::gauge!("orbit_relay_active").set(0.0);
                if let Err(fault) = outcome {
                    metrics::counter!("orbit_relay_restarts_total").increment(1);
                    tracing::warn!(error = &fault as &dyn std::error::Error, "the relay starts over");
                }
                backoff = if started.elapsed() > MOST_BACKOFF {
                    Duration::from_millis(50)
                } else {
                    (backoff * 2).min(MOST_BACKOFF)
                };
                tokio::select! {
                    () = sleep(backoff) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        })
    }

    /// Waits for the lock and relays until something fails. Never returns `Ok` but by being dropped.
    async fn lead(&self) -> Result<(), RelayFault> {
        let mut connection = postgres::connect_with(&self.pool.connect_options()).await.map_err(RelayFault::Lock)?;
        while !try_lock(&mut connection, self.lock).await.map_err(RelayFault::Lock)? {
            sleep(STANDBY).await;
        }
        metrics::gauge!("orbit_relay_active").set(1.0);
        let mut course = self.start().await?;
        loop {
            course.step(&mut connection).await?;
        }
    }

    async fn start(&self) -> Result<Course, RelayFault> {
        let own = self.own.reader();
        // Subscribed before the stream is looked at: an append in between wakes us.
        let appended = self
            .nats
            .subscribe(subjects::appended(&self.prefix))
            .await
            .map_err(RelayFault::broker("subscribe to announcements of appends"))?;
        let inbox = self.nats.new_inbox();
        let coming =
            self.nats.subscribe(format!("{inbox}.*")).await.map_err(RelayFault::broker("subscribe to acks"))?;
        let log = Log::new(self.pool.clone());
        let jetstream = jetstream::new(self.nats.clone());
        let (stream, last) = stream::ensure(&jetstream, &log, &self.prefix, self.history).await?;
        let previous = log.previous_positions(last).await?;
        tracing::info!(position = last, "relaying from here");
        Ok(Course {
            nats: self.nats.clone(),
            prefix: self.prefix.clone(),
            stream,
            looked: Instant::now(),
            log,
            looked_in: Instant::now(),
            own,
            own_head: self.own.subscribe(),
            appended,
            acks: Acks::new(inbox, coming, last),
            published: last,
            previous,
        })
    }
}

async fn try_lock(connection: &mut PgConnection, key: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, key).fetch_one(connection).await
}

/// A relay under way: everything up to `published` was sent.
struct Course {
    nats: Client,
    prefix: String,
    /// Name of the epoch's stream.
    stream: String,
    /// When the stream was last known to be what this relay made of it.
    looked: Instant,
    log: Log,
    /// When facts were last read from the log.
    looked_in: Instant,
    /// What this process appends, and how far.
    own: Reader,
    own_head: watch::Receiver<i64>,
    /// What every process announces.
    appended: Subscriber,
    acks: Acks,
    published: i64,
    /// Position of the newest fact of each partition that was sent.
    previous: Vec<i64>,
}

impl Course {
    /// Publishes one batch; waits if that was all there is.
    async fn step(&mut self, connection: &mut PgConnection) -> Result<(), RelayFault> {
        let batch = self.next(connection).await?;
        let all = batch.len() < BATCH;
        let before = self.published;
        if let Some(last) = batch.last().map(|last| last.position) {
            metrics::gauge!("orbit_relay_backlog_events").set(as_f64(last - self.published));
            // They end when the batch is sent; its ack comes while the next one is read.
            let spans = spans(&batch);
            for outgoing in batch {
                let reply = self.acks.ask(&outgoing, outgoing.position == last);
                self.publish(&outgoing, reply).await?;
            }
            drop(spans);
        }
        if !all {
            return self.acks.collect(self.published, IN_FLIGHT).await;
        }
        // What is appended from here on is announced.
        self.acks.collect(self.published, 0).await?;
        if self.published - before >= BUSY {
            sleep(GATHER).await;
        }
        self.wait().await
    }

    /// The next facts: what went through this process a moment ago, else what the log has.
    async fn next(&mut self, connection: &mut PgConnection) -> Result<Vec<Arc<Outgoing>>, RelayFault> {
        if self.looked_in.elapsed() < LOOK_IN {
            let own = self.own.take(self.published, BATCH);
            if !own.is_empty() {
                return Ok(own);
            }
        }
        let batch = read(connection, self.published).await?;
        self.looked_in = Instant::now();
        Ok(batch)
    }

    async fn publish(&mut self, outgoing: &Outgoing, reply: Option<String>) -> Result<(), RelayFault> {
        let position = outgoing.position;
        let Some(previous) = usize::try_from(outgoing.partition).ok().and_then(|p| self.previous.get_mut(p)) else {
            return Err(RelayFault::Refused {
                position,
                reason: "it has a partition that the log does not have".into(),
            });
        };
        let (subject, headers, payload) = message::message(outgoing, &self.prefix, &self.stream, *previous);
        *previous = position;
        match reply {
            Some(reply) => self.nats.publish_with_reply_and_headers(subject, reply, headers, payload).await,
            None => self.nats.publish_with_headers(subject, headers, payload).await,
        }
        .map_err(RelayFault::broker("publish a fact"))?;
        self.published = position;
        Ok(())
    }

    /// Until something is appended that was not published, or for a poll's time.
    async fn wait(&mut self) -> Result<(), RelayFault> {
        metrics::gauge!("orbit_relay_backlog_events").set(0.0);
        if let Ok(told) = timeout(POLL, self.news()).await {
            return told;
        }
        let head = self.log.head().await?;
        metrics::gauge!("orbit_relay_backlog_events").set(as_f64(head.position - self.published));
        if self.looked.elapsed() >= LOOK { self.look().await } else { Ok(()) }
    }

    /// What this process appends it knows first, and then hears of it once more, as of what others append.
    async fn news(&mut self) -> Result<(), RelayFault> {
        loop {
            let head = tokio::select! {
                Ok(()) = self.own_head.changed() => Some(*self.own_head.borrow_and_update()),
                announced = self.appended.next() => {
                    let ended = || RelayFault::Broker {
                        attempt: "wait for an append",
                        source: "the subscription ended".into(),
                    };
                    std::str::from_utf8(&announced.ok_or_else(ended)?.payload).ok().and_then(|head| head.parse().ok())
                }
            };
            // An announcement that cannot be read may be of anything.
            if head.is_none_or(|head| head > self.published) {
                return Ok(());
            }
        }
    }

    /// Nothing tells a relay without anything to publish that its stream is gone: whoever reads it would wait in vain.
    async fn look(&mut self) -> Result<(), RelayFault> {
        let found = stream::last_sequence(&jetstream::new(self.nats.clone()), &self.stream).await?;
        if found != Some(self.published) {
            return Err(RelayFault::Changed { expected: self.published, found });
        }
        self.looked = Instant::now();
        Ok(())
    }
}

/// A span in each trace that facts of the batch belong to.
fn spans(batch: &[Arc<Outgoing>]) -> Vec<Span> {
    let traces: Vec<String> = batch.iter().filter_map(|fact| fact.traceparent()).collect();
    if traces.is_empty() {
        return Vec::new();
    }
    continued(traces.iter().map(String::as_str), || {
        tracing::info_span!("log.relay", otel.kind = "producer", facts = batch.len())
    })
}

/// The next facts after a position.
async fn read(connection: &mut PgConnection, after: i64) -> Result<Vec<Arc<Outgoing>>, RelayFault> {
    let query = sqlx::query_as!(
        Outgoing,
        r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                  schema_version, data, metadata::text AS "metadata!", recorded_at
           FROM log.events WHERE position > $1 ORDER BY position LIMIT $2"#,
        after,
        i64::try_from(BATCH).unwrap_or(i64::MAX)
    );
    let batch = timeout(READ_TIMEOUT, query.fetch_all(connection)).await;
    let batch = batch.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
    let batch = batch.map_err(Fault::database("read facts to relay"))?;
    Ok(batch.into_iter().map(Arc::new).collect())
}

impl Log {
    /// For each partition, the position of its newest fact among the last [`LOOK_BACK`] up to `position`; if it has none
    /// there, the position before those. A reader who has not seen that far takes it for a hole and looks into the log.
    async fn previous_positions(&self, position: i64) -> Result<Vec<i64>, Fault> {
        sqlx::query_scalar!(
            r#"SELECT coalesce(max(e.position), greatest($1 - $2::bigint, 0)) AS "previous!"
               FROM log.head h CROSS JOIN generate_series(0, h.partitions - 1) AS p
               LEFT JOIN log.events e ON e.partition = p AND e.position <= $1 AND e.position > $1 - $2::bigint
               GROUP BY p ORDER BY p LIMIT 1024"#,
            position,
            LOOK_BACK
        )
        .fetch_all(self.pool())
        .await
        .map_err(Fault::database("find the newest fact of each partition"))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge forgives the last bits of a large number")]
fn as_f64(count: i64) -> f64 {
    count as f64
}

/// One of the log's partitions as the subject spells it.
pub(crate) fn partition_of(subject_token: &str) -> Option<Partition> {
    subject_token.parse().ok()
}

#[cfg(test)]
mod tests;
