//! Sub-tasks: nested at most five deep, completed, deleted and restored together.

use serde_json::{Value, json};

use crate::common::{Api, Session, id, nobody, titled};

/// A chain of tasks, each part of the one before.
async fn chain(api: &Api, ada: &Session, length: usize) -> Vec<Value> {
    let mut tasks = vec![api.task(ada, titled("0")).await];
    for n in 1..length {
        let body = json!({"title": n.to_string(), "parent_id": id(&tasks[n - 1])});
        tasks.push(api.task(ada, body).await);
    }
    tasks
}

async fn nest(api: &Api, ada: &Session, task: &Value, parent: &Value) -> crate::common::Answer {
    let parent = parent.get("id").unwrap_or(parent);
    api.patch(&format!("/tasks/{}", id(task))).by(ada).json(&json!({ "parent_id": parent })).send().await
}

#[tokio::test]
async fn five_levels_of_sub_tasks_are_allowed_and_a_sixth_is_not() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 6).await;
    let body = json!({"title": "6", "parent_id": id(&tasks[5])});
    let answer = api.post("/tasks").by(&ada).json(&body).send().await.refused(422, "too_deep");
    answer.names(&[("/parent_id", "too_deep")]);
    // What hangs below counts too.
    let others = chain(&api, &ada, 3).await;
    nest(&api, &ada, &others[0], &tasks[3]).await.refused(422, "too_deep");
    nest(&api, &ada, &others[0], &tasks[2]).await.expect(200);
    nest(&api, &ada, &others[0], &json!(null)).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_task_is_never_part_of_itself() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 3).await;
    for parent in &tasks {
        nest(&api, &ada, &tasks[0], parent).await.refused(422, "circle").names(&[("/parent_id", "circle")]);
    }
    nest(&api, &ada, &tasks[0], &json!(nobody())).await.refused(422, "parent_not_found");
    api.stop().await;
}

#[tokio::test]
async fn a_parent_in_the_trash_takes_no_sub_tasks() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = [api.task(&ada, titled("a")).await, api.task(&ada, titled("b")).await];
    api.delete(&format!("/tasks/{}", id(&tasks[0]))).by(&ada).send().await.expect(204);
    nest(&api, &ada, &tasks[1], &tasks[0]).await.refused(409, "parent_deleted");
    api.stop().await;
}

#[tokio::test]
async fn completing_leaves_sub_tasks_alone_or_completes_those_that_are_open() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 4).await;
    api.post(&format!("/tasks/{}/dismiss", id(&tasks[2]))).by(&ada).send().await.expect(200);
    let path = format!("/tasks/{}/complete", id(&tasks[0]));
    let before = api.facts().await;
    api.post(&path).by(&ada).json(&json!({"children": "leave"})).send().await.expect(200);
    assert_eq!(api.facts().await, before + 1);
    let answer = api.post(&path).by(&ada).json(&json!({"children": "complete"})).send().await.expect(200);
    // The first is done already, the third was turned down; the fourth is below it and open.
    assert_eq!(api.types_after(before + 1).await, ["tasks.completed", "tasks.completed"]);
    assert_eq!(answer.position(), before + 3);
    api.stop().await;
}

#[tokio::test]
async fn children_can_be_named_in_the_query_but_not_differently() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 2).await;
    let path = format!("/tasks/{}/complete", id(&tasks[0]));
    let both = api.post(&format!("{path}?children=complete")).by(&ada).json(&json!({"children": "leave"})).send().await;
    both.refused(422, "validation_failed").names(&[("/children", "contradiction")]);
    let odd = api.post(&format!("{path}?children=eat")).by(&ada).send().await;
    odd.refused(400, "invalid_query").names(&[("?children", "unknown_value")]);
    let before = api.facts().await;
    api.post(&format!("{path}?children=complete")).by(&ada).send().await.expect(200);
    assert_eq!(api.facts().await, before + 2);
    api.stop().await;
}

#[tokio::test]
async fn sub_tasks_go_into_the_trash_and_come_back_with_their_task() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 4).await;
    let apart = api.task(&ada, json!({"title": "apart", "parent_id": id(&tasks[0])})).await;
    let path = |task: &Value| format!("/tasks/{}", id(task));
    // This one was deleted by itself, before: it stays where it is.
    api.delete(&path(&apart)).by(&ada).send().await.expect(204);
    let before = api.facts().await;
    api.delete(&path(&tasks[0])).by(&ada).send().await.expect(204);
    assert_eq!(api.types_after(before).await, ["tasks.deleted"; 4]);
    api.patch(&path(&tasks[3])).by(&ada).json(&titled("x")).send().await.refused(409, "task_deleted");
    let before = api.facts().await;
    api.post(&format!("{}/restore", path(&tasks[0]))).by(&ada).send().await.expect(200);
    assert_eq!(api.types_after(before).await, ["tasks.restored"; 4]);
    for (n, task) in tasks.iter().enumerate().skip(1) {
        let now = api.patch(&path(task)).by(&ada).json(&json!({})).send().await.expect(200).body;
        assert_eq!(now["parent_id"], id(&tasks[n - 1]));
    }
    api.patch(&path(&apart)).by(&ada).json(&json!({})).send().await.refused(409, "task_deleted");
    api.stop().await;
}

#[tokio::test]
async fn a_sub_task_that_is_restored_alone_is_part_of_none() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 3).await;
    let path = |task: &Value| format!("/tasks/{}", id(task));
    api.delete(&path(&tasks[0])).by(&ada).send().await.expect(204);
    let restored = api.post(&format!("{}/restore", path(&tasks[1]))).by(&ada).send().await.expect(200).body;
    assert_eq!(restored["parent_id"], json!(null));
    // Its own sub-task came back with it.
    let below = api.patch(&path(&tasks[2])).by(&ada).json(&json!({})).send().await.expect(200).body;
    assert_eq!(below["parent_id"], id(&tasks[1]));
    let before = api.facts().await;
    api.post(&format!("{}/restore", path(&tasks[0]))).by(&ada).send().await.expect(200);
    assert_eq!(api.types_after(before).await, ["tasks.restored"]);
    api.stop().await;
}

#[tokio::test]
async fn what_one_batch_deletes_apart_does_not_come_back_together() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 2).await;
    let operations = json!([{"op": "delete", "id": id(&tasks[1])}, {"op": "delete", "id": id(&tasks[0])}]);
    let batch = api.post("/tasks/batch").by(&ada).key("k1").json(&json!({ "operations": operations }));
    assert_eq!(batch.send().await.expect(200).body["succeeded"], 2);
    let before = api.facts().await;
    api.post(&format!("/tasks/{}/restore", id(&tasks[0]))).by(&ada).send().await.expect(200);
    assert_eq!(api.types_after(before).await, ["tasks.restored"]);
    api.stop().await;
}

#[tokio::test]
async fn what_was_deleted_under_one_request_id_but_apart_does_not_come_back_together() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let tasks = chain(&api, &ada, 3).await;
    for task in [&tasks[2], &tasks[0]] {
        api.advance(chrono::TimeDelta::microseconds(1));
        let path = format!("/tasks/{}", id(task));
        api.delete(&path).by(&ada).header("x-request-id", "always-the-same").send().await.expect(204);
    }
    let before = api.facts().await;
    api.post(&format!("/tasks/{}/restore", id(&tasks[0]))).by(&ada).send().await.expect(200);
    assert_eq!(api.types_after(before).await, ["tasks.restored"; 2]);
    api.stop().await;
}

/// A task with so many sub-tasks.
async fn broad(api: &Api, ada: &Session, width: usize) -> Value {
    let task = api.task(ada, titled("broad")).await;
    for begin in (0..width).step_by(200) {
        let parts = begin..width.min(begin + 200);
        let parts: Vec<_> =
            parts.map(|n| json!({"op": "create", "title": n.to_string(), "parent_id": id(&task)})).collect();
        let batch = api.post("/tasks/batch").by(ada).key(&format!("k{begin}")).json(&json!({ "operations": parts }));
        assert_eq!(batch.send().await.expect(200).body["failed"], 0);
    }
    task
}

#[tokio::test]
async fn a_task_with_very_many_sub_tasks_is_completed_deleted_and_restored_at_once() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = broad(&api, &ada, 600).await;
    let path = format!("/tasks/{}", id(&task));
    let facts = 601;
    let before = api.facts().await;
    api.post(&format!("{path}/complete?children=complete")).by(&ada).send().await.expect(200);
    assert_eq!(api.facts().await, before + facts);
    api.delete(&path).by(&ada).send().await.expect(204);
    assert_eq!(api.facts().await, before + 2 * facts);
    api.post(&format!("{path}/restore")).by(&ada).send().await.expect(200);
    assert_eq!(api.facts().await, before + 3 * facts);
    api.stop().await;
}
