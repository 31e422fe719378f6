//! Lists of activities: what can be asked for, and the statement that asks.

use chrono::{DateTime, Utc};
use orbit_events::Event;
use orbit_platform::http::query::{Ops, Query, Refusal};
use sqlx::{FromRow, PgConnection};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::view::{Activity, COLUMNS, Row, STORED};
use crate::{
    answer::Snapshot,
    reader::Whose,
    routes::{
        conditions::Sql,
        filters::{self, FilterColumn, Filters, Holds, column},
    },
};

/// Who can act.
const ACTORS: [&str; 4] = ["user", "agent", "system", "integration"];

/// What activities are filtered by, but for [`AT`].
pub const FILTERS: [FilterColumn; 5] = [
    column(
        "action_type",
        "a.action_type",
        Ops::Equality,
        Holds::Text(action_type),
        "The fact's wire type, see `/activities/types`",
    ),
    column(
        "entity_type",
        "a.entity_type",
        Ops::Equality,
        Holds::Text(entity_type),
        "What it was done to: `task`, `list`, `label`, `user`, `login` …",
    ),
    column("entity_id", "a.entity_id", Ops::Equality, Holds::Id, "Which thing it was done to"),
    column("actor", "(a.actor ->> 'type')", Ops::Equality, Holds::Name(&ACTORS), "Who did it"),
    column("position", "a.position", Ops::Order, Holds::Number, "The place in the log, as in `Orbit-Position`"),
];
/// When they were recorded: a filter of all lists that do not choose it themselves.
pub const AT: [FilterColumn; 1] = [column("at", "a.at", Ops::Order, Holds::Time, "When it was recorded")];

/// [`FILTERS`] in the document.
pub struct FilterParameters;

impl IntoParams for FilterParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters::parameters(&FILTERS)
    }
}

/// [`AT`] in the document.
pub struct AtParameters;

impl IntoParams for AtParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters::parameters(&AT)
    }
}

/// Which activities a list is about.
#[derive(Clone, Debug)]
pub struct Which {
    filters: Filters,
    at: Filters,
    since: Option<DateTime<Utc>>,
}

impl Which {
    /// Those that the filters let through.
    pub fn read(query: &mut Query) -> Self {
        Self { filters: Filters::read(query, &FILTERS), at: Filters::read(query, &AT), since: None }
    }

    /// Those of them that were recorded at this time or later.
    pub fn since(query: &mut Query, since: DateTime<Utc>) -> Self {
        Self { filters: Filters::read(query, &FILTERS), at: Filters::default(), since: Some(since) }
    }

    /// Adds the conditions on an activity `a`.
    fn push(&self, sql: &mut Sql) {
        self.filters.push(sql);
        self.at.push(sql);
        if let Some(since) = self.since {
            sql.push(" AND a.at >= ").push_bind(since);
        }
    }
}

/// A list of activities in the order of the log.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Which ones.
    pub which: &'a Which,
    /// Newest first.
    pub descending: bool,
    /// The position after which it goes on, in its direction.
    pub after: Option<i64>,
    /// None later than this.
    pub upto: Option<i64>,
    /// How many at most.
    pub fetch: i64,
    /// Whether to count all that the filters let through.
    pub count: bool,
}

/// Activities, and how many there are of them if that was asked for.
pub struct Answer {
    /// The activities.
    pub activities: Vec<Activity>,
    /// How many the filters let through.
    pub total: Option<i64>,
}

/// Asks for activities.
pub async fn ask(db: &mut PgConnection, whose: Whose, question: &Question<'_>) -> sqlx::Result<Snapshot<Answer>> {
    let rows = statement(whose, question).build().fetch_all(db).await?;
    let total = rows.first().map_or(Ok(None), |row| sqlx::Row::try_get(row, super::view::WIDTH))?;
    let mut as_of = 0;
    let mut activities = Vec::with_capacity(rows.len());
    for row in &rows {
        let row = Row::from_row(row)?;
        as_of = row.as_of;
        activities.extend(row.activity);
    }
    Ok(Snapshot { as_of, body: Answer { activities, total } })
}

fn statement(whose: Whose, question: &Question<'_>) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.push(COLUMNS);
    sql.push(", c.all_pages FROM (SELECT coalesce((SELECT k.position FROM checkpoints k");
    sql.push(" WHERE k.projection = 'activities' AND k.partition = ").push_bind(whose.partition).push("), 0) AS as_of");
    if question.count {
        sql.push(", (SELECT count(*) FROM activities a WHERE a.user_id = ").push_bind(whose.user_id);
        question.which.push(&mut sql);
        sql.push(") AS all_pages");
    } else {
        sql.push(", NULL::bigint AS all_pages");
    }
    sql.push(") c LEFT JOIN LATERAL (SELECT ").push(STORED).push(" FROM activities a WHERE a.user_id = ");
    sql.push_bind(whose.user_id);
    question.which.push(&mut sql);
    if let Some(after) = question.after {
        sql.push(if question.descending { " AND a.position < " } else { " AND a.position > " }).push_bind(after);
    }
    if let Some(upto) = question.upto {
        sql.push(" AND a.position <= ").push_bind(upto);
    }
    // Positions are unique: no id is needed to make the order total.
    let order = if question.descending { " ORDER BY a.position DESC" } else { " ORDER BY a.position" };
    // The limit is written, not bound, so that the plan can be kept: see the lists of tasks.
    sql.push(order).push(" LIMIT ").push(question.fetch).push(") a ON true").push(order);
    sql
}

/// A type of fact that there is: the rule of filters by it.
pub fn action_type(text: &str) -> Result<String, Refusal> {
    let known = Event::types().any(|fact| fact.wire_type == text);
    known
        .then(|| text.to_owned())
        .ok_or_else(|| ("invalid", "a type of fact is expected, see /activities/types".to_owned()))
}

fn entity_type(text: &str) -> Result<String, Refusal> {
    let known = || Event::CATEGORIES.iter().map(|category| orbit_events::entity_type(category));
    let names = || known().collect::<Vec<_>>().join(", ");
    known()
        .any(|name| name == text)
        .then(|| text.to_owned())
        .ok_or_else(|| ("invalid", format!("one of {} is expected", names())))
}
