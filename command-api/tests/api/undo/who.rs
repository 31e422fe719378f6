//! Who may undo what, and that an undo is a write like every other.

use serde_json::{Value, json};

use super::{newest, newest_of, path, undo};
use crate::common::{Api, Session, nobody, titled};

#[tokio::test]
async fn somebody_elses_facts_and_facts_that_never_were_are_not_found() {
    let api = Api::new().await;
    let (ada, eva) = (api.register("ada@example.org").await, api.register("eva@example.org").await);
    let task = api.post("/tasks").by(&ada).json(&titled("Buy milk")).send().await.expect(201);
    let facts = api.facts().await;
    undo(&api, &eva, &newest(&api).await).await.refused(404, "not_found");
    super::undo_all_of(&api, &eva, &task).await.refused(404, "not_found");
    undo(&api, &ada, &nobody()).await.refused(404, "not_found");
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn a_body_names_one_thing_to_undo() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let ask = |body: Value| api.post("/history/undo").by(&ada).json(&body).send();
    ask(json!({})).await.refused(400, "invalid_request").names(&[("", "empty")]);
    let both = json!({"event_id": nobody(), "correlation_id": nobody()});
    ask(both).await.refused(400, "invalid_request").names(&[("/correlation_id", "contradiction")]);
    let faulty = ask(json!({"event_id": "x", "correlation_id": 7, "when": 1})).await.refused(400, "invalid_request");
    let mut named = faulty.faults();
    named.sort();
    let expected = [("/correlation_id", "wrong_type"), ("/event_id", "invalid_id"), ("/when", "unknown_field")];
    assert_eq!(named, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    api.post("/history/undo").json(&json!({"event_id": nobody()})).send().await.expect(401);
    api.stop().await;
}

async fn token(api: &Api, of: &Session, scopes: &[&str]) -> String {
    let body = json!({"name": "t", "scopes": scopes});
    let issued = api.post("/auth/tokens").by(of).json(&body).send().await.expect(201);
    issued.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_api_token_needs_to_write_what_is_undone() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    let created = newest(&api).await;
    api.patch("/auth/me").by(&ada).json(&json!({"name": "Ada"})).send().await.expect(200);
    let named = newest_of(&api, "users.profile_changed").await;
    let reader = token(&api, &ada, &["tasks:read", "users:write", "history:read"]).await;
    let writer = token(&api, &ada, &["tasks:write"]).await;
    let ask =
        |token: &str, event: &str| api.post("/history/undo").bearer(token).json(&json!({ "event_id": event })).send();
    ask(&reader, &created).await.refused(403, "missing_scope");
    ask(&writer, &named).await.refused(403, "missing_scope");
    let revert = api.post(&format!("{}/revert", path(&task))).bearer(&reader).json(&json!({"to_version": 1}));
    revert.send().await.refused(403, "missing_scope");
    ask(&writer, &created).await.expect(200);
    ask(&reader, &named).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_appended_and_appends_nothing() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    api.patch(&path(&task)).by(&ada).json(&titled("Buy oats")).send().await.expect(200);
    let body = json!({"event_id": newest(&api).await});
    let facts = api.facts().await;
    let shown = api.post("/history/undo?dry_run=true").by(&ada).json(&body).send().await.expect(200);
    assert_eq!(shown.body["facts"][0]["data"], json!({"title": "Buy milk"}));
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn repeating_an_undo_with_its_key_gives_the_same_answer_and_without_it_changes_nothing_more() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("Buy milk")).await;
    api.patch(&path(&task)).by(&ada).json(&titled("Buy oats")).send().await.expect(200);
    let body = json!({"event_id": newest(&api).await});
    let ask = || api.post("/history/undo").by(&ada).json(&body);
    let first = ask().key("k").send().await.expect(200);
    let again = ask().key("k").send().await.expect(200);
    assert_eq!((again.text("idempotent-replayed").as_str(), &again.body), ("true", &first.body));
    assert_eq!(first.position(), api.facts().await);
    let quiet = ask().send().await.expect(200);
    assert_eq!(quiet.body["facts"], json!([]));
    assert_eq!(first.position(), api.facts().await);
    api.stop().await;
}

#[tokio::test]
async fn if_match_names_the_version_of_the_one_object_that_is_undone() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (one, two) = (api.task(&ada, titled("one")).await, api.task(&ada, titled("two")).await);
    api.patch(&path(&one)).by(&ada).json(&titled("one!")).send().await.expect(200);
    let body = json!({"event_id": newest(&api).await});
    let ask = |tag: &str, body: &Value| api.post("/history/undo").by(&ada).header("if-match", tag).json(body).send();
    assert_eq!(ask("\"1\"", &body).await.expect(412).text("etag"), "\"2\"");
    assert_eq!(ask("\"2\"", &body).await.expect(200).text("etag"), "\"3\"");
    let operations = json!({"operations": [{"op": "delete", "id": one["id"]}, {"op": "delete", "id": two["id"]}]});
    let done = api.post("/tasks/batch").by(&ada).key("k").json(&operations).send().await.expect(200);
    let body = json!({"correlation_id": done.text("x-request-id")});
    ask("\"4\"", &body).await.refused(400, "invalid_header");
    ask("*", &body).await.expect(200);
    api.stop().await;
}
