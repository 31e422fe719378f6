//! One import: reading, understanding and storing go on beside one another, a few groups apart, so that memory is bounded
//! and no processor waits for the disk.
//!
//! Where to go on is written down behind the facts of a group. Whoever dies in between leaves a group that is taken in
//! once more, which changes nothing: its messages are known.

use std::io;

use chrono::{DateTime, Utc};
use orbit_adapters::mailbox::{Item, Mark, Messages};
use orbit_event_store::imports::{Counts, ERRORS, Going, Import, Imports, Problem, Progress};
use orbit_events::{
    Actor, UserId,
    emails::{self, Role, Where},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    groups::{self, Group, problem},
    places::Places,
};
use crate::ingest::{Again, Cause, Fault as IngestFault, Incoming, Ingest, Outcome, Prepared, Taken};

/// Groups that wait between two steps: with those in work, five at most.
const GROUPS: usize = 1;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All of it was taken in.
    Complete,
    /// Its user wants no more of it.
    Cancelled,
    /// Somebody else goes on with it, or it is gone.
    Lost,
}

/// Why it was cut short. It can be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Messages could not be taken in.
    #[error(transparent)]
    Ingest(#[from] IngestFault),
    /// How far it is could not be written down.
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    /// The mailbox could not be read.
    #[error("the mailbox could not be read")]
    Mailbox(#[source] io::Error),
    /// Where to go on cannot be understood.
    #[error("where the import stopped is not written as it should be")]
    Mark(#[source] serde_json::Error),
    /// The thread that reads has panicked.
    #[error("the thread that reads the mailbox has ended")]
    Thread(#[source] tokio::task::JoinError),
}

impl Fault {
    /// Whether its user was forgotten meanwhile.
    pub fn is_of_the_forgotten(&self) -> bool {
        use orbit_event_store::Fault::Forgotten;
        matches!(self, Self::Log(Forgotten) | Self::Ingest(IngestFault::Log(Forgotten)))
    }
}

/// A group that was read, and what is to be counted of it.
struct Understood {
    prepared: Prepared,
    /// Behind which of its messages one would go on, for what is told of them.
    marks: Vec<Mark>,
    bad: Vec<Problem>,
    next: Option<Mark>,
    bytes: usize,
}

/// Works on a job to its end. `open` opens the mailbox behind a mark; `told` hears of every step.
pub async fn work(
    ingest: &Ingest,
    imports: &Imports,
    import: &Import,
    worker: Uuid,
    open: impl FnOnce(Option<Mark>) -> io::Result<Messages> + Send + 'static,
    told: impl Fn(&Progress) + Sync,
) -> Result<Ended, Fault> {
    let cause = Cause {
        user: UserId(import.user_id),
        actor: Actor::User,
        correlation_id: import.id,
        // They bring it themselves.
        again: Again::Yes,
    };
    let mark = import.progress.resume.clone().map(serde_json::from_value).transpose().map_err(Fault::Mark)?;
    let (sending, groups) = mpsc::channel(GROUPS);
    let reading = tokio::task::spawn_blocking(move || {
        let messages = open(mark)?;
        groups::read(messages, |group| sending.blocking_send(group).is_ok())
    });
    let (understood, prepared) = mpsc::channel(GROUPS);
    let places = Places::new(ingest, cause, import.folder.clone()).await?;
    let understanding = understand(places, import.created_at, groups, understood);
    let storing = store(ingest, imports, import, worker, cause, prepared, told);
    let (understood, stored) = tokio::join!(understanding, storing);
    // If nobody takes what is read, reading ends too.
    let read = reading.await.map_err(Fault::Thread)?;
    let ended = stored?;
    understood?;
    if ended == Ended::Complete {
        read.map_err(Fault::Mailbox)?;
    }
    Ok(ended)
}

async fn understand(
    mut places: Places<'_>,
    now: DateTime<Utc>,
    mut groups: mpsc::Receiver<Group>,
    understood: mpsc::Sender<Understood>,
) -> Result<(), Fault> {
    while let Some(Group { items, bad, next, bytes }) = groups.recv().await {
        let mut group = Vec::with_capacity(items.len());
        let mut marks = Vec::with_capacity(items.len());
        for item in items {
            let place = places.of(&item).await?;
            marks.push(item.next.clone());
            group.push(incoming(item, place, now));
        }
        let prepared = Prepared::read(group).await?;
        if understood.send(Understood { prepared, marks, bad, next, bytes }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A message as it is brought. What does not say when it came, came with the import.
fn incoming(item: Item, place: Where, now: DateTime<Utc>) -> Incoming {
    Incoming {
        raw: item.raw,
        place,
        // Nobody reads what they wrote themselves for the first time.
        is_read: item.read.unwrap_or(matches!(place.role, Role::Sent | Role::Drafts)),
        is_starred: item.starred.unwrap_or(false),
        labels: item.labels,
        received_at: item.received_at.unwrap_or(now),
        origin: emails::Origin::Import,
    }
}

async fn store(
    ingest: &Ingest,
    imports: &Imports,
    import: &Import,
    worker: Uuid,
    cause: Cause,
    mut prepared: mpsc::Receiver<Understood>,
    told: impl Fn(&Progress) + Sync,
) -> Result<Ended, Fault> {
    let mut progress = import.progress.clone();
    while let Some(Understood { prepared, marks, bad, next, bytes }) = prepared.recv().await {
        let taken = ingest.commit(&cause, prepared).await?;
        count(&mut progress.counts, &taken, bad.len());
        let refused = taken.iter().zip(&marks).filter_map(|(one, mark)| match one.outcome {
            Outcome::Refused(code) => Some(problem(mark, code, "the message that ends here cannot be taken in")),
            Outcome::Created | Outcome::Back | Outcome::Known => None,
        });
        let room = ERRORS.saturating_sub(progress.errors.len());
        progress.errors.extend(bad.into_iter().chain(refused).take(room));
        progress.bytes_done = match &next {
            Some(Mark::Offset(offset)) => i64::try_from(*offset).unwrap_or(i64::MAX),
            Some(Mark::Name(_)) | None => progress.bytes_done.saturating_add(i64::try_from(bytes).unwrap_or(0)),
        };
        progress.resume = next.map(|next| serde_json::to_value(next).unwrap_or_default()).or(progress.resume);
        metrics::counter!("orbit_import_messages_total").increment(taken.len() as u64);
        told(&progress);
        match imports.progress(import.id, worker, &progress).await? {
            Going::On => {}
            Going::Cancelled => return Ok(Ended::Cancelled),
            Going::Lost => return Ok(Ended::Lost),
        }
    }
    Ok(Ended::Complete)
}

fn count(counts: &mut Counts, taken: &[Taken], bad: usize) {
    let bad = i64::try_from(bad).unwrap_or(0);
    counts.messages += bad;
    counts.refused += bad;
    for one in taken {
        counts.messages += 1;
        counts.noted += i64::from(one.notes > 0);
        *match one.outcome {
            Outcome::Created | Outcome::Back => &mut counts.created,
            Outcome::Known => &mut counts.known,
            Outcome::Refused(_) => &mut counts.refused,
        } += 1;
    }
}
