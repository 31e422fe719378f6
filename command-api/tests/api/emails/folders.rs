//! Folders of Orbit's own.

use serde_json::json;

use super::{email_in, inbox};
use crate::common::{Api, id};

#[tokio::test]
async fn a_folder_is_made_and_takes_emails() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let create = |name: &str| api.post("/emails/folders").by(&ada).json(&json!({ "name": name })).send();
    let made = create(" Travel/2026 ").await.expect(201);
    assert_eq!((&made.body["path"], &made.body["name"]), (&json!("Travel/2026"), &json!("2026")));
    assert_eq!((&made.body["role"], &made.body["connection_id"]), (&json!("other"), &json!(null)));
    assert_eq!(made.text("location"), format!("/api/v1/emails/folders/{}", id(&made.body)));
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let body = json!({"folder_id": id(&made.body)});
    let moved = api.post(&format!("/emails/{email}/move")).by(&ada).json(&body).send().await.expect(200);
    assert_eq!(moved.body["folder"], "Travel/2026");
    create("Travel/2026").await.refused(409, "folder_name_taken").names(&[("/name", "folder_name_taken")]);
    let theirs = api.post("/emails/folders").by(&bob).json(&json!({"name": "Travel/2026"})).send().await.expect(201);
    assert_ne!(theirs.body["id"], made.body["id"]);
    api.stop().await;
}

#[tokio::test]
async fn a_folder_has_a_name_of_its_own() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    for (name, code) in [
        ("", "empty"),
        ("a/", "empty"),
        ("/a", "empty"),
        ("a//b", "empty"),
        ("Inbox", "reserved_name"),
        ("trash", "reserved_name"),
        ("a\tb", "control_character"),
        (&"x".repeat(256), "too_long"),
    ] {
        let answer = api.post("/emails/folders").by(&ada).json(&json!({ "name": name })).send().await;
        answer.refused(422, "validation_failed").names(&[("/name", code)]);
    }
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}
