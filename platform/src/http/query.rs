//! Query parameters: each read by name, all faults named at once, whatever nobody read refused.

use std::str::FromStr;

use axum::{extract::FromRequestParts, http::request::Parts};
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

pub use super::sort::{Sort, SortKey};
use super::{
    cursor::{Binding, CursorKey},
    page::PageRequest,
    path::parse_id,
};
use crate::problem::{ApiError, FieldProblem, kinds};

/// Rows on a page when nobody says otherwise.
pub const LIMIT_DEFAULT: u32 = 50;
/// Rows on a page at most.
pub const LIMIT_AT_MOST: u32 = 200;
/// Values of one `[in]` at most.
const IN_AT_MOST: usize = 100;
/// Characters of a search at most.
const SEARCH_AT_MOST: usize = 500;
/// Parameters that do not change which list is read, so that cursors do not depend on them.
const NOT_BOUND: [&str; 3] = ["cursor", "limit", "include"];

/// The parameters of a request. Read them, then [`finish`](Self::finish).
#[derive(Clone, Debug, Default)]
pub struct Query {
    path: String,
    pairs: Vec<Pair>,
    faults: Vec<FieldProblem>,
    malformed: bool,
    cursor_fault: Option<&'static crate::problem::ProblemKind>,
}

#[derive(Clone, Debug)]
struct Pair {
    name: String,
    value: String,
    read: bool,
}

/// The conditions on one column, from `field=…` and `field[op]=…`. All that are given hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter<T> {
    /// `field=value`
    pub eq: Option<T>,
    /// `field[ne]=value`
    pub ne: Option<T>,
    /// `field[gt]=value`
    pub gt: Option<T>,
    /// `field[gte]=value`
    pub gte: Option<T>,
    /// `field[lt]=value`
    pub lt: Option<T>,
    /// `field[lte]=value`
    pub lte: Option<T>,
    /// `field[in]=a,b,c`, at most 100 values
    pub one_of: Option<Vec<T>>,
    /// `field[null]=true|false`
    pub null: Option<bool>,
}

impl<T> Default for Filter<T> {
    fn default() -> Self {
        Self { eq: None, ne: None, gt: None, gte: None, lt: None, lte: None, one_of: None, null: None }
    }
}

/// The operators that a filter of a column understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ops {
    /// Only `=`.
    Equal,
    /// `=`, `ne`, `in`, `null`.
    Equality,
    /// All of them.
    Order,
}

impl Ops {
    /// The operators that are written in brackets.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Equal => &[],
            Self::Equality => &["ne", "in", "null"],
            Self::Order => &["ne", "in", "null", "gt", "gte", "lt", "lte"],
        }
    }
}

/// A moment in the past to read at: `as_of=<position | RFC 3339>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// When the log ended here.
    Position(i64),
    /// At this time.
    Time(DateTime<Utc>),
}

/// In the extensions of a request whose route reads the past too: its [`Query`] knows `as_of`.
#[derive(Clone, Copy, Debug)]
pub struct ReadsThePast;

/// A rule's refusal: a code and a sentence.
pub type Refusal = (&'static str, String);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Within a nested router the URI is cut; the route is what tells lists apart.
        let path = parts.extensions.get::<axum::extract::OriginalUri>().map_or(parts.uri.path(), |uri| uri.path());
        let mut query = Self::parse(path, parts.uri.query().unwrap_or_default());
        if parts.extensions.get::<ReadsThePast>().is_some() {
            // What it says is known already. If it cannot be read, that is a fault among the others.
            query.as_of();
        }
        Ok(query)
    }
}

impl Query {
    /// Reads `name=value&…` of a request to `path`.
    pub fn parse(path: &str, query: &str) -> Self {
        let mut read = Self { path: path.to_owned(), ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(name) else {
                read.malformed("", "not_utf8", "its name is not percent-encoded UTF-8");
                continue;
            };
            match decode(value) {
                Some(value) => read.pairs.push(Pair { name, value, read: false }),
                None => read.malformed(&name, "not_utf8", "it is not percent-encoded UTF-8"),
            }
        }
        read
    }

    /// The text of a parameter, if it is given. Given twice is a fault; NUL is one too, since nothing can store it.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut found = self.pairs.iter_mut().filter(|pair| pair.name == name);
        let first = found.next()?;
        first.read = true;
        let value = first.value.clone();
        let mut twice = false;
        for more in found {
            more.read = true;
            twice = true;
        }
        if twice {
            self.malformed(name, "repeated", "it is given more than once");
            return None;
        }
        if value.contains('\0') {
            self.faults.push(FieldProblem::new(format!("?{name}"), "nul", "must not hold NUL"));
            return None;
        }
        Some(value)
    }

    /// A parameter with a rule.
    pub fn value<T, E: Into<Refusal>>(&mut self, name: &str, rule: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name)?;
        self.check(name, &text, rule)
    }

    /// A parameter that must be there.
    pub fn required<T, E: Into<Refusal>>(&mut self, name: &str, rule: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if !self.pairs.iter().any(|pair| pair.name == name) {
            self.malformed(name, "missing", "must be there");
            return None;
        }
        self.value(name, rule)
    }

    /// `name=true|false`, false if it is not given.
    pub fn flag(&mut self, name: &str) -> bool {
        self.value(name, boolean).unwrap_or_default()
    }

    /// `dry_run=true|false`
    pub fn dry_run(&mut self) -> bool {
        self.flag("dry_run")
    }

    /// `q=`: what to search for, at most 500 characters; an empty search is none.
    pub fn search(&mut self) -> Option<String> {
        let text = self.text("q")?;
        if text.chars().count() > SEARCH_AT_MOST {
            self.faults.push(FieldProblem::new("?q", "too_long", format!("at most {SEARCH_AT_MOST} characters")));
            return None;
        }
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// `as_of=<position | RFC 3339>`
    pub fn as_of(&mut self) -> Option<AsOf> {
        self.value("as_of", |text| {
            let position = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            let at = position.map(AsOf::Position).or_else(|| time(text).ok().map(AsOf::Time));
            let expected = "a position or a time in RFC 3339 is expected, such as 4711 or 2026-11-22T20:28:00Z";
            at.ok_or_else(|| ("invalid", expected.to_owned()))
        })
    }

    /// `sort=-due_date,created_at` over `allowed` columns; `default` is written in the same way.
    ///
    /// # Panics
    /// If `default` names a column that is not allowed.
    pub fn sort(&mut self, allowed: &[&'static str], default: &str) -> Sort {
        let asked = self.value("sort", |text| Sort::parse(text, allowed).map_err(|detail| ("invalid", detail)));
        asked.unwrap_or_else(|| Sort::parse(default, allowed).expect("the default is written beside what is allowed"))
    }

    /// The conditions on a column.
    pub fn filter<T, E: Into<Refusal>>(
        &mut self,
        name: &str,
        ops: Ops,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Filter<T> {
        let mut filter = Filter { eq: self.value(name, &rule), ..Filter::default() };
        for op in ops.names() {
            let parameter = format!("{name}[{op}]");
            match *op {
                "in" => filter.one_of = self.list(&parameter, &rule),
                "null" => filter.null = self.value(&parameter, boolean),
                "ne" => filter.ne = self.value(&parameter, &rule),
                "gt" => filter.gt = self.value(&parameter, &rule),
                "gte" => filter.gte = self.value(&parameter, &rule),
                "lt" => filter.lt = self.value(&parameter, &rule),
                _ => filter.lte = self.value(&parameter, &rule),
            }
        }
        filter
    }

    /// Values separated by commas.
    fn list<T, E: Into<Refusal>>(&mut self, name: &str, rule: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let text = self.text(name)?;
        if text.split(',').count() > IN_AT_MOST {
            self.malformed(name, "too_many", format!("at most {IN_AT_MOST} values"));
            return None;
        }
        text.split(',').map(|value| self.check(name, value, &rule)).collect()
    }

    /// `limit`, `cursor` and `include=total`. To be read after the filters and the sort, whose values the cursor holds:
    /// one for each column, and the id.
    pub fn page(&mut self, key: &CursorKey, sort: &Sort) -> PageRequest {
        let limit = self.value("limit", |text| match u32::from_str(text) {
            Ok(limit @ 1..=LIMIT_AT_MOST) => Ok(limit),
            _ => Err(("invalid", format!("a whole number from 1 to {LIMIT_AT_MOST} is expected"))),
        });
        let include_total = self.value("include", |text| match text {
            "total" => Ok(true),
            _ => Err(("invalid", "only total is known".to_owned())),
        });
        let binding = self.binding(sort);
        let after = self.text("cursor").and_then(|cursor| {
            let opened = key.open(binding, &cursor);
            opened.map_err(|error| self.spoilt_cursor(&error)).ok()
        });
        PageRequest {
            limit: limit.unwrap_or(LIMIT_DEFAULT),
            after,
            include_total: include_total.unwrap_or_default(),
            binding,
            key: key.clone(),
        }
    }

    fn spoilt_cursor(&mut self, error: &ApiError) {
        let mismatch = error.code() == kinds::CURSOR_MISMATCH.code;
        self.cursor_fault = Some(if mismatch { &kinds::CURSOR_MISMATCH } else { &kinds::INVALID_CURSOR });
        self.faults.extend(error.fields().iter().cloned());
        self.malformed = true;
    }

    /// What a cursor of this list belongs to: its path, its filters in any order, its sort.
    fn binding(&self, sort: &Sort) -> Binding {
        let bound = |pair: &&Pair| !NOT_BOUND.contains(&pair.name.as_str()) && pair.name != "sort";
        let mut pairs: Vec<_> = self.pairs.iter().filter(bound).map(|pair| [pair.name.as_str(), &pair.value]).collect();
        pairs.sort_unstable();
        let sort = sort.canonical();
        Binding::of([self.path.as_str(), &sort].into_iter().chain(pairs.into_iter().flatten()))
    }

    /// Notes a fault of a parameter: for rules over several of them.
    pub fn malformed(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.malformed = true;
        let name: String = name.chars().take(100).collect();
        self.faults.push(FieldProblem::new(format!("?{name}"), code, detail));
    }

    fn check<T, E: Into<Refusal>>(
        &mut self,
        name: &str,
        text: &str,
        rule: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match rule(text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let (code, detail) = refusal.into();
                self.malformed(name, code, detail);
                None
            }
        }
    }

    /// Ends the reading: every fault, and every parameter that nobody read, in one 400 (422 if only NULs or lengths are at fault).
    pub fn finish(mut self) -> Result<(), ApiError> {
        let unread: Vec<_> = self.pairs.iter().filter(|pair| !pair.read).map(|pair| pair.name.clone()).collect();
        for name in unread.iter().take(20) {
            self.malformed(name, "unknown_parameter", "is not a parameter of this path");
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        let kind = match self.cursor_fault {
            Some(kind) if self.faults.len() == 1 => kind,
            _ if self.malformed => &kinds::INVALID_QUERY,
            _ => &kinds::VALIDATION_FAILED,
        };
        let names: Vec<_> = self.faults.iter().map(|fault| fault.pointer.trim_start_matches('?')).collect();
        Err(ApiError::of(kind, format!("not right: {}", names.join(", "))).with_fields(self.faults))
    }
}

/// The rule of a parameter that has none. (NUL is refused in any case.)
pub fn any(text: &str) -> Result<String, Refusal> {
    Ok(text.to_owned())
}

/// `true` or `false`.
pub fn boolean(text: &str) -> Result<bool, Refusal> {
    text.parse().map_err(|_| ("invalid", "true or false is expected".to_owned()))
}

/// An id: a hyphenated UUID.
pub fn id(text: &str) -> Result<Uuid, Refusal> {
    parse_id(text).ok_or_else(|| ("invalid", "an id is expected: a hyphenated UUID".to_owned()))
}

/// A date, `YYYY-MM-DD`.
pub fn date(text: &str) -> Result<NaiveDate, Refusal> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    date.ok_or_else(|| ("invalid", "a date is expected, such as 2026-11-22".to_owned()))
}

/// A time in RFC 3339.
pub fn time(text: &str) -> Result<DateTime<Utc>, Refusal> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    // PostgreSQL's times begin before and end after, four digits of a year are what RFC 3339 has.
    time.map_err(|_| ("invalid", "a time in RFC 3339 is expected, such as 2026-11-22T20:28:00Z".to_owned()))
}

/// A whole number.
pub fn number(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| ("invalid", "a whole number is expected".to_owned()))
}

/// Percent-encoding and `+`, strictly: what is not UTF-8 is refused.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'+' => {
                bytes.push(b' ');
                tail
            }
            b'%' => {
                let (pair, tail) = tail.split_at_checked(2)?;
                bytes.push(hex::decode(pair).ok()?.first().copied()?);
                tail
            }
            other => {
                bytes.push(*other);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
