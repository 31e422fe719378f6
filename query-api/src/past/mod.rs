//! Time travel: any read as of any moment (`as_of=<position | RFC 3339>`).
//!
//! The caller's facts up to the moment are folded by the projections themselves into scratch tables, which lie where the
//! serving ones do, and the very question that the route asks is asked there. So there is no second reading of history
//! that could differ from the first, and a context that is added travels too.
//!
//! In reading order: [`Moment`] and how one is found, here; `fold` fills the tables; `feed` reads and opens facts;
//! `threads` knows which streams one thing takes, so that one thing costs what it is and not what its user has written;
//! `scratch` is the pool.

mod feed;
mod fold;
mod scratch;
mod threads;

use std::time::Instant;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use orbit_event_store::{Fault, Log, Vault};
use orbit_platform::{
    http::query::AsOf,
    postgres::{self, Pool},
    problem::{ApiError, FieldProblem, ProblemKind, kinds},
    shutdown::Shutdown,
};
use orbit_projector::projections;
use sqlx::{Postgres, pool::PoolConnection};
use uuid::Uuid;

use self::threads::Threads;
use crate::{answer::Snapshot, freshness, reader::Whose};

/// Facts that one question of the past may take: seconds of work, which are nobody's idea of an answer.
const FACTS_AT_MOST: i64 = 200_000;
/// How metrics call the pool.
const POOL: &str = "scratch";

/// 422: more facts than anybody waits for.
pub static TOO_MUCH_PAST: ProblemKind = ProblemKind {
    code: "too_much_past",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "The past that is asked for is too long",
    explanation: "A read with `as_of` folds your facts up to that moment, and there are more of them than one request may fold (200,000). Ask for an earlier moment, or for `/activities` with filters and without `as_of`: what has happened does not change.",
};

/// A moment of the log, as a read sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Everything up to here has happened, and nothing after it.
    pub position: i64,
    /// What time it was.
    pub at: DateTime<Utc>,
}

/// What an answer depends on: the less that is, the less is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Everything that the caller has: lists, counts, searches.
    Everything,
    /// The caller's account alone.
    Caller,
    /// One thing, and nothing else.
    Itself(Uuid),
    /// One thing and what it mentions: an e-mail with its folder.
    WithMentioned(Uuid),
    /// One thing, what it mentions, and what mentions it: a task with its labels and sub-tasks.
    Kin(Uuid),
    /// One fact: the thing that it happened to, and what that mentions.
    Fact(Uuid),
}

/// What it takes to read the past.
#[derive(Debug)]
pub struct Past {
    scratch: Pool,
    facts: Facts,
    threads: Threads,
}

/// Tables in which facts were folded for one question.
pub struct Folded {
    db: PoolConnection<Postgres>,
    projection: &'static str,
    facts: u64,
    begun: Instant,
}

impl Folded {
    /// Asks them.
    pub async fn ask<T, F>(self, question: impl FnOnce(PoolConnection<Postgres>) -> F) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        let Self { db, projection, facts, begun } = self;
        let answer = question(db).await.map_err(freshness::explain)?;
        tell(projection, facts, begun);
        Ok(answer)
    }
}

fn tell(projection: &'static str, facts: u64, begun: Instant) {
    metrics::counter!("orbit_as_of_facts_total", "projection" => projection).increment(facts);
    metrics::histogram!("orbit_as_of_seconds", "projection" => projection).record(begun.elapsed());
}

/// Where facts come from.
struct Facts {
    log: Log,
    vault: Vault,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Facts")
    }
}

impl Past {
    /// Reads the log of `primary` and folds beside it, over at most `connections` of its own: a replica lets nobody make
    /// tables, and may not have what has just happened.
    pub fn new(primary: &Pool, connections: u32, vault: Vault, shutdown: &Shutdown) -> Self {
        let scratch = scratch::beside(primary, connections);
        postgres::observe(scratch.clone(), POOL, shutdown);
        Self { scratch, facts: Facts { log: Log::new(primary.clone()), vault }, threads: Threads::new() }
    }

    /// The moment that a caller asks for. `now` is the present.
    pub async fn moment(
        &self,
        user_id: Uuid,
        asked: AsOf,
        min_position: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<Moment, ApiError> {
        let log = &self.facts.log;
        let standing = log.standing(user_id).await.map_err(explain)?;
        if standing.erased {
            // The read models may not know yet; of the past nothing is told any more.
            return Err(ApiError::invalid_token());
        }
        let head = standing.head;
        let moment = match asked {
            AsOf::Position(position) if position > head => {
                return Err(refuse("beyond_the_end", format!("the log ends at {head}")));
            }
            AsOf::Position(position) => {
                let at = log.recorded_at(position).await.map_err(explain)?;
                Moment { position, at: at.unwrap_or(now) }
            }
            AsOf::Time(at) if at >= now => Moment { position: head, at: now },
            AsOf::Time(at) => Moment { position: log.position_at(user_id, at).await.map_err(explain)?, at },
        };
        match min_position {
            Some(wanted) if wanted > head => Err(ApiError::projection_lag(wanted, head)),
            Some(wanted) if wanted > moment.position => {
                let position = moment.position;
                Err(refuse("before_min_position", format!("it is position {position}, Orbit-Min-Position is {wanted}")))
            }
            _ => Ok(moment),
        }
    }

    /// The read model of a moment: tables in which what the answer depends on was folded up to there. Boxed, so that it
    /// is compiled once and not for each question.
    pub fn fold(
        &self,
        moment: Moment,
        projection: &'static str,
        whose: Whose,
        about: About,
    ) -> BoxFuture<'_, Result<Folded, ApiError>> {
        Box::pin(async move {
            let begun = Instant::now();
            let registered = projections::find(projection)
                .ok_or_else(|| ApiError::internal(format!("there is no projection {projection}")))?;
            // Taken first: as many requests as there are connections hold facts in memory, and no more.
            let mut db = postgres::acquire(&self.scratch, POOL).await?;
            let streams = self.streams(moment, whose.user_id, about).await?;
            let facts = fold::fold(&self.facts, &mut db, registered, moment, whose, streams.as_deref()).await?;
            Ok(Folded { db, projection, facts, begun })
        })
    }

    /// The streams that are to be folded; `None` for all of the caller's.
    async fn streams(&self, moment: Moment, user_id: Uuid, about: About) -> Result<Option<Vec<Uuid>>, ApiError> {
        let id = match about {
            About::Everything => return Ok(None),
            About::Caller => return Ok(Some(vec![user_id])),
            About::Itself(id) => return Ok(Some(vec![id])),
            About::WithMentioned(id) | About::Kin(id) => id,
            About::Fact(id) => match self.facts.log.stream_of(user_id, id).await.map_err(explain)? {
                Some(stream) => stream,
                // Nobody's, or somebody else's.
                None => return Ok(Some(Vec::new())),
            },
        };
        let mut streams = vec![id];
        streams.extend(threads::mentioned_by(&self.facts, user_id, id, moment.position).await?);
        if let About::Kin(_) = about {
            streams.extend(self.threads.mentioning(&self.facts, user_id, id, moment.position).await?);
        }
        streams.sort_unstable();
        streams.dedup();
        Ok(Some(streams))
    }
}

fn refuse(code: &'static str, detail: String) -> ApiError {
    ApiError::of(&kinds::INVALID_QUERY, "not right: as_of").with_field(FieldProblem::new("?as_of", code, detail))
}

/// The log's faults, as answers.
pub(crate) fn explain(fault: Fault) -> ApiError {
    match fault {
        Fault::Database { source, .. } => freshness::explain(source),
        Fault::Forgotten => ApiError::invalid_token(),
        fault if fault.is_temporary() => ApiError::unavailable("the log").with_source(fault),
        fault => ApiError::internal(fault),
    }
}
