//! Each fact of a task, taken back and taken back again.

use axum::http::Method;
use serde_json::{Value, json};

use super::{appended, fields, label, list, path, undo, undo_newest};
use crate::common::{Api, Session, id, titled};

/// What a test does to a task: method, what follows the task's path, body, and the fact that takes it back.
type Change = (Method, String, Value, &'static str);

/// The same but for what tells when something was done.
fn same(one: &Value, other: &Value) {
    let without_order = |value: &Value| {
        let mut value = value.clone();
        value["labels"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        value
    };
    assert_eq!(without_order(one), without_order(other));
}

async fn there_and_back(api: &Api, ada: &Session, task: &Value, (method, below, body, back): Change) {
    let task = path(task);
    let before = fields(api, ada, &task).await;
    let changed = api.call(method, &format!("{task}{below}")).by(ada).json(&body).send().await;
    assert!(changed.status < 300, "{}", changed.body);
    let after = fields(api, ada, &task).await;
    assert_ne!(before, after, "{below} {body}");
    let undone = undo_newest(api, ada).await.expect(200);
    assert_eq!(appended(&undone), [back], "{below} {body}");
    same(&undone.body["objects"][0]["fields"], &before);
    same(&fields(api, ada, &task).await, &before);
    let redone = undo_newest(api, ada).await.expect(200);
    same(&redone.body["objects"][0]["fields"], &after);
    undo_newest(api, ada).await.expect(200);
}

#[tokio::test]
async fn every_change_of_a_task_is_taken_back_and_done_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (home, other) = (list(&api, &ada, "Home").await, list(&api, &ada, "Other").await);
    let urgent = label(&api, &ada, "urgent").await;
    let parent = api.task(&ada, titled("parent")).await;
    // In another list: within one, at one moment, chance decides who stands before whom already.
    let neighbour = api.task(&ada, json!({"title": "neighbour", "list_id": id(&other)})).await;
    let task = api.task(&ada, json!({"title": "Buy milk", "list_id": id(&home), "labels": [id(&urgent)]})).await;
    let patch = |body: Value, back| (Method::PATCH, String::new(), body, back);
    let post = |verb: &str, body: Value, back| (Method::POST, format!("/{verb}"), body, back);
    let changes: Vec<Change> = vec![
        patch(json!({"title": "Buy oats"}), "tasks.retitled"),
        patch(json!({"description": "Two litres"}), "tasks.described"),
        patch(json!({"priority": "high"}), "tasks.prioritised"),
        patch(json!({"due_date": "2026-12-01"}), "tasks.scheduled"),
        patch(json!({"status": "in_progress"}), "tasks.status_changed"),
        patch(json!({"list_id": id(&other)}), "tasks.moved"),
        post("move", json!({"before_id": id(&neighbour)}), "tasks.moved"),
        patch(json!({"parent_id": id(&parent)}), "tasks.nested"),
        patch(json!({"labels": []}), "tasks.labelled"),
        (Method::DELETE, format!("/labels/{}", id(&urgent)), json!({}), "tasks.labelled"),
        post("complete", json!({}), "tasks.reopened"),
        post("dismiss", json!({"reason": "Not mine"}), "tasks.reopened"),
        (Method::DELETE, String::new(), json!({}), "tasks.restored"),
    ];
    for change in changes {
        there_and_back(&api, &ada, &task, change).await;
    }
    api.stop().await;
}

#[tokio::test]
async fn a_task_is_done_again_at_its_moment_and_dismissed_again_for_its_reason() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    let post = |verb: &str| api.post(&format!("{}/{verb}", path(&task))).by(&ada).json(&json!({}));
    let done = post("complete").send().await.expect(200).body["completed_at"].clone();
    api.advance(chrono::TimeDelta::minutes(5));
    post("reopen").send().await.expect(200);
    let undone = undo_newest(&api, &ada).await.expect(200);
    assert_eq!(undone.body["objects"][0]["fields"]["completed_at"], done);
    undo_newest(&api, &ada).await.expect(200);
    let dismiss = api.post(&format!("{}/dismiss", path(&task))).by(&ada).json(&json!({"reason": "Not mine"}));
    dismiss.send().await.expect(200);
    post("reopen").send().await.expect(200);
    let undone = undo_newest(&api, &ada).await.expect(200);
    assert_eq!(undone.body["objects"][0]["fields"]["dismiss_reason"], "Not mine");
    api.stop().await;
}

#[tokio::test]
async fn writing_a_task_down_is_taken_back_by_putting_it_into_the_trash() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    let created = super::newest(&api).await;
    let child = api.task(&ada, json!({"title": "child", "parent_id": id(&task)})).await;
    let undone = undo(&api, &ada, &created).await.expect(200);
    assert_eq!(appended(&undone), ["tasks.deleted", "tasks.deleted"], "its sub-task goes with it");
    assert!(!fields(&api, &ada, &path(&child)).await["deleted_at"].is_null());
    let again = undo(&api, &ada, &created).await.expect(200);
    assert_eq!(appended(&again), [""; 0], "it is so already");
    let redone = undo(&api, &ada, &super::newest_of(&api, "tasks.deleted").await).await;
    redone.refused(409, "undo_conflict").names(&[("/parent_id", "parent_deleted")]);
    let restored = api.post(&format!("{}/restore", path(&task))).by(&ada).send().await.expect(200);
    assert_eq!(restored.body["deleted_at"], Value::Null);
    let gone_again = undo(&api, &ada, &super::newest_of(&api, "tasks.restored").await).await.expect(200);
    assert_eq!(appended(&gone_again), ["tasks.deleted"]);
    api.stop().await;
}

#[tokio::test]
async fn a_deletion_is_taken_back_with_the_sub_tasks_that_went_along() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Move house")).await;
    let child = api.task(&ada, json!({"title": "Pack", "parent_id": id(&task)})).await;
    let before = fields(&api, &ada, &path(&child)).await;
    let root_deleted = api.facts().await + 1;
    api.delete(&path(&task)).by(&ada).send().await.expect(204);
    let query = "SELECT event_id FROM log.events WHERE position = $1";
    let event: uuid::Uuid = sqlx::query_scalar(query).bind(root_deleted).fetch_one(api.database.pool()).await.unwrap();
    let undone = undo(&api, &ada, &event.to_string()).await.expect(200);
    assert_eq!(appended(&undone), ["tasks.restored", "tasks.restored"]);
    assert_eq!(fields(&api, &ada, &path(&child)).await, before);
    api.stop().await;
}

#[tokio::test]
async fn what_others_changed_stays_when_one_fact_is_taken_back() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (one, two) = (label(&api, &ada, "one").await, label(&api, &ada, "two").await);
    let task = api.task(&ada, titled("Buy milk")).await;
    let put_on = |label: &Value| api.post(&format!("{}/labels/{}", path(&task), id(label))).by(&ada);
    put_on(&one).send().await.expect(200);
    let labelled = super::newest(&api).await;
    put_on(&two).send().await.expect(200);
    api.patch(&path(&task)).by(&ada).json(&titled("Buy oats")).send().await.expect(200);
    let undone = undo(&api, &ada, &labelled).await.expect(200);
    let now = &undone.body["objects"][0]["fields"];
    assert_eq!((&now["title"], &now["labels"]), (&json!("Buy oats"), &json!([id(&two)])));
    api.stop().await;
}

#[tokio::test]
async fn the_facts_of_an_undo_name_the_fact_that_they_answer() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    api.patch(&path(&task)).by(&ada).json(&titled("Buy oats")).send().await.expect(200);
    let retitled = super::newest(&api).await;
    undo(&api, &ada, &retitled).await.expect(200);
    let query = "SELECT metadata->>'causation_id' FROM log.events ORDER BY position DESC LIMIT 1";
    let cause: Option<String> = sqlx::query_scalar(query).fetch_one(api.database.pool()).await.unwrap();
    assert_eq!(cause, Some(retitled));
    api.stop().await;
}
