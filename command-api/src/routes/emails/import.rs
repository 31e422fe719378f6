//! Bringing a mailbox: its bytes are stored as they come, and a job is written down. The reactor does the rest.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use chrono::{DateTime, Utc};
use orbit_adapters::blobs::{Blobs, Place};
use orbit_domain::emails::FolderName;
use orbit_event_store::{
    Unit,
    imports::{AT_ONCE, Counts, Import, Status, Wanted},
};
use orbit_platform::{
    http::{extract::OptionalJsonBody, openapi::parsed, path::PathId, query::Query},
    ids,
    problem::{ApiError, kinds},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SCOPE;
use crate::{
    error::{Error, Result, refusal},
    files,
    routes::read::Empty,
    write::{Parameters, Reply, Write},
};

/// What a mailbox may be, with the media type that says so.
const FORMATS: [(&str, &str); 3] =
    [("eml", "message/rfc822"), ("mbox", "application/mbox"), ("tar", "application/x-tar")];
/// The media type that says nothing: the first bytes tell.
const ANYTHING: &str = "application/octet-stream";
/// Most characters of what it is called.
const NAME_CHARS: usize = 255;

/// What is said of a mailbox beside its bytes.
pub struct Said {
    folder: Option<String>,
    format: Option<&'static str>,
    name: Option<String>,
}

impl Parameters for Said {
    fn read(query: &mut Query) -> Self {
        let folder = |text: &str| FolderName::parse(text).map(String::from).map_err(orbit_domain::Invalid::into_parts);
        let format = |text: &str| {
            let known = FORMATS.iter().find(|(format, _)| *format == text).map(|(format, _)| *format);
            known.ok_or_else(|| ("invalid", "eml, mbox or tar is expected".to_owned()))
        };
        let name = |text: &str| match text.chars().count() {
            1..=NAME_CHARS if !text.chars().any(char::is_control) => Ok(text.to_owned()),
            _ => Err(("invalid", format!("one line of 1 to {NAME_CHARS} characters is expected"))),
        };
        Self {
            folder: query.value("folder", folder),
            format: query.value("format", format),
            name: query.value("name", name),
        }
    }
}

/// A mailbox that is being taken in.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b45", "status": "queued", "progress": 0, "name": "old.mbox", "folder": null,
    "bytes": 48211, "messages": 0, "created": 0, "known": 0, "noted": 0, "refused": 0,
    "created_at": "2026-11-24T20:28:00Z", "updated_at": "2026-11-24T20:28:00Z", "finished_at": null
}"#)))]
pub struct RequestedImport {
    /// Its id: `GET /emails/imports/{id}` says how far it is.
    id: Uuid,
    /// `queued`, `running`, `complete`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    status: Status,
    /// How far it is, in percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// What it is called.
    name: Option<String>,
    /// Where all of it goes; where the mailbox says, if absent.
    folder: Option<String>,
    /// How many bytes it has.
    bytes: i64,
    /// Messages that were found so far.
    messages: i64,
    /// Those that are e-mails now and were not before.
    created: i64,
    /// Those that were there already.
    known: i64,
    /// Those that something was odd about.
    noted: i64,
    /// Those that could not be taken in.
    refused: i64,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When it moved last.
    updated_at: DateTime<Utc>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Import> for RequestedImport {
    fn from(import: Import) -> Self {
        let progress = import.percent();
        let Counts { messages, created, known, noted, refused } = import.progress.counts;
        Self {
            id: import.id,
            status: import.status,
            progress,
            name: import.name,
            folder: import.folder,
            bytes: import.bytes_total,
            messages,
            created,
            known,
            noted,
            refused,
            created_at: import.created_at,
            updated_at: import.updated_at,
            finished_at: import.finished_at,
        }
    }
}

/// Import a mailbox
///
/// The body is the mailbox: one message (`message/rfc822`), an mbox of many (`application/mbox`), or a Maildir in a tar
/// archive (`application/x-tar`); with `application/octet-stream` its first bytes tell. It is stored as it comes and worked
/// off in the background. Messages that are there already are passed over, so that bringing the same again is harmless;
/// what was deleted for good comes back. A user has at most 3 that are not worked off.
#[utoipa::path(post, path = "/api/v1/emails/import", tag = "emails", operation_id = "import_emails",
    params(
        ("folder" = Option<String>, Query, description = "Where all of it goes: a role (`inbox`, `sent`, `drafts`, `archive`, `trash`, `junk`), or the name of a folder, which is made; where the mailbox says, if absent", example = "archive"),
        ("format" = Option<String>, Query, description = "`eml`, `mbox` or `tar`, whatever the media type says", example = "mbox"),
        ("name" = Option<String>, Query, description = "What to call it", example = "old.mbox"),
    ),
    request_body(content(
        (Vec<u8> = "application/mbox"), (Vec<u8> = "message/rfc822"), (Vec<u8> = "application/x-tar"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses((status = 202, description = "It is being taken in", body = RequestedImport)))]
#[tracing::instrument(name = "command.emails.import", skip_all)]
pub async fn import(write: Write<Said>, headers: HeaderMap, body: Body) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let format = format(write.request.parameters.format, &headers)?;
    let app = write.app();
    let blobs = app.blobs()?;
    if write.request.dry_run {
        return write.run(&[], |_: Unit| async { Ok(Reply::nothing()) }).await;
    }
    let imports = app.store.imports();
    let user = write.user();
    // Before the bytes come: it is asked once more behind them.
    if imports.unfinished(user.0).await? >= AT_ONCE && !write.request.has_key() {
        return Err(too_many());
    }
    let place = store(&write, blobs, body).await?;
    let upload = Upload { blobs, owner: user.0, place, is_kept: false.into() };
    let Said { folder, name, .. } = &write.request.parameters;
    let wanted = Wanted {
        id: ids::new_v7(app.store.clock()),
        user_id: user.0,
        name: name.clone(),
        format: format.map(str::to_owned),
        folder: folder.clone(),
        bytes: place.length,
    };
    let (imports, wanted, reference, kept) = (&imports, &wanted, &files::reference(&place), &upload.is_kept);
    let decide = |_: Unit| async move {
        // Decided again, it finds the job of the first time.
        let asked = match imports.find(wanted.user_id, wanted.id).await? {
            Some(asked) => asked,
            None => imports.request(wanted, reference).await?.ok_or_else(too_many)?,
        };
        kept.store(true, Ordering::Relaxed);
        let location = format!("/api/v1/emails/imports/{}", asked.id);
        Ok(Reply::accepted(&RequestedImport::from(asked))?.at(location))
    };
    // The same bytes under the same key are the same request.
    let answer = write.run(&place.sha256, decide).await;
    upload.settle().await;
    app.reactor.wake().await;
    answer
}

/// Stores the mailbox as it comes.
async fn store(write: &Write<Said>, blobs: &Blobs, body: Body) -> Result<Place> {
    let (app, user) = (write.app(), write.user());
    let place = files::store(app, user, body, app.mail().import_limit).await?;
    if place.length == 0 {
        if let Err(fault) = blobs.remove(user.0, place.pack).await {
            tracing::warn!(error = &fault as &dyn std::error::Error, "an empty upload was not deleted");
        }
        return Err(ApiError::of(&kinds::INVALID_REQUEST, "the body is empty, a mailbox is expected").into());
    }
    Ok(place)
}

/// Bytes that are stored, until it is known whether a job speaks of them.
struct Upload<'a> {
    blobs: &'a Blobs,
    owner: Uuid,
    place: Place,
    is_kept: AtomicBool,
}

impl Upload<'_> {
    /// Deletes what no job speaks of: it was refused, or is a repetition of what was brought before.
    async fn settle(self) {
        if self.is_kept.into_inner() {
            return;
        }
        if let Err(fault) = self.blobs.remove(self.owner, self.place.pack).await {
            tracing::warn!(error = &fault as &dyn std::error::Error, "an upload that nobody wants was not deleted");
        }
    }
}

/// What it is, as far as somebody says.
fn format(said: Option<&'static str>, headers: &HeaderMap) -> Result<Option<&'static str>, ApiError> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(ANYTHING);
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = FORMATS.iter().find(|(_, media)| *media == essence).map(|(format, _)| *format);
    if known.is_none() && essence != ANYTHING {
        let expected = FORMATS.map(|(_, media)| media).join(", ");
        return Err(ApiError::unsupported_media_type(&format!("{expected} or {ANYTHING}")));
    }
    Ok(said.or(known))
}

fn too_many() -> Error {
    let detail = format!("{AT_ONCE} mailboxes are being taken in already: wait for one, or cancel it");
    refusal(StatusCode::CONFLICT, "too_many_imports", None, detail).into()
}

/// Cancel an import
///
/// What was taken in so far stays. Whoever works on it stops with the messages that they are at.
#[utoipa::path(post, path = "/api/v1/emails/imports/{id}/cancel", tag = "emails", operation_id = "cancel_import",
    params(("id" = Uuid, Path, description = "The import")),
    responses((status = 200, description = "It stops within seconds", body = RequestedImport)))]
#[tracing::instrument(name = "command.emails.cancel_import", skip_all)]
pub async fn cancel(write: Write, PathId(id): PathId, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    body.value.check()?;
    let (imports, user, dry_run) = (&write.app().store.imports(), write.user().0, write.request.dry_run);
    let found = imports.find(user, id).await?.ok_or_else(ApiError::not_found)?;
    let found = &found;
    let decide = |_: Unit| async move {
        if dry_run {
            return Ok(Reply::nothing());
        }
        let import = match imports.cancel(user, id).await? {
            Some(import) => import,
            None if found.status == Status::Cancelled => found.clone(),
            None => {
                let detail = "the import has ended: there is nothing left to stop";
                return Err(refusal(StatusCode::CONFLICT, "import_ended", None, detail).into());
            }
        };
        Reply::ok(&RequestedImport::from(import))
    };
    let answer = write.run(&body.bytes, decide).await;
    write.app().reactor.wake().await;
    answer
}
