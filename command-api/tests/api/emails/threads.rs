//! Decisions about threads.

use serde_json::{Value, json};

use super::{email_in, inbox, verb};
use crate::common::{Api, id, nobody};

#[tokio::test]
async fn threads_are_merged_and_split_and_that_is_taken_back() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let (one, two) = (email_in(&api, &ada, place).await, email_in(&api, &ada, place).await);
    for (verb, body, kind, fact) in [
        ("merge", json!({"thread_ids": [one, two, one]}), "merged", "threads.merged"),
        ("merge", json!({"email_ids": [one, two]}), "merged", "threads.merged"),
        ("split", json!({"email_ids": [one, two]}), "split", "threads.split"),
    ] {
        let facts = api.facts().await;
        let decided = api.post(&format!("/emails/threads/{verb}")).by(&ada).json(&body).send().await.expect(201);
        assert_eq!((&decided.body["kind"], &decided.body["email_ids"]), (&json!(kind), &json!([one, two])));
        let path = format!("/emails/thread-decisions/{}", id(&decided.body));
        assert_eq!(decided.text("location"), format!("/api/v1{path}"));
        api.delete(&path).by(&ada).header("if-match", "\"7\"").send().await.refused(412, "precondition_failed");
        api.delete(&path).by(&ada).send().await.expect(204);
        api.delete(&path).by(&ada).send().await.expect(204);
        assert_eq!(api.types_after(facts).await, [fact, "threads.dissolved"]);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_thread_is_known_by_an_email_that_was_deleted_too() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let (one, two) = (email_in(&api, &ada, place).await, email_in(&api, &ada, place).await);
    verb(&api, &ada, &one, "trash").await.expect(200);
    api.delete(&format!("/emails/{one}")).by(&ada).send().await.expect(204);
    let body = json!({"thread_ids": [one, two]});
    api.post("/emails/threads/merge").by(&ada).json(&body).send().await.expect(201);
    api.stop().await;
}

#[tokio::test]
async fn a_decision_is_about_emails_of_ones_own_and_as_many_as_it_takes() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let place = inbox(&api, &ada).await;
    let one = email_in(&api, &ada, place).await;
    let home = inbox(&api, &bob).await;
    let theirs = email_in(&api, &bob, home).await;
    let facts = api.facts().await;
    let ask =
        async |verb: &str, body: Value| api.post(&format!("/emails/threads/{verb}")).by(&ada).json(&body).send().await;
    for other in [&theirs, &nobody()] {
        let answer = ask("merge", json!({"thread_ids": [one, other]})).await.refused(422, "unknown_email");
        answer.names(&[("/thread_ids/1", "unknown_email")]);
        ask("split", json!({"email_ids": [other]})).await.names(&[("/email_ids/0", "unknown_email")]);
    }
    for (verb, body, status, field, code) in [
        ("merge", json!({}), 400, "", "empty"),
        ("merge", json!({"thread_ids": [one], "email_ids": [one]}), 400, "/email_ids", "both_given"),
        ("merge", json!({"email_ids": [one, one]}), 422, "/email_ids", "too_few_emails"),
        ("merge", json!({"email_ids": ["x", one]}), 422, "/email_ids/0", "invalid_id"),
        ("split", json!({}), 400, "/email_ids", "missing"),
        ("split", json!({"email_ids": []}), 422, "/email_ids", "too_few_emails"),
        ("split", json!({"email_ids": vec![nobody(); 501]}), 422, "/email_ids", "too_many"),
    ] {
        ask(verb, body).await.expect(status).names(&[(field, code)]);
    }
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}
