//! All facts of one request, taken back at once: all or nothing.

use serde_json::{Value, json};

use super::{appended, fields, list, path, undo_all_of, values};
use crate::common::{Answer, Api, Session, id, titled};

async fn batch(api: &Api, who: &Session, operations: Value) -> Answer {
    let body = json!({ "operations": operations });
    api.post("/tasks/batch").by(who).key("batch").json(&body).send().await.expect(200)
}

#[tokio::test]
async fn a_batch_is_taken_back_as_one_and_done_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("old")).await;
    let before = fields(&api, &ada, &path(&task)).await;
    let operations = json!([
        {"op": "create", "title": "new"},
        {"op": "update", "id": id(&task), "title": "renamed", "priority": "high"},
        {"op": "update", "id": id(&task), "title": "renamed twice"},
        {"op": "complete", "id": id(&task)},
    ]);
    let done = batch(&api, &ada, operations).await;
    let after = fields(&api, &ada, &path(&task)).await;
    let undone = undo_all_of(&api, &ada, &done).await.expect(200);
    // One fact for each field, however often it was changed; by object.
    assert_eq!(appended(&undone), ["tasks.deleted", "tasks.retitled", "tasks.prioritised", "tasks.reopened"]);
    assert_eq!(fields(&api, &ada, &path(&task)).await, before);
    let redone = undo_all_of(&api, &ada, &undone).await.expect(200);
    assert_eq!(redone.body["objects"].as_array().unwrap().len(), 2);
    assert_eq!(fields(&api, &ada, &path(&task)).await, after);
    api.stop().await;
}

#[tokio::test]
async fn one_thing_in_the_way_stops_all_of_it() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (one, two) = (api.task(&ada, titled("one")).await, api.task(&ada, titled("two")).await);
    let operations = json!([
        {"op": "update", "id": id(&one), "title": "one!"},
        {"op": "update", "id": id(&two), "title": "two!"},
    ]);
    let done = batch(&api, &ada, operations).await;
    api.patch(&path(&two)).by(&ada).json(&titled("two?")).send().await.expect(200);
    let facts = api.facts().await;
    let refused = undo_all_of(&api, &ada, &done).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/title", "changed_since", &json!("two!"), &json!("two?"))]);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn a_tree_that_was_deleted_comes_back_parents_first() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let root = api.task(&ada, titled("root")).await;
    let mut tree = vec![root.clone()];
    for level in 0..4 {
        let parent = id(&tree[level]).to_owned();
        tree.push(api.task(&ada, json!({"title": format!("level {level}"), "parent_id": parent})).await);
    }
    let mut before = vec![];
    for task in &tree {
        before.push(fields(&api, &ada, &path(task)).await);
    }
    let deleted = api.delete(&path(&root)).by(&ada).send().await.expect(204);
    api.advance(chrono::TimeDelta::seconds(1));
    let undone = undo_all_of(&api, &ada, &deleted).await.expect(200);
    assert_eq!(appended(&undone), ["tasks.restored"; 5]);
    for (task, before) in tree.iter().zip(&before) {
        assert_eq!(fields(&api, &ada, &path(task)).await, *before);
    }
    api.advance(chrono::TimeDelta::seconds(1));
    let redone = undo_all_of(&api, &ada, &undone).await.expect(200);
    assert_eq!(appended(&redone), ["tasks.deleted"; 5]);
    // It lies in the trash as if it had been deleted by hand: it comes back as one.
    api.post(&format!("{}/restore", path(&root))).by(&ada).send().await.expect(200);
    for (task, before) in tree.iter().zip(&before) {
        assert_eq!(fields(&api, &ada, &path(task)).await, *before);
    }
    api.stop().await;
}

#[tokio::test]
async fn lists_and_tasks_that_depend_on_each_other_go_and_come_back_in_the_right_order() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    // A client that gives all its requests one id makes one undoing of them.
    let request = "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b99";
    let named = json!({"name": "Project"});
    let made = api.post("/task-lists").by(&ada).header("x-request-id", request).json(&named).send().await.expect(201);
    let body = json!({"title": "x", "list_id": id(&made.body)});
    let task = api.post("/tasks").by(&ada).header("x-request-id", request).json(&body).send().await.expect(201);
    assert_eq!(task.text("x-request-id"), request);
    let undone = undo_all_of(&api, &ada, &made).await.expect(200);
    assert_eq!(appended(&undone), ["lists.removed", "tasks.deleted"]);
    let redone = undo_all_of(&api, &ada, &undone).await.expect(200);
    assert_eq!(redone.status, 200);
    let types: std::collections::BTreeSet<_> = appended(&redone).into_iter().collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["lists.restored", "tasks.restored"]);
    let task = fields(&api, &ada, &path(&task.body)).await;
    assert_eq!((&task["list_id"], &task["deleted_at"]), (&made.body["id"], &Value::Null));
    api.stop().await;
}

#[tokio::test]
async fn names_that_two_lists_exchanged_are_exchanged_back() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (one, two) = (list(&api, &ada, "One").await, list(&api, &ada, "Two").await);
    let request = "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b98";
    for (list, name) in [(&one, "Three"), (&two, "One"), (&one, "Two")] {
        let call = api.patch(&format!("/task-lists/{}", id(list))).by(&ada).header("x-request-id", request);
        call.json(&json!({ "name": name })).send().await.expect(200);
    }
    let body = json!({ "correlation_id": request });
    let undone = api.post("/history/undo").by(&ada).json(&body).send().await.expect(200);
    assert_eq!(appended(&undone), ["lists.renamed", "lists.renamed"]);
    assert_eq!(fields(&api, &ada, &format!("/task-lists/{}", id(&one))).await["name"], "One");
    assert_eq!(fields(&api, &ada, &format!("/task-lists/{}", id(&two))).await["name"], "Two");
    api.stop().await;
}

#[tokio::test]
async fn what_one_request_completed_is_reopened_at_once() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let root = api.task(&ada, titled("root")).await;
    for n in 0..20 {
        api.task(&ada, json!({"title": format!("child {n}"), "parent_id": id(&root)})).await;
    }
    let call = api.post(&format!("{}/complete", path(&root))).by(&ada).json(&json!({"children": "complete"}));
    let completed = call.send().await.expect(200);
    let undone = undo_all_of(&api, &ada, &completed).await.expect(200);
    assert_eq!(appended(&undone), ["tasks.reopened"; 21]);
    api.stop().await;
}

#[tokio::test]
async fn hundreds_of_tasks_go_and_come_back_in_one_unit_of_work() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let root = api.task(&ada, titled("root")).await;
    let create = |n| json!({"op": "create", "title": format!("child {n}"), "parent_id": id(&root)});
    let made = batch(&api, &ada, (0..200).map(create).collect()).await;
    let undone = undo_all_of(&api, &ada, &made).await.expect(200);
    assert_eq!(appended(&undone), ["tasks.deleted"; 200]);
    let redone = undo_all_of(&api, &ada, &undone).await.expect(200);
    assert_eq!(appended(&redone), ["tasks.restored"; 200]);
    let deleted = api.delete(&path(&root)).by(&ada).send().await.expect(204);
    let undone = undo_all_of(&api, &ada, &deleted).await.expect(200);
    let redone = undo_all_of(&api, &ada, &undone).await.expect(200);
    assert_eq!(appended(&redone), ["tasks.deleted"; 201]);
    api.stop().await;
}
