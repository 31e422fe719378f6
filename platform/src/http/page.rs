//! Pages of lists: what was asked for, and the answer's shape.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::cursor::{After, Binding, CursorKey};

/// The page that a request asks for, from `limit`, `cursor` and `include=total`.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// The most rows it may hold: 1 to 200.
    pub limit: u32,
    /// Where it begins, if not at the first row.
    pub after: Option<After>,
    /// Whether the number of all rows is asked for.
    pub include_total: bool,
    pub(super) binding: Binding,
    pub(super) key: CursorKey,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Send it as `cursor` to get the next page; `null` on the last one.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
    /// How many rows there are on all pages; only with `include=total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total: Option<i64>,
}

impl PageRequest {
    /// How many rows to read: one more than the page holds tells whether there is a next one.
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Makes the page of the rows that were read, at most [`fetch`](Self::fetch) of them. `sort_values` gives a row's
    /// values in the order of the list's sort columns, its id last.
    pub fn page<T>(&self, mut rows: Vec<T>, total: Option<i64>, sort_values: impl Fn(&T) -> Vec<Value>) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(sort_values);
        self.cut(rows, total, next)
    }

    /// Makes a page of just these rows. `next` is what the cursor of the next page remembers, if there is one.
    pub fn cut<T>(&self, data: Vec<T>, total: Option<i64>, next: Option<Vec<Value>>) -> Page<T> {
        let next_cursor = next.map(|values| self.key.seal(self.binding, &values));
        Page { data, has_more: next_cursor.is_some(), next_cursor, total }
    }
}

impl<T> Page<T> {
    /// A short list that is always whole.
    pub fn whole(data: Vec<T>) -> Self {
        Self { data, next_cursor: None, has_more: false, total: None }
    }

    /// The same page of other things: rows made into views.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        let Self { data, next_cursor, has_more, total } = self;
        Page { data: data.into_iter().map(make).collect(), next_cursor, has_more, total }
    }
}
