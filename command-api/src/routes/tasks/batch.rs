//! Up to 200 operations in one request, carried out in their order, each with a result of its own.
//!
//! Every operation is a unit of work under an idempotency key of its own, made of the request's. When a request is cut
//! short (a crash, a database that goes away) it is repeated with the same key: what was done is answered from memory,
//! what was not is done now. A body that cannot be read is refused as a whole, before anything is done.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use orbit_event_store::{Answer, Unit};
use orbit_events::TaskId;
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        headers::IfMatch,
        openapi::parsed,
    },
    problem::Problem,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    SCOPE,
    bodies::{CompleteTask, CreateTask, DismissTask, EditTask, MoveTask},
    operation::Operation,
    views::{self, WrittenTask},
};
use crate::{
    error::{Error, Result},
    routes::read::{self, Empty, at_most},
    write::{self, Reply, Write},
};

/// Most operations of one request.
const MAX_OPERATIONS: usize = 200;
const PATH: &str = "/api/v1/tasks/batch";

/// Operations to carry out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"operations": [
    {"op": "create", "title": "Call the bank"},
    {"op": "complete", "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a", "children": "complete"}
]}"#)))]
pub struct Batch {
    /// 1 to 200 of them.
    #[serde(default)]
    #[schema(value_type = Vec<BatchOperation>, required, min_items = 1, max_items = 200)]
    operations: Field<Vec<Field<Map<String, Value>>>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// One operation: `op`, the task's `id` (but for `create`), and the fields that the single request has in its body.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used: operations are read by the bodies of single requests")]
pub struct BatchOperation {
    /// `create`, `update`, `complete`, `reopen`, `dismiss`, `move`, `delete`, `restore`, `label` or `unlabel`.
    #[schema(example = "create")]
    op: String,
    /// The task, for all but `create`.
    id: Option<Uuid>,
    /// The label, for `label` and `unlabel`.
    label_id: Option<Uuid>,
    title: Option<String>,
    description: Option<String>,
    list_id: Option<Uuid>,
    parent_id: Option<Uuid>,
    priority: Option<views::Priority>,
    status: Option<views::Status>,
    due_date: Option<chrono::NaiveDate>,
    labels: Option<Vec<Uuid>>,
    extracted_from: Option<views::Source>,
    before_id: Option<Uuid>,
    after_id: Option<Uuid>,
    /// For `complete`: `leave` or `complete`.
    children: Option<String>,
    /// For `dismiss`.
    reason: Option<String>,
}

/// What became of the operations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"succeeded": 1, "failed": 0, "results": [{"index": 0, "status": 204, "task": null, "problem": null}]}"#)))]
pub struct BatchOutcome {
    /// How many did what they should.
    succeeded: usize,
    /// How many were refused.
    failed: usize,
    /// One for each operation, in their order.
    results: Vec<BatchResult>,
}

/// What became of one operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// Which one, from 0.
    index: usize,
    /// The status that the single request would have been answered with.
    status: u16,
    /// The task as it is now, where the single request would have answered with it.
    #[schema(value_type = Option<WrittenTask>)]
    task: Option<Value>,
    /// Why it was refused.
    #[schema(value_type = Option<Object>)]
    problem: Option<Problem>,
    /// On a dry run: the facts that would be appended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    facts: Option<Vec<Value>>,
}

/// What is kept of a batch. No tasks: every operation keeps its own answer, and 200 long ones are much to keep twice.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Position of the newest fact.
    position: i64,
    /// Status and problem of each operation.
    results: Vec<(u16, Option<Problem>)>,
    /// Known to the request that carried it out; a repetition asks the operations' answers.
    #[serde(skip)]
    outcome: Option<BatchOutcome>,
}

/// An operation and how it was written.
struct Part {
    operation: Operation,
    sent: Vec<u8>,
}

/// Do many things to tasks
///
/// At most 200 operations, carried out in their order, each on its own: one that is refused does not stop the others.
/// `Idempotency-Key` is required; repeating a request that was cut short goes on where it stopped.
#[utoipa::path(post, path = "/api/v1/tasks/batch", tag = "tasks", operation_id = "batch_tasks", request_body = Batch,
    params(("Idempotency-Key" = String, Header, description = "Required here: the same key and body get the same answer")),
    responses((status = 200, description = "One result for each operation", body = BatchOutcome)))]
#[tracing::instrument(name = "command.tasks.batch", skip_all)]
pub async fn batch(write: Write, body: JsonBody<Batch>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    write.request.require_key()?;
    let mut faults = Faults::new();
    let parts = body.value.read(&mut faults);
    let (parts, write) = (&faults.finish_with(|| parts)?, &write);
    if write.request.dry_run {
        let (outcome, _) = carry_out(write, parts).await?;
        let facts: Vec<_> = outcome.results.iter().filter_map(|result| result.facts.clone()).flatten().collect();
        let results = serde_json::to_value(outcome.results).unwrap_or_default();
        return Ok(axum::Json(json!({ "dry_run": true, "facts": facts, "results": results })).into_response());
    }
    // The outer unit appends nothing but the answer: what it does, it does through units with keys of their own, so
    // that deciding it again changes nothing.
    let decide = |_: Unit| async move {
        let (outcome, position) = carry_out(write, parts).await?;
        let results = outcome.results.iter().map(|result| (result.status, result.problem.clone())).collect();
        Ok::<_, Error>(Kept { position, results, outcome: Some(outcome) })
    };
    let Answer { answer: kept, position, replayed, preview } =
        write.app().store.transact(write.origin(), write.mode(&body.bytes), decide).await?;
    let upto = kept.position;
    let outcome = match kept.outcome {
        Some(outcome) => outcome,
        None => recall(write, parts, kept.results).await?,
    };
    let answer = Reply::ok(&outcome)?.position(upto);
    Ok(write::respond(Answer { answer, position, replayed, preview }))
}

/// The outcome of a batch that was carried out before. Its operations' answers are kept as long as its own; only those
/// from before a batch was cut short end earlier, and then their tasks are left out.
async fn recall<P: Sync>(write: &Write<P>, parts: &[Part], kept: Vec<(u16, Option<Problem>)>) -> Result<BatchOutcome> {
    let mut results = Vec::with_capacity(parts.len());
    for (index, (part, (status, problem))) in parts.iter().zip(kept).enumerate() {
        let mut task = None;
        if problem.is_none() && status != StatusCode::NO_CONTENT.as_u16() {
            let mode = write.request.part_mode(write.app().store.vault(), write.user().0, index, &part.sent);
            task = write.given(mode).await?.and_then(|answer| answer.answer.into_json());
        }
        results.push(BatchResult { index, status, task, problem, facts: None });
    }
    Ok(BatchOutcome::of(results))
}

async fn carry_out<P: Sync>(write: &Write<P>, parts: &[Part]) -> Result<(BatchOutcome, i64)> {
    let mut results = Vec::with_capacity(parts.len());
    let mut position = 0;
    for (index, part) in parts.iter().enumerate() {
        let (result, upto) = one(write, index, part).await?;
        position = position.max(upto);
        results.push(result);
    }
    Ok((BatchOutcome::of(results), position))
}

/// Carries out one operation. What the rules refuse is its result; what is wrong with the server ends the batch.
async fn one<P: Sync>(write: &Write<P>, index: usize, part: &Part) -> Result<(BatchResult, i64)> {
    let app = write.app();
    let mut origin = write.origin();
    // Places at the end of a list are made of the time: later operations come after earlier ones.
    origin.context.now += TimeDelta::microseconds(i64::try_from(index).unwrap_or(0));
    let mode = write.request.part_mode(app.store.vault(), write.user().0, index, &part.sent);
    let decide = |unit: Unit| async move { part.operation.decide(app, &unit, &IfMatch::Absent).await };
    let mut result = BatchResult { index, status: 200, task: None, problem: None, facts: None };
    match write::transact(app, origin.clone(), mode, decide).await {
        Ok(answer) => {
            if answer.preview.is_none() {
                part.operation.follow_up(app, origin).await;
            }
            result.facts = answer.preview.map(write::hidden);
            if result.facts.is_none() {
                result.status = answer.answer.status();
                result.task = answer.answer.into_json();
            }
            Ok((result, answer.position))
        }
        Err(error) => {
            let answer = error.into_answer();
            if answer.status().is_server_error() {
                return Err(answer.into());
            }
            let mut problem = answer.to_problem();
            PATH.clone_into(&mut problem.instance);
            problem.request_id = write.request.request_id();
            for field in &mut problem.errors {
                field.pointer = format!("/operations/{index}{}", field.pointer);
            }
            result.status = problem.status;
            result.problem = Some(problem);
            Ok((result, 0))
        }
    }
}

impl BatchOutcome {
    fn of(results: Vec<BatchResult>) -> Self {
        let failed = results.iter().filter(|result| result.problem.is_some()).count();
        Self { succeeded: results.len() - failed, failed, results }
    }
}

impl Batch {
    fn read(self, faults: &mut Faults) -> Option<Vec<Part>> {
        faults.unknown(self.unknown);
        let operations = faults.required("operations", self.operations, at_most(MAX_OPERATIONS))?;
        if operations.is_empty() {
            return faults.broken("operations", "empty", "must have at least one operation");
        }
        let read = operations.into_iter().enumerate().map(|(index, operation)| {
            let name = index.to_string();
            let fields = faults.within("/operations", |faults| faults.required(&name, operation, Faults::any))?;
            let sent = serde_json::to_vec(&fields).unwrap_or_default();
            let operation = faults.within(&format!("/operations/{index}"), |faults| operation_of(fields, faults))?;
            Some(Part { operation, sent })
        });
        // Collected in two steps: the first fault must not end the check.
        read.collect::<Vec<_>>().into_iter().collect()
    }
}

fn operation_of(mut fields: Map<String, Value>, faults: &mut Faults) -> Option<Operation> {
    let op = faults.required("op", take::<Field<String>>(&mut fields, "op"), Faults::any)?;
    if op == "create" {
        return rest::<CreateTask>(fields).read(faults).map(|new| Operation::Create(Box::new(new)));
    }
    let id: Option<TaskId> = faults.required("id", take::<Field<String>>(&mut fields, "id"), read::id);
    match op.as_str() {
        "update" => {
            let changes = rest::<EditTask>(fields).read(faults);
            Some(Operation::Edit(id?, Box::new(changes)))
        }
        "complete" => {
            let children = rest::<CompleteTask>(fields).read(faults);
            Some(Operation::Complete(id?, children.unwrap_or_default()))
        }
        "dismiss" => {
            let reason = rest::<DismissTask>(fields).read(faults);
            Some(Operation::Dismiss(id?, reason))
        }
        "move" => {
            let target = rest::<MoveTask>(fields).read(faults);
            Some(Operation::Move(id?, target?))
        }
        "reopen" | "delete" | "restore" => {
            rest::<Empty>(fields).read(faults);
            Some(match op.as_str() {
                "reopen" => Operation::Reopen(id?),
                "delete" => Operation::Delete(id?),
                _ => Operation::Restore(id?),
            })
        }
        "label" | "unlabel" => {
            let label = faults.required("label_id", take::<Field<String>>(&mut fields, "label_id"), read::id);
            rest::<Empty>(fields).read(faults);
            Some(if op == "label" { Operation::Label(id?, label?) } else { Operation::Unlabel(id?, label?) })
        }
        _ => {
            let known = "create, update, complete, reopen, dismiss, move, delete, restore, label, unlabel";
            faults.broken("op", "unknown_value", format!("must be one of {known}"))
        }
    }
}

/// One field of an operation; reading it never fails, see [`Field`].
fn take<T: DeserializeOwned + Default>(fields: &mut Map<String, Value>, name: &str) -> T {
    fields.remove(name).and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// The fields that are left, as the body of the single request; reading it never fails, see [`Field`].
fn rest<T: DeserializeOwned + Default>(fields: Map<String, Value>) -> T {
    serde_json::from_value(Value::Object(fields)).unwrap_or_default()
}
