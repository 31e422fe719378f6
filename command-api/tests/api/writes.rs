//! What every write has: idempotency, dry runs, preconditions, positions, scopes, ended logins.

use axum::http::Method;
use serde_json::json;

use crate::common::{Api, Call, id, nobody, titled};

#[tokio::test]
async fn a_write_answers_with_position_version_and_place() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let answer = api.post("/tasks").by(&ada).json(&titled("Call the bank")).send().await.expect(201);
    assert_eq!(answer.position(), api.facts().await);
    assert_eq!(answer.text("etag"), "\"1\"");
    assert_eq!(answer.text("location"), format!("/api/v1/tasks/{}", id(&answer.body)));
    api.stop().await;
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_answered_once_and_replayed() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let send = |body: &'static str| api.post("/tasks").by(&ada).key("k1").raw(body).send();
    let first = send(r#"{"title": "Call the bank", "priority": "high"}"#).await.expect(201);
    let facts = api.facts().await;
    // The order of fields and white space are no part of what was asked.
    let again = send(r#"{"priority":"high","title":"Call the bank"}"#).await.expect(201);
    assert_eq!(again.body, first.body);
    assert_eq!(again.text("idempotent-replayed"), "true");
    assert_eq!(first.text("idempotent-replayed"), "");
    for header in ["orbit-position", "etag", "location"] {
        assert_eq!(again.text(header), first.text(header));
    }
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn a_key_that_comes_with_another_request_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.post("/tasks").by(&ada).key("k1").json(&titled("One")).send().await.expect(201);
    let code = "idempotency_key_reused";
    api.post("/tasks").by(&ada).key("k1").json(&titled("Two")).send().await.refused(422, code);
    api.post("/labels").by(&ada).key("k1").json(&json!({"name": "One"})).send().await.refused(422, code);
    // Somebody else's keys are their own.
    let bob = api.register("bob@example.org").await;
    api.post("/tasks").by(&bob).key("k1").json(&titled("Two")).send().await.expect(201);
    api.stop().await;
}

#[tokio::test]
async fn a_refused_request_uses_its_key_not_up() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let label = || api.post("/labels").by(&ada).key("k1").json(&json!({"name": "urgent"}));
    let other = api.post("/labels").by(&ada).json(&json!({"name": "Urgent"})).send().await.expect(201).body;
    label().send().await.refused(409, "label_name_taken").names(&[("/name", "label_name_taken")]);
    api.delete(&format!("/labels/{}", id(&other))).by(&ada).send().await.expect(204);
    label().send().await.expect(201);
    api.stop().await;
}

#[tokio::test]
async fn a_key_works_again_after_a_day() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.post("/tasks").by(&ada).key("k1").json(&titled("One")).send().await.expect(201);
    api.advance(chrono::TimeDelta::hours(25));
    let ada = api.login("ada@example.org").await;
    let answer = api.post("/tasks").by(&ada).key("k1").json(&titled("Two")).send().await.expect(201);
    assert_eq!(answer.body["title"], "Two");
    api.stop().await;
}

#[tokio::test]
async fn a_malformed_key_is_refused_by_name() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    for key in ["", "a b", &"k".repeat(256)] {
        let answer = api.post("/tasks").by(&ada).key(key).json(&titled("One")).send().await;
        answer.refused(400, "invalid_header").names(&[("Idempotency-Key", "invalid")]);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_dry_run_shows_the_facts_and_appends_nothing() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let call = |path: &str| api.post(path).by(&ada).key("k1").json(&json!({"title": "One", "status": "done"}));
    let answer = call("/tasks?dry_run=true").send().await.expect(200);
    assert_eq!(answer.body["dry_run"], true);
    let types: Vec<_> = answer.body["facts"].as_array().unwrap().iter().map(|fact| &fact["type"]).collect();
    assert_eq!(types, ["tasks.created", "tasks.completed"]);
    assert_eq!(api.facts().await, facts);
    // It uses no key up either.
    call("/tasks").send().await.expect(201);
    call("/tasks?dry_run=true").send().await.expect(200);
    api.post("/tasks?dry_run=true").by(&ada).json(&titled("")).send().await.refused(422, "validation_failed");
    api.post("/tasks?dry_run=yes").by(&ada).json(&titled("x")).send().await.refused(400, "invalid_query");
    api.stop().await;
}

#[tokio::test]
async fn a_dry_run_shows_no_secret_and_opens_no_account() {
    let api = Api::new().await;
    let body = json!({"email": "ada@example.org", "password": "Correct horse 1", "name": "Ada"});
    let answer = api.post("/auth/register?dry_run=true").json(&body).send().await.expect(200);
    let shown = answer.body.to_string();
    assert!(!shown.contains("argon2") && shown.contains("[secret]"), "{shown}");
    assert_eq!(answer.body["facts"].as_array().unwrap().len(), 6);
    assert_eq!(api.facts().await, 0);
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM vault.keys").fetch_one(api.database.pool()).await.unwrap();
    assert_eq!(keys, 0);
    api.stop().await;
}

#[tokio::test]
async fn a_write_about_another_version_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("One")).await;
    let path = format!("/tasks/{}", id(&task));
    let edit = |tag: &'static str, title: &'static str| {
        api.patch(&path).by(&ada).header("if-match", tag).json(&json!({ "title": title })).send()
    };
    assert_eq!(edit("\"1\"", "Two").await.expect(200).text("etag"), "\"2\"");
    let answer = edit("\"1\"", "Three").await.refused(412, "precondition_failed");
    assert_eq!(answer.text("etag"), "\"2\"");
    edit("*", "Four").await.expect(200);
    edit("\"2\", \"3\"", "Five").await.expect(200);
    edit("5", "Six").await.refused(400, "invalid_header");
    api.post(&format!("{path}/complete")).by(&ada).header("if-match", "\"1\"").send().await.expect(412);
    api.delete(&path).by(&ada).header("if-match", "\"1\"").send().await.expect(412);
    api.stop().await;
}

#[tokio::test]
async fn asking_for_what_is_already_so_appends_nothing_and_answers_all_the_same() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("One")).await;
    let facts = api.facts().await;
    let answer = api.patch(&format!("/tasks/{}", id(&task))).by(&ada).json(&titled("One")).send().await.expect(200);
    assert_eq!((answer.position(), answer.text("etag")), (facts, "\"1\"".to_owned()));
    assert_eq!(api.facts().await, facts);
    // With a key the answer is kept even so.
    let call = || api.patch(&format!("/tasks/{}", id(&task))).by(&ada).key("k1").json(&titled("One")).send();
    call().await.expect(200);
    assert_eq!(call().await.expect(200).text("idempotent-replayed"), "true");
    api.stop().await;
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_by_name() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let answer = api.post("/tasks?colour=red").by(&ada).json(&titled("One")).send().await;
    answer.refused(400, "invalid_query").names(&[("?colour", "unknown_parameter")]);
    api.stop().await;
}

#[tokio::test]
async fn another_process_sees_at_once_what_was_written() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("One")).await;
    let other = api.another().await;
    let path = format!("/tasks/{}", id(&task));
    for (n, title) in ["Two", "Three", "Four", "Five"].into_iter().enumerate() {
        let edit = json!({ "title": title });
        let call = if n % 2 == 0 { Call::new(other.clone(), Method::PATCH, &path) } else { api.patch(&path) };
        let answer = call.by(&ada).json(&edit).send().await.expect(200);
        assert_eq!(answer.body["version"], n + 2);
    }
    // What is cached in one process and was changed in the other: asked again, not answered from memory.
    let stale = json!({ "title": "Four" });
    let answer = Call::new(other, Method::PATCH, &path).by(&ada).json(&stale).send().await.expect(200);
    assert_eq!((&answer.body["version"], &answer.body["title"]), (&json!(6), &json!("Four")));
    api.stop().await;
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let task = api.task(&ada, titled("Mine")).await;
    let label = api.post("/labels").by(&ada).json(&json!({"name": "mine"})).send().await.expect(201).body;
    let facts = api.facts().await;
    for path in [format!("/tasks/{}", id(&task)), format!("/task-lists/{}", task["list_id"].as_str().unwrap())] {
        let body = if path.starts_with("/tasks/") { titled("Yours") } else { json!({"name": "Yours"}) };
        let theirs = api.patch(&path).by(&bob).json(&body).send().await.expect(404);
        let absent = path.rsplit_once('/').unwrap().0.to_owned() + "/" + &nobody();
        let nothing = api.patch(&absent).by(&bob).json(&body).send().await.expect(404);
        assert_eq!(theirs.body["detail"], nothing.body["detail"]);
        api.delete(&path).by(&bob).send().await.expect(404);
    }
    let yours = |body| api.post("/tasks").by(&bob).json(&body).send();
    let list = yours(json!({"title": "x", "list_id": task["list_id"]})).await.refused(422, "unknown_list");
    list.names(&[("/list_id", "unknown_list")]);
    let parent = yours(json!({"title": "x", "parent_id": id(&task)})).await.refused(422, "parent_not_found");
    parent.names(&[("/parent_id", "parent_not_found")]);
    let labels = yours(json!({"title": "x", "labels": [id(&label)]})).await.refused(422, "unknown_label");
    labels.names(&[("/labels/0", "unknown_label")]);
    let anchor = yours(json!({"title": "x", "after_id": id(&task)})).await.refused(422, "unknown_task");
    anchor.names(&[("/after_id", "unknown_task")]);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn an_id_of_another_kind_is_not_there() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let task = api.task(&ada, titled("One")).await;
    let list = task["list_id"].as_str().unwrap();
    api.patch(&format!("/tasks/{list}")).by(&ada).json(&titled("x")).send().await.expect(404);
    api.patch(&format!("/labels/{}", id(&task))).by(&ada).json(&json!({"name": "x"})).send().await.expect(404);
    let body = json!({"title": "x", "list_id": id(&task)});
    api.post("/tasks").by(&ada).json(&body).send().await.refused(422, "unknown_list");
    let body = json!({"list_id": id(&task)});
    api.patch(&format!("/tasks/{}", id(&task))).by(&ada).json(&body).send().await.refused(422, "unknown_list");
    api.stop().await;
}
