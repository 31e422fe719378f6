//! The sealer: folds facts into the tree in the order of their positions, and signs checkpoints.
//!
//! One is active at a time, whoever has the lock; the others stand by. Two at once would do no harm: tiles and roots are
//! a function of the log, and a tile is only ever replaced by a longer one.
//!
//! A checkpoint is at most two seconds behind the head: a sealer with nothing to do looks at the head every `POLL`,
//! rests `REST` between two checkpoints, and takes over from one that died within `STANDBY` of its lock's end.
//!
//! What its own process appended a moment ago it seals as it was appended, and need not read. Whether the log ends that way
//! it asks for the last of them; what was changed in between is what the proof is there to find.
//!
//! It signs nothing that it cannot stand for. A fact that is missing, a log shorter than what was sealed, tiles that do
//! not give the root of the newest checkpoint: it stops there, says so, and goes on when that has been mended.

mod course;
mod fault;

use std::{convert::Infallible, time::Duration};

use futures_util::future::BoxFuture;
use orbit_platform::{
    clock::Clock,
    postgres::{self, Pool},
    shutdown::Shutdown,
    signing::SigningKey,
};
use sqlx::{Connection, PgConnection};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

pub use fault::SealFault;

use super::{
    leaf::Leaf,
    note::{Checkpoint, VerifierKey, origin},
    seals::Seal,
    tiles::{Frontier, TileId, entries},
};
use crate::{
    EventStore, Fault,
    appended::Appended,
    read::{self, Head},
};
use course::{Batch, Course};

/// Facts sealed at once: sixteen tiles. They come without their payloads, so that this bounds the memory.
const BATCH: i64 = 4_096;
/// How often the head is looked at when nothing announces an append: other processes append too.
const POLL: Duration = Duration::from_secs(1);
/// The least time between two checkpoints of a sealer that keeps up: without it, each append would be signed.
const REST: Duration = Duration::from_millis(200);
/// How long a sealer that is not the active one waits before it asks again.
const STANDBY: Duration = Duration::from_millis(500);
/// How long one look at or one write to the database may take: after it the connection counts as lost.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait before a sealer that failed starts over.
const MOST_BACKOFF: Duration = Duration::from_secs(2);
/// How often old checkpoints are thinned out.
const THIN_OUT: Duration = Duration::from_mins(10);
/// Advisory lock of the active sealer, one per database: "orbit" in ASCII and 2. The relay's ends in 1.
const LOCK: i64 = 0x6f72_6269_7402;

/// Seals the log of one database.
pub struct Sealer {
    pool: Pool,
    key: SigningKey,
    clock: Clock,
    /// What this process appends, and how far.
    own: Appended,
    own_head: watch::Receiver<i64>,
    /// When everything was sealed for the last time, as far as this sealer knows.
    level_at: Instant,
    /// Key of the advisory lock; tests let two sealers lead at once.
    lock: i64,
}

impl Sealer {
    /// A sealer that signs with `key`.
    pub fn new(pool: Pool, key: SigningKey, clock: Clock) -> Self {
        Self::following(Appended::new(0), pool, key, clock)
    }

    /// A sealer in one process with the store that appends: what goes through there wakes it, and it need not read it.
    pub fn beside(store: &EventStore, pool: Pool, key: SigningKey) -> Self {
        Self::following(store.fresh().clone(), pool, key, store.clock().clone())
    }

    pub(super) fn following(own: Appended, pool: Pool, key: SigningKey, clock: Clock) -> Self {
        let own_head = own.subscribe();
        Self { pool, key, clock, own, own_head, level_at: Instant::now(), lock: LOCK }
    }

    /// The same sealer heeding another lock: in tests several are to lead at once.
    #[cfg(test)]
    pub(super) fn heeding(self, lock: i64) -> Self {
        Self { lock, ..self }
    }

    /// Seals until something fails, and says what.
    #[cfg(test)]
    pub(super) async fn first_fault(mut self) -> SealFault {
        let Err(fault) = self.lead().await;
        fault
    }

    /// Seals until `shutdown`. Several may run; one is active at a time.
    pub fn run(mut self, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let (mut backoff, mut told) = (Duration::from_millis(50), String::new());
            loop {
                let started = Instant::now();
                let outcome = tokio::select! {
                    outcome = self.lead() => outcome,
                    () = shutdown.cancelled() => return,
                };
                metrics::gauge!("orbit_sealer_active").set(0.0);
                let Err(fault) = outcome;
                metrics::counter!("orbit_sealer_restarts_total").increment(1);
                tell(&fault, &mut told);
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

    /// Waits for the lock and seals until something fails.
    async fn lead(&mut self) -> Result<Infallible, SealFault> {
        let options = self.pool.connect_options();
        let mut connection = postgres::connect_with(&options).await.map_err(SealFault::Lock)?;
        while !try_lock(&mut connection, self.lock).await.map_err(SealFault::Lock)? {
            // Whoever leads seals: this one has nothing to be behind with.
            self.level_at = Instant::now();
            metrics::gauge!("orbit_seal_lag_seconds").set(0.0);
            sleep(STANDBY).await;
        }
        metrics::gauge!("orbit_sealer_active").set(1.0);
        let mut course = Course::start(connection, self.own.reader()).await?;
        let mut thinned = None::<Instant>;
        loop {
            let head = in_time(read::head(&mut course.connection)).await?;
            if self.step(&mut course, head).await? {
                continue;
            }
            if thinned.is_none_or(|at| at.elapsed() >= THIN_OUT) {
                in_time(Seal::thin_out(&mut course.connection, self.clock.now())).await?;
                thinned = Some(Instant::now());
            }
            sleep(REST).await;
            self.wait().await;
        }
    }

    /// Seals the next batch. Whether there is more to be done at once.
    async fn step(&mut self, course: &mut Course, head: Head) -> Result<bool, SealFault> {
        let sealed = course.frontier.size().cast_signed();
        self.observe(sealed, head.position);
        let behind = head.position - sealed;
        if behind < 0 {
            return Err(SealFault::Shorter { head: head.position, sealed });
        }
        let verifier = VerifierKey::of(&self.key, origin(head.epoch)).to_string();
        if behind == 0 && course.signed.as_ref() == Some(&verifier) {
            return Ok(false);
        }
        // What this process has appended and not been told of yet is for the next time: then it is at hand.
        let own = *self.own_head.borrow() - sealed;
        let batch = course.batch(if own > 0 { behind.min(own) } else { behind }).await?;
        let begun = Instant::now();
        let after = sealed + i64::try_from(batch.len()).unwrap_or(i64::MAX);
        let (more, reading) = (behind > BATCH, matches!(batch, Batch::Read(_)));
        let (tree, connection, reader) = (course.frontier.clone(), &mut course.connection, &mut course.reader);
        let seal = async {
            let folded = fold(tree, batch).await?;
            in_time(self.keep(connection, &folded, head, verifier.clone())).await?;
            Ok(folded)
        };
        // The next batch is read while this one is hashed and written.
        let ahead = async { if more && reading { self.read_ahead(reader, after).await } else { Ok(Vec::new()) } };
        let (folded, ahead) = tokio::try_join!(seal, ahead)?;
        (course.frontier, course.ahead, course.signed) = (folded.frontier, ahead, Some(verifier));
        metrics::histogram!("orbit_seal_seconds").record(begun.elapsed());
        metrics::counter!("orbit_sealed_events_total").increment((after - sealed).unsigned_abs());
        self.observe(after, head.position);
        Ok(more)
    }

    async fn read_ahead(&self, reader: &mut Option<PgConnection>, after: i64) -> Result<Vec<Leaf>, SealFault> {
        let reader = if let Some(reader) = reader {
            reader
        } else {
            let options = self.pool.connect_options();
            reader.insert(postgres::connect_with(&options).await.map_err(SealFault::Lock)?)
        };
        in_time(Leaf::read(reader, after, BATCH)).await
    }

    /// Writes tiles and checkpoint, in one transaction: neither is there without the other.
    async fn keep(
        &self,
        connection: &mut PgConnection,
        folded: &Folded,
        head: Head,
        verifier: String,
    ) -> Result<(), Fault> {
        let checkpoint = Checkpoint { origin: origin(head.epoch), size: folded.frontier.size(), root: folded.root };
        let seal = Seal {
            size: checkpoint.size.cast_signed(),
            verifier,
            root: checkpoint.root,
            note: checkpoint.sign(&self.key),
            signed_at: self.clock.now(),
        };
        let mut transaction = connection.begin().await.map_err(Fault::database("begin to seal"))?;
        write(&mut transaction, &folded.tiles).await?;
        seal.insert(&mut transaction).await?;
        transaction.commit().await.map_err(Fault::database("commit a checkpoint"))
    }

    /// Until this process appends, or for a poll's time.
    async fn wait(&mut self) {
        // It ends only with what it follows, of which this is a part.
        let _ = timeout(POLL, self.own_head.changed()).await;
    }

    fn observe(&mut self, sealed: i64, head: i64) {
        if head <= sealed {
            self.level_at = Instant::now();
        }
        metrics::gauge!("orbit_sealed_position").set(as_f64(sealed));
        metrics::gauge!("orbit_seal_lag_events").set(as_f64((head - sealed).max(0)));
        metrics::gauge!("orbit_seal_lag_seconds").set(self.level_at.elapsed().as_secs_f64());
    }
}

/// What only a person can mend is told once, however often it is met again.
fn tell(fault: &SealFault, told: &mut String) {
    let (error, text) = (fault as &dyn std::error::Error, fault.to_string());
    if !fault.is_lasting() {
        tracing::warn!(error, "the sealer starts over");
    } else if *told == text {
        tracing::debug!(error, "the log still cannot be sealed");
    } else {
        tracing::error!(error, "the log cannot be sealed");
    }
    *told = text;
}

/// A batch in the tree.
struct Folded {
    frontier: Frontier,
    root: super::tree::Hash,
    /// Tiles that are new or have grown.
    tiles: Vec<(TileId, Vec<u8>)>,
}

/// Hashes a batch, on a thread that may be kept busy: other tasks of the process go on meanwhile.
async fn fold(frontier: Frontier, batch: Batch) -> Result<Folded, SealFault> {
    let fold = move || match batch {
        Batch::Read(leaves) => fold_now(frontier, leaves.into_iter()),
        Batch::Own(facts) => fold_now(frontier, facts.iter().map(|fact| Leaf::of(fact))),
    };
    tokio::task::spawn_blocking(fold).await.map_err(SealFault::Hashing)?
}

fn fold_now(mut frontier: Frontier, batch: impl Iterator<Item = Leaf>) -> Result<Folded, SealFault> {
    let (before, mut tiles) = (frontier.size(), Vec::new());
    for leaf in batch {
        let expected = frontier.size().cast_signed() + 1;
        if leaf.position != expected {
            return Err(SealFault::Missing(expected));
        }
        let hash = leaf.hash().ok_or(SealFault::Unreadable(leaf.position))?;
        frontier.push(hash, |id, hashes| tiles.push((id, hashes.concat())));
    }
    let size = frontier.size();
    let grown = frontier.partial().filter(|(id, _)| entries(id.level, before) != entries(id.level, size));
    tiles.extend(grown.map(|(id, hashes)| (id, hashes.concat())));
    let root = frontier.root();
    Ok(Folded { frontier, root, tiles })
}

/// A longer tile replaces a shorter one, never the other way round: a sealer that is behind does not take back what
/// one ahead of it has written.
async fn write(connection: &mut PgConnection, tiles: &[(TileId, Vec<u8>)]) -> Result<(), Fault> {
    let levels: Vec<i16> = tiles.iter().map(|(id, _)| i16::try_from(id.level).unwrap_or(i16::MAX)).collect();
    let places: Vec<i64> = tiles.iter().map(|(id, _)| id.index.cast_signed()).collect();
    let hashes: Vec<&[u8]> = tiles.iter().map(|(_, hashes)| hashes.as_slice()).collect();
    sqlx::query!(
        "INSERT INTO log.tiles AS t (level, index, hashes)
         SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
         ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes
         WHERE length(t.hashes) < length(excluded.hashes)",
        &levels,
        &places,
        &hashes as &[&[u8]]
    )
    .execute(connection)
    .await
    .map_err(Fault::database("write tiles of the tree"))?;
    Ok(())
}

async fn try_lock(connection: &mut PgConnection, key: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, key).fetch_one(connection).await
}

async fn in_time<T>(question: impl Future<Output = Result<T, Fault>>) -> Result<T, SealFault> {
    timeout(TIMEOUT, question).await.map_err(|_| SealFault::Slow)?.map_err(SealFault::Log)
}

#[expect(clippy::cast_precision_loss, reason = "a gauge forgives the last bits of a large number")]
fn as_f64(count: i64) -> f64 {
    count as f64
}
