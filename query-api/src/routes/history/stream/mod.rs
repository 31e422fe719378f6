//! `GET /events/stream`: the caller's facts as they come, from any position on, as server-sent events.

mod course;

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response, Sse},
};
use orbit_platform::{
    http::{
        headers::{self, LastEventId},
        query::{Query, Refusal},
        serve::Stopping,
    },
    problem::ApiError,
};

use self::course::Course;
use super::{
    History,
    question::{FILTERS, FilterParameters},
};
use crate::{reader::Reader, routes::filters::Filters};

/// Where a stream begins.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it documents the parameters, which are read one by one")]
pub struct BeginParameters {
    /// The position after which it begins, such as an `Orbit-Position`: the first fact that comes is a later one. 0 is the
    /// whole history; without it only what happens from now on comes
    #[param(minimum = 0, example = 4711, nullable = false)]
    from: Option<i64>,
}

/// The caller's facts as they happen, oldest first, as server-sent events: first what has happened since `from`, then what
/// happens.
///
/// Each fact is an event with its position as `id`, its wire type as `event` and the fact as `data`. While there is
/// nothing to tell, `event: position` says at least every 15 seconds how far the log has been looked through. To go on,
/// send the last `id` as `Last-Event-ID` (it outweighs `from`): nothing is left out and nothing comes twice. A stream ends
/// with `event: closed` and a `code` when the token expires (`token_expired`), the login or token ends (`invalid_token`)
/// or the server does (`shutting_down`). A user has at most five streams at once: 429 `too_many_streams`.
#[utoipa::path(
    get, path = "/events/stream", tag = "history", operation_id = "stream_events",
    params(
        BeginParameters,
        FilterParameters,
        ("Last-Event-ID" = Option<i64>, Header, description = "The `id` of the last event that came: the stream goes on after it"),
    ),
    responses((status = 200, description = "Events without end", body = String, content_type = "text/event-stream",
        example = "id: 4711\nevent: tasks.completed\ndata: {\"id\":\"0197f0a0-0000-7000-8000-0000000000aa\",\"type\":\"tasks.completed\",\"position\":4711}\n\n"))
)]
pub async fn get(
    reader: Reader<History>,
    LastEventId(last): LastEventId,
    stopping: Stopping,
    mut query: Query,
) -> Result<Response, ApiError> {
    let which = Filters::read(&mut query, &FILTERS);
    let from = query.value("from", position);
    query.finish()?;
    let place = reader.reads().streams().enter(reader.whose().user_id)?;
    // The first facts are read before the answer begins, so that what can go wrong is still an answer of its own.
    let course = Course::begin(reader, which, (place, stopping), last.or(from)).await?;
    let mut response = ([headers::as_of(course.seen())], Sse::new(course.events())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that collects an answer before it passes it on would keep it for ever.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

fn position(text: &str) -> Result<i64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let position = digits.then(|| text.parse().ok()).flatten();
    position.ok_or_else(|| ("invalid", "a position is expected: a whole number, 0 for the beginning".to_owned()))
}
