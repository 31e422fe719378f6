//! `GET /audit/checkpoint`: what a witness keeps.

use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use orbit_event_store::proof::{Seal, note};
use orbit_platform::{
    http::{headers, openapi::parsed, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Audit, base64, sealed};
use crate::{answer::Snapshot, reader::Reader};

/// A signed statement of how many facts the log holds and what they hash to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditCheckpoint, example = json!(parsed(r#"{
    "origin": "orbit/0197f0a0-0000-7000-8000-0000000000ee", "size": 4711,
    "root": "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
    "note": "orbit/0197f0a0-0000-7000-8000-0000000000ee\n4711\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— orbit/0197f0a0-0000-7000-8000-0000000000ee Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n",
    "verifier_key": "orbit/0197f0a0-0000-7000-8000-0000000000ee+033de0ae+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "signed_at": "2026-11-22T20:28:00Z"
}"#)))]
pub struct Checkpoint {
    /// The log's name. It holds the store's epoch: a log that was restored from a backup is another one.
    pub origin: String,
    /// How many facts: everything up to this position is sealed.
    pub size: i64,
    /// The root of the Merkle tree over them (RFC 6962, SHA-256), in base64.
    pub root: String,
    /// The statement itself, signed (C2SP tlog-checkpoint). This is what a witness keeps.
    pub note: String,
    /// The public key that the note is signed with (C2SP signed-note). Believe it the first time, and keep it: whoever
    /// could change the log could change this too.
    pub verifier_key: String,
    /// When it was signed, by the server's clock.
    pub signed_at: DateTime<Utc>,
}

impl From<Seal> for Checkpoint {
    fn from(seal: Seal) -> Self {
        let origin = note::Checkpoint::peek(&seal.note).map(|checkpoint| checkpoint.origin);
        Self {
            origin: origin.unwrap_or_default(),
            size: seal.size,
            root: base64(&seal.root),
            note: seal.note,
            verifier_key: seal.verifier,
            signed_at: seal.signed_at,
        }
    }
}

/// The newest signed checkpoint of the log, at most two seconds behind its head. With `Accept: text/plain` the bare
/// signed note.
#[utoipa::path(
    get, path = "/audit/checkpoint", tag = "audit", operation_id = "get_checkpoint",
    responses((status = 200, description = "The checkpoint", content((Checkpoint = "application/json"), (String = "text/plain"))))
)]
pub async fn get(reader: Reader<Audit>, query: Query, asked: HeaderMap) -> Result<Response, ApiError> {
    query.finish()?;
    let seal = sealed::upto(&reader, 0).await?;
    if wants_text(&asked) {
        let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
        return Ok(([headers::as_of(seal.size)], [kind], seal.note).into_response());
    }
    Ok(Snapshot { as_of: seal.size, body: Checkpoint::from(seal) }.into_response())
}

/// Whether plain text is all that the client takes.
fn wants_text(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds =
        values.flat_map(|value| value.split(',').take(20)).map(|kind| kind.split(';').next().unwrap_or("").trim());
    let (mut text, mut other) = (false, false);
    for kind in kinds {
        text |= kind == "text/plain" || kind == "text/*";
        other |= matches!(kind, "application/json" | "application/*" | "*/*");
    }
    text && !other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_for_those_who_take_nothing_else() {
        let wants = |accept: &'static str| {
            wants_text(&HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(accept))]))
        };
        assert!(wants("text/plain") && wants("text/plain;charset=utf-8") && wants("text/html, text/*"));
        assert!(!wants("*/*") && !wants("text/plain, application/json") && !wants("text/plain, */*;q=0.1"));
        assert!(!wants_text(&HeaderMap::new()));
    }
}
