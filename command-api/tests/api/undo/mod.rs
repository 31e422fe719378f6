//! Undo and revert: what happened is taken back by new facts, or the answer says what stands in the way.

mod conflicts;
mod lists_and_labels;
mod races;
mod requests;
mod reverting;
mod tasks;
mod who;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::{Answer, Api, Session, id};

/// The id of the newest fact.
pub async fn newest(api: &Api) -> String {
    let query = "SELECT event_id FROM log.events ORDER BY position DESC LIMIT 1";
    let id: Uuid = sqlx::query_scalar(query).fetch_one(api.database.pool()).await.unwrap();
    id.to_string()
}

/// The id of the newest fact of a type.
pub async fn newest_of(api: &Api, wire_type: &str) -> String {
    let query = "SELECT event_id FROM log.events WHERE type = $1 ORDER BY position DESC LIMIT 1";
    let id: Uuid = sqlx::query_scalar(query).bind(wire_type).fetch_one(api.database.pool()).await.unwrap();
    id.to_string()
}

/// Asks to take one fact back.
pub async fn undo(api: &Api, who: &Session, event: &str) -> Answer {
    api.post("/history/undo").by(who).json(&json!({ "event_id": event })).send().await
}

/// Asks to take the newest fact back.
pub async fn undo_newest(api: &Api, who: &Session) -> Answer {
    undo(api, who, &newest(api).await).await
}

/// Asks to take everything back that a request did.
pub async fn undo_all_of(api: &Api, who: &Session, request: &Answer) -> Answer {
    let body = json!({ "correlation_id": request.text("x-request-id") });
    api.post("/history/undo").by(who).json(&body).send().await
}

/// What is known of an object: reverting it to where it is changes nothing and tells.
pub async fn fields(api: &Api, who: &Session, path: &str) -> Value {
    let facts = api.facts().await;
    let revert = |version: i64| api.post(&format!("{path}/revert")).by(who).json(&json!({ "to_version": version }));
    let present = revert(1).header("if-match", "\"0\"").send().await.expect(412).text("etag");
    let answer = revert(present.trim_matches('"').parse().unwrap()).send().await.expect(200);
    assert_eq!(api.facts().await, facts);
    answer.body["objects"][0]["fields"].clone()
}

/// Types of the facts that an answer says were appended.
pub fn appended(answer: &Answer) -> Vec<&str> {
    answer.body["facts"].as_array().unwrap().iter().map(|fact| fact["type"].as_str().unwrap()).collect()
}

/// The values that stand against each other, by field.
pub fn values(answer: &Answer) -> Vec<(&str, &str, &Value, &Value)> {
    let all = answer.body["errors"].as_array().unwrap().iter();
    all.map(|error| {
        let text = |name: &str| error[name].as_str().unwrap();
        (text("pointer"), text("code"), &error["expected"], &error["actual"])
    })
    .collect()
}

pub fn path(task: &Value) -> String {
    format!("/tasks/{}", id(task))
}

/// A list of somebody's.
pub async fn list(api: &Api, who: &Session, name: &str) -> Value {
    api.post("/task-lists").by(who).json(&json!({ "name": name })).send().await.expect(201).body
}

/// A label of somebody's.
pub async fn label(api: &Api, who: &Session, name: &str) -> Value {
    api.post("/labels").by(who).json(&json!({ "name": name })).send().await.expect(201).body
}
