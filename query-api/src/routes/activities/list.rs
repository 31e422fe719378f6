//! `GET /activities`.

use orbit_platform::{
    http::{page::Page, query::Query},
    problem::ApiError,
};
use serde_json::json;

use super::{
    Activities,
    question::{FilterParameters, Filters, Question, ask},
    view::Activity,
};
use crate::{answer::Snapshot, reader::Reader};

/// How a list of activities is cut.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct ListParameters {
    /// `-position` (newest first, the default) or `position`
    #[param(example = "-position", nullable = false)]
    sort: Option<String>,
    /// The most activities on the page
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and sort
    #[param(nullable = false)]
    cursor: Option<String>,
    /// `total`: how many activities there are on all pages
    #[param(example = "total", nullable = false)]
    include: Option<String>,
}

/// What has happened, newest first: every fact about the caller. The last 24 hours are `at[gte]=<a day ago>`.
#[utoipa::path(
    get, path = "/activities", tag = "activities", operation_id = "list_activities",
    params(FilterParameters, ListParameters),
    responses((status = 200, description = "A page of activities", body = Page<Activity>))
)]
pub async fn all(reader: Reader<Activities>, mut query: Query) -> Result<Snapshot<Page<Activity>>, ApiError> {
    let filters = Filters::read(&mut query);
    let sort = query.sort(&["position"], "-position");
    let page = query.page(reader.cursors(), &sort);
    query.finish()?;
    let question = Question {
        filters: &filters,
        descending: sort.keys.iter().all(|key| key.descending),
        after: page.after.as_ref().map(|after| after.get(0)).transpose()?,
        upto: None,
        fetch: page.fetch(),
        count: page.include_total,
    };
    let question = &question;
    let answer = reader.ask(|mut db, whose| async move { ask(&mut db, whose, question).await }).await?;
    Ok(answer.map(|answer| {
        page.page(answer.activities, answer.total, |activity| vec![json!(activity.position), json!(activity.id)])
    }))
}
