//! What the facts of one thing changed: its stream folded from the beginning, with its fields before and after each fact
//! that is asked for.

use std::ops::RangeInclusive;

use orbit_domain::{Aggregate, Fields};
use orbit_event_store::{Log, Stored};
use orbit_events::{Content, Envelope, Fact as _, Outward};
use orbit_platform::problem::ApiError;
use serde_json::Value;
use uuid::Uuid;

use super::{
    question::explain,
    view::{Cause, CausingFact, Change, Entry},
};
use crate::app::Reads;

/// Facts read from a stream at once while it is folded.
const PAGE: i64 = 500;

/// The facts of a stream in a range of versions, in order. Folding begins at the first fact, whatever the range: it costs
/// what the stream is long, and holds one page and the entries in memory.
pub async fn entries<A: Aggregate>(
    reads: &Reads,
    stream_id: Uuid,
    versions: RangeInclusive<i64>,
) -> Result<Vec<Entry>, ApiError> {
    let log = Log::new(reads.pool().clone());
    let mut fold = Fold::<A> { state: Some(A::State::default()), entries: Vec::new(), versions };
    let mut version = 0;
    while version < *fold.versions.end() {
        let limit = PAGE.min(fold.versions.end() - version);
        let page = log.stream(stream_id, version, limit).await.map_err(explain)?;
        // Another replica than the one that told how far the stream is.
        let last = page.last().ok_or_else(|| ApiError::unavailable("a replica that has this"))?;
        version = last.envelope.version;
        for stored in page {
            fold.step(reads, stored).await?;
        }
    }
    Ok(fold.entries)
}

struct Fold<A: Aggregate> {
    /// `None` from a fact on that cannot be read: what it did, and what the later ones did to that, is not known.
    state: Option<A::State>,
    entries: Vec<Entry>,
    versions: RangeInclusive<i64>,
}

impl<A: Aggregate> Fold<A> {
    async fn step(&mut self, reads: &Reads, stored: Stored) -> Result<(), ApiError> {
        let wanted = self.versions.contains(&stored.envelope.version);
        let opened = stored.open_as::<A::Event>(reads.vault()).await.map_err(explain)?;
        let before = self.state.as_ref().filter(|_| wanted).map(A::fields);
        let (envelope, fact) = match opened {
            // Forgotten while this was asked.
            Ok(fact) if fact.content == Content::Forgotten => return Err(ApiError::not_found()),
            Ok(fact) => {
                let event = fact.event();
                self.state = self.state.take().zip(event).map(|(state, event)| A::evolve(state, event));
                let outward = wanted.then(|| Outward::of(&fact.envelope, event.map(A::Event::payload)));
                (fact.envelope, outward)
            }
            Err((envelope, why)) => {
                self.state = None;
                let outward = wanted.then(|| Outward::unreadable(&envelope, why.code()));
                (envelope, outward)
            }
        };
        if let Some(fact) = fact {
            let after = self.state.as_ref().map(A::fields);
            let changes = before.zip(after).map(|(before, after)| changes(&before, &after));
            self.entries.push(entry(&envelope, fact, changes));
        }
        Ok(())
    }
}

fn entry(envelope: &Envelope, fact: Outward, changes: Option<Vec<Change>>) -> Entry {
    let fact = super::view::Fact::from(fact);
    // Its type and position are looked up for the page as a whole.
    let causing = fact.causation_id.map(|id| CausingFact { id, wire_type: None, position: None });
    let cause = Cause { actor: fact.actor.clone(), session_id: envelope.metadata.session_id, fact: causing };
    Entry { entity_version: envelope.version, fact, cause, changes }
}

/// The fields that are not what they were.
fn changes(before: &Fields, after: &Fields) -> Vec<Change> {
    let mut names: Vec<&'static str> = before.keys().chain(after.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let value = |fields: &Fields, name| fields.get(name).cloned().unwrap_or(Value::Null);
    let all = names.into_iter().map(|field| Change { field, before: value(before, field), after: value(after, field) });
    // What was nothing and is nothing has not changed, though one side has a word for it.
    all.filter(|change| change.before != change.after).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_not_as_it_was_is_a_change() {
        let before = Fields::from([("title", json!("a")), ("due_date", json!(null)), ("labels", json!([]))]);
        let after = Fields::from([("title", json!("b")), ("due_date", json!(null)), ("status", json!("open"))]);
        let found: Vec<_> = changes(&before, &after).into_iter().map(|it| (it.field, it.before, it.after)).collect();
        assert_eq!(
            found,
            [
                ("labels", json!([]), json!(null)),
                ("status", json!(null), json!("open")),
                ("title", json!("a"), json!("b")),
            ]
        );
        assert!(changes(&Fields::new(), &Fields::from([("due_date", json!(null))])).is_empty());
    }
}
