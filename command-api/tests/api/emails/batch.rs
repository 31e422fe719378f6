//! One thing done to many e-mails.

use futures_util::future::join_all;
use orbit_events::emails::Role;
use serde_json::{Value, json};

use super::{email_in, folder, inbox, verb};
use crate::common::{Answer, Api, Call, Session, nobody};

async fn many(api: &Api, of: &Session, count: usize) -> Vec<String> {
    let place = inbox(api, of).await;
    let mut ids = vec![];
    for _ in 0..count {
        ids.push(email_in(api, of, place).await);
    }
    ids
}

async fn send(api: &Api, of: &Session, key: &str, body: &Value) -> Answer {
    api.post("/emails/batch").by(of).key(key).json(body).send().await
}

fn statuses(answer: &Answer) -> Vec<u64> {
    answer.body["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_email_has_its_own_result_and_one_that_says_no_stops_no_other() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let ids = many(&api, &ada, 4).await;
    let foreign = many(&api, &bob, 1).await.remove(0);
    verb(&api, &ada, &ids[1], "trash").await.expect(200);
    let facts = api.facts().await;
    let all = json!([ids[0], ids[1], foreign, nobody(), ids[0], ids[2]]);
    let answer = send(&api, &ada, "k1", &json!({"op": "archive", "ids": all})).await.expect(200);
    assert_eq!(statuses(&answer), [200, 409, 404, 404, 200]);
    assert_eq!((&answer.body["succeeded"], &answer.body["failed"]), (&json!(2), &json!(3)));
    let results = &answer.body["results"];
    assert_eq!((&results[1]["id"], &results[1]["problem"]["code"]), (&json!(ids[1]), &json!("email_in_trash")));
    assert_eq!(results[1]["problem"]["instance"], "/api/v1/emails/batch");
    assert_eq!(results[2]["problem"]["request_id"], answer.text("x-request-id"));
    assert_eq!(api.types_after(facts).await, ["emails.archived", "emails.archived"]);
    assert_eq!(answer.position(), api.facts().await);
    api.stop().await;
}

#[tokio::test]
async fn every_operation_can_be_asked_of_many() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let ids = many(&api, &ada, 2).await;
    let travel = folder(&api, &ada, None, "Travel", Role::Other).await;
    for (number, (body, status, fact)) in [
        (json!({"op": "read"}), 200, "emails.read"),
        (json!({"op": "unread"}), 200, "emails.unread"),
        (json!({"op": "star"}), 200, "emails.starred"),
        (json!({"op": "unstar"}), 200, "emails.unstarred"),
        (json!({"op": "archive"}), 200, "emails.archived"),
        (json!({"op": "unarchive"}), 200, "emails.unarchived"),
        (json!({"op": "move", "folder_id": travel.folder_id}), 200, "emails.moved"),
        (json!({"op": "move", "folder": "inbox"}), 200, "emails.moved"),
        (json!({"op": "label", "label": "x"}), 200, "emails.labelled"),
        (json!({"op": "unlabel", "label": "x"}), 200, "emails.unlabelled"),
        (json!({"op": "snooze", "until": "2026-12-01T08:00:00Z"}), 200, "emails.snoozed"),
        (json!({"op": "snooze", "until": null}), 200, "emails.snoozed"),
        (json!({"op": "trash"}), 200, "emails.trashed"),
        (json!({"op": "restore"}), 200, "emails.restored"),
        (json!({"op": "trash"}), 200, "emails.trashed"),
        (json!({"op": "delete"}), 204, "emails.deleted"),
    ]
    .into_iter()
    .enumerate()
    {
        let facts = api.facts().await;
        let mut whole = body.clone();
        whole["ids"] = json!(ids);
        let answer = send(&api, &ada, &number.to_string(), &whole).await.expect(200);
        assert_eq!(statuses(&answer), [status, status], "{body}");
        assert_eq!(api.types_after(facts).await, [fact, fact], "{body}");
    }
    api.stop().await;
}

#[tokio::test]
async fn many_emails_are_marked_in_groups_and_a_repetition_gets_the_same_answer() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let mut ids = many(&api, &ada, 120).await;
    ids.insert(60, nobody());
    let body = json!({"op": "read", "ids": ids});
    let unkeyed = api.post("/emails/batch").by(&ada).json(&body).send().await;
    unkeyed.refused(400, "idempotency_key_required");
    let facts = api.facts().await;
    let first = send(&api, &ada, "k1", &body).await.expect(200);
    assert_eq!((&first.body["succeeded"], api.facts().await), (&json!(120), facts + 120));
    let again = send(&api, &ada, "k1", &body).await.expect(200);
    assert_eq!((&first.body, first.position()), (&again.body, again.position()));
    assert_eq!((again.text("idempotent-replayed").as_str(), api.facts().await), ("true", facts + 120));
    let other = json!({"op": "unread", "ids": ids});
    send(&api, &ada, "k1", &other).await.refused(422, "idempotency_key_reused");
    api.stop().await;
}

#[tokio::test]
async fn a_batch_that_was_cut_short_goes_on_where_it_stopped() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let ids = many(&api, &ada, 60).await;
    let body = json!({"op": "read", "ids": ids});
    let first = send(&api, &ada, "k1", &body).await.expect(200);
    // As after a crash: the answers of the batch and of its second group were never written down. Meanwhile somebody has
    // changed their mind about an e-mail of each.
    let gone = sqlx::query("DELETE FROM log.commands WHERE idempotency_key IN ('k1', E'k1\\n1')");
    assert_eq!(gone.execute(api.database.pool()).await.unwrap().rows_affected(), 2);
    verb(&api, &ada, &ids[0], "unread").await.expect(200);
    verb(&api, &ada, &ids[59], "unread").await.expect(200);
    let facts = api.facts().await;
    let again = send(&api, &ada, "k1", &body).await.expect(200);
    assert_eq!(first.body, again.body);
    assert_eq!(api.types_after(facts).await, ["emails.read"], "the first group was done already");
    api.stop().await;
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_refused_whole() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let ids = many(&api, &ada, 1).await;
    let facts = api.facts().await;
    for (body, status, names) in [
        (json!({}), 400, vec![("/ids", "missing"), ("/op", "missing")]),
        (json!({"ids": [], "op": "read"}), 422, vec![("/ids", "empty")]),
        (
            json!({"ids": ["x", 7], "op": "explode"}),
            400,
            vec![("/ids/0", "invalid_id"), ("/ids/1", "wrong_type"), ("/op", "unknown_value")],
        ),
        (json!({"ids": vec![nobody(); 501], "op": "read"}), 422, vec![("/ids", "too_many")]),
        (json!({"ids": ids, "op": "read", "label": "x"}), 400, vec![("/label", "not_of_this_op")]),
        (json!({"ids": ids, "op": "label"}), 400, vec![("/label", "missing")]),
        (json!({"ids": ids, "op": "move"}), 400, vec![("", "empty")]),
        (
            json!({"ids": ids, "op": "snooze", "folder": "inbox"}),
            400,
            vec![("/until", "missing"), ("/folder", "not_of_this_op")],
        ),
    ] {
        send(&api, &ada, "k1", &body).await.expect(status).names(&names);
    }
    assert_eq!(api.facts().await, facts);
    let shown = json!({"op": "star", "ids": [ids[0], nobody()]});
    let shown = api.post("/emails/batch?dry_run=true").by(&ada).key("k1").json(&shown).send().await.expect(200);
    assert_eq!(shown.body["facts"][0]["type"], "emails.starred");
    assert_eq!(shown.body["results"][1]["problem"]["code"], "not_found");
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_batches_at_once_each_is_carried_out_and_no_mark_is_set_twice() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    let ids = many(&api, &ada, 130).await;
    let facts = api.facts().await;
    let backwards: Vec<_> = ids.iter().rev().collect();
    let calls = (0..4).map(|n| {
        let body = if n % 2 == 0 { json!({"op": "read", "ids": ids}) } else { json!({"op": "read", "ids": backwards}) };
        let call = if n < 2 {
            api.post("/emails/batch")
        } else {
            Call::new(other.clone(), axum::http::Method::POST, "/emails/batch")
        };
        call.by(&ada).key(&n.to_string()).json(&body).send()
    });
    for answer in join_all(calls).await {
        assert_eq!(answer.expect(200).body["succeeded"], 130);
    }
    assert_eq!(api.facts().await, facts + 130);
    api.stop().await;
}
