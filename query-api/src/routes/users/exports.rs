//! `GET /auth/me/exports`, `/auth/me/exports/{id}` and `/auth/me/exports/{id}/download`: archives of everything about the
//! caller.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use futures_util::stream;
use orbit_event_store::{
    Fault,
    exports::{self, Exports, Status},
};
use orbit_platform::{
    http::{headers, openapi::parsed, path::PathId, query::Query},
    problem::{ApiError, kinds},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Users;
use crate::{answer::Snapshot, reader::Reader};

/// An archive, or one in the making.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000f1", "status": "complete", "progress": 100, "bytes": 48211,
    "created_at": "2026-11-22T20:28:00Z", "finished_at": "2026-11-22T20:28:02Z", "expires_at": "2026-11-29T20:28:00Z"
}"#)))]
pub struct Export {
    /// Its id.
    pub id: Uuid,
    /// `queued`, `running`, `complete` or `failed`.
    #[schema(value_type = String)]
    pub status: Status,
    /// How far it is, in percent.
    #[schema(minimum = 0, maximum = 100)]
    pub progress: u8,
    /// How long the archive is so far.
    pub bytes: i64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was complete, or given up.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it is deleted.
    pub expires_at: DateTime<Utc>,
}

/// The caller's archives.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"data": [{
    "id": "0197f0a0-0000-7000-8000-0000000000f1", "status": "running", "progress": 40, "bytes": 48211,
    "created_at": "2026-11-22T20:28:00Z", "finished_at": null, "expires_at": "2026-11-29T20:28:00Z"
}]}"#)))]
pub struct AllExports {
    /// The newest first. There are never more than a handful.
    pub data: Vec<Export>,
}

impl From<exports::Export> for Export {
    fn from(export: exports::Export) -> Self {
        Self {
            id: export.id,
            status: export.status,
            progress: export.progress(),
            bytes: export.bytes,
            created_at: export.created_at,
            finished_at: export.finished_at,
            expires_at: export.expires_at,
        }
    }
}

/// The caller's archives, the newest first. Not for API tokens.
#[utoipa::path(
    get, path = "/auth/me/exports", tag = "auth", operation_id = "list_exports", params(),
    responses((status = 200, description = "The archives", body = AllExports))
)]
pub async fn all(reader: Reader<Users>, query: Query) -> Result<Snapshot<AllExports>, ApiError> {
    query.finish()?;
    let (exports, user) = reader.exports()?;
    let all = exports.list(user).await.map_err(answer)?;
    let as_of = all.first().map_or(0, |export| export.upto);
    Ok(Snapshot { as_of, body: AllExports { data: all.into_iter().map(Export::from).collect() } })
}

/// One archive. Not for API tokens.
#[utoipa::path(
    get, path = "/auth/me/exports/{id}", tag = "auth", operation_id = "get_export",
    params(("id" = Uuid, Path, description = "The archive")),
    responses((status = 200, description = "The archive, or how far it is", body = Export))
)]
pub async fn get(reader: Reader<Users>, PathId(id): PathId, query: Query) -> Result<Snapshot<Export>, ApiError> {
    query.finish()?;
    let (exports, user) = reader.exports()?;
    let export = exports.find(user, id).await.map_err(answer)?.ok_or_else(ApiError::not_found)?;
    Ok(Snapshot { as_of: export.upto, body: export.into() })
}

/// The bytes of an archive: a ZIP with a `README.txt` that says what is in it. 404 until it is complete. Not for API
/// tokens.
#[utoipa::path(
    get, path = "/auth/me/exports/{id}/download", tag = "auth", operation_id = "download_export",
    params(("id" = Uuid, Path, description = "The archive")),
    responses((status = 200, description = "The archive", body = String, content_type = "application/zip", headers(
        ("Content-Disposition" = String, description = "A name for the file"),
    )))
)]
pub async fn download(reader: Reader<Users>, PathId(id): PathId, query: Query) -> Result<Response, ApiError> {
    query.finish()?;
    let (exports, user) = reader.exports()?;
    let export = exports.find(user, id).await.map_err(answer)?.ok_or_else(ApiError::not_found)?;
    if export.status != Status::Complete {
        return Err(ApiError::not_found());
    }
    // The first piece is read before the answer begins, so that what can go wrong is still an answer of its own.
    let first = exports.piece(&export, 0).await.map_err(answer)?.ok_or_else(ApiError::not_found)?;
    let (as_of, bytes) = (export.upto, export.bytes);
    let download = Download { exports: exports.clone(), export, first: Some(first), number: 0 };
    let pieces = stream::try_unfold(download, Download::next);
    let mut response = ([headers::as_of(as_of)], Body::from_stream(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    let name = HeaderValue::from_static("attachment; filename=\"orbit-export.zip\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// A download under way: a piece at a time.
struct Download {
    exports: Exports,
    export: exports::Export,
    first: Option<Vec<u8>>,
    number: i32,
}

impl Download {
    async fn next(mut self) -> Result<Option<(Vec<u8>, Self)>, std::io::Error> {
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => self.exports.piece(&self.export, self.number).await.map_err(|fault| {
                // The status is long gone: the connection is cut, so that nobody takes the part for the whole.
                tracing::warn!(error = &fault as &dyn std::error::Error, "a download was cut off");
                std::io::Error::other("a piece cannot be read")
            })?,
        };
        self.number += 1;
        Ok(piece.map(|piece| (piece, self)))
    }
}

fn answer(fault: Fault) -> ApiError {
    match fault {
        Fault::Forgotten => ApiError::not_found(),
        fault if fault.is_temporary() => ApiError::of(&kinds::UNAVAILABLE, "the database is away").with_source(fault),
        fault => ApiError::internal(fault),
    }
}
