//! What undo and revert answer, and what is left to do once it is in the log.

use axum::response::Response;
use orbit_domain::{
    Aggregate,
    emails::{Attachment, Draft, Email, Folder, Submission, Thread},
    tasks::{Label, List, Task},
    users::{ApiToken, Connection, Login, User},
};
use orbit_event_store::{Answer, Origin, Unit};
use orbit_events::entity_type;
use orbit_platform::{http::openapi::parsed, problem::ApiError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::plan::{Step, of_category};
use crate::{
    error::Result,
    routes,
    state::AppState,
    write::{self, Reply},
};

/// What was undone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Undone, example = json!(parsed(r#"{
    "objects": [{
        "entity": {"type": "task", "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a"}, "version": 3,
        "fields": {"title": "Call the bank", "status": "open"}
    }],
    "facts": [{
        "type": "tasks.retitled", "version": 1, "entity": {"type": "task", "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a"},
        "data": {"title": "Call the bank"}
    }]
}"#)))]
pub struct Answered {
    /// The objects whose facts were taken back, as they are now.
    objects: Vec<Object>,
    /// The facts that were appended; none, if everything was so already.
    #[schema(value_type = Vec<Object>)]
    facts: Vec<Value>,
}

/// An object as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UndoneObject)]
pub struct Object {
    /// Its type and id.
    #[schema(value_type = Object)]
    entity: Value,
    /// How often it was written: the number in its `ETag`.
    version: i64,
    /// All that is known of it; empty if it is gone.
    #[schema(value_type = Object)]
    fields: Value,
}

/// The answer, with the version if it is about one object.
pub async fn answer(unit: &Unit, steps: &[Step]) -> Result<Reply> {
    let mut objects = Vec::with_capacity(steps.len());
    for step in steps {
        objects.push(of_category!(step.category.as_str(), Kind => shown::<Kind>(unit, step.id, &step.category).await)?);
    }
    let version = if let [object] = objects.as_slice() { Some(object.version) } else { None };
    let reply = Reply::ok(&Answered { objects, facts: write::hidden(unit.preview()) })?;
    Ok(version.map_or(reply.clone(), |version| reply.version(version)))
}

async fn shown<A: Aggregate>(unit: &Unit, id: Uuid, category: &str) -> Result<Object> {
    let object = unit.load::<A>(id).await?.ok_or_else(ApiError::not_found)?;
    let entity = json!({ "type": entity_type(category), "id": id });
    Ok(Object { entity, version: object.version, fields: json!(A::fields(&object.state)) })
}

/// Lets the contexts do what follows from what was appended, and answers.
pub async fn respond(app: &AppState, origin: Origin, answer: Answer<Reply>) -> Response {
    if answer.preview.is_none() {
        let body = answer.answer.clone().into_json().unwrap_or_default();
        let appended: Vec<(String, Uuid)> = body["facts"].as_array().into_iter().flatten().filter_map(named).collect();
        routes::follow_up(app, &origin, &appended).await;
    }
    write::respond(answer)
}

/// Type and object of a fact that was appended.
fn named(fact: &Value) -> Option<(String, Uuid)> {
    Some((fact["type"].as_str()?.to_owned(), fact["entity"]["id"].as_str()?.parse().ok()?))
}
