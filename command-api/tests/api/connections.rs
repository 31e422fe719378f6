//! Connections to accounts elsewhere: their secrets go in and never come out.

use serde_json::{Value, json};

use crate::common::{Api, id};

fn mailbox() -> Value {
    json!({"kind": "imap", "name": "Work", "endpoint": "imap.example.org", "port": 993, "username": "ada", "secret": "s3cr3t"})
}

#[tokio::test]
async fn a_connection_is_made_changed_and_ended_and_its_secret_never_comes_back() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let made = api.post("/connections").by(&ada).json(&mailbox()).send().await.expect(201);
    assert_eq!(made.body["has_secret"], true);
    let path = format!("/connections/{}", id(&made.body));
    assert_eq!(made.text("location"), format!("/api/v1{path}"));
    let change = json!({"name": "Mail", "port": null, "secret": "0ther"});
    let changed = api.patch(&path).by(&ada).json(&change).send().await.expect(200);
    assert_eq!(
        (&changed.body["name"], &changed.body["port"], &changed.body["username"]),
        (&json!("Mail"), &json!(null), &json!("ada"))
    );
    let shown =
        api.patch(&format!("{path}?dry_run=true")).by(&ada).json(&json!({"secret": "n3xt"})).send().await.expect(200);
    for answer in [&made, &changed, &shown] {
        let text = answer.body.to_string();
        assert!(!text.contains("s3cr3t") && !text.contains("0ther") && !text.contains("n3xt"), "{text}");
    }
    let cleared = api.patch(&path).by(&ada).json(&json!({"secret": null})).send().await.expect(200);
    assert_eq!(cleared.body["has_secret"], false);
    let bob = api.register("bob@example.org").await;
    api.patch(&path).by(&bob).json(&change).send().await.refused(404, "not_found");
    api.delete(&path).by(&bob).send().await.refused(404, "not_found");
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.patch(&path).by(&ada).json(&change).send().await.refused(410, "connection_disconnected");
    api.stop().await;
}

#[tokio::test]
async fn every_faulty_field_of_a_connection_is_named() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let body = json!({"kind": "fax", "name": "", "endpoint": 7, "port": 0, "username": "", "secret": "a\0b"});
    let answer = api.post("/connections").by(&ada).json(&body).send().await.refused(400, "invalid_request");
    answer.names(&[
        ("/kind", "unknown_value"),
        ("/endpoint", "wrong_type"),
        ("/name", "empty"),
        ("/port", "out_of_range"),
        ("/username", "empty"),
        ("/secret", "nul_character"),
    ]);
    let body = json!({"kind": "caldav", "name": "Calendar", "endpoint": "http://example.org"});
    let answer = api.post("/connections").by(&ada).json(&body).send().await.refused(422, "validation_failed");
    answer.names(&[("/endpoint", "invalid_url")]);
    let made = api.post("/connections").by(&ada).json(&mailbox()).send().await.expect(201);
    let path = format!("/connections/{}", id(&made.body));
    let change = json!({"endpoint": "https://not-a-host", "kind": "smtp"});
    let answer = api.patch(&path).by(&ada).json(&change).send().await.refused(400, "invalid_request");
    answer.names(&[("/kind", "unknown_field")]);
    let change = json!({"endpoint": "https://not-a-host"});
    let answer = api.patch(&path).by(&ada).json(&change).send().await.refused(422, "invalid_host");
    answer.names(&[("/endpoint", "invalid_host")]);
    api.stop().await;
}
