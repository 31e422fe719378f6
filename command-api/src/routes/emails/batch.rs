//! One operation on up to 500 e-mails in one request.
//!
//! E-mails are decided in groups, each of them a unit of work under an idempotency key of its own, made of the request's:
//! one append for fifty marks. An e-mail that says no adds nothing to its group and does not stop the others. When a
//! request is cut short it is repeated with the same key: groups that were done are answered from memory.

use std::collections::HashSet;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use orbit_event_store::{Answer, Unit};
use orbit_events::EmailId;
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        headers::IfMatch,
        openapi::parsed,
    },
    problem::Problem,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    SCOPE,
    bodies::{LabelEmail, MoveEmail, SnoozeEmail},
    operation::Operation,
};
use crate::{
    error::{Error, Result},
    routes::read::{self, at_most},
    write::{self, Reply, Write},
};

/// Most e-mails of one request.
const AT_MOST: usize = 500;
/// E-mails that are decided together. More would keep others waiting for longer, and lose more when one of them has just
/// been changed by somebody else.
const GROUP: usize = 50;
const PATH: &str = "/api/v1/emails/batch";

/// One operation on many e-mails.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"op": "read", "ids": ["019302d5-6f3c-7b1e-9c53-0d6a3c1f2b50"]}"#)))]
pub struct EmailBatch {
    /// 1 to 500 e-mails.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>, required, min_items = 1, max_items = 500)]
    ids: Field<Vec<Field<String>>>,
    /// `read`, `unread`, `star`, `unstar`, `archive`, `unarchive`, `move`, `label`, `unlabel`, `trash`, `restore`,
    /// `delete` or `snooze`.
    #[serde(default)]
    #[schema(value_type = String, required, example = "read")]
    op: Field<String>,
    /// For `move`: the folder.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    folder_id: Field<String>,
    /// For `move`: what the folder is for.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    folder: Field<String>,
    /// For `label` and `unlabel`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100)]
    label: Field<String>,
    /// For `snooze`: until when; `null` has them there again.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    until: Field<DateTime<Utc>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// What became of the e-mails.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "succeeded": 1, "failed": 0,
    "results": [{"id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b50", "status": 200, "problem": null}]
}"#)))]
pub struct EmailBatchOutcome {
    /// How many are as they should be.
    succeeded: usize,
    /// How many said no.
    failed: usize,
    /// One for each e-mail, in their order.
    results: Vec<EmailBatchResult>,
}

/// What became of one e-mail.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmailBatchResult {
    /// Which one.
    #[schema(value_type = Uuid)]
    id: EmailId,
    /// The status that the single request would have been answered with.
    status: u16,
    /// Why it said no.
    #[schema(value_type = Option<Object>)]
    problem: Option<Problem>,
}

/// Status and problem of one e-mail, as they are kept for repetitions.
type Kept = (u16, Option<Problem>);

/// What is kept of a whole batch.
#[derive(Serialize, Deserialize)]
struct Whole {
    /// Position of the newest fact.
    position: i64,
    results: Vec<Kept>,
}

/// Do one thing to many e-mails
///
/// At most 500, each on its own: one that says no does not stop the others. `Idempotency-Key` is required; repeating a
/// request that was cut short goes on where it stopped.
#[utoipa::path(post, path = "/api/v1/emails/batch", tag = "emails", operation_id = "batch_emails", request_body = EmailBatch,
    params(("Idempotency-Key" = String, Header, description = "Required here: the same key and body get the same answer")),
    responses((status = 200, description = "One result for each e-mail", body = EmailBatchOutcome)))]
#[tracing::instrument(name = "command.emails.batch", skip_all)]
pub async fn batch(write: Write, body: JsonBody<EmailBatch>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    write.request.require_key()?;
    let mut faults = Faults::new();
    let read = body.value.read(&mut faults);
    let (ids, operation) = &faults.finish_with(|| read)?;
    let batch = &Batch { write: &write, body: &body.bytes, ids, operation };
    if write.request.dry_run {
        let (whole, facts) = batch.carry_out().await?;
        let results = serde_json::to_value(batch.outcome(whole.results).results).unwrap_or_default();
        return Ok(axum::Json(json!({ "dry_run": true, "facts": facts, "results": results })).into_response());
    }
    // The outer unit appends nothing but the answer: what it does, it does through units with keys of their own, so
    // that deciding it again changes nothing.
    let decide = |_: Unit| async move { Ok::<_, Error>(batch.carry_out().await?.0) };
    let Answer { answer: whole, position, replayed, preview } =
        write.app().store.transact(write.origin(), write.mode(&body.bytes), decide).await?;
    let answer = Reply::ok(&batch.outcome(whole.results))?.position(whole.position);
    Ok(write::respond(Answer { answer, position, replayed, preview }))
}

/// A batch whose every field is right.
struct Batch<'a> {
    write: &'a Write,
    /// What was sent.
    body: &'a [u8],
    ids: &'a [EmailId],
    operation: &'a Operation,
}

impl Batch<'_> {
    /// Carries out all groups; with the facts, on a dry run.
    async fn carry_out(&self) -> Result<(Whole, Vec<Value>)> {
        let (mut whole, mut facts) = (Whole { position: 0, results: Vec::with_capacity(self.ids.len()) }, vec![]);
        for (number, group) in self.ids.chunks(GROUP).enumerate() {
            let app = self.write.app();
            let mode = self.write.request.part_mode(app.store.vault(), self.write.user().0, number, self.body);
            let decide = |unit: Unit| async move { self.decide(&unit, group).await };
            let answer = app.store.transact(self.write.origin(), mode, decide).await?;
            whole.position = whole.position.max(answer.position);
            whole.results.extend(answer.answer);
            facts.extend(answer.preview.map(write::hidden).unwrap_or_default());
        }
        Ok((whole, facts))
    }

    /// Decides one group. What is wrong with the server ends the batch; what an e-mail says is its result.
    async fn decide(&self, unit: &Unit, group: &[EmailId]) -> Result<Vec<Kept>> {
        let mut results = Vec::with_capacity(group.len());
        for id in group {
            results.push(match self.operation.apply(unit, *id, &IfMatch::Absent).await {
                Ok(_) => (self.operation.status().as_u16(), None),
                Err(Error::Fault(fault)) => return Err(fault.into()),
                Err(Error::Answer(answer)) if answer.status().is_server_error() => return Err(answer.into()),
                Err(Error::Answer(answer)) => {
                    let mut problem = answer.to_problem();
                    PATH.clone_into(&mut problem.instance);
                    problem.request_id = self.write.request.request_id();
                    (problem.status, Some(problem))
                }
            });
        }
        Ok(results)
    }

    fn outcome(&self, results: Vec<Kept>) -> EmailBatchOutcome {
        let failed = results.iter().filter(|(_, problem)| problem.is_some()).count();
        let results: Vec<_> = self
            .ids
            .iter()
            .zip(results)
            .map(|(id, (status, problem))| EmailBatchResult { id: *id, status, problem })
            .collect();
        EmailBatchOutcome { succeeded: results.len() - failed, failed, results }
    }
}

impl EmailBatch {
    fn read(mut self, faults: &mut Faults) -> Option<(Vec<EmailId>, Operation)> {
        faults.unknown(std::mem::take(&mut self.unknown));
        let ids = faults.required("ids", std::mem::take(&mut self.ids), at_most(AT_MOST));
        let ids: Option<Vec<EmailId>> = ids.and_then(|ids| read::each(faults, "ids", ids, read::id));
        if ids.as_ref().is_some_and(Vec::is_empty) {
            faults.broken::<()>("ids", "empty", "must name at least one e-mail");
        }
        let op = faults.required("op", std::mem::take(&mut self.op), Faults::any);
        let operation = op.and_then(|op| self.operation(&op, faults));
        let mut known = HashSet::new();
        let ids = ids?.into_iter().filter(|id| known.insert(*id)).collect();
        Some((ids, operation?))
    }

    /// The operation, with its own fields and no others.
    fn operation(mut self, op: &str, faults: &mut Faults) -> Option<Operation> {
        let operation = match op {
            "read" => Some(Operation::Read),
            "unread" => Some(Operation::Unread),
            "star" => Some(Operation::Star),
            "unstar" => Some(Operation::Unstar),
            "archive" => Some(Operation::Archive),
            "unarchive" => Some(Operation::Unarchive),
            "trash" => Some(Operation::Trash),
            "restore" => Some(Operation::Restore),
            "delete" => Some(Operation::Delete),
            "move" => {
                let (folder_id, folder) = (std::mem::take(&mut self.folder_id), std::mem::take(&mut self.folder));
                MoveEmail { folder_id, folder, unknown: Unknown::default() }.read(faults)
            }
            "label" | "unlabel" => {
                let label = LabelEmail { label: std::mem::take(&mut self.label), unknown: Unknown::default() };
                label.read(faults).map(if op == "label" { Operation::Label } else { Operation::Unlabel })
            }
            "snooze" => {
                SnoozeEmail { until: std::mem::take(&mut self.until), unknown: Unknown::default() }.read(faults)
            }
            _ => {
                let known = "read, unread, star, unstar, archive, unarchive, move, label, unlabel, trash, restore, delete, \
                             snooze";
                faults.broken("op", "unknown_value", format!("must be one of {known}"))
            }
        };
        let others = [
            ("folder_id", self.folder_id.is_present()),
            ("folder", self.folder.is_present()),
            ("label", self.label.is_present()),
            ("until", self.until.is_present()),
        ];
        for (field, _) in others.into_iter().filter(|(_, given)| *given) {
            faults.malformed::<()>(field, "not_of_this_op", "is not a field of this operation");
        }
        operation
    }
}
