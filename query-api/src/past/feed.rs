//! A user's facts out of the log, opened, some at a time.

use orbit_event_store::{Page, Selection, Stored};
use orbit_events::Recorded;
use orbit_platform::problem::ApiError;
use orbit_projector::runner::Opened;

use super::{FACTS_AT_MOST, Facts, TOO_MUCH_PAST, explain};

/// Facts read at once. While the database folds some, the next ones are read and opened; but rows that change many times
/// within them are written once, so they are better many.
const AT_ONCE: Page = Page { facts: 5_000, bytes: 16 * 1024 * 1024 };
/// Facts opened before others get their turn on this thread: a millisecond or two.
const BETWEEN_TURNS: usize = 250;

/// The facts that a selection leaves, in order.
pub(super) struct Feed<'a> {
    facts: &'a Facts,
    selection: Selection<'a>,
    ended: bool,
    counted: bool,
}

impl<'a> Feed<'a> {
    pub fn new(facts: &'a Facts, selection: Selection<'a>) -> Self {
        let ended = selection.upto <= selection.after || selection.streams.is_some_and(<[_]>::is_empty);
        Self { facts, selection, ended, counted: false }
    }

    /// The next facts; none at the end. Refuses what would be too many before most of the work is done.
    pub async fn next(&mut self) -> Result<Vec<Opened>, ApiError> {
        if self.ended {
            return Ok(Vec::new());
        }
        let mut stored = self.facts.log.of_user(self.selection, AT_ONCE).await.map_err(explain)?;
        self.ended = !AT_ONCE.is_full(&stored);
        if !self.ended && !self.counted {
            let count = self.facts.log.count(self.selection, FACTS_AT_MOST + 1).await.map_err(explain)?;
            if count > FACTS_AT_MOST {
                let detail = format!("it takes more than {FACTS_AT_MOST} facts");
                return Err(ApiError::of(&TOO_MUCH_PAST, detail));
            }
            self.counted = true;
        }
        if let Some(last) = stored.last() {
            self.selection.after = last.envelope.position;
        }
        let mut opened = Vec::with_capacity(stored.len());
        while !stored.is_empty() {
            let rest = stored.split_off(stored.len().min(BETWEEN_TURNS));
            opened.extend(Stored::open_all(stored, &self.facts.vault).await.map_err(explain)?);
            stored = rest;
            tokio::task::yield_now().await;
        }
        if opened.iter().flatten().any(is_forgotten) {
            // Forgotten while it was read.
            return Err(ApiError::invalid_token());
        }
        Ok(opened)
    }
}

fn is_forgotten(fact: &Recorded) -> bool {
    fact.event().is_none()
}
