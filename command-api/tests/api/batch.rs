//! Batches: operations in their order, each with its own result, and repeated from where they stopped.

use serde_json::{Value, json};

use crate::common::{Answer, Api, Session, id, nobody, titled};

async fn send(api: &Api, ada: &Session, key: &str, operations: Value) -> Answer {
    api.post("/tasks/batch").by(ada).key(key).json(&json!({ "operations": operations })).send().await
}

#[tokio::test]
async fn every_operation_has_its_own_result() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (one, two) = (api.task(&ada, titled("one")).await, api.task(&ada, titled("two")).await);
    let label = api.post("/labels").by(&ada).json(&json!({"name": "l"})).send().await.expect(201).body;
    let (one, two, label) = (id(&one), id(&two), id(&label));
    let operations = json!([
        {"op": "create", "title": "three", "priority": "high"},
        {"op": "update", "id": one, "title": "uno"},
        {"op": "complete", "id": one, "children": "complete"},
        {"op": "dismiss", "id": one, "reason": "no"},
        {"op": "reopen", "id": one},
        {"op": "dismiss", "id": one, "reason": "no"},
        {"op": "move", "id": two, "before_id": one},
        {"op": "label", "id": two, "label_id": label},
        {"op": "unlabel", "id": two, "label_id": label},
        {"op": "delete", "id": two},
        {"op": "restore", "id": two},
        {"op": "complete", "id": nobody()},
        {"op": "update", "id": two, "labels": [label, nobody()]},
    ]);
    let answer = send(&api, &ada, "k1", operations).await.expect(200);
    let results = answer.body["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 200, 200, 409, 200, 200, 200, 200, 204, 204, 200, 404, 422]);
    assert_eq!((&answer.body["succeeded"], &answer.body["failed"]), (&json!(10), &json!(3)));
    assert_eq!(results[1]["task"]["title"], "uno");
    assert_eq!(results[3]["problem"]["code"], "task_done");
    assert_eq!(results[12]["problem"]["errors"][0]["pointer"], "/operations/12/labels/1");
    assert_eq!(results[12]["problem"]["request_id"], answer.text("x-request-id"));
    assert_eq!(answer.position(), api.facts().await);
    api.stop().await;
}

#[tokio::test]
async fn a_batch_needs_a_key_and_is_replayed_with_it() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let body = json!({"operations": [{"op": "create", "title": "x"}, {"op": "reopen", "id": nobody()}]});
    api.post("/tasks/batch").by(&ada).json(&body).send().await.refused(400, "idempotency_key_required");
    let call = || api.post("/tasks/batch").by(&ada).key("k1").json(&body).send();
    let (first, facts) = (call().await.expect(200), api.facts().await);
    let again = call().await.expect(200);
    assert_eq!((first.body, again.text("idempotent-replayed").as_str()), (again.body.clone(), "true"));
    assert_eq!((again.position(), api.facts().await), (facts, facts));
    api.stop().await;
}

#[tokio::test]
async fn a_batch_that_was_cut_short_goes_on_where_it_stopped() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let operations = json!([{"op": "create", "title": "one"}, {"op": "create", "title": "two"}]);
    let first = send(&api, &ada, "k1", operations.clone()).await.expect(200);
    // As after a crash: the answers of the batch and of its second operation were never written down.
    let gone = sqlx::query("DELETE FROM log.commands WHERE idempotency_key IN ('k1', E'k1\\n1')");
    assert_eq!(gone.execute(api.database.pool()).await.unwrap().rows_affected(), 2);
    let facts = api.facts().await;
    let again = send(&api, &ada, "k1", operations).await.expect(200);
    assert_eq!(api.facts().await, facts + 1);
    let task = |answer: &Answer, n: usize| answer.body["results"][n]["task"]["id"].clone();
    assert_eq!(task(&first, 0), task(&again, 0));
    assert_ne!(task(&first, 1), task(&again, 1));
    api.stop().await;
}

#[tokio::test]
async fn later_tasks_of_a_batch_stand_behind_earlier_ones() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let operations: Vec<_> = (0..50).map(|n| json!({"op": "create", "title": n.to_string()})).collect();
    let answer = send(&api, &ada, "k1", json!(operations)).await.expect(200);
    let positions: Vec<_> = answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["task"]["position"].as_str().unwrap())
        .collect();
    assert!(positions.is_sorted(), "{positions:?}");
    api.stop().await;
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_refused_whole_and_names_every_fault() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let operations = json!([
        {"op": "create", "title": "good"},
        {"op": "create", "title": "", "colour": 1},
        {"op": "explode", "id": nobody()},
        {"op": "complete"},
        {"op": "label", "id": "x"},
        7,
        {"id": nobody()},
        {"op": "move", "id": nobody()},
        {"op": "update", "id": nobody(), "title": null},
    ]);
    let answer = send(&api, &ada, "k1", operations).await.refused(400, "invalid_request");
    answer.names(&[
        ("/operations/1/colour", "unknown_field"),
        ("/operations/1/title", "empty"),
        ("/operations/2/op", "unknown_value"),
        ("/operations/3/id", "missing"),
        ("/operations/4/id", "invalid_id"),
        ("/operations/4/label_id", "missing"),
        ("/operations/5", "wrong_type"),
        ("/operations/6/op", "missing"),
        ("/operations/7", "empty"),
        ("/operations/8/title", "null"),
    ]);
    assert_eq!(api.facts().await, facts);
    send(&api, &ada, "k1", json!([])).await.refused(422, "validation_failed").names(&[("/operations", "empty")]);
    let many = vec![json!({"op": "create", "title": "x"}); 201];
    send(&api, &ada, "k1", json!(many)).await.refused(422, "validation_failed").names(&[("/operations", "too_many")]);
    api.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_a_batch_shows_what_each_operation_would_do() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let body = json!({"operations": [{"op": "create", "title": "x"}, {"op": "reopen", "id": nobody()}]});
    let answer = api.post("/tasks/batch?dry_run=true").by(&ada).key("k1").json(&body).send().await.expect(200);
    assert_eq!(answer.body["facts"][0]["type"], "tasks.created");
    assert_eq!(answer.body["results"][1]["problem"]["code"], "not_found");
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn the_answer_that_is_kept_of_a_batch_does_not_repeat_what_its_operations_keep() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let mut operations = vec![];
    for n in 0..10 {
        let task = api.task(&ada, json!({"title": n.to_string(), "description": "x".repeat(60_000)})).await;
        operations.push(json!({"op": "update", "id": id(&task), "priority": "high"}));
    }
    operations.push(json!({"op": "delete", "id": operations[0]["id"]}));
    operations.push(json!({"op": "complete", "id": nobody()}));
    let first = send(&api, &ada, "k1", json!(operations)).await.expect(200);
    assert_eq!(first.body["results"][9]["task"]["description"].as_str().unwrap().len(), 60_000);
    let query = "SELECT octet_length(outcome)::bigint FROM log.commands WHERE idempotency_key = 'k1'";
    let kept: i64 = sqlx::query_scalar(query).fetch_one(api.database.pool()).await.unwrap();
    assert!(kept < 4_000, "{kept}");
    let facts = api.facts().await;
    let again = send(&api, &ada, "k1", json!(operations)).await.expect(200);
    assert_eq!((&first.body, first.position(), facts), (&again.body, again.position(), api.facts().await));
    assert_eq!(again.text("idempotent-replayed"), "true");
    operations.pop();
    send(&api, &ada, "k1", json!(operations)).await.refused(422, "idempotency_key_reused");
    api.stop().await;
}
