//! What stands in the way is named with both values, and nothing is undone.

use serde_json::{Value, json};

use super::{label, list, newest, newest_of, path, undo, values};
use crate::common::{Api, id, titled};

#[tokio::test]
async fn a_later_change_of_the_same_field_stands_in_the_way() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    let edit = |body: Value| api.patch(&path(&task)).by(&ada).json(&body).send();
    edit(json!({"title": "Buy oats"})).await.expect(200);
    let retitled = newest(&api).await;
    edit(json!({"title": "Buy tea"})).await.expect(200);
    let later = newest(&api).await;
    let facts = api.facts().await;
    let refused = undo(&api, &ada, &retitled).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/title", "changed_since", &json!("Buy oats"), &json!("Buy tea"))]);
    assert_eq!(refused.body["errors"][0]["entity"], json!({"type": "task", "id": id(&task)}));
    assert_eq!(api.facts().await, facts);
    undo(&api, &ada, &later).await.expect(200);
    undo(&api, &ada, &retitled).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_task_that_was_changed_since_does_not_vanish_with_its_beginning() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    let created = newest(&api).await;
    api.patch(&path(&task)).by(&ada).json(&json!({"description": "Two litres"})).send().await.expect(200);
    let refused = undo(&api, &ada, &created).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/description", "changed_since", &Value::Null, &json!("Two litres"))]);
    api.stop().await;
}

#[tokio::test]
async fn a_list_that_was_removed_meanwhile_stands_in_the_way_of_a_move() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (old, new) = (list(&api, &ada, "Old").await, list(&api, &ada, "New").await);
    let task = api.task(&ada, json!({"title": "x", "list_id": id(&old)})).await;
    api.patch(&path(&task)).by(&ada).json(&json!({"list_id": id(&new)})).send().await.expect(200);
    let moved = newest(&api).await;
    api.delete(&format!("/task-lists/{}", id(&old))).by(&ada).send().await.expect(204);
    let refused = undo(&api, &ada, &moved).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/list_id", "list_removed", &json!(id(&old)), &Value::Null)]);
    undo(&api, &ada, &newest_of(&api, "lists.removed").await).await.expect(200);
    undo(&api, &ada, &moved).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_parent_in_the_trash_or_in_a_circle_stands_in_the_way() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (parent, task) = (api.task(&ada, titled("parent")).await, api.task(&ada, titled("task")).await);
    let nest =
        |task: &Value, parent: Value| api.patch(&path(task)).by(&ada).json(&json!({ "parent_id": parent })).send();
    nest(&task, json!(id(&parent))).await.expect(200);
    nest(&task, Value::Null).await.expect(200);
    let taken_out = newest(&api).await;
    nest(&parent, json!(id(&task))).await.expect(200);
    let refused = undo(&api, &ada, &taken_out).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/parent_id", "circle", &json!(id(&parent)), &Value::Null)]);
    nest(&parent, Value::Null).await.expect(200);
    api.delete(&path(&parent)).by(&ada).send().await.expect(204);
    let refused = undo(&api, &ada, &taken_out).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/parent_id", "parent_deleted", &json!(id(&parent)), &Value::Null)]);
    api.stop().await;
}

#[tokio::test]
async fn what_was_deleted_since_is_restored_before_its_changes_are_taken_back() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    api.patch(&path(&task)).by(&ada).json(&titled("Buy oats")).send().await.expect(200);
    let retitled = newest(&api).await;
    api.delete(&path(&task)).by(&ada).send().await.expect(204);
    let refused = undo(&api, &ada, &retitled).await.refused(409, "undo_conflict");
    let errors = values(&refused);
    assert_eq!((errors[0].0, errors[0].1, errors[0].2), ("/deleted_at", "task_deleted", &Value::Null));
    assert!(errors[0].3.is_string(), "{}", refused.body);
    api.stop().await;
}

#[tokio::test]
async fn a_label_that_was_removed_meanwhile_does_not_come_back_to_a_task() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let urgent = label(&api, &ada, "urgent").await;
    let task = api.task(&ada, json!({"title": "x", "labels": [id(&urgent)]})).await;
    api.delete(&format!("{}/labels/{}", path(&task), id(&urgent))).by(&ada).send().await.expect(204);
    let unlabelled = newest(&api).await;
    api.delete(&format!("/labels/{}", id(&urgent))).by(&ada).send().await.expect(204);
    let refused = undo(&api, &ada, &unlabelled).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/labels", "label_removed", &json!([id(&urgent)]), &json!([]))]);
    api.stop().await;
}

#[tokio::test]
async fn a_place_that_somebody_took_is_not_taken_back_but_the_list_is() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("first")).await;
    let (list_id, place) = (task["list_id"].clone(), task["position"].as_str().unwrap().to_owned());
    let other = list(&api, &ada, "Other").await;
    api.patch(&path(&task)).by(&ada).json(&json!({"list_id": id(&other)})).send().await.expect(200);
    let moved = newest(&api).await;
    // Nobody can be made to choose that very place: the log is told that somebody has.
    let key = [uuid::Uuid::parse_str(list_id.as_str().unwrap()).unwrap().as_bytes(), place.as_bytes()].concat();
    let squatter = api.task(&ada, titled("squatter")).await;
    let insert = "INSERT INTO log.claims (scope, key, stream_id) VALUES ('tasks.order', $1, $2::uuid)";
    sqlx::query(insert).bind(key).bind(id(&squatter)).execute(api.database.pool()).await.unwrap();
    let undone = undo(&api, &ada, &moved).await.expect(200);
    let fields = &undone.body["objects"][0]["fields"];
    assert_eq!(fields["list_id"], list_id);
    assert!(fields["position"].as_str().unwrap() > place.as_str(), "{fields}");
    api.stop().await;
}
