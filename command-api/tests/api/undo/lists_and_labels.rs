//! Lists, labels, profile and preferences; and what cannot be taken back.

use serde_json::{Value, json};

use super::{appended, fields, label, list, newest, newest_of, undo, undo_newest, values};
use crate::common::{Api, PASSWORD, id};

#[tokio::test]
async fn every_change_of_a_list_is_taken_back_and_done_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let errands = list(&api, &ada, "Errands").await;
    // The end of the board is made of the time: this one comes after the other.
    api.advance(chrono::TimeDelta::seconds(1));
    let other = list(&api, &ada, "Other").await;
    let path = format!("/task-lists/{}", id(&errands));
    let calls = [
        (api.patch(&path).json(&json!({"name": "Shopping"})), "lists.renamed"),
        (api.patch(&path).json(&json!({"color": "#1e90ff"})), "lists.recoloured"),
        (api.post(&format!("{path}/move")).json(&json!({"after_id": id(&other)})), "lists.moved"),
        (api.delete(&path), "lists.restored"),
    ];
    for (call, back) in calls {
        let before = fields(&api, &ada, &path).await;
        assert!(call.by(&ada).send().await.status < 300);
        let after = fields(&api, &ada, &path).await;
        let undone = undo_newest(&api, &ada).await.expect(200);
        assert_eq!(appended(&undone), [back]);
        assert_eq!(fields(&api, &ada, &path).await, before);
        undo_newest(&api, &ada).await.expect(200);
        assert_eq!(fields(&api, &ada, &path).await, after, "{back}");
        undo_newest(&api, &ada).await.expect(200);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_list_that_came_back_takes_tasks_and_keeps_its_age() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let errands = list(&api, &ada, "Errands").await;
    api.advance(chrono::TimeDelta::minutes(5));
    api.delete(&format!("/task-lists/{}", id(&errands))).by(&ada).send().await.expect(204);
    let undone = undo_newest(&api, &ada).await.expect(200);
    assert_eq!(undone.body["facts"][0]["data"]["created_at"], errands["created_at"]);
    api.task(&ada, json!({"title": "x", "list_id": id(&errands)})).await;
    let renamed = api.patch(&format!("/task-lists/{}", id(&errands))).by(&ada).json(&json!({"name": "Shopping"}));
    assert_eq!(renamed.send().await.expect(200).body["created_at"], errands["created_at"]);
    api.stop().await;
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_stands_in_the_way() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let errands = list(&api, &ada, "Errands").await;
    let path = format!("/task-lists/{}", id(&errands));
    api.patch(&path).by(&ada).json(&json!({"name": "Shopping"})).send().await.expect(200);
    let renamed = newest(&api).await;
    list(&api, &ada, "errands").await;
    let refused = undo(&api, &ada, &renamed).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/name", "list_name_taken", &json!("Errands"), &json!("Shopping"))]);
    api.delete(&path).by(&ada).send().await.expect(204);
    list(&api, &ada, "SHOPPING").await;
    let refused = undo(&api, &ada, &newest_of(&api, "lists.removed").await).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("/name", "list_name_taken", &json!("Shopping"), &Value::Null)]);
    api.stop().await;
}

#[tokio::test]
async fn a_list_that_has_tasks_does_not_go_with_its_beginning() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let errands = list(&api, &ada, "Errands").await;
    let created = newest(&api).await;
    let task = api.task(&ada, json!({"title": "x", "list_id": id(&errands)})).await;
    let refused = undo(&api, &ada, &created).await.refused(409, "undo_conflict");
    assert_eq!(values(&refused), [("", "list_not_empty", &json!(false), &json!(true))]);
    api.delete(&format!("/tasks/{}", id(&task))).by(&ada).send().await.expect(204);
    assert_eq!(appended(&undo(&api, &ada, &created).await.expect(200)), ["lists.removed"]);
    assert_eq!(appended(&undo_newest(&api, &ada).await.expect(200)), ["lists.restored"]);
    api.stop().await;
}

#[tokio::test]
async fn a_label_is_taken_back_but_its_removal_is_not() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let urgent = label(&api, &ada, "urgent").await;
    let created = newest(&api).await;
    let path = format!("/labels/{}", id(&urgent));
    for body in [json!({"name": "later"}), json!({"color": "#d62728"})] {
        let before = fields(&api, &ada, &path).await;
        api.patch(&path).by(&ada).json(&body).send().await.expect(200);
        undo_newest(&api, &ada).await.expect(200);
        assert_eq!(fields(&api, &ada, &path).await, before);
    }
    assert_eq!(appended(&undo(&api, &ada, &created).await.expect(200)), ["labels.removed"]);
    let refused = undo_newest(&api, &ada).await.refused(409, "irreversible").names(&[("/event_id", "irreversible")]);
    assert!(refused.body["detail"].as_str().unwrap().contains("labels.removed"), "{}", refused.body);
    api.stop().await;
}

#[tokio::test]
async fn profile_and_preferences_are_taken_back_entry_by_entry() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let edit = |body: Value| api.patch("/auth/me").by(&ada).json(&body).send();
    edit(json!({"name": "Ada", "preferences": {"theme": "dark"}})).await.expect(200);
    let themed = newest_of(&api, "users.preferences_changed").await;
    let named = newest_of(&api, "users.profile_changed").await;
    edit(json!({"locale": "de-DE", "preferences": {"sidebar": true}})).await.expect(200);
    assert_eq!(appended(&undo(&api, &ada, &themed).await.expect(200)), ["users.preferences_changed"]);
    let undone = undo(&api, &ada, &named).await.expect(200);
    let now = &undone.body["objects"][0]["fields"];
    assert_eq!((&now["name"], &now["locale"]), (&json!("Somebody"), &json!("de-DE")));
    assert_eq!(now["preferences"], json!({"sidebar": true}));
    api.stop().await;
}

#[tokio::test]
async fn what_touched_the_world_outside_or_security_is_irreversible() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let mailbox = json!({"kind": "imap", "name": "Work", "endpoint": "imap.example.org", "secret": "hush"});
    let mailbox = api.post("/connections").by(&ada).json(&mailbox).send().await.expect(201).body;
    let mailbox = format!("/connections/{}", id(&mailbox));
    api.patch(&mailbox).by(&ada).json(&json!({"name": "Home"})).send().await.expect(200);
    api.delete(&mailbox).by(&ada).send().await.expect(204);
    let token = json!({"name": "Backup", "scopes": ["tasks:read"]});
    let token = api.post("/auth/tokens").by(&ada).json(&token).send().await.expect(201).body;
    api.delete(&format!("/auth/tokens/{}", id(&token))).by(&ada).send().await.expect(204);
    let passwords = json!({"current_password": PASSWORD, "new_password": "Battery staple 2"});
    api.post("/auth/password").by(&ada).json(&passwords).send().await.expect(204);
    let facts = api.facts().await;
    let types = [
        "users.password_changed",
        "users.registered",
        "logins.logged_in",
        "connections.connected",
        "connections.settings_changed",
        "connections.disconnected",
        "api_tokens.issued",
        "api_tokens.revoked",
    ];
    for wire_type in types {
        let refused = undo(&api, &ada, &newest_of(&api, wire_type).await).await.refused(409, "irreversible");
        assert!(refused.body["errors"][0]["detail"].as_str().unwrap().starts_with(wire_type), "{}", refused.body);
        assert!(!refused.body.to_string().contains("hush"), "{}", refused.body);
    }
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}
