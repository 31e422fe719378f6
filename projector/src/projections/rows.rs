//! Load, fold, store: how facts become rows a batch at a time.
//!
//! The rows that a batch touches are read in one statement, the facts are folded into them in memory in their order,
//! and what came of it is written in one or two more. So a batch costs a handful of statements however long it is, the
//! order within it is kept, and a fact whose version the row has reached changes nothing.

use std::collections::{HashMap, HashSet};

use orbit_events::{Envelope, Event, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::projection::ApplyFault;

/// A table of one row per stream.
pub(super) trait Row: Sized + Send {
    /// The facts of that stream.
    type Event: Sync;

    /// The fact, if it is one of this table's.
    fn pick(event: &Event) -> Option<&Self::Event>;

    /// The rows of these streams.
    fn load(connection: &mut PgConnection, ids: &[Uuid]) -> impl Future<Output = Result<Vec<Self>, ApplyFault>> + Send;

    /// The row's stream, and the version of it that the row has reached.
    fn reached(&self) -> (Uuid, i64);

    /// The row after a fact, having reached its version; `None` if there is none then.
    fn fold(row: Option<Self>, event: &Self::Event, envelope: &Envelope) -> Option<Self>;
}

/// What came of folding facts.
pub(super) struct Folded<R> {
    /// Rows of streams that began in these facts, as far as the facts tell.
    pub new: Vec<R>,
    /// Rows that were there and have changed.
    pub changed: Vec<R>,
    /// Streams that have no row any more, and those that ended and came back: their new row is among the others.
    pub gone: Vec<Gone>,
}

/// A stream, or a user, that is no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone {
    pub id: Uuid,
    pub user_id: Uuid,
    /// The version at which it ended.
    pub version: i64,
}

impl<R> Folded<R> {
    /// All rows that are to be written.
    pub fn into_rows(self) -> Vec<R> {
        let mut rows = self.new;
        rows.extend(self.changed);
        rows
    }
}

/// Streams and users that are no more, with the version at which they ended.
pub(super) type Removed = HashMap<Uuid, i64>;

struct Slot<R> {
    user_id: Uuid,
    version: i64,
    row: Option<R>,
    /// The version at which the stream last ended.
    ended: Option<i64>,
    fresh: bool,
    touched: bool,
}

/// Folds those of the facts that are of this table into the rows they touch.
pub(super) async fn fold<R: Row>(
    connection: &mut PgConnection,
    facts: &[&Recorded],
    removed: &Removed,
) -> Result<Folded<R>, ApplyFault> {
    let facts: Vec<(&Envelope, &R::Event)> =
        facts.iter().filter_map(|fact| Some((&fact.envelope, R::pick(fact.event()?)?))).collect();
    // A stream that begins in this batch has no row yet. If it has one after all, because its facts are delivered again,
    // the version keeps the row from being written over.
    let mut seen = HashSet::with_capacity(facts.len());
    let known: Vec<Uuid> = facts
        .iter()
        .filter(|(envelope, _)| seen.insert(envelope.stream_id) && envelope.version > 1)
        .map(|(envelope, _)| envelope.stream_id)
        .collect();
    let mut slots: HashMap<Uuid, Slot<R>> = HashMap::with_capacity(seen.len());
    if !known.is_empty() {
        for row in R::load(connection, &known).await? {
            let (id, version) = row.reached();
            slots.insert(
                id,
                Slot { user_id: Uuid::nil(), version, row: Some(row), ended: None, fresh: false, touched: false },
            );
        }
    }
    let mut order = Vec::with_capacity(seen.len());
    for (envelope, event) in facts {
        let id = envelope.stream_id;
        let slot = slots.entry(id).or_insert_with(|| {
            let version = removed.get(&id).copied().unwrap_or(0);
            Slot { user_id: Uuid::nil(), version, row: None, ended: None, fresh: true, touched: false }
        });
        if envelope.version <= slot.version {
            continue;
        }
        if !slot.touched {
            slot.touched = true;
            order.push(id);
        }
        slot.version = envelope.version;
        slot.user_id = envelope.user_id.0;
        slot.row = R::fold(slot.row.take(), event, envelope);
        if slot.row.is_none() {
            slot.ended = Some(slot.version);
        }
    }
    let mut folded = Folded { new: Vec::new(), changed: Vec::new(), gone: Vec::new() };
    for id in order {
        let Some(slot) = slots.remove(&id) else { continue };
        if let Some(version) = slot.ended {
            folded.gone.push(Gone { id, user_id: slot.user_id, version });
        }
        match slot.row {
            // Its old row goes with what has ended.
            Some(row) if slot.fresh || slot.ended.is_some() => folded.new.push(row),
            Some(row) => folded.changed.push(row),
            None => {}
        }
    }
    Ok(folded)
}

/// One column of many rows, as the array that `unnest` takes.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    // A loop, because there are hundreds of columns: each would have its own copy of what `map` and `collect` are made of.
    let mut column = Vec::with_capacity(rows.len());
    for row in rows {
        column.push(value(row));
    }
    column
}

/// Ids as the text of an array. An array of arrays would have to be rectangular, so each row's ids travel as text.
pub(super) fn uuids_as_text(ids: &[Uuid]) -> String {
    let mut text = String::with_capacity(2 + 37 * ids.len());
    text.push('{');
    for (n, id) in ids.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }
    text.push('}');
    text
}

/// The wire type of the fact that ends a user. Told by its type, because its content may be gone when it is read.
pub(crate) const ERASED: &str = "users.erased";

/// The users whose facts these are, each once.
pub(super) fn users(facts: &[&Recorded]) -> HashSet<Uuid> {
    facts.iter().map(|fact| fact.envelope.user_id.0).collect()
}

/// Users who are erased by one of these facts.
pub(super) fn erased(facts: &[&Recorded]) -> Vec<Gone> {
    let erasures = facts.iter().map(|fact| &fact.envelope).filter(|envelope| envelope.wire_type == ERASED);
    erasures.map(|e| Gone { id: e.user_id.0, user_id: e.user_id.0, version: e.version }).collect()
}

/// The ids of what is no more.
pub(super) fn ids(gone: &[Gone]) -> Vec<Uuid> {
    gone.iter().map(|gone| gone.id).collect()
}
