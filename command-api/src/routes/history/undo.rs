//! `POST /history/undo`: takes back one fact, or all facts of one request.

use axum::response::Response;
use orbit_event_store::{Unit, Wanted};
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        headers::IfMatch,
        openapi::parsed,
    },
    problem::ApiError,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    answer::{self, Answered},
    past,
    plan::{self, Step},
};
use crate::{
    error::Result,
    routes::read,
    write::{self, Write},
};

/// What to take back: exactly one of the two is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"event_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b55"}"#)))]
pub struct UndoFacts {
    /// One fact, by its id in `/activities`.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    event_id: Field<String>,
    /// All facts of one request or job, by the `correlation_id` that they share; at most 5,001.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    correlation_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Take back what happened
///
/// Appends facts that give the fields which were changed their values of before; fields that were changed by others stay.
/// All or nothing. Where a later change stands in the way the answer is 409 `undo_conflict` and names both values; where
/// the world outside was touched it is 409 `irreversible`. Undoing an undo does it again. An API token needs the scope to
/// write whatever is touched.
#[utoipa::path(post, path = "/api/v1/history/undo", tag = "history", operation_id = "undo", request_body = UndoFacts,
    responses((status = 200, description = "What it is now, and what was appended", body = Answered)))]
#[tracing::instrument(name = "command.history.undo", skip_all)]
pub async fn undo(write: Write, body: JsonBody<UndoFacts>) -> Result<Response> {
    let mut faults = Faults::new();
    let wanted = body.value.read(&mut faults);
    let (wanted, pointer) = faults.finish_with(|| wanted)?;
    let (app, origin, if_match) = (write.app(), write.origin(), &write.request.if_match);
    let undone = &past::find(app, write.user(), wanted).await?;
    past::require(&write.caller, undone)?;
    let decide = |unit: Unit| async move {
        let steps = past::steps(app, &unit, undone, pointer).await?;
        check(if_match, &steps)?;
        plan::carry_out(app, &unit, &steps).await?;
        answer::answer(&unit, &steps).await
    };
    let answer = write::transact(app, origin.clone(), write.mode(&body.bytes), decide).await?;
    Ok(answer::respond(app, origin, answer).await)
}

/// `If-Match` names the version of one object.
fn check(if_match: &IfMatch, steps: &[Step]) -> Result<(), ApiError> {
    match (if_match, steps) {
        (IfMatch::Absent | IfMatch::Any, _) => Ok(()),
        (IfMatch::Versions(_), [step]) => if_match.check(step.version),
        (IfMatch::Versions(_), _) => {
            Err(ApiError::invalid_header("If-Match", "it names the version of one object, and this is about several"))
        }
    }
}

impl UndoFacts {
    fn read(self, faults: &mut Faults) -> Option<(Wanted, &'static str)> {
        faults.unknown(self.unknown);
        let event_id = faults.optional("event_id", self.event_id, read::id);
        let correlation_id = faults.optional("correlation_id", self.correlation_id, read::id::<Uuid>);
        match (event_id, correlation_id) {
            (Some(event), None) => Some((Wanted::Event(event), "/event_id")),
            (None, Some(correlation)) => Some((Wanted::Correlation(correlation), "/correlation_id")),
            (Some(_), Some(_)) => faults.malformed("correlation_id", "contradiction", "give it or event_id, not both"),
            (None, None) if faults.is_empty() => {
                faults.malformed("", "empty", "must name an event_id or a correlation_id")
            }
            (None, None) => None,
        }
    }
}
