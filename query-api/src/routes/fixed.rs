//! Lists in one fixed order: nothing to choose but how much of them.

use orbit_platform::{
    http::{
        cursor::CursorKey,
        page::PageRequest,
        query::{Query, Sort, SortKey},
    },
    problem::ApiError,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// Where a page begins: after the row with this value and id, or at the first row; and how many rows to read.
#[derive(Clone, Debug)]
pub struct Begin<T> {
    /// The value of the column that the list is ordered by.
    pub value: Option<T>,
    /// The id, which decides between rows with the same value.
    pub id: Option<Uuid>,
    /// One row more than the page holds.
    pub fetch: i64,
}

/// What all lists in a fixed order can be asked for.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct PageParameters {
    /// The most rows on the page
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before
    #[param(nullable = false)]
    cursor: Option<String>,
}

/// Reads `limit` and `cursor` of a list whose rows are not counted: `include=total` is refused.
pub fn uncounted(query: &mut Query, cursors: &CursorKey, sort: &Sort) -> PageRequest {
    let page = query.page(cursors, sort);
    if page.include_total {
        query.malformed("include", "unknown_parameter", "is not a parameter of this path");
    }
    page
}

/// Reads `limit` and `cursor` of a list ordered by `column` and the id, and refuses all other parameters.
pub fn page<T: DeserializeOwned>(
    mut query: Query,
    column: &'static str,
    descending: bool,
    cursors: &CursorKey,
) -> Result<(PageRequest, Begin<T>), ApiError> {
    let sort = Sort { keys: vec![SortKey { column, descending }] };
    let page = uncounted(&mut query, cursors, &sort);
    query.finish()?;
    let (value, id) = match &page.after {
        Some(after) => (Some(after.get(0)?), Some(after.get(1)?)),
        None => (None, None),
    };
    let begin = Begin { value, id, fetch: page.fetch() };
    Ok((page, begin))
}
