//! `GET /activities/export`: everything that has happened, oldest first, one JSON object per line, however much it is.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use orbit_platform::{
    http::{headers, query::Query},
    problem::ApiError,
};
use sqlx::{Postgres, pool::PoolConnection};

use super::{
    Activities,
    question::{AtParameters, FilterParameters, Question, Which, ask},
    view::Activity,
};
use crate::reader::Reader;

/// Activities read at once: what a request holds in memory, and how long it keeps a connection.
const BATCH: i64 = 500;
/// The same of the past, where each batch is folded anew: some megabytes, so that there are few.
const BATCH_OF_THE_PAST: i64 = 10_000;

/// Everything that has happened, oldest first, as NDJSON: one activity per line. It ends at the position of
/// `Orbit-As-Of`; an export that is cut off goes on with `position[gt]=` and the last position that came.
#[utoipa::path(
    get, path = "/activities/export", tag = "activities", operation_id = "export_activities", params(FilterParameters, AtParameters),
    responses((status = 200, description = "One activity per line", body = String, content_type = "application/x-ndjson", headers(
        ("Content-Disposition" = String, description = "A name for the file"),
    ), example = "{\"id\":\"0197f0a0-0000-7000-8000-0000000000aa\",\"type\":\"tasks.created\",\"position\":1}\n"))
)]
pub async fn get(reader: Reader<Activities>, mut query: Query) -> Result<Response, ApiError> {
    let which = Which::read(&mut query);
    query.finish()?;
    // The first batch is read before the answer begins, so that what can go wrong is still an answer of its own.
    let first = Export { reader, which, upto: None, after: None }.next().await?;
    let as_of = first.as_ref().map_or(0, |(_, export)| export.upto.unwrap_or(0));
    let lines = stream::try_unfold(Begin::Read(first), |begin| async move {
        match begin {
            Begin::Read(read) => Ok::<_, ApiError>(read.map(|(lines, rest)| (lines, Begin::Rest(rest)))),
            Begin::Rest(rest) => Ok(rest.next().await?.map(|(lines, rest)| (lines, Begin::Rest(rest)))),
        }
    });
    let lines = futures_util::TryStreamExt::map_err(lines, |error| {
        // The status is long gone: the connection is cut, so that nobody takes the part for the whole.
        tracing::warn!(code = error.code(), "an export was cut off");
        std::io::Error::other(error.code())
    });
    let mut response = ([headers::as_of(as_of)], Body::from_stream(lines)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let name = HeaderValue::from_static("attachment; filename=\"activities.ndjson\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

enum Begin {
    Read(Option<(Bytes, Export)>),
    Rest(Export),
}

/// An export under way.
struct Export {
    reader: Reader<Activities>,
    which: Which,
    /// Where it ends: as of when the first batch was.
    upto: Option<i64>,
    /// Where the next batch begins; `None` before the first.
    after: Option<i64>,
}

impl Export {
    /// The next lines, and the rest; nothing at the end. The first batch always is something, be it empty.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, ApiError> {
        if self.after.is_some() && self.after >= self.upto {
            return Ok(None);
        }
        let fetch = if self.reader.is_past() { BATCH_OF_THE_PAST } else { BATCH };
        let question =
            Question { which: &self.which, descending: false, after: self.after, upto: self.upto, fetch, count: false };
        let reader = &self.reader;
        let question = &question;
        let next = |mut db: PoolConnection<Postgres>, whose| async move { ask(&mut db, whose, question).await };
        let batch = match self.upto {
            None => reader.ask(next).await?,
            // Another replica, or a read model folded anew, may know less than the first batch said that there is: a batch
            // from there would look like the end.
            Some(upto) => reader.ask_from(upto, next).await?,
        };
        let upto = self.upto.unwrap_or(batch.as_of);
        // A batch that is not full was the last one.
        let full = i64::try_from(batch.body.activities.len()).is_ok_and(|count| count == fetch);
        let last = batch.body.activities.last().map(|activity| activity.position).filter(|_| full);
        let lines = lines(&batch.body.activities)?;
        self.after = Some(last.unwrap_or(upto));
        self.upto = Some(upto);
        Ok(Some((lines, self)))
    }
}

fn lines(activities: &[Activity]) -> Result<Bytes, ApiError> {
    let mut lines = Vec::with_capacity(activities.len() * 512);
    for activity in activities {
        serde_json::to_writer(&mut lines, activity).map_err(ApiError::internal)?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}
