//! Filters of lists: each context writes down its columns once. The parameters that are read, the conditions in SQL and
//! what the document says of them are all made from that table, so that they cannot drift apart.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_platform::http::query::{self, Filter, Ops, Query, Refusal};
use sqlx::{Encode, Postgres, Type, postgres::PgHasArrayType};
use utoipa::openapi::{
    ObjectBuilder, Required,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{self, KnownFormat, SchemaFormat},
};
use uuid::Uuid;

use super::conditions::Sql;

/// A column that a list can be filtered by.
#[derive(Clone, Copy, Debug)]
pub struct FilterColumn {
    /// As callers write it.
    pub name: &'static str,
    /// As the statement has it.
    pub sql: &'static str,
    /// What can be asked of it.
    pub ops: Ops,
    /// What is in it.
    pub holds: Holds,
    /// What the document says of it.
    pub about: &'static str,
}

/// A column of such a table.
pub const fn column(
    name: &'static str,
    sql: &'static str,
    ops: Ops,
    holds: Holds,
    about: &'static str,
) -> FilterColumn {
    FilterColumn { name, sql, ops, holds, about }
}

/// What a column holds, and so what callers may write.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// `uuid`
    Id,
    /// `uuid[]`: `=` means that it holds this one, `in` any of them.
    Ids,
    /// `timestamptz`
    Time,
    /// `date`
    Date,
    /// `bigint`
    Number,
    /// `text`, one of these names.
    Name(&'static [&'static str]),
    /// `smallint`, the place of one of these names, counted from 1.
    Rank(&'static [&'static str]),
    /// `text` with a rule.
    Text(fn(&str) -> Result<String, Refusal>),
}

/// What a request asks of the columns of a list.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<(&'static str, Asked)>);

#[derive(Clone, Debug)]
enum Asked {
    Id(Filter<Uuid>),
    Ids(Filter<Uuid>),
    Time(Filter<DateTime<Utc>>),
    Date(Filter<NaiveDate>),
    Number(Filter<i64>),
    Rank(Filter<i16>),
    Text(Filter<String>),
}

impl Filters {
    /// Reads the filters of these columns.
    pub fn read(query: &mut Query, columns: &[FilterColumn]) -> Self {
        Self(columns.iter().map(|column| (column.sql, column.read(query))).collect())
    }

    /// Adds them as conditions. All of them hold together.
    pub fn push(&self, sql: &mut Sql) {
        for (column, asked) in &self.0 {
            match asked {
                Asked::Id(filter) => push(sql, column, filter),
                Asked::Ids(filter) => push_ids(sql, column, filter),
                Asked::Time(filter) => push(sql, column, filter),
                Asked::Date(filter) => push(sql, column, filter),
                Asked::Number(filter) => push(sql, column, filter),
                Asked::Rank(filter) => push(sql, column, filter),
                Asked::Text(filter) => push(sql, column, filter),
            }
        }
    }
}

impl FilterColumn {
    fn read(&self, query: &mut Query) -> Asked {
        let Self { name, ops, .. } = *self;
        match self.holds {
            Holds::Id => Asked::Id(query.filter(name, ops, query::id)),
            Holds::Ids => Asked::Ids(query.filter(name, ops, query::id)),
            Holds::Time => Asked::Time(query.filter(name, ops, query::time)),
            Holds::Date => Asked::Date(query.filter(name, ops, query::date)),
            Holds::Number => Asked::Number(query.filter(name, ops, query::number)),
            Holds::Name(names) => {
                Asked::Text(query.filter(name, ops, |text| one_of(names, text).map(|_| text.to_owned())))
            }
            Holds::Rank(names) => Asked::Rank(query.filter(name, ops, |text| one_of(names, text))),
            Holds::Text(rule) => Asked::Text(query.filter(name, ops, rule)),
        }
    }

    /// The parameters that [`read`](Self::read) understands.
    fn parameters(&self) -> impl Iterator<Item = Parameter> {
        let (name, about) = (self.name, self.about);
        let one = parameter(name.to_owned(), about.to_owned(), self.schema());
        let others = self.ops.names().iter().map(move |op| {
            let schema = match *op {
                "in" => schema(schema::Type::String),
                "null" => schema(schema::Type::Boolean),
                _ => self.schema(),
            };
            parameter(format!("{name}[{op}]"), format!("{about}: {}", self.meaning(op)), schema)
        });
        [one].into_iter().chain(others)
    }

    fn meaning(&self, op: &str) -> &'static str {
        let in_time = matches!(self.holds, Holds::Time | Holds::Date);
        match op {
            "ne" => "anything but this",
            "in" => "any of these, separated by commas, at most 100",
            "null" => "`true` for none, `false` for any",
            "gt" if in_time => "later than this",
            "gte" if in_time => "this or later",
            "lt" if in_time => "earlier than this",
            "lte" if in_time => "this or earlier",
            "gt" => "more than this",
            "gte" => "this or more",
            "lt" => "less than this",
            _ => "this or less",
        }
    }

    /// The shape of one value.
    fn schema(&self) -> ObjectBuilder {
        let text = schema(schema::Type::String);
        match self.holds {
            Holds::Id | Holds::Ids => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
            Holds::Time => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
            Holds::Date => text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
            Holds::Number => schema(schema::Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))),
            Holds::Name(names) | Holds::Rank(names) => text.enum_values(Some(names.iter().copied())),
            Holds::Text(_) => text,
        }
    }
}

/// The parameters of these columns, for the document.
pub fn parameters(columns: &[FilterColumn]) -> Vec<Parameter> {
    columns.iter().flat_map(FilterColumn::parameters).collect()
}

fn schema(kind: schema::Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

fn parameter(name: String, about: String, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

/// The place of one of these names, counted from 1.
fn one_of(names: &[&str], text: &str) -> Result<i16, Refusal> {
    let place = names.iter().zip(1..).find_map(|(name, place)| (*name == text).then_some(place));
    place.ok_or_else(|| none_of(names))
}

/// One of these names.
pub fn name(names: &[&'static str], text: &str) -> Result<&'static str, Refusal> {
    names.iter().find(|name| **name == text).copied().ok_or_else(|| none_of(names))
}

fn none_of(names: &[&str]) -> Refusal {
    ("invalid", format!("one of {} is expected", names.join(", ")))
}

fn push<T>(sql: &mut Sql, column: &'static str, filter: &Filter<T>)
where
    T: Clone + Send + for<'q> Encode<'q, Postgres> + Type<Postgres> + PgHasArrayType + 'static,
{
    let comparisons = [
        (" = ", &filter.eq),
        (" IS DISTINCT FROM ", &filter.ne),
        (" > ", &filter.gt),
        (" >= ", &filter.gte),
        (" < ", &filter.lt),
        (" <= ", &filter.lte),
    ];
    for (operator, value) in comparisons {
        if let Some(value) = value {
            sql.push(" AND ").push(column).push(operator).push_bind(value.clone());
        }
    }
    if let Some(values) = &filter.one_of {
        sql.push(" AND ").push(column).push(" = ANY(").push_bind(values.clone()).push(")");
    }
    match filter.null {
        Some(true) => sql.push(" AND ").push(column).push(" IS NULL"),
        Some(false) => sql.push(" AND ").push(column).push(" IS NOT NULL"),
        None => sql,
    };
}

/// The same for an array, which holds nothing rather than being NULL. Its index wants to be told that there is something.
fn push_ids(sql: &mut Sql, column: &'static str, filter: &Filter<Uuid>) {
    let some = |sql: &mut Sql| {
        sql.push(" AND ").push(column).push(" <> '{}'");
    };
    if let Some(held) = filter.eq {
        some(sql);
        sql.push(" AND ").push(column).push(" @> ").push_bind(vec![held]);
    }
    if let Some(not_held) = filter.ne {
        sql.push(" AND NOT ").push(column).push(" @> ").push_bind(vec![not_held]);
    }
    if let Some(any) = &filter.one_of {
        some(sql);
        sql.push(" AND ").push(column).push(" && ").push_bind(any.clone());
    }
    match filter.null {
        Some(true) => {
            sql.push(" AND ").push(column).push(" = '{}'");
        }
        Some(false) => some(sql),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use orbit_platform::problem::FieldProblem;

    use super::*;

    const COLUMNS: [FilterColumn; 9] = [
        column("id", "t.id", Ops::Equality, Holds::Id, "Which one"),
        column("ids", "t.ids", Ops::Equality, Holds::Ids, "Which ones"),
        column("held", "t.ids", Ops::Equal, Holds::Ids, "Which one of them"),
        column("at", "t.at", Ops::Order, Holds::Time, "When"),
        column("day", "t.day", Ops::Order, Holds::Date, "What day"),
        column("count", "t.count", Ops::Order, Holds::Number, "How many"),
        column("color", "t.color", Ops::Equality, Holds::Name(&["red", "blue"]), "What color"),
        column("size", "t.size", Ops::Order, Holds::Rank(&["small", "large"]), "How large"),
        column("word", "t.word", Ops::Equality, Holds::Text(query::any), "What it says"),
    ];

    #[test]
    fn the_parameters_in_the_document_are_those_that_are_read() {
        let documented: Vec<String> = parameters(&COLUMNS).into_iter().map(|parameter| parameter.name).collect();
        let ops = ["", "[eq]", "[ne]", "[in]", "[null]", "[gt]", "[gte]", "[lt]", "[lte]", "[like]"];
        for name in COLUMNS.iter().flat_map(|column| ops.map(|op| format!("{}{op}", column.name))) {
            let mut query = Query::parse("/", &format!("{name}=%20"));
            Filters::read(&mut query, &COLUMNS);
            let refused = query.finish().err().is_some_and(|error| error.fields().iter().any(is_unknown));
            assert_eq!(documented.contains(&name), !refused, "{name}");
        }
    }

    fn is_unknown(fault: &FieldProblem) -> bool {
        fault.code == "unknown_parameter"
    }

    #[test]
    fn every_condition_is_on_its_own_column_and_bound() {
        let asked = "id[in]=0197f0a0-0000-7000-8000-000000000001&ids[null]=true&held=0197f0a0-0000-7000-8000-000000000001\
                     &at[gte]=2026-11-22T20:28:00Z&day[lt]=2026-11-22&count[ne]=1&color=red&size[gt]=small&word[null]=false";
        let mut query = Query::parse("/", asked);
        let mut sql = Sql::new("");
        Filters::read(&mut query, &COLUMNS).push(&mut sql);
        query.finish().unwrap();
        assert_eq!(
            sql.into_string(),
            " AND t.id = ANY($1) AND t.ids = '{}' AND t.ids <> '{}' AND t.ids @> $2 AND t.at >= $3 AND t.day < $4 \
             AND t.count IS DISTINCT FROM $5 AND t.color = $6 AND t.size > $7 AND t.word IS NOT NULL"
        );
    }
}
