//! An object becomes what it was at an earlier version.

use serde_json::{Value, json};

use super::{appended, fields, label, list, path};
use crate::common::{Api, id, nobody, titled};

#[tokio::test]
async fn a_task_becomes_what_it_was_at_any_version() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    let mut past = vec![fields(&api, &ada, &path(&task)).await];
    let calls = [
        api.patch(&path(&task)).json(&titled("Buy oats")),
        api.patch(&path(&task)).json(&json!({"description": "Two litres"})),
        api.post(&format!("{}/complete", path(&task))).json(&json!({})),
        api.patch(&path(&task)).json(&json!({"priority": "high"})),
        api.delete(&path(&task)),
    ];
    for call in calls {
        assert!(call.by(&ada).send().await.status < 300);
        past.push(fields(&api, &ada, &path(&task)).await);
    }
    let versions: Vec<(i64, &Value)> = (1..).zip(&past).collect();
    for (version, fields) in versions.iter().rev().chain(&versions) {
        let call = api.post(&format!("{}/revert", path(&task))).by(&ada).json(&json!({ "to_version": version }));
        let reverted = call.send().await.expect(200);
        assert_eq!(reverted.body["objects"][0]["fields"], **fields, "version {version}");
        assert_eq!(reverted.text("etag"), format!("\"{}\"", reverted.body["objects"][0]["version"]));
    }
    api.stop().await;
}

#[tokio::test]
async fn lists_labels_and_users_become_what_they_were() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let errands = format!("/task-lists/{}", id(&list(&api, &ada, "Errands").await));
    let urgent = format!("/labels/{}", id(&label(&api, &ada, "urgent").await));
    for (path, change) in [
        (errands.as_str(), json!({"name": "Shopping", "color": "#1e90ff"})),
        (&urgent, json!({"name": "later"})),
        ("/auth/me", json!({"name": "Ada", "preferences": {"theme": "dark"}})),
    ] {
        let before = fields(&api, &ada, path).await;
        api.patch(path).by(&ada).json(&change).send().await.expect(200);
        let call = api.post(&format!("{path}/revert")).by(&ada).json(&json!({"to_version": 1}));
        let reverted = call.send().await.expect(200);
        assert_eq!(reverted.body["objects"][0]["fields"], before, "{path}");
        assert!(!appended(&reverted).is_empty());
        assert!(!reverted.body.to_string().contains("argon2"), "{}", reverted.body);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_list_that_was_removed_comes_back_and_a_label_does_not() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let errands = format!("/task-lists/{}", id(&list(&api, &ada, "Errands").await));
    let urgent = format!("/labels/{}", id(&label(&api, &ada, "urgent").await));
    for path in [&errands, &urgent] {
        api.delete(path).by(&ada).send().await.expect(204);
    }
    let revert = |path: &str| api.post(&format!("{path}/revert")).by(&ada).json(&json!({"to_version": 1})).send();
    assert_eq!(appended(&revert(&errands).await.expect(200)), ["lists.restored"]);
    revert(&urgent).await.refused(409, "undo_conflict").names(&[("", "label_removed")]);
    api.stop().await;
}

#[tokio::test]
async fn versions_that_are_not_there_and_bad_bodies_are_refused() {
    let api = Api::new().await;
    let (ada, eva) = (api.register("ada@example.org").await, api.register("eva@example.org").await);
    let task = api.task(&ada, titled("Buy milk")).await;
    let revert = |body: Value| api.post(&format!("{}/revert", path(&task))).by(&ada).json(&body);
    for version in [0, -1, 2, i64::MAX] {
        let refused = revert(json!({ "to_version": version })).send().await.refused(422, "validation_failed");
        refused.names(&[("/to_version", "out_of_range")]);
    }
    let refused = revert(json!({"to_version": "1", "more": 1})).send().await.refused(400, "invalid_request");
    let mut named = refused.faults();
    named.sort();
    assert_eq!(named, [("/more".into(), "unknown_field".into()), ("/to_version".into(), "wrong_type".into())]);
    revert(json!({})).send().await.refused(400, "invalid_request").names(&[("/to_version", "missing")]);
    revert(json!({"to_version": 1})).header("if-match", "\"7\"").send().await.expect(412);
    let of_nobody = api.post(&format!("/tasks/{}/revert", nobody())).by(&ada).json(&json!({"to_version": 1}));
    of_nobody.send().await.expect(404);
    api.post(&format!("{}/revert", path(&task))).by(&eva).json(&json!({"to_version": 1})).send().await.expect(404);
    api.stop().await;
}
