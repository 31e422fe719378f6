//! Tasks: write down, change, complete, dismiss, delete, restore, label.

use serde_json::{Value, json};

use crate::common::{Api, id, nobody, titled};

#[tokio::test]
async fn a_task_has_all_that_was_said_about_it() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let label = api.post("/labels").by(&ada).json(&json!({"name": "urgent"})).send().await.expect(201).body;
    let parent = api.task(&ada, titled("Money")).await;
    let source = nobody();
    let body = json!({
        "title": "  Call the bank ", "description": "About the *loan*", "parent_id": id(&parent), "priority": "high",
        "status": "waiting", "due_date": "2026-11-30", "labels": [id(&label), id(&label)],
        "extracted_from": {"type": "email", "id": source}
    });
    let task = api.task(&ada, body).await;
    let expected = json!({
        "id": id(&task), "list_id": parent["list_id"], "parent_id": id(&parent), "title": "Call the bank",
        "description": "About the *loan*", "priority": "high", "status": "waiting", "due_date": "2026-11-30",
        "completed_at": null, "position": task["position"], "labels": [id(&label)], "created_by": "user",
        "extracted_from": {"type": "email", "id": source}, "deleted_at": null, "created_at": "2026-11-22T21:00:00Z",
        "updated_at": "2026-11-22T21:00:00Z", "version": 1
    });
    assert_eq!(task, expected);
    api.stop().await;
}

#[tokio::test]
async fn a_task_that_is_only_a_title_is_open_and_of_medium_priority() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, json!({"title": "x", "description": "", "list_id": null, "labels": null})).await;
    assert_eq!((&task["status"], &task["priority"]), (&json!("open"), &json!("medium")));
    assert_eq!((&task["description"], &task["labels"]), (&json!(null), &json!([])));
    api.stop().await;
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_clears_what_is_null() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, json!({"title": "x", "description": "y", "due_date": "2026-11-30"})).await;
    let before = api.facts().await;
    let path = format!("/tasks/{}", id(&task));
    api.advance(chrono::TimeDelta::seconds(1));
    let change = json!({"title": "z", "description": null, "due_date": null, "status": "done"});
    let answer = api.patch(&path).by(&ada).json(&change).send().await.expect(200);
    assert_eq!(
        api.types_after(before).await,
        ["tasks.retitled", "tasks.described", "tasks.scheduled", "tasks.completed"]
    );
    assert_eq!((&answer.body["description"], &answer.body["due_date"]), (&json!(null), &json!(null)));
    assert_eq!(answer.body["completed_at"], "2026-11-22T21:00:01Z");
    assert_eq!(
        (&answer.body["created_at"], &answer.body["updated_at"]),
        (&task["created_at"], &answer.body["completed_at"])
    );
    let answer = api.patch(&path).by(&ada).json(&json!({"status": "in_progress"})).send().await.expect(200);
    assert_eq!((&answer.body["status"], &answer.body["completed_at"]), (&json!("in_progress"), &json!(null)));
    for field in ["title", "list_id", "priority", "status"] {
        let answer = api.patch(&path).by(&ada).json(&json!({ field: null })).send().await;
        answer.refused(400, "invalid_request").names(&[(&format!("/{field}"), "null")]);
    }
    api.patch(&path).by(&ada).json(&json!({})).send().await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn verbs_lead_from_one_status_to_the_next_and_say_when_they_do_not() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("x")).await;
    let verb = |verb: &str, body: Option<Value>| {
        let call = api.post(&format!("/tasks/{}/{verb}", id(&task))).by(&ada);
        body.map_or_else(
            || call.send(),
            |body| api.post(&format!("/tasks/{}/{verb}", id(&task))).by(&ada).json(&body).send(),
        )
    };
    assert_eq!(verb("complete", None).await.expect(200).body["status"], "done");
    verb("complete", Some(json!({}))).await.expect(200);
    verb("dismiss", None).await.refused(409, "task_done");
    assert_eq!(verb("reopen", None).await.expect(200).body["status"], "open");
    let dismissed = verb("dismiss", Some(json!({"reason": "Somebody else does it"}))).await.expect(200);
    assert_eq!(dismissed.body["status"], "dismissed");
    verb("complete", None).await.refused(409, "task_dismissed");
    verb("reopen", Some(json!({"why": 1}))).await.refused(400, "invalid_request").names(&[("/why", "unknown_field")]);
    verb("reopen", None).await.expect(200);
    let long = "x".repeat(2_001);
    verb("dismiss", Some(json!({ "reason": long }))).await.names(&[("/reason", "too_long")]);
    api.stop().await;
}

#[tokio::test]
async fn a_deleted_task_is_in_the_trash_until_it_is_restored() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("x")).await;
    let path = format!("/tasks/{}", id(&task));
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.patch(&path).by(&ada).json(&titled("y")).send().await.refused(409, "task_deleted");
    api.post(&format!("{path}/complete")).by(&ada).send().await.refused(409, "task_deleted");
    let restored = api.post(&format!("{path}/restore")).by(&ada).send().await.expect(200).body;
    assert_eq!((&restored["deleted_at"], &restored["position"]), (&json!(null), &task["position"]));
    let facts = api.facts().await;
    api.post(&format!("{path}/restore")).by(&ada).send().await.expect(200);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn a_task_whose_list_is_gone_comes_back_in_the_first_list() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.advance(chrono::TimeDelta::seconds(1));
    let list = api.post("/task-lists").by(&ada).json(&json!({"name": "Errands"})).send().await.expect(201).body;
    let task = api.task(&ada, json!({"title": "x", "list_id": id(&list)})).await;
    let first = api.task(&ada, titled("y")).await;
    api.delete(&format!("/tasks/{}", id(&task))).by(&ada).send().await.expect(204);
    api.delete(&format!("/task-lists/{}", id(&list))).by(&ada).send().await.expect(204);
    let restored = api.post(&format!("/tasks/{}/restore", id(&task))).by(&ada).send().await.expect(200).body;
    assert_eq!(restored["list_id"], first["list_id"]);
    api.stop().await;
}

#[tokio::test]
async fn labels_are_put_on_and_taken_off() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("x")).await;
    let label =
        async |name: &str| api.post("/labels").by(&ada).json(&json!({ "name": name })).send().await.expect(201).body;
    let (one, two) = (label("one").await, label("two").await);
    let path = |label: &Value| format!("/tasks/{}/labels/{}", id(&task), id(label));
    let labelled = api.post(&path(&one)).by(&ada).send().await.expect(200);
    assert_eq!(labelled.body["labels"], json!([id(&one)]));
    api.post(&path(&two)).by(&ada).send().await.expect(200);
    api.delete(&path(&one)).by(&ada).send().await.expect(204);
    api.delete(&path(&one)).by(&ada).send().await.expect(204);
    let edited = api.patch(&format!("/tasks/{}", id(&task))).by(&ada).json(&json!({"labels": [id(&one)]})).send().await;
    assert_eq!(edited.expect(200).body["labels"], json!([id(&one)]));
    // A label that is removed is on no task any more.
    api.delete(&format!("/labels/{}", id(&one))).by(&ada).send().await.expect(204);
    let edited = api.patch(&format!("/tasks/{}", id(&task))).by(&ada).json(&titled("y")).send().await.expect(200);
    assert_eq!(edited.body["labels"], json!([]));
    api.post(&path(&one)).by(&ada).send().await.refused(410, "label_removed");
    api.post(&format!("/tasks/{}/labels/{}", id(&task), nobody())).by(&ada).send().await.refused(404, "not_found");
    api.post(&format!("/tasks/{}/labels/x", id(&task))).by(&ada).send().await.refused(404, "not_found");
    let cleared = api.patch(&format!("/tasks/{}", id(&task))).by(&ada).json(&json!({"labels": null})).send().await;
    assert_eq!(cleared.expect(200).body["labels"], json!([]));
    api.stop().await;
}

#[tokio::test]
async fn every_faulty_field_of_a_task_is_named() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let body = json!({
        "title": "", "description": "\u{0}", "list_id": "x", "parent_id": 7, "priority": "huge", "status": "gone",
        "due_date": "2026-02-30", "labels": ["x", 7, null], "extracted_from": {"type": "fax", "ids": 1},
        "before_id": nobody(), "after_id": nobody(), "colour": "red"
    });
    let answer = api.post("/tasks").by(&ada).json(&body).send().await.refused(400, "invalid_request");
    answer.names(&[
        ("/colour", "unknown_field"),
        ("/title", "empty"),
        ("/description", "nul_character"),
        ("/list_id", "invalid_id"),
        ("/parent_id", "wrong_type"),
        ("/priority", "unknown_value"),
        ("/status", "unknown_value"),
        ("/due_date", "invalid_date"),
        ("/labels/0", "invalid_id"),
        ("/labels/1", "wrong_type"),
        ("/labels/2", "null"),
        ("/extracted_from/ids", "unknown_field"),
        ("/extracted_from/type", "unknown_value"),
        ("/extracted_from/id", "missing"),
        ("/after_id", "both_given"),
    ]);
    let labels = vec![nobody(); 51];
    let answer = api.post("/tasks").by(&ada).json(&json!({"title": "x", "labels": labels})).send().await;
    answer.refused(422, "validation_failed").names(&[("/labels", "too_many")]);
    api.stop().await;
}

#[tokio::test]
async fn a_label_that_was_removed_no_longer_takes_up_room_on_a_task() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let mut labels = vec![];
    for n in 0..52 {
        let label = api.post("/labels").by(&ada).json(&json!({"name": n.to_string()})).send().await.expect(201).body;
        labels.push(id(&label).to_owned());
    }
    let task = api.task(&ada, json!({"title": "x", "labels": &labels[..50]})).await;
    let put = |label: &String| api.post(&format!("/tasks/{}/labels/{label}", id(&task))).by(&ada).send();
    put(&labels[50]).await.refused(422, "too_many_labels");
    api.delete(&format!("/labels/{}", labels[7])).by(&ada).send().await.expect(204);
    let before = api.facts().await;
    put(&labels[3]).await.expect(200);
    assert_eq!(api.facts().await, before);
    let shown = put(&labels[50]).await.expect(200).body;
    assert_eq!(shown["labels"].as_array().unwrap().len(), 50);
    assert_eq!(api.types_after(before).await, ["tasks.unlabelled", "tasks.labelled"]);
    put(&labels[51]).await.refused(422, "too_many_labels");
    api.stop().await;
}
