//! What taking facts back needs to read: a user's facts by their own id or by their request's, and what facts did.
//!
//! The log has no index on either id, since it would cost every append some percent. A user's facts are walked newest
//! first instead, a page at a time; what is taken back is new at most times, and then lies on the first page.

use std::collections::{BTreeSet, HashMap};

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
/// Facts looked at in one statement. Few enough for the planner to walk an index backwards: asked for very many, it would
/// read and sort the whole log.
const WALK: i64 = 2_000;

/// Streams that are read in one statement, and most facts of each.
const STREAMS: usize = 100;
const SHORT: i64 = 20;

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
        let mut folding = Folding::<A>::new(versions);
        let (mut version, last) = (0, versions.last().copied().unwrap_or(0));
        while version < last {
            let page = self.stream(id, version, PAGE.min(last - version)).await?;
            let Some(newest) = page.last() else { break };
            version = newest.envelope.version;
            for stored in &page {
                folding.fold(vault, stored).await?;
            }
        }
        Ok(folding.done)
    }

    /// The beginnings of streams, as far as they are wanted, of those that are short: one statement for many of them.
    /// A stream that is not among them is read by [`done`](Self::done) on its own.
    pub async fn short(&self, streams: &[(Uuid, i64)]) -> Result<HashMap<Uuid, Vec<Stored>>, Fault> {
        let mut short: HashMap<Uuid, Vec<Stored>> = HashMap::new();
        let wanted: Vec<(Uuid, i64)> = streams.iter().filter(|(_, last)| *last <= SHORT).copied().collect();
        for chunk in wanted.chunks(STREAMS) {
            let (ids, lasts): (Vec<Uuid>, Vec<i64>) = chunk.iter().copied().unzip();
            let rows = sqlx::query_as!(
                Row,
                r#"SELECT e.position, e.event_id, e.user_id, e.partition, e.category, e.stream_id, e.version,
                          e.type AS wire_type, e.schema_version, e.data, e.metadata AS "metadata: Json<Metadata>",
                          e.recorded_at
                   FROM unnest($1::uuid[], $2::bigint[]) AS s (id, last)
                   JOIN log.events e ON e.stream_id = s.id AND e.version <= s.last
                   ORDER BY e.stream_id, e.version LIMIT $3"#,
                &ids,
                &lasts,
                SHORT * i64::try_from(STREAMS).unwrap_or(i64::MAX)
            )
            .fetch_all(self.pool())
            .await
            .map_err(Fault::database("read the beginnings of streams"))?;
            for stored in rows.into_iter().map(Stored::from) {
                short.entry(stored.envelope.stream_id).or_default().push(stored);
            }
        }
        Ok(short)
    }

    /// What [`done`](Self::done) tells, of a stream that was read before.
    pub async fn done_of<A: Aggregate>(
        vault: &Vault,
        facts: &[Stored],
        versions: &BTreeSet<i64>,
    ) -> Result<Vec<Done>, Fault> {
        let mut folding = Folding::<A>::new(versions);
        for stored in facts {
            folding.fold(vault, stored).await?;
        }
        Ok(folding.done)
    }
}

/// Folds a stream and notes what some of its facts do.
struct Folding<'a, A: Aggregate> {
    state: A::State,
    versions: &'a BTreeSet<i64>,
    done: Vec<Done>,
}

impl<'a, A: Aggregate> Folding<'a, A> {
    fn new(versions: &'a BTreeSet<i64>) -> Self {
        Self { state: A::State::default(), versions, done: Vec::with_capacity(versions.len()) }
    }

    async fn fold(&mut self, vault: &Vault, stored: &Stored) -> Result<(), Fault> {
        let event = open::<A>(vault, stored).await?;
        let before = self.versions.contains(&stored.envelope.version).then(|| A::fields(&self.state));
        self.state = A::evolve(std::mem::take(&mut self.state), &event);
        if let Some(before) = before {
            let change = Change { before, after: A::fields(&self.state) };
            self.done.push(Done { change, reversal: A::reversal(&event) });
        }
        Ok(())
    }
}
