//! What taking facts back needs to read: a user's facts by their own id or by their request's, and what facts did.
//!
//! The log has no index on either id, since it would cost every append some percent. A user's facts are walked newest
//! first instead, a page at a time; what is taken back is new at most times, and then lies on the first page.

use std::collections::BTreeSet;

use orbit_domain::{
    Aggregate,
    undo::{Change, Reversal},
};
use orbit_events::{EventId, Metadata, UserId};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    Fault, Stored, Vault,
    loaded::{PAGE, open},
    read::Log,
    stored::Row,
};

/// How many of a user's newest facts are looked through.
pub const LOOKBACK: i64 = 200_000;
/// Facts looked at in one statement. Few enough for the planner to walk the index on (user, position).
const WALK: i64 = 2_000;

/// Which facts are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One fact.
    Event(EventId),
    /// All facts of one request or job.
    Correlation(Uuid),
}

/// What one fact of an aggregate did, and how that can be taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// All fields before and after.
    pub change: Change,
    /// How it can be taken back.
    pub reversal: Reversal,
}

impl Log {
    /// The user's facts that are wanted, newest first, at most `limit`, among the user's newest [`LOOKBACK`].
    pub async fn find(&self, user: UserId, wanted: Wanted, limit: usize) -> Result<Vec<Stored>, Fault> {
        let (event, correlation) = match wanted {
            Wanted::Event(EventId(id)) => (Some(id), None),
            Wanted::Correlation(id) => (None, Some(id.as_hyphenated().to_string())),
        };
        let limit = if event.is_some() { 1 } else { limit };
        let (mut found, mut below, mut walked) = (Vec::new(), i64::MAX, 0);
        while walked < LOOKBACK && found.len() < limit {
            let page = sqlx::query!(
                r#"SELECT position, coalesce(event_id = $4 OR metadata->>'correlation_id' = $5, false) AS "wanted!"
                   FROM log.events WHERE user_id = $1 AND position < $2 ORDER BY position DESC LIMIT $3"#,
                user.0,
                below,
                WALK,
                event,
                correlation
            )
            .fetch_all(self.pool())
            .await
            .map_err(Fault::database("look for a user's facts"))?;
            let Some(last) = page.last() else { break };
            below = last.position;
            found.extend(page.iter().filter(|row| row.wanted).map(|row| row.position));
            walked += WALK;
        }
        found.truncate(limit);
        self.at_positions(&found).await
    }

    async fn at_positions(&self, positions: &[i64]) -> Result<Vec<Stored>, Fault> {
        let limit = i64::try_from(positions.len()).unwrap_or(i64::MAX);
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM log.events WHERE position = ANY($1) ORDER BY position DESC LIMIT $2"#,
            positions,
            limit
        )
        .fetch_all(self.pool())
        .await
        .map_err(Fault::database("read facts by their positions"))?;
        Ok(rows.into_iter().map(Stored::from).collect())
    }

    /// What the facts with these versions did to their aggregate, oldest first. Those that are not there are left out.
    pub async fn done<A: Aggregate>(
        &self,
        vault: &Vault,
        id: Uuid,
        versions: &BTreeSet<i64>,
    ) -> Result<Vec<Done>, Fault> {
        let mut state = A::State::default();
        let mut done = Vec::with_capacity(versions.len());
        let (mut version, last) = (0, versions.last().copied().unwrap_or(0));
        while version < last {
            let page = self.stream(id, version, PAGE.min(last - version)).await?;
            let Some(newest) = page.last() else { break };
            version = newest.envelope.version;
            for stored in page {
                let event = open::<A>(vault, &stored).await?;
                if !versions.contains(&stored.envelope.version) {
                    state = A::evolve(state, &event);
                    continue;
                }
                let before = A::fields(&state);
                state = A::evolve(state, &event);
                let change = Change { before, after: A::fields(&state) };
                done.push(Done { change, reversal: A::reversal(&event) });
            }
        }
        Ok(done)
    }
}
