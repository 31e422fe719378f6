//! `GET /emails/{id}`: one e-mail whole, wherever it lies.

use axum::response::Response;
use orbit_adapters::mime::Images;
use orbit_events::emails::{BlobRef, Part};
use orbit_platform::{
    http::{path::PathId, query::Query},
    problem::ApiError,
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    Emails, html,
    stored::Stored,
    view::{Recipients, Row, pieces},
    whole::{Read, Whole},
};
use crate::{
    answer::Snapshot,
    past::About,
    reader::{Reader, Whose},
};

macro_rules! one {
    ($columns:tt $joins:tt $whose:expr, $id:expr) => {
        sqlx::query!(
            "SELECT "
                + $columns
                + r#", e.received_at AS "received_at?", e.body_text AS "body_text?",
 e.text_truncated AS "text_truncated?", e.has_html AS "has_html?",
 e.in_reply_to AS "in_reply_to?: Json<Vec<String>>", e.refs AS "refs?: Json<Vec<String>>",
 e.notes AS "notes?: Json<Vec<String>>", e.language AS "language?", e.parts AS "parts?: Json<Vec<Part>>",
 e.raw AS "raw?: Json<BlobRef>"
 FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
  WHERE k.projection = 'emails' AND k.partition = $1), 0) AS as_of) c
 LEFT JOIN emails e ON e.id = $3 AND e.user_id = $2"#
                + $joins
                + " LIMIT 1",
            $whose.partition,
            $whose.user_id,
            $id
        )
    };
}

/// One e-mail of the caller's, with its text, its HTML made harmless, and what files are with it.
#[utoipa::path(
    get, path = "/emails/{id}", tag = "emails", operation_id = "get_email",
    params(
        ("id" = Uuid, Path, description = "The e-mail"),
        ("images" = Option<String>, Query, description = "Whether the HTML loads images from elsewhere: `block` (the default) or `show` (over HTTPS only)", example = "block"),
    ),
    responses(
        (status = 200, description = "The e-mail", body = Whole, headers(
            ("ETag" = String, description = "The e-mail's version, to be sent as If-Match"),
        )),
        (status = 501, description = "HTML was asked for by `images`, and it was not said where messages lie: ORBIT_BLOBS"),
    )
)]
pub async fn get(reader: Reader<Emails>, PathId(id): PathId, mut query: Query) -> Result<Response, ApiError> {
    let images = query.value("images", html::images);
    query.finish()?;
    // Of the past it takes its folder too, which it mentions.
    let reader = reader.about(About::WithMentioned(id));
    let Snapshot { as_of, body: mut read } =
        reader.ask(|mut db, whose| async move { find(&mut db, whose, id).await }).await?.found()?;
    if reader.is_past() {
        // Only all e-mails together tell.
        read.email.thread_id = None;
    }
    // Who does not ask for HTML gets it where it can be had.
    let is_wanted = images.is_some() || reader.reads().blobs().is_some();
    let html = if read.has_html && is_wanted {
        let stored = Stored::open(&reader, &read.raw).await?;
        html::shown(id, &stored, &read.parts, images.unwrap_or(Images::Block)).await?
    } else {
        None
    };
    // No If-None-Match: the version is the e-mail's own, and says nothing of its thread and of what its folder is
    // called.
    let version = read.email.version;
    let whole: Snapshot<Whole> = Snapshot { as_of, body: read.with(html) };
    Ok(whole.tagged(version))
}

/// An e-mail by its id.
async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<Read>>> {
    let row = pieces!(one whose, id).fetch_one(db).await?;
    let as_of = row.as_of;
    let recipients = row.recipients.as_ref().map(|Json(recipients)| recipients.clone()).unwrap_or_default();
    let email = Row {
        as_of,
        id: row.id,
        thread_id: row.thread_id,
        message_id: row.message_id,
        subject: row.subject,
        from_email: row.from_email,
        from_name: row.from_name,
        recipients: row.recipients,
        snippet: row.snippet,
        has_attachments: row.has_attachments,
        is_read: row.is_read,
        is_starred: row.is_starred,
        is_archived: row.is_archived,
        role: row.role,
        path: row.path,
        folder_id: row.folder_id,
        labels: row.labels,
        size: row.size,
        date: row.date,
        synced_at: row.synced_at,
        trashed_at: row.trashed_at,
        snoozed_until: row.snoozed_until,
        created_at: row.created_at,
        updated_at: row.updated_at,
        version: row.version,
    };
    let read = email.email().zip(row.raw).map(|(email, Json(raw))| Read {
        email,
        recipients,
        received_at: row.received_at.unwrap_or_default(),
        body_text: row.body_text.unwrap_or_default(),
        text_truncated: row.text_truncated.unwrap_or_default(),
        has_html: row.has_html.unwrap_or_default(),
        in_reply_to: list(row.in_reply_to),
        references: list(row.refs),
        notes: list(row.notes),
        language: row.language,
        parts: list(row.parts),
        raw,
    });
    Ok(Snapshot { as_of, body: read })
}

fn list<T>(column: Option<Json<Vec<T>>>) -> Vec<T> {
    column.map(|Json(list)| list).unwrap_or_default()
}
