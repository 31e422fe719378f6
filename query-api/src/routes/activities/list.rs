//! `GET /activities` and `/activities/recent`.

use chrono::TimeDelta;
use orbit_platform::{
    http::{page::Page, query::Query},
    problem::ApiError,
};
use serde_json::json;

use super::{
    Activities,
    question::{AtParameters, FilterParameters, Question, Which, ask},
    view::Activity,
};
use crate::{answer::Snapshot, reader::Reader};

/// What is recent.
const RECENT: TimeDelta = TimeDelta::hours(24);

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

/// What has happened, newest first: every fact about the caller.
#[utoipa::path(
    get, path = "/activities", tag = "activities", operation_id = "list_activities",
    params(FilterParameters, AtParameters, ListParameters),
    responses((status = 200, description = "A page of activities", body = Page<Activity>))
)]
pub async fn all(reader: Reader<Activities>, mut query: Query) -> Result<Snapshot<Page<Activity>>, ApiError> {
    let which = Which::read(&mut query);
    list(&reader, query, &which).await
}

/// What has happened within the last 24 hours by the server's clock, newest first.
#[utoipa::path(
    get, path = "/activities/recent", tag = "activities", operation_id = "list_recent_activities",
    params(FilterParameters, ListParameters),
    responses((status = 200, description = "A page of activities", body = Page<Activity>))
)]
pub async fn recent(reader: Reader<Activities>, mut query: Query) -> Result<Snapshot<Page<Activity>>, ApiError> {
    let which = Which::since(&mut query, reader.now() - RECENT);
    list(&reader, query, &which).await
}

async fn list(
    reader: &Reader<Activities>,
    mut query: Query,
    which: &Which,
) -> Result<Snapshot<Page<Activity>>, ApiError> {
    let sort = query.sort(&["position"], "-position");
    let page = query.page(reader.cursors(), &sort);
    query.finish()?;
    let question = Question {
        which,
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
