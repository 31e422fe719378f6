//! The feed: facts as they come over `JetStream`, opened once and handed to all workers of the process.
//!
//! Speed, not truth (invariant 3): it may stop, skip or lag at any time. Workers see holes by `Orbit-Previous`, and
//! believe that nothing is missing only as far as the feed's unbroken [`Coverage`] reaches.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, push},
};
use futures_util::StreamExt;
use orbit_event_store::{Stored, relay};
use orbit_events::{Partition, Partitions, subjects};
use orbit_platform::shutdown::Shutdown;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, timeout},
};

use super::{BATCH, Backoff, Fault, Opened, Shared, chain};

/// Facts that a worker may be behind before it has to read them from the log.
const BACKLOG: usize = 2_048;
/// Sealed bytes that may wait for the workers of a partition before what follows has to be read from the log: facts may be
/// long, and workers stuck.
const BACKLOG_BYTES: usize = 32 * 1024 * 1024;
/// How often the server says that it is there while there is nothing to send; two missed ones end the course.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long facts may be in the log without coming over the stream before the feed attaches anew.
const SILENCE: Duration = Duration::from_secs(2);
/// How long the server may take to make a consumer.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(5);

/// A fact that came over the stream.
pub(crate) struct Delivered {
    pub position: i64,
    /// Position of the partition's fact before this one.
    pub previous: i64,
    pub fact: Opened,
    /// How long it was, sealed.
    pub bytes: usize,
}

/// A fact that waits for workers, and takes room until the last of them has taken it.
pub(crate) struct Waiting {
    delivered: Delivered,
    room: Arc<AtomicUsize>,
}

impl std::ops::Deref for Waiting {
    type Target = Delivered;

    fn deref(&self) -> &Delivered {
        &self.delivered
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.room.fetch_sub(self.delivered.bytes, Ordering::Relaxed);
    }
}

/// Everything from one position to another has been handed out, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub from: i64,
    pub upto: i64,
}

impl Coverage {
    /// Whether nothing is missing between a position and the end of the coverage.
    pub fn goes_on_from(self, position: i64) -> bool {
        self.from <= position + 1
    }
}

/// Facts on their way to the workers of a partition.
struct Channel {
    sender: broadcast::Sender<Arc<Waiting>>,
    /// Bytes of those that wait.
    room: Arc<AtomicUsize>,
}

/// Where workers get facts from.
pub(crate) struct Feed {
    partitions: Vec<Channel>,
    coverage: watch::Sender<Option<Coverage>>,
}

impl Feed {
    pub fn new(partitions: Partitions) -> Self {
        Self {
            partitions: partitions
                .all()
                .map(|_| Channel { sender: broadcast::channel(BACKLOG).0, room: Arc::default() })
                .collect(),
            coverage: watch::channel(None).0,
        }
    }

    /// Facts of a partition from now on. Whoever reads the head of the log *after* this misses nothing.
    pub fn subscribe(&self, partition: Partition) -> broadcast::Receiver<Arc<Waiting>> {
        self.channel(partition).map_or_else(|| broadcast::channel(1).1, |channel| channel.sender.subscribe())
    }

    /// What has been handed out, if the feed is attached.
    pub fn coverage(&self) -> Option<Coverage> {
        *self.coverage.borrow()
    }

    /// Returns once everything up to this position has been handed out.
    pub async fn brings(&self, position: i64) {
        let mut coverage = self.coverage.subscribe();
        let reached = coverage.wait_for(|c| c.is_some_and(|c| c.upto >= position)).await;
        reached.expect("the sender lives as long as this");
    }

    fn channel(&self, partition: Partition) -> Option<&Channel> {
        usize::try_from(partition).ok().and_then(|partition| self.partitions.get(partition))
    }

    fn is_wanted(&self, partition: Partition) -> bool {
        self.channel(partition).is_some_and(|channel| channel.sender.receiver_count() > 0)
    }

    /// Says what has been handed out without a gap.
    pub fn cover(&self, coverage: Coverage) {
        self.coverage.send_replace(Some(coverage));
    }

    /// Hands a fact to the workers of its partition, unless too much waits for them: then they have to read it from the
    /// log, and whoever covers more must not say that this was handed out.
    pub fn hand_out(&self, partition: Partition, delivered: Delivered) -> bool {
        let Some(Channel { sender, room }) = self.channel(partition) else { return true };
        if room.load(Ordering::Relaxed) > BACKLOG_BYTES {
            return false;
        }
        room.fetch_add(delivered.bytes, Ordering::Relaxed);
        // Nobody listens: whoever does later reads the log first.
        let _ = sender.send(Arc::new(Waiting { delivered, room: room.clone() }));
        true
    }
}

/// Attaches, and attaches again, until `shutdown`.
pub(super) async fn run(shared: Arc<Shared>, shutdown: Shutdown) {
    let work = async {
        let mut backoff = Backoff::default();
        // Since when attaching fails, and whether that was told. A stream that the relay is about to make is no news.
        let mut failing: Option<(Instant, bool)> = None;
        loop {
            let began = Instant::now();
            let Err(fault) = course(&shared).await;
            shared.feed.coverage.send_replace(None);
            metrics::gauge!("orbit_feed_attached").set(0.0);
            if began.elapsed() > SILENCE {
                (backoff, failing) = (Backoff::default(), None);
            }
            let (since, told) = failing.unwrap_or((Instant::now(), false));
            let tell = !told && since.elapsed() > SILENCE;
            if tell {
                tracing::warn!(reason = chain(&fault), "facts do not come over NATS, reading them from the log");
            } else {
                tracing::debug!(reason = chain(&fault), "the feed attaches anew");
            }
            failing = Some((since, told || tell));
            backoff.wait().await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// One attachment, from the head of the log on, until something is wrong.
async fn course(shared: &Shared) -> Result<std::convert::Infallible, Fault> {
    let mut pulses = shared.pulses.clone();
    let head = pulses.borrow_and_update().head;
    let attached = timeout(ATTACH_TIMEOUT, attach(shared, head.epoch, head.position + 1));
    let messages = attached.await.map_err(Fault::broker("attach to the stream in time"))??;
    let mut chunks = messages.ready_chunks(BATCH);
    let mut coverage = Coverage { from: head.position + 1, upto: head.position };
    // Since when, and where, the feed stands still though the log has grown.
    let mut waiting: Option<(Instant, i64)> = None;
    shared.feed.cover(coverage);
    metrics::gauge!("orbit_feed_attached").set(1.0);
    tracing::info!(from = coverage.from, "facts come over NATS");
    let mut begun = false;
    loop {
        tokio::select! {
            chunk = chunks.next() => {
                let chunk = chunk.ok_or_else(|| Fault::broker("read the stream")("the subscription ended"))?;
                let messages = chunk.into_iter().collect::<Result<Vec<_>, _>>();
                let messages = messages.map_err(Fault::broker("read the stream"))?;
                hand_out(shared, &messages, &mut coverage, &mut begun).await?;
            }
            changed = pulses.changed() => {
                changed.map_err(Fault::broker("watch the head of the log"))?;
                let now = pulses.borrow_and_update().head;
                if now.epoch != head.epoch {
                    return Err(Fault::NewEpoch(now.epoch));
                }
                waiting = match waiting {
                    _ if now.position <= coverage.upto => None,
                    Some((_, at)) if at != coverage.upto => Some((Instant::now(), coverage.upto)),
                    Some((since, at)) if since.elapsed() > SILENCE => return Err(Fault::Silent(at)),
                    Some(waiting) => Some(waiting),
                    None => Some((Instant::now(), coverage.upto)),
                };
            }
        }
    }
}

/// An ephemeral consumer without acks: the log is read again for whatever it loses.
async fn attach(shared: &Shared, epoch: uuid::Uuid, from: i64) -> Result<push::Messages, Fault> {
    let jetstream = jetstream::new(shared.deps.nats.clone());
    let stream = subjects::stream_name(&shared.deps.prefix, epoch);
    let config = push::Config {
        deliver_subject: shared.deps.nats.new_inbox(),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: u64::try_from(from).unwrap_or(1) },
        ack_policy: AckPolicy::None,
        flow_control: true,
        idle_heartbeat: HEARTBEAT,
        inactive_threshold: ATTACH_TIMEOUT,
        memory_storage: true,
        num_replicas: 1,
        ..push::Config::default()
    };
    let consumer = jetstream.create_consumer_on_stream(config, stream).await;
    let consumer = consumer.map_err(Fault::broker("make a consumer of the stream"))?;
    consumer.messages().await.map_err(Fault::broker("subscribe to the stream"))
}

/// Opens messages and hands them to the workers of their partitions.
async fn hand_out(
    shared: &Shared,
    messages: &[jetstream::Message],
    coverage: &mut Coverage,
    begun: &mut bool,
) -> Result<(), Fault> {
    let no_headers = async_nats::HeaderMap::new();
    let mut places = Vec::with_capacity(messages.len());
    let mut stored = Vec::with_capacity(messages.len());
    for message in messages {
        let info = message.info().map_err(Fault::broker("read the place of a message"))?;
        let sequence = i64::try_from(info.stream_sequence).unwrap_or(i64::MAX);
        if !std::mem::replace(begun, true) {
            // A stream that begins later than asked for lacks facts; one whose relay is behind begins earlier.
            *coverage = Coverage { from: sequence, upto: sequence - 1 };
        }
        if sequence != coverage.upto + 1 {
            return Err(Fault::Gap { expected: coverage.upto + 1, found: sequence });
        }
        coverage.upto = sequence;
        let headers = message.headers.as_ref().unwrap_or(&no_headers);
        let incoming = relay::parse(&message.subject, headers, &message.payload, info.stream_sequence)?;
        if shared.feed.is_wanted(incoming.stored.partition) {
            places.push((incoming.stored.partition, incoming.previous, incoming.stored.data.len()));
            stored.push(incoming.stored);
        }
    }
    let opened = Stored::open_all(stored, &shared.deps.vault).await?;
    for ((partition, previous, bytes), fact) in places.into_iter().zip(opened) {
        let position = super::envelope(&fact).position;
        if !shared.feed.hand_out(partition, Delivered { position, previous, fact, bytes }) {
            coverage.from = position + 1;
        }
    }
    shared.feed.cover(*coverage);
    Ok(())
}
