//! Catching up: folding what the log holds up to a position. Workers do it before they go live and at every hole; by
//! itself it fills read models as fast as the machine can, and ends.

use std::time::{Duration, Instant};

use orbit_event_store::{Log, Page, Stored, Vault};
use orbit_events::Partition;
use orbit_platform::postgres::Pool;
use tokio::task::JoinSet;

use super::{BATCH, BATCH_BYTES, Course, Fault, Opened, permit, permits};
use crate::projection::{Registered, Tables};

/// What catching up came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaughtUp {
    /// The head of the log when it began: every projection has folded everything up to here.
    pub head: i64,
    /// Facts that were applied, once for each projection that wants them.
    pub facts: u64,
    /// How long it took.
    pub took: Duration,
}

/// Folds the log up to its present head into the tables of these projections, all partitions side by side, and ends.
///
/// As many batches are under way at once as `pool` has connections to spare. Tables and checkpoints are those of the
/// `search_path`. No claims are taken: if a projector works on the same checkpoints, one of the two stops with
/// [`Fault::LostClaim`].
pub async fn catch_up(
    pool: &Pool,
    log: &Log,
    vault: &Vault,
    projections: &'static [Registered],
) -> Result<CaughtUp, Fault> {
    let began = Instant::now();
    let head = log.head().await?;
    let permits = permits(pool);
    let mut running = JoinSet::new();
    for projection in projections {
        for partition in head.partitions.all() {
            let (pool, log, vault, permits) = (pool.clone(), log.clone(), vault.clone(), permits.clone());
            running.spawn(async move {
                let mut course = Course::start(pool, projection, partition, Tables::Serving).await?;
                let mut seen = course.position();
                let mut applied = 0;
                loop {
                    let _permit = permit(&permits).await;
                    let batch = Batch::read(&log, &vault, projection, partition, seen, head.position).await?;
                    let facts: Vec<&Opened> = batch.facts.iter().collect();
                    if facts.is_empty() {
                        course.skip(batch.upto).await?;
                    } else {
                        course.apply(&facts, batch.upto).await?;
                    }
                    applied += facts.len() as u64;
                    seen = batch.upto;
                    if batch.last {
                        return Ok::<u64, Fault>(applied);
                    }
                }
            });
        }
    }
    let mut facts = 0;
    while let Some(ended) = running.join_next().await {
        facts += ended.map_err(Fault::broker("wait for a partition"))??;
    }
    Ok(CaughtUp { head: head.position, facts, took: began.elapsed() })
}

/// Some facts of a partition, read from the log and opened.
pub(super) struct Batch {
    /// Those that the projection wants.
    pub facts: Vec<Opened>,
    /// Every fact of the partition up to here has been read.
    pub upto: i64,
    /// Nothing is left up to where it was to be read.
    pub last: bool,
}

impl Batch {
    pub async fn read(
        log: &Log,
        vault: &Vault,
        projection: &Registered,
        partition: Partition,
        after: i64,
        upto: i64,
    ) -> Result<Self, Fault> {
        if after >= upto {
            return Ok(Self { facts: Vec::new(), upto: after, last: true });
        }
        let most = |most: usize| i64::try_from(most).unwrap_or(i64::MAX);
        let page = Page { facts: most(BATCH), bytes: most(BATCH_BYTES) };
        let mut stored = log.page(partition, after, upto, page).await?;
        let last = !page.is_full(&stored);
        let read = stored.last().map_or(upto, |s| s.envelope.position);
        // What is not wanted need not be opened.
        stored.retain(|s| projection.interest.wants(&s.envelope));
        let facts = Stored::open_all(stored, vault).await?;
        Ok(Self { facts, upto: if last { upto } else { read }, last })
    }
}
