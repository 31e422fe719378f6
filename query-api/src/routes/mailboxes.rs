//! What routes tell of mailboxes elsewhere that are kept in step. None of it is a fact, so it is of now and has no past.

use chrono::{DateTime, Utc};
use orbit_platform::http::openapi::parsed;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a mailbox elsewhere, or one folder of it, is out of step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = MailboxError, example = json!(parsed(r#"{
    "code": "unreachable", "detail": "The server cannot be reached, or does not answer.", "at": "2026-11-22T20:28:00Z"
}"#)))]
pub struct Failure {
    /// For programs: `unreachable`, `authentication_failed`, `private_host_refused`, `tls`, `stuck` (ten minutes without
    /// a step), `select` (the folder cannot be opened), `refused`, `protocol` or `internal`.
    pub code: String,
    /// One sentence for people.
    pub detail: String,
    /// When it happened last.
    pub at: DateTime<Utc>,
}

impl Failure {
    /// From columns, all of which are null where nothing failed.
    pub fn of(code: Option<String>, detail: Option<String>, at: Option<DateTime<Utc>>) -> Option<Self> {
        Some(Self { code: code?, detail: detail?, at: at? })
    }
}
