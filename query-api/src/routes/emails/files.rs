//! `GET /emails/{id}/raw`, `/emails/{id}/parts/{path}`, `/emails/{id}/attachments/{n}`: messages and their files, as
//! they came.

use axum::response::Response;
use orbit_events::emails::{BlobRef, Part};
use orbit_platform::{
    http::{
        path::{Path, PathId},
        query::Query,
    },
    problem::ApiError,
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    RawEmails,
    content::{Content, Pieces, pieces_of},
    range::{Extent, Wanted},
    stored::Stored,
    whole::hex_digest,
};
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
};

/// Where a message lies, and what is in it.
struct Source {
    raw: BlobRef,
    parts: Vec<Part>,
}

/// The message itself, as it came.
#[utoipa::path(
    get, path = "/emails/{id}/raw", tag = "emails", operation_id = "get_raw_email",
    params(
        ("id" = Uuid, Path, description = "The e-mail"),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as bytes=0-1023"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has"),
    ),
    responses(
        (status = 200, description = "The message", body = String, content_type = "message/rfc822", headers(
            ("ETag" = String, description = "Its SHA-256"),
        )),
        (status = 206, description = "The range of it", body = String, content_type = "message/rfc822"),
        (status = 304, description = "The client has it"),
        (status = 416, description = "There is nothing in this range"),
        (status = 501, description = "It was not said where messages lie: ORBIT_BLOBS"),
    )
)]
pub async fn raw(
    reader: Reader<RawEmails>,
    PathId(id): PathId,
    wanted: Wanted,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let Snapshot { as_of, body: Source { raw, .. } } = source(&reader, id).await?;
    let stored = Stored::open(&reader, &raw).await?;
    let content = Content {
        as_of,
        media: "message/rfc822".to_owned(),
        filename: format!("{id}.eml"),
        tag: hex_digest(&raw.sha256).unwrap_or_default(),
        length: stored.length(),
    };
    let range = match content.extent(&wanted)? {
        Extent::Known => return Ok(content.known()),
        Extent::Whole => None,
        Extent::Part(range) => Some(range),
    };
    let pieces: Pieces = Box::pin(stored.stream(range.clone().unwrap_or(0..content.length)));
    content.answer(range, pieces).await
}

/// A part of the message, decoded, by its place among the parts: a file, or what its HTML shows.
#[utoipa::path(
    get, path = "/emails/{id}/parts/{path}", tag = "emails", operation_id = "get_email_part",
    params(
        ("id" = Uuid, Path, description = "The e-mail"),
        ("path" = String, Path, description = "The part's path, as its attachments tell", example = "2.1"),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as bytes=0-1023"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has"),
    ),
    responses(
        (status = 200, description = "Its content, as the media type that the sender says", body = String, content_type = "application/octet-stream", headers(
            ("ETag" = String, description = "Its SHA-256"),
            ("Content-Disposition" = String, description = "inline for png, gif, jpeg and webp, else attachment; with the file's name"),
        )),
        (status = 206, description = "The range of it", body = String, content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        (status = 416, description = "There is nothing in this range"),
        (status = 501, description = "It was not said where messages lie: ORBIT_BLOBS"),
    )
)]
pub async fn part(
    reader: Reader<RawEmails>,
    PathId(id): PathId,
    Path(place): Path<(String, String)>,
    wanted: Wanted,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let source = source(&reader, id).await?;
    let found = source.body.parts.iter().find(|part| part.path == place.1);
    let part = found.cloned().ok_or_else(ApiError::not_found)?;
    give(&reader, source, part, &wanted).await
}

/// A file of the message, decoded, by its number.
#[utoipa::path(
    get, path = "/emails/{id}/attachments/{n}", tag = "emails", operation_id = "get_email_attachment",
    params(
        ("id" = Uuid, Path, description = "The e-mail"),
        ("n" = u32, Path, description = "The file's number, counted from 1", minimum = 1),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as bytes=0-1023"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has"),
    ),
    responses(
        (status = 200, description = "Its content, as the media type that the sender says", body = String, content_type = "application/octet-stream", headers(
            ("ETag" = String, description = "Its SHA-256"),
            ("Content-Disposition" = String, description = "inline for png, gif, jpeg and webp, else attachment; with the file's name"),
        )),
        (status = 206, description = "The range of it", body = String, content_type = "application/octet-stream"),
        (status = 304, description = "The client has it"),
        (status = 416, description = "There is nothing in this range"),
        (status = 501, description = "It was not said where messages lie: ORBIT_BLOBS"),
    )
)]
pub async fn attachment(
    reader: Reader<RawEmails>,
    PathId(id): PathId,
    Path(place): Path<(String, usize)>,
    wanted: Wanted,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let source = source(&reader, id).await?;
    let found = place.1.checked_sub(1).and_then(|at| source.body.parts.get(at));
    let part = found.cloned().ok_or_else(ApiError::not_found)?;
    give(&reader, source, part, &wanted).await
}

async fn give(
    reader: &Reader<RawEmails>,
    source: Snapshot<Source>,
    part: Part,
    wanted: &Wanted,
) -> Result<Response, ApiError> {
    let raw = &source.body.raw;
    let stored = Stored::open(reader, raw).await?;
    let digest = part.sha256.as_deref().and_then(hex_digest);
    let of_message = || format!("{}-{}", hex_digest(&raw.sha256).unwrap_or_default(), part.path);
    let content = Content {
        as_of: source.as_of,
        media: part.content_type.clone(),
        filename: part.filename.clone().unwrap_or_else(|| format!("part-{}", part.path)),
        tag: digest.unwrap_or_else(of_message),
        length: part.size,
    };
    let range = match content.extent(wanted)? {
        Extent::Known => return Ok(content.known()),
        Extent::Whole => None,
        Extent::Part(range) => Some(range),
    };
    let pieces = pieces_of(&stored, &part, range.clone().unwrap_or(0..content.length)).await?;
    content.answer(range, pieces).await
}

async fn source(reader: &Reader<RawEmails>, id: Uuid) -> Result<Snapshot<Source>, ApiError> {
    reader.ask(|mut db, whose| async move { find(&mut db, whose, id).await }).await?.found()
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Source>>> {
    let row = sqlx::query!(
        r#"SELECT c.as_of AS "as_of!", e.raw AS "raw?: Json<BlobRef>", e.parts AS "parts?: Json<Vec<Part>>"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN emails e ON e.id = $3 AND e.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    let source = row.raw.zip(row.parts).map(|(Json(raw), Json(parts))| Source { raw, parts });
    Ok(Snapshot { as_of: row.as_of, body: source })
}
