//! The `OpenAPI` document: complete, and true of what comes back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    common::{Api, titled},
    emails,
};

fn operations(api: &Api) -> Vec<(String, Value)> {
    let paths = api.document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
    });
    all.collect()
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    let api = Api::new().await;
    let routes: Vec<_> = operations(&api).into_iter().map(|(name, _)| name).collect();
    insta::assert_json_snapshot!(routes);
    api.stop().await;
}

#[tokio::test]
async fn every_operation_says_what_it_is_takes_and_answers() {
    let api = Api::new().await;
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&api) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}: its id is another's");
        assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{name}: no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name}: no tag");
        let parameters: Vec<_> =
            operation["parameters"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(parameters.len(), parameters.iter().collect::<BTreeSet<_>>().len(), "{name}: {parameters:?}");
        assert!(parameters.contains(&"dry_run"), "{name}");
        assert_eq!(parameters.contains(&"Idempotency-Key"), name.starts_with("post"), "{name}");
        assert_eq!(parameters.contains(&"If-Match"), name.contains("{id}") || name.starts_with("patch"), "{name}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        assert!(
            responses.contains_key("400") && responses.contains_key("429") && responses.contains_key("503"),
            "{name}"
        );
    }
    api.stop().await;
}

fn follow(value: &Value, document: &Value) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    match value {
        Value::Object(object) => object.values().for_each(|value| follow(value, document)),
        Value::Array(values) => values.iter().for_each(|value| follow(value, document)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let api = Api::new().await;
    follow(&api.document, &api.document);
    api.stop().await;
}

/// The keys that an answer has are those that its schema has, no more and no fewer.
#[tokio::test]
async fn answers_have_the_fields_that_the_document_says() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let schema = |name: &str| keys(&api.document["components"]["schemas"][name]["properties"]);
    let post = async |path: &str, body: Value| api.post(path).by(&ada).json(&body).send().await.expect(201).body;
    assert_eq!(keys(&post("/tasks", titled("x")).await), schema("WrittenTask"));
    assert_eq!(keys(&post("/task-lists", json!({"name": "x"})).await), schema("WrittenList"));
    assert_eq!(keys(&post("/labels", json!({"name": "x"})).await), schema("WrittenLabel"));
    let body = json!({"name": "x", "scopes": ["admin"]});
    assert_eq!(keys(&post("/auth/tokens", body).await), schema("IssuedApiToken"));
    let body = json!({"kind": "smtp", "name": "x", "endpoint": "smtp.example.org", "address": "ada@example.org"});
    assert_eq!(keys(&post("/connections", body).await), schema("WrittenConnection"));
    let body = json!({"kind": "imap", "name": "x", "endpoint": "127.0.0.1"});
    let tested = api.post("/connections/test").by(&ada).json(&body).send().await.expect(200).body;
    assert_eq!(keys(&tested), schema("TestedConnection"));
    assert_eq!(keys(&tested["steps"][0]), schema("TestedStep"));
    assert_eq!(keys(&post("/emails/drafts", json!({})).await), schema("WrittenDraft"));
    assert_eq!(keys(&post("/emails/folders", json!({"name": "x"})).await), schema("WrittenFolder"));
    let place = emails::inbox(&api, &ada).await;
    let email = emails::email_in(&api, &ada, place).await;
    assert_eq!(keys(&emails::verb(&api, &ada, &email, "read").await.expect(200).body), schema("WrittenEmail"));
    let body = json!({ "email_ids": [email] });
    assert_eq!(keys(&post("/emails/threads/split", body).await), schema("WrittenThreadDecision"));
    assert_eq!(keys(&emails::upload(&api, &ada, "x.txt", "x").await.body), schema("UploadedAttachment"));
    let sent = emails::send(&api, &ada, "k1", &json!({"to": ["grace@example.org"]})).await.expect(202).body;
    assert_eq!(keys(&sent), schema("WrittenSubmission"));
    let me = api.patch("/auth/me").by(&ada).json(&json!({})).send().await.expect(200).body;
    assert_eq!(keys(&me), schema("WrittenUser"));
    let login = json!({"email": "ada@example.org", "password": crate::common::PASSWORD});
    let tokens = api.post("/auth/login").json(&login).send().await.expect(200).body;
    assert_eq!(keys(&tokens), schema("Tokens"));
    api.stop().await;
}

/// The examples of bodies are bodies that the routes take: they fail on nothing but what they refer to.
#[tokio::test]
async fn every_example_can_be_read() {
    let api = Api::new().await;
    let ada = api.register("somebody@example.org").await;
    for (name, operation) in operations(&api) {
        let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") else { continue };
        let either = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one.get("$ref").is_some()));
        let reference = either.unwrap_or(schema)["$ref"].as_str().unwrap().trim_start_matches('#');
        let example = api.document.pointer(reference).unwrap()["example"].clone();
        let (method, path) = name.split_once(' ').unwrap();
        let path = path.replace("{id}", &crate::common::nobody());
        let call = api.call(method.to_uppercase().parse().unwrap(), &path).by(&ada).key("k1").json(&example);
        let answer = call.send().await;
        assert!(
            !matches!(answer.code(), "invalid_request" | "validation_failed" | "malformed_json"),
            "{name}: {}",
            answer.body
        );
    }
    api.stop().await;
}
