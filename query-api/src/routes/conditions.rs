//! Conditions of lists whose question is put together at run time: their order, and where a page begins.
//!
//! Columns are constants of ours; values are bound, never written into the text. The same question always has the same
//! text, so that it is prepared once per connection.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_platform::{
    http::{cursor::After, query::Sort},
    problem::ApiError,
};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

/// A question under construction.
pub type Sql = QueryBuilder<Postgres>;

/// A column that a list can be sorted by.
#[derive(Clone, Copy, Debug)]
pub struct SortColumn {
    /// As callers write it.
    pub name: &'static str,
    /// As the table has it.
    pub sql: &'static str,
    /// What is in it.
    pub kind: Kind,
    /// Whether it can be NULL. Rows without a value come last, whichever way the rest is sorted.
    pub nullable: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `timestamptz`
    Time,
    /// `date`
    Date,
    /// `smallint` or `bigint`
    Number,
    /// `text`
    Text,
}

/// An order of rows, total: the columns that were asked for, then the id in the direction of the last of them.
#[derive(Clone, Debug)]
pub struct Order {
    columns: Vec<(SortColumn, bool)>,
    descending: bool,
}

/// A value of the row before the page.
#[derive(Clone, Debug)]
enum Value {
    Time(DateTime<Utc>),
    Date(NaiveDate),
    Number(i64),
    Text(String),
    Id(Uuid),
    Null,
}

impl Order {
    /// The order that a sort over these columns asks for.
    pub fn of(sort: &Sort, columns: &[SortColumn]) -> Self {
        let find = |name| columns.iter().find(|column| column.name == name).copied();
        let columns: Vec<_> = sort.keys.iter().filter_map(|key| Some((find(key.column)?, key.descending))).collect();
        let descending = columns.last().is_some_and(|(_, descending)| *descending);
        Self { columns, descending }
    }

    /// Adds ` ORDER BY …` over the columns of `table`.
    pub fn push(&self, sql: &mut Sql, table: &'static str) {
        sql.push(" ORDER BY ");
        for (column, descending) in &self.columns {
            sql.push(table).push(".").push(column.sql).push(if *descending { " DESC" } else { "" });
            // Only where it matters: an index knows nothing of it.
            sql.push(if column.nullable { " NULLS LAST, " } else { ", " });
        }
        sql.push(table).push(".id").push(if self.descending { " DESC" } else { "" });
    }

    /// The place of the row that a cursor remembers.
    pub fn place(&self, after: &After) -> Result<Place, ApiError> {
        let mut steps = Vec::with_capacity(self.columns.len() + 1);
        for (at, (column, descending)) in self.columns.iter().enumerate() {
            steps.push((column.sql, *descending, column.nullable, Value::read(after, at, *column)?));
        }
        steps.push(("id", self.descending, false, Value::Id(after.get(self.columns.len())?)));
        Ok(Place(steps))
    }

    /// Adds the condition that a row of `table` comes after a place.
    pub fn push_after(&self, sql: &mut Sql, table: &'static str, place: &Place) {
        let steps = &place.0;
        let one_way = steps.iter().all(|(_, descending, nullable, _)| *descending == self.descending && !nullable);
        sql.push(" AND ");
        if one_way {
            push_tuple(sql, table, steps, self.descending);
        } else {
            push_cases(sql, table, steps);
        }
    }
}

/// Where a page begins: after the row with these values.
#[derive(Clone, Debug)]
pub struct Place(Vec<Step>);

/// Column, whether descending, whether it may be NULL, value.
type Step = (&'static str, bool, bool, Value);

/// `(a, b, id) < (…)`: what an index in this order can begin at.
fn push_tuple(sql: &mut Sql, table: &'static str, steps: &[Step], descending: bool) {
    sql.push("(");
    for (at, (column, ..)) in steps.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " }).push(table).push(".").push(column);
    }
    sql.push(if descending { ") < (" } else { ") > (" });
    for (at, (.., value)) in steps.iter().enumerate() {
        sql.push(if at == 0 { "" } else { ", " });
        value.push(sql);
    }
    sql.push(")");
}

/// `(a > … OR (a = … AND (b < … OR …)))`: for columns that go different ways or may be NULL, which come last.
fn push_cases(sql: &mut Sql, table: &'static str, steps: &[Step]) {
    let mut open = 0;
    for (column, descending, nullable, value) in steps {
        sql.push("(").push(table).push(".").push(column);
        open += 1;
        if matches!(value, Value::Null) {
            // Nothing comes after NULL but more NULLs.
            sql.push(" IS NULL AND ");
            continue;
        }
        sql.push(if *descending { " < " } else { " > " });
        value.push(sql);
        if *nullable {
            sql.push(" OR ").push(table).push(".").push(column).push(" IS NULL");
        }
        if !matches!(value, Value::Id(_)) {
            sql.push(" OR (").push(table).push(".").push(column).push(" = ");
            value.push(sql);
            sql.push(" AND ");
            open += 1;
        }
    }
    sql.push(")".repeat(open));
}

impl Value {
    fn read(after: &After, at: usize, column: SortColumn) -> Result<Self, ApiError> {
        if column.nullable && after.get::<Option<serde::de::IgnoredAny>>(at)?.is_none() {
            return Ok(Self::Null);
        }
        Ok(match column.kind {
            Kind::Time => Self::Time(after.get(at)?),
            Kind::Date => Self::Date(after.get(at)?),
            Kind::Number => Self::Number(after.get(at)?),
            Kind::Text => Self::Text(after.get(at)?),
        })
    }

    fn push(&self, sql: &mut Sql) {
        match self {
            Self::Time(value) => sql.push_bind(*value),
            Self::Date(value) => sql.push_bind(*value),
            Self::Number(value) => sql.push_bind(*value),
            Self::Text(value) => sql.push_bind(value.clone()),
            Self::Id(value) => sql.push_bind(*value),
            Self::Null => sql.push("NULL"),
        };
    }
}
