//! Drafts, until they are handed over.

use serde_json::{Value, json};

use super::{connection, email_in, inbox, sending_account, upload};
use crate::common::{Api, id, nobody};

#[tokio::test]
async fn a_draft_is_begun_with_nothing_changed_and_thrown_away() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let account = sending_account(&api, &ada).await;
    let file = upload(&api, &ada, "a.txt", "a").await.body;
    let made = api.post("/emails/drafts").by(&ada).json(&json!({})).send().await.expect(201);
    assert_eq!((&made.body["subject"], &made.body["to"]), (&json!(""), &json!([])));
    assert_eq!((&made.body["status"], &made.body["created_by"]), (&json!("pending"), &json!("user")));
    let path = format!("/emails/drafts/{}", id(&made.body));
    assert_eq!(made.text("location"), format!("/api/v1{path}"));
    let change = |body: Value| api.patch(&path).by(&ada).json(&body);
    let whole = json!({
        "to": ["grace@example.org", {"email": "Grace@example.org", "name": "Grace"}, {"email": "alan@example.org", "name": " "}],
        "cc": [{"email": "kurt@example.org", "name": "Kurt"}], "bcc": [], "subject": " Tickets ", "body": "a\nb",
        "attachments": [file["id"], file["id"]], "reply_to_email_id": email, "connection_id": account
    });
    let changed = change(whole.clone()).send().await.expect(200);
    let bare = |email: &str| json!({"email": email, "name": null});
    assert_eq!(changed.body["to"], json!([bare("grace@example.org"), bare("alan@example.org")]));
    assert_eq!(changed.body["cc"], json!([{"email": "kurt@example.org", "name": "Kurt"}]));
    assert_eq!((&changed.body["subject"], &changed.body["attachments"]), (&json!("Tickets"), &json!([file["id"]])));
    assert_eq!((&changed.body["reply_to_email_id"], &changed.body["connection_id"]), (&json!(email), &json!(account)));
    let version = changed.text("etag");
    assert_eq!(change(whole).send().await.expect(200).text("etag"), version);
    change(json!({"subject": "x"})).header("if-match", "\"1\"").send().await.refused(412, "precondition_failed");
    let cleared = json!({
        "to": null, "cc": null, "bcc": null, "subject": null, "body": null, "attachments": null, "reply_to_email_id": null,
        "connection_id": null
    });
    let cleared = change(cleared).send().await.expect(200).body;
    for field in ["to", "cc", "bcc", "subject", "body", "attachments", "reply_to_email_id", "connection_id"] {
        assert_eq!(cleared[field], made.body[field], "{field}");
    }
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    change(json!({"subject": "x"})).send().await.refused(410, "draft_discarded");
    api.post(&format!("{path}/send")).by(&ada).send().await.refused(410, "draft_discarded");
    api.stop().await;
}

#[tokio::test]
async fn every_faulty_field_of_a_draft_is_named() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let many: Vec<_> = (0..51).map(|n| format!("a{n}@example.org")).collect();
    let files = vec![nobody(); 11];
    let bad = json!({
        "to": ["nobody", 7, {"email": "x@example.org", "nick": "x"}, {"name": "Ada"}, {"email": "y@example.org", "name": "a\nb"}],
        "cc": many, "bcc": "ada@example.org", "subject": "x".repeat(501), "body": "a\0b", "attachments": ["x"],
        "reply_to_email_id": 1, "connection_id": "x", "send_at": "2026-12-01T08:00:00Z"
    });
    let names = [
        ("/to/1", "wrong_type"),
        ("/to/2/nick", "unknown_field"),
        ("/to/3/email", "missing"),
        ("/to/0", "invalid_email"),
        ("/to/4", "control_character"),
        ("/cc", "too_many"),
        ("/bcc", "wrong_type"),
        ("/subject", "too_long"),
        ("/body", "nul_character"),
        ("/attachments/0", "invalid_id"),
        ("/reply_to_email_id", "wrong_type"),
        ("/connection_id", "invalid_id"),
    ];
    let with_unknown: Vec<_> = std::iter::once(("/send_at", "unknown_field")).chain(names).collect();
    let answer = api.post("/emails/drafts").by(&ada).json(&bad).send().await;
    answer.refused(400, "invalid_request").names(&with_unknown);
    let many_files = (0..11).map(|n| uuid::Uuid::from_u128(n).to_string()).collect::<Vec<_>>();
    let answer = api.post("/emails/drafts").by(&ada).json(&json!({ "attachments": many_files })).send().await;
    answer.refused(422, "validation_failed").names(&[("/attachments", "too_many")]);
    let made = api.post("/emails/drafts").by(&ada).json(&json!({})).send().await.expect(201).body;
    let path = format!("/emails/drafts/{}", id(&made));
    api.patch(&path).by(&ada).json(&bad).send().await.refused(400, "invalid_request").names(&with_unknown);
    // The same file again is not another one.
    let answer = api.patch(&path).by(&ada).json(&json!({ "attachments": files })).send().await;
    answer.refused(422, "unknown_attachment").names(&[("/attachments/0", "unknown_attachment")]);
    assert_eq!(api.facts().await, facts + 1);
    api.stop().await;
}

#[tokio::test]
async fn a_draft_names_what_is_there_and_ones_own_when_it_names_it() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let place = inbox(&api, &bob).await;
    let (their_email, their_file) = (email_in(&api, &bob, place).await, upload(&api, &bob, "b.txt", "b").await.body);
    let their_account = sending_account(&api, &bob).await;
    let mailbox = connection(&api, &ada, "imap", "ada@example.org").await;
    let facts = api.facts().await;
    for (body, field, code) in [
        (json!({ "reply_to_email_id": their_email }), "/reply_to_email_id", "unknown_email"),
        (json!({ "connection_id": their_account }), "/connection_id", "unknown_connection"),
        (json!({ "connection_id": mailbox }), "/connection_id", "unknown_connection"),
        (json!({ "attachments": [their_file["id"]] }), "/attachments/0", "unknown_attachment"),
    ] {
        let answer = api.post("/emails/drafts").by(&ada).json(&body).send().await;
        answer.refused(422, code).names(&[(field, code)]);
    }
    assert_eq!(api.facts().await, facts);
    let file = upload(&api, &ada, "a.txt", "a").await.body;
    let made = api.post("/emails/drafts").by(&ada).json(&json!({"attachments": [file["id"]]})).send().await.expect(201);
    let path = format!("/emails/drafts/{}", id(&made.body));
    api.delete(&format!("/emails/attachments/{}", id(&file))).by(&ada).send().await.expect(204);
    // What it named before is gone: that keeps nobody from writing on, but it cannot be named anew.
    api.patch(&path).by(&ada).json(&json!({"subject": "x"})).send().await.expect(200);
    api.patch(&path).by(&ada).json(&json!({"attachments": []})).send().await.expect(200);
    let again = api.patch(&path).by(&ada).json(&json!({"attachments": [file["id"]]})).send().await;
    again.refused(422, "unknown_attachment");
    api.stop().await;
}
