//! Every route of the document, asked by somebody with somebody else's ids. A new route is asked without a new line here.

use std::collections::BTreeMap;

use orbit_testing::eventually;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    document::{Operation, operations},
    world::{SOON, Session, World},
};

/// In every text that Ada writes, and in none of Bob's.
const MARK: &str = "Zanzibar";

/// One of everything of Ada's, by the collection in whose paths its id stands.
async fn fill(world: &World, ada: &Session) -> BTreeMap<&'static str, Uuid> {
    let make = async |path: &str, body: Value| world.post(path).by(ada).json(&body).send().await.expect(201).id();
    let label = make("/labels", json!({"name": MARK})).await;
    let list = make("/task-lists", json!({"name": MARK})).await;
    let body =
        json!({"title": MARK, "description": MARK, "list_id": list, "labels": [label], "due_date": "2026-11-22"});
    let task = make("/tasks", body).await;
    make("/tasks", json!({"title": format!("{MARK}, too"), "parent_id": task})).await;
    let trashed = make("/tasks", json!({"title": format!("{MARK} no more")})).await;
    world.call("DELETE", &format!("/tasks/{trashed}")).by(ada).send().await.expect(204);
    let token = make("/auth/tokens", json!({"name": MARK, "scopes": ["admin"]})).await;
    let export = world.post("/auth/me/export").by(ada).send().await.expect(202).id();
    let body = json!({"kind": "n8n", "name": MARK, "endpoint": "http://n8n.local"});
    let connection = make("/connections", body).await;
    let mut ids = BTreeMap::from(world.begin_mail(ada).await);
    let (import, email) = bring_email(world, ada).await;
    world.caught_up().await;
    eventually(SOON, || async {
        let export = world.get(&format!("/auth/me/exports/{export}")).by(ada).send().await.expect(200).json();
        if export["status"] == "complete" { Ok(()) } else { Err(export) }
    })
    .await;
    ids.extend([("emails", email), ("threads", email)]);
    let activities = world.get("/activities").by(ada).send().await.expect(200);
    let activity = activities.each("id")[0].as_str().unwrap().parse().unwrap();
    ids.extend([
        ("activities", activity),
        ("connections", connection),
        ("devices", ada.login()),
        ("history", activity),
        ("exports", export),
        ("imports", import),
        ("labels", label),
        ("task-lists", list),
        ("tasks", task),
        ("tokens", token),
        // Not anybody's: administrators name them.
        ("projections", Uuid::nil()),
        ("rebuilds", Uuid::nil()),
    ]);
    ids
}

/// A message with a file, as it comes.
fn message(of: &Session) -> String {
    let lines = [
        &format!("Message-ID: <{}@example.org>", of.id),
        &format!("Subject: {MARK}"),
        "From: ada@example.org",
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "",
        MARK,
        "--x",
        "Content-Type: text/plain",
        "Content-Disposition: attachment; filename=a.txt",
        "",
        MARK,
        "--x--",
        "",
    ];
    lines.join("\r\n")
}

/// An e-mail whose message and file are stored, as it comes in: the import, and the e-mail.
pub async fn bring_email(world: &World, of: &Session) -> (Uuid, Uuid) {
    let import = world.bring(of, "?format=eml", &message(of)).await["id"].as_str().unwrap().parse().unwrap();
    world.caught_up().await;
    let all = world.get("/emails").by(of).send().await.expect(200).json();
    let message_id = format!("{}@example.org", of.id);
    let email = all["data"].as_array().unwrap().iter().find(|email| email["message_id"] == message_id);
    (import, email.unwrap_or_else(|| panic!("{all}"))["id"].as_str().unwrap().parse().unwrap())
}

/// The path with Ada's ids in it. A file of an e-mail is the first of its files, and the second of its parts.
fn addressed(path: &str, ids: &BTreeMap<&str, Uuid>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        if let Some((_, place)) = [("{n}", "1"), ("{path}", "2")].iter().find(|(name, _)| *name == part) {
            parts.push((*place).to_owned());
            continue;
        }
        let id = part.starts_with('{').then(|| parts.last().and_then(|collection| ids.get(collection.as_str())));
        parts.push(match id {
            Some(id) => id.unwrap_or_else(|| panic!("{path}: make one of these in fill()")).to_string(),
            None => part.to_owned(),
        });
    }
    parts.join("/")
}

/// The ids that a body may name, by field.
fn foreign(path: &str, field: &str, ids: &BTreeMap<&str, Uuid>) -> Option<Value> {
    match field {
        // E-mails of a batch have a result each, and labels of e-mails are words.
        _ if path.ends_with("/emails/batch") => None,
        "labels" if path.contains("/emails/") => None,
        "folder_id" => Some(json!(ids["folders"])),
        "email_ids" | "thread_ids" => Some(json!([ids["emails"], ids["emails"]])),
        "reply_to_email_id" => Some(json!(ids["emails"])),
        "connection_id" | "imap_connection_id" => Some(json!(ids["connections"])),
        "attachments" => Some(json!([ids["attachments"]])),
        "list_id" => Some(json!(ids["task-lists"])),
        "parent_id" | "before_id" | "after_id" => Some(json!(ids["tasks"])),
        "labels" => Some(json!([ids["labels"]])),
        // An activity has the id of its fact.
        "event_id" => Some(json!(ids["activities"])),
        _ => None,
    }
}

async fn ask(world: &World, by: &Session, operation: &Operation, path: &str) -> crate::world::Answer {
    let call = world.call(&operation.method, path).by(by);
    let call = if operation.example.is_null() { call } else { call.json(&operation.example) };
    call.send().await
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let world = World::new().await;
    let (ada, bob) = (world.register("ada").await, world.register("bob").await);
    let ids = fill(&world, &ada).await;
    let head = world.head().await;
    let mut asked = 0;
    for operation in operations(&world.document().await).iter().filter(|operation| operation.path.contains('{')) {
        let path = addressed(&operation.path, &ids);
        ask(&world, &bob, operation, &path).await.refused(404, "not_found");
        // What administrators look at is nobody's.
        if operation.method == "GET" && !operation.path.contains("/admin/") {
            // The path is right: its owner finds something there.
            ask(&world, &ada, operation, &path).await.expect(200);
        }
        asked += 1;
    }
    assert!(asked >= 20, "only {asked} routes");
    assert_eq!(world.head().await, head, "something was appended after all");
    world.stop().await;
}

#[tokio::test]
async fn lists_and_searches_hold_nothing_of_somebody_elses() {
    let world = World::new().await;
    let (ada, bob) = (world.register("ada").await, world.register("bob").await);
    let ids = fill(&world, &ada).await;
    world.caught_up().await;
    let mut asked = 0;
    for operation in operations(&world.document().await) {
        if operation.method != "GET" || operation.path.contains('{') {
            continue;
        }
        let mut questions = vec![String::new()];
        for name in
            operation.parameters.iter().filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str())
        {
            match name {
                "q" => questions.push(format!("?q={MARK}")),
                "list_id" => questions.push(format!("?list_id={}", ids["task-lists"])),
                "parent_id" => questions.push(format!("?parent_id={}", ids["tasks"])),
                "label" | "labels" | "label_id" => questions.push(format!("?{name}={}", ids["labels"])),
                "entity_id" | "entity" => questions.push(format!("?{name}={}", ids["tasks"])),
                // A stream is read as far as it begins.
                "from" => questions.push("?from=0".to_owned()),
                _ => {}
            }
        }
        for question in questions {
            let answer = world.get(&format!("{}{question}", operation.path)).by(&bob).send().await;
            assert!(answer.status < 500, "{answer:?}");
            let holds = |text: &str| answer.status == 200 && answer.body.contains(text);
            assert!(!holds(MARK) && !holds("ada@example.org"), "{answer:?}");
            for id in ids.values().chain([&ada.id]) {
                assert!(!holds(&id.to_string()), "{answer:?}");
            }
            asked += usize::from(answer.status == 200);
        }
    }
    assert!(asked >= 12, "only {asked} answers");
    world.stop().await;
}

#[tokio::test]
async fn bodies_cannot_name_what_is_somebody_elses() {
    let world = World::new().await;
    let (ada, bob) = (world.register("ada").await, world.register("bob").await);
    let theirs = fill(&world, &ada).await;
    let own = fill(&world, &bob).await;
    let head = world.head().await;
    let mut asked = 0;
    for operation in operations(&world.document().await) {
        for field in operation.fields() {
            let Some(value) = foreign(&operation.path, &field, &theirs) else { continue };
            let mut body: Map<String, Value> = operation.example.as_object().cloned().unwrap_or_default();
            // A neighbour is named alone, and so are a folder and what is merged.
            let alone = ["list_id", "before_id", "after_id", "folder", "thread_ids"];
            body.retain(|name, _| !alone.contains(&name.as_str()));
            body.insert(field.clone(), value);
            let call = world.call(&operation.method, &addressed(&operation.path, &own)).by(&bob);
            let call = call.header("idempotency-key", &asked.to_string());
            let answer = call.json(&Value::Object(body)).send().await;
            assert!([404, 422].contains(&answer.status), "{field}: {answer:?}");
            asked += 1;
        }
    }
    assert!(asked >= 10, "only {asked} fields");
    assert_eq!(world.head().await, head, "something was appended after all");
    world.stop().await;
}
