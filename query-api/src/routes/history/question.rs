//! Facts of the log: what can be asked for, the statement that asks, and how they are told.

use orbit_event_store::{Fault, Stored};
use orbit_events::{Event, Outward, entity_type};
use orbit_platform::{
    http::query::{Ops, Refusal},
    problem::ApiError,
};
use sqlx::{FromRow as _, PgConnection, Row as _};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::History;
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::{
        activities::action_type,
        conditions::Sql,
        filters::{self, FilterColumn, Filters, Holds, column},
    },
};

/// Who can act.
const ACTORS: [&str; 4] = ["user", "agent", "system", "integration"];

/// What facts are filtered by, in lists and streams.
pub const FILTERS: [FilterColumn; 6] = [
    column("entity", "e.stream_id", Ops::Equality, Holds::Id, "The id of what it happened to"),
    column(
        "entity_type",
        "e.category",
        Ops::Equality,
        Holds::Text(category_of),
        "What it happened to: `task`, `list`, `label`, `user`, `login` …",
    ),
    column(
        "category",
        "e.category",
        Ops::Equality,
        Holds::Name(Event::CATEGORIES),
        "The part of `type` before the dot",
    ),
    column("type", "e.type", Ops::Equality, Holds::Text(action_type), "The fact's wire type, see `/activities/types`"),
    column("actor", "(e.metadata -> 'actor' ->> 'type')", Ops::Equality, Holds::Name(&ACTORS), "Who did it"),
    column(
        "correlation_id",
        "((e.metadata ->> 'correlation_id')::uuid)",
        Ops::Equality,
        Holds::Id,
        "The chain of cause and effect that it belongs to",
    ),
];
/// Where they lie: filters of lists, which have an end.
pub const PLACES: [FilterColumn; 2] = [
    column("position", "e.position", Ops::Order, Holds::Number, "The place in the log, as in `Orbit-Position`"),
    column("recorded_at", "e.recorded_at", Ops::Order, Holds::Time, "When it was recorded"),
];

/// [`FILTERS`] in the document.
pub struct FilterParameters;

impl IntoParams for FilterParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters::parameters(&FILTERS)
    }
}

/// [`PLACES`] in the document.
pub struct PlaceParameters;

impl IntoParams for PlaceParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters::parameters(&PLACES)
    }
}

/// Facts of the caller's in the order of the log.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which ones: all of these hold together.
    pub which: &'a [&'a Filters],
    /// Newest first.
    pub descending: bool,
    /// The position after which it goes on, in its direction.
    pub after: Option<i64>,
    /// How many at most; 0 to learn only how far the log is.
    pub fetch: i64,
    /// Whether to count all that the filters let through.
    pub count: bool,
}

/// Facts as the log holds them, still sealed.
#[derive(Debug)]
pub struct Answer {
    /// Whether the caller was erased: the facts are not to be opened, though this process may still know the key.
    pub erased: bool,
    /// The facts.
    pub facts: Vec<Stored>,
    /// How many the filters let through, if that was asked for.
    pub total: Option<i64>,
}

impl Answer {
    /// The facts as they leave Orbit. None is left out: one that cannot be read says why.
    pub async fn tell(self, reader: &Reader<History>) -> Result<Vec<Outward>, ApiError> {
        if self.erased {
            return Ok(self.facts.iter().map(|stored| Outward::of(&stored.envelope, None)).collect());
        }
        Stored::tell_all(self.facts, reader.reads().vault()).await.map_err(explain)
    }
}

/// A fault of the log as an answer.
pub fn explain(fault: Fault) -> ApiError {
    match fault {
        Fault::Database { source, .. } => source.into(),
        fault => ApiError::internal(fault),
    }
}

/// The beginning of every statement about the log: how far it is, and whether the caller, who is `$1`, was erased.
pub fn begin(whose: Whose) -> Sql {
    let mut sql = Sql::new("SELECT h.position AS as_of, EXISTS (SELECT FROM log.events x WHERE x.stream_id = ");
    sql.push_bind(whose.user_id).push(" AND x.type = 'users.erased') AS erased");
    sql
}

/// Asks the log.
pub async fn ask(db: &mut PgConnection, whose: Whose, question: &Question<'_>) -> sqlx::Result<Snapshot<Answer>> {
    let rows = statement(whose, question).build().fetch_all(db).await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut answer = Answer { erased: first.try_get("erased")?, facts: Vec::new(), total: first.try_get("total")? };
    for row in &rows {
        // The only row of an answer without facts says how far the log is, and nothing else.
        if row.try_get::<Option<i64>, _>("position")?.is_some() {
            answer.facts.push(Stored::from_row(row)?);
        }
    }
    Ok(Snapshot { as_of: first.try_get("as_of")?, body: answer })
}

fn statement(whose: Whose, question: &Question<'_>) -> Sql {
    let mut sql = begin(whose);
    sql.push(", ").push(Stored::COLUMNS);
    if question.count {
        sql.push(", (SELECT count(*) FROM log.events e WHERE e.user_id = $1");
        question.which.iter().for_each(|filters| filters.push(&mut sql));
        sql.push(") AS total");
    } else {
        sql.push(", NULL::bigint AS total");
    }
    sql.push(" FROM log.head h LEFT JOIN LATERAL (SELECT ").push(Stored::COLUMNS);
    sql.push(" FROM log.events e WHERE e.user_id = $1");
    question.which.iter().for_each(|filters| filters.push(&mut sql));
    if let Some(after) = question.after {
        sql.push(if question.descending { " AND e.position < " } else { " AND e.position > " }).push_bind(after);
    }
    // Positions are unique: no id is needed to make the order total.
    let order = if question.descending { " ORDER BY e.position DESC" } else { " ORDER BY e.position" };
    // The limit is written, not bound, so that the plan can be kept: see the lists of tasks.
    sql.push(order).push(" LIMIT ").push(question.fetch).push(") e ON true").push(order);
    sql
}

fn category_of(text: &str) -> Result<String, Refusal> {
    let found = Event::CATEGORIES.iter().find(|category| entity_type(category) == text);
    let names = || Event::CATEGORIES.iter().map(|category| entity_type(category)).collect::<Vec<_>>().join(", ");
    found.map(|category| (*category).to_owned()).ok_or_else(|| ("invalid", format!("one of {} is expected", names())))
}
