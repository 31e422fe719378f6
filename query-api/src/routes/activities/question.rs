//! Lists of activities: what can be asked for, and the statement that asks.

use chrono::{DateTime, Utc};
use orbit_events::Event;
use orbit_platform::http::query::{self, Filter, Ops, Query, Refusal};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::view::{Activity, COLUMNS, Row, STORED};
use crate::{
    answer::Snapshot,
    reader::Whose,
    routes::conditions::{Sql, push_filter},
};

/// Who can act.
const ACTORS: [&str; 4] = ["user", "agent", "system", "integration"];

/// What activities are filtered by.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    action_type: Filter<String>,
    entity_type: Filter<String>,
    entity_id: Filter<Uuid>,
    at: Filter<DateTime<Utc>>,
    actor: Filter<String>,
    position: Filter<i64>,
}

/// What all lists of activities can be asked for.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct FilterParameters {
    /// A wire type, see `/activities/types`; also `action_type[ne]`, `action_type[in]=a,b`
    #[param(example = "tasks.completed", nullable = false)]
    action_type: Option<String>,
    /// Any of these wire types, separated by commas
    #[param(rename = "action_type[in]", nullable = false)]
    action_type_in: Option<String>,
    /// `task`, `list`, `label`, `user`, `login` …; also `entity_type[ne]`, `entity_type[in]`
    #[param(example = "task", nullable = false)]
    entity_type: Option<String>,
    /// The thing that it was done to; also `entity_id[ne]`, `entity_id[in]`
    #[param(nullable = false)]
    entity_id: Option<Uuid>,
    /// Recorded at this time or later; also `gt`
    #[param(rename = "at[gte]", nullable = false)]
    at_gte: Option<DateTime<Utc>>,
    /// Recorded before this time; also `lte`
    #[param(rename = "at[lt]", nullable = false)]
    at_lt: Option<DateTime<Utc>>,
    /// `user`, `agent`, `system` or `integration`; also `actor[ne]`, `actor[in]`
    #[param(example = "agent", nullable = false)]
    actor: Option<String>,
    /// The place in the log, as in `Orbit-Position`; also `position[gt]` and the like
    #[param(nullable = false)]
    position: Option<i64>,
}

impl Filters {
    /// Reads them.
    pub fn read(query: &mut Query) -> Self {
        Self {
            action_type: query.filter("action_type", Ops::Equality, action_type),
            entity_type: query.filter("entity_type", Ops::Equality, entity_type),
            entity_id: query.filter("entity_id", Ops::Equality, query::id),
            at: query.filter("at", Ops::Order, query::time),
            actor: query.filter("actor", Ops::Equality, actor),
            position: query.filter("position", Ops::Order, query::number),
        }
    }

    /// Adds them as conditions on an activity `a`.
    fn push(&self, sql: &mut Sql) {
        push_filter(sql, "a.action_type", &self.action_type);
        push_filter(sql, "a.entity_type", &self.entity_type);
        push_filter(sql, "a.entity_id", &self.entity_id);
        push_filter(sql, "a.at", &self.at);
        push_filter(sql, "(a.actor ->> 'type')", &self.actor);
        push_filter(sql, "a.position", &self.position);
    }
}

/// A list of activities in the order of the log.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Which ones.
    pub filters: &'a Filters,
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
        question.filters.push(&mut sql);
        sql.push(") AS all_pages");
    } else {
        sql.push(", NULL::bigint AS all_pages");
    }
    sql.push(") c LEFT JOIN LATERAL (SELECT ").push(STORED).push(" FROM activities a WHERE a.user_id = ");
    sql.push_bind(whose.user_id);
    question.filters.push(&mut sql);
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

fn action_type(text: &str) -> Result<String, Refusal> {
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

fn actor(text: &str) -> Result<String, Refusal> {
    let known = ACTORS.contains(&text);
    known.then(|| text.to_owned()).ok_or_else(|| ("invalid", format!("one of {} is expected", ACTORS.join(", "))))
}
