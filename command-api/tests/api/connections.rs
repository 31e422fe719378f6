//! Connections to accounts elsewhere: their secrets go in and never come out.

use serde_json::{Value, json};

use crate::common::{Api, id, nobody};

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

#[tokio::test]
async fn an_account_to_send_through_says_from_whom_and_where_what_was_sent_lies() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let imap = api.post("/connections").by(&ada).json(&mailbox()).send().await.expect(201);
    assert_eq!((&imap.body["security"], &imap.body["saves_sent"]), (&Value::Null, &Value::Null));
    let body = json!({
        "kind": "smtp", "name": "Out", "endpoint": "smtp.example.org", "port": 587, "security": "starttls",
        "address": "ada@example.org", "display_name": "Ada", "imap_connection_id": id(&imap.body), "saves_sent": false
    });
    let made = api.post("/connections").by(&ada).json(&body).send().await.expect(201);
    for field in ["security", "address", "display_name", "imap_connection_id", "saves_sent"] {
        assert_eq!(made.body[field], body[field], "{field}");
    }
    let path = format!("/connections/{}", id(&made.body));
    let change = |body: Value| api.patch(&path).by(&ada).json(&body).send();
    let changed = change(json!({"security": "tls", "display_name": null, "saves_sent": true})).await.expect(200);
    assert_eq!((&changed.body["security"], &changed.body["display_name"]), (&json!("tls"), &Value::Null));
    assert_eq!((&changed.body["saves_sent"], &changed.body["address"]), (&json!(true), &json!("ada@example.org")));
    let cleared = json!({"security": null, "address": null, "imap_connection_id": null, "saves_sent": null});
    let cleared = change(cleared).await.expect(200);
    for field in ["security", "address", "display_name", "imap_connection_id", "saves_sent"] {
        assert_eq!(cleared.body[field], Value::Null, "{field}");
    }
    let theirs = api.post("/connections").by(&bob).json(&mailbox()).send().await.expect(201);
    let facts = api.facts().await;
    // Somebody else's, itself, and nothing at all.
    for other in [json!(id(&theirs.body)), json!(id(&made.body)), json!(nobody())] {
        let answer = change(json!({ "imap_connection_id": other })).await.refused(422, "unknown_connection");
        answer.names(&[("/imap_connection_id", "unknown_connection")]);
        let mut body = body.clone();
        body["imap_connection_id"] = other;
        api.post("/connections").by(&ada).json(&body).send().await.refused(422, "unknown_connection");
    }
    let wrong = json!({"security": "none", "address": "ada", "display_name": "a\nb", "imap_connection_id": "x", "saves_sent": 1});
    change(wrong.clone()).await.refused(400, "invalid_request").names(&[
        ("/imap_connection_id", "invalid_id"),
        ("/saves_sent", "wrong_type"),
        ("/security", "unknown_value"),
        ("/address", "invalid_email"),
        ("/display_name", "control_character"),
    ]);
    let mut body = body;
    body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
    api.post("/connections").by(&ada).json(&body).send().await.refused(400, "invalid_request").names(&[
        ("/imap_connection_id", "invalid_id"),
        ("/saves_sent", "wrong_type"),
        ("/security", "unknown_value"),
        ("/address", "invalid_email"),
        ("/display_name", "control_character"),
    ]);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}
