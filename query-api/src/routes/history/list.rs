//! `GET /history`: the caller's facts, page by page.

use orbit_platform::{
    http::{page::Page, query::Query},
    problem::ApiError,
};
use serde_json::json;

use super::{
    History,
    question::{FILTERS, FilterParameters, PLACES, PlaceParameters, Question, ask},
    view::Fact,
};
use crate::{answer::Snapshot, reader::Reader, routes::filters::Filters};

/// How a list of facts is cut.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct ListParameters {
    /// `-position` (newest first, the default) or `position`
    #[param(example = "-position", nullable = false)]
    sort: Option<String>,
    /// The most facts on the page
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and sort
    #[param(nullable = false)]
    cursor: Option<String>,
    /// `total`: how many facts there are on all pages
    #[param(example = "total", nullable = false)]
    include: Option<String>,
}

/// Every fact about the caller as the log holds it, newest first. What cannot be read is there too, and says so.
#[utoipa::path(
    get, path = "/history", tag = "history", operation_id = "list_history",
    params(FilterParameters, PlaceParameters, ListParameters),
    responses((status = 200, description = "A page of facts", body = Page<Fact>))
)]
pub async fn all(reader: Reader<History>, mut query: Query) -> Result<Snapshot<Page<Fact>>, ApiError> {
    let (filters, places) = (Filters::read(&mut query, &FILTERS), Filters::read(&mut query, &PLACES));
    let sort = query.sort(&["position"], "-position");
    let page = query.page(reader.cursors(), &sort);
    query.finish()?;
    let question = Question {
        which: &[&filters, &places],
        descending: sort.keys.iter().all(|key| key.descending),
        after: page.after.as_ref().map(|after| after.get(0)).transpose()?,
        fetch: page.fetch(),
        count: page.include_total,
    };
    let Snapshot { as_of, body } =
        reader.ask(|mut db, whose| async move { ask(&mut db, whose, &question).await }).await?;
    let total = body.total;
    let facts = body.tell(&reader).await?.into_iter().map(Fact::from).collect();
    let page = page.page(facts, total, |fact: &Fact| vec![json!(fact.position), json!(fact.id)]);
    Ok(Snapshot { as_of, body: page })
}
