//! Files that are to be sent: taken in as they come, sealed on the way, known by a fact once all of them is on the disk.

use super::{SCOPE, views::Upload};
use crate::{
    error::{Error, Result, refusal},
    files,
    write::{self, Parameters, Reply, Write, present},
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use orbit_domain::emails::{
    ATTACHMENT_BYTES, Attachment, ContentType, FileName,
    attachment::{AT_MOST, Command, USER},
};
use orbit_event_store::{Answer, Fault, Unit};
use orbit_events::AttachmentId;
use orbit_platform::{
    http::{path::PathId, query::Query},
    ids,
    problem::ApiError,
};

/// `?filename=`
pub struct FileNameParameter(Option<FileName>);

impl Parameters for FileNameParameter {
    fn read(query: &mut Query) -> Self {
        Self(query.required("filename", |text| FileName::parse(text).map_err(orbit_domain::Invalid::into_parts)))
    }
}

/// Upload a file
///
/// To be sent with a message. The body is the file itself, at most 25 MiB; `Content-Type` says what it is. A user has at
/// most 200 that were not sent or discarded.
#[utoipa::path(post, path = "/api/v1/emails/attachments", tag = "emails", operation_id = "upload_attachment",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"),
    params(("filename" = String, Query, description = "What it is called: 1 to 255 characters")),
    responses((status = 201, description = "The file", body = Upload)))]
#[tracing::instrument(name = "command.attachments.upload", skip_all)]
pub async fn upload(write: Write<FileNameParameter>, headers: HeaderMap, body: Body) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let content_type = content_type(&headers)?;
    check_length(&headers)?;
    let filename = write.request.parameters.0.clone().ok_or_else(|| ApiError::internal("a name that was not read"))?;
    let (app, owner) = (write.app(), write.user());
    let blobs = app.blobs()?;
    let place = files::store(app, owner, body, ATTACHMENT_BYTES).await?;
    let command = &Command::Upload { filename, content_type: content_type.clone(), raw: files::reference(&place) };
    let decide = |unit: Unit| async move {
        let limit = i64::try_from(AT_MOST).unwrap_or(i64::MAX);
        if unit.scan(USER, unit.context().user_id.0.as_bytes(), limit).await?.len() >= AT_MOST {
            let detail = format!("a user has at most {AT_MOST} files that wait to be sent");
            return Err(refusal(StatusCode::CONFLICT, "too_many_attachments", None, detail).into());
        }
        let id = ids::new_v7(app.store.clock());
        let file = Upload::try_from(unit.create::<Attachment>(id, command.clone())?)?;
        Ok(Reply::created(&file, format!("/api/v1/emails/attachments/{id}"))?.version(file.version))
    };
    // What was sent is known by its digest: the bytes themselves are not there any more.
    let sent = [content_type.as_str().as_bytes(), b"\n", &place.sha256].concat();
    let answer = write::transact(app, write.origin(), write.mode(&sent), decide).await;
    if is_left_over(&answer) {
        // Nothing refers to it. If it stays, it is unreadable with its owner's key, and goes with its owner.
        if let Err(fault) = blobs.remove(owner.0, place.pack).await {
            tracing::warn!(error = &fault as &dyn std::error::Error, "a file that nothing refers to was not deleted");
        }
    }
    Ok(write::respond(answer?))
}

/// Discard an upload
///
/// It cannot be sent any more. What was handed over to be sent is sent with it all the same.
#[utoipa::path(delete, path = "/api/v1/emails/attachments/{id}", tag = "emails", operation_id = "discard_attachment",
    params(("id" = Uuid, Path, description = "The upload")),
    responses((status = 204, description = "It is gone")))]
#[tracing::instrument(name = "command.attachments.discard", skip_all)]
pub async fn discard(write: Write, PathId(id): PathId<AttachmentId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Attachment>(&unit, id.0, if_match).await?;
        unit.decide::<Attachment>(id.0, Command::Discard).await?;
        Ok(Reply::nothing())
    };
    write.run(b"", decide).await
}

/// What it is, as the client says; any bytes, if it does not say.
fn content_type(headers: &HeaderMap) -> Result<ContentType> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(ContentType::default()) };
    let read = value.to_str().ok().and_then(|text| ContentType::parse(text).ok());
    Ok(read.ok_or_else(|| ApiError::invalid_header("Content-Type", "must be a media type like application/pdf"))?)
}

/// Refuses what says itself that it is too large, before any of it is read.
fn check_length(headers: &HeaderMap) -> Result<()> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > ATTACHMENT_BYTES) {
        Err(files::too_large(ATTACHMENT_BYTES).into())
    } else {
        Ok(())
    }
}

/// Whether no fact refers to what was stored: it was refused, shown only, or is there since an earlier request. Where
/// the outcome is not known, a fact may.
fn is_left_over(answer: &Result<Answer<Reply>>) -> bool {
    match answer {
        Ok(answer) => answer.replayed || answer.preview.is_some(),
        Err(Error::Answer(answer)) => !answer.status().is_server_error(),
        Err(Error::Fault(fault)) => match fault {
            Fault::KeyReused | Fault::Taken { .. } | Fault::Forgotten | Fault::Busy | Fault::Contended(_) => true,
            Fault::Database { .. } | Fault::OutcomeUnknown | Fault::Corrupt { .. } | Fault::WrongMasterKey => false,
        },
    }
}
