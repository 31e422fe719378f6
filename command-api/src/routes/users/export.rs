//! Asking for an archive of everything about oneself. [`crate::exports`] makes it.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_event_store::{
    Unit,
    exports::{Export, Status},
};
use orbit_platform::{
    http::{extract::OptionalJsonBody, openapi::parsed},
    ids,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::Result,
    routes::read::Empty,
    write::{Reply, Write},
};

/// An archive in the making.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b45", "status": "queued", "progress": 0, "bytes": 0,
    "created_at": "2026-11-22T20:28:00Z", "finished_at": null, "expires_at": "2026-11-29T20:28:00Z"
}"#)))]
pub struct RequestedExport {
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

impl From<Export> for RequestedExport {
    fn from(export: Export) -> Self {
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

/// Export everything
///
/// A ZIP with every fact and the present state of everything that is about the caller, without secrets, made in the
/// background and kept for 7 days. While one is being made, asking again answers that one. A user has at most 3: the
/// oldest gives way. Not for API tokens.
#[utoipa::path(post, path = "/api/v1/auth/me/export", tag = "auth", operation_id = "export_me",
    responses((status = 202, description = "It is being made", body = RequestedExport)))]
#[tracing::instrument(name = "command.users.export", skip_all)]
pub async fn export(write: Write, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require_session()?;
    body.value.check()?;
    let (app, dry_run, id) = (write.app(), write.request.dry_run, ids::new_v7(write.app().store.clock()));
    let decide = |unit: Unit| async move {
        if dry_run {
            return Ok(Reply::nothing());
        }
        // Decided again, it finds the job of the first time.
        let export = app.store.exports().request(unit.context().user_id.0, id).await?;
        let location = format!("/api/v1/auth/me/exports/{}", export.id);
        Ok(Reply::accepted(&RequestedExport::from(export))?.at(location))
    };
    let answer = write.run(&body.bytes, decide).await?;
    app.exports.wake();
    Ok(answer)
}
