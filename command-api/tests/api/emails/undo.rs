//! What happened to e-mails, drafts and threads is taken back; what was handed over to be sent is not.

use serde_json::{Value, json};

use super::{connection, email_in, folder, inbox, verb};
use crate::{
    common::{Api, id},
    undo::{appended, fields, newest_of, undo, undo_all_of, undo_newest},
};

#[tokio::test]
async fn every_mark_is_taken_back_and_set_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let travel = folder(&api, &ada, None, "Travel", orbit_events::emails::Role::Other).await;
    let email = email_in(&api, &ada, place).await;
    let path = format!("/emails/{email}");
    for (name, body, back) in [
        ("read", json!({}), "emails.unread"),
        ("star", json!({}), "emails.unstarred"),
        ("archive", json!({}), "emails.unarchived"),
        ("move", json!({ "folder_id": travel.folder_id }), "emails.moved"),
        ("label", json!({"label": "x"}), "emails.unlabelled"),
        ("snooze", json!({"until": "2026-12-01T08:00:00Z"}), "emails.snoozed"),
        ("trash", json!({}), "emails.restored"),
    ] {
        let before = fields(&api, &ada, &path).await;
        api.post(&format!("{path}/{name}")).by(&ada).json(&body).send().await.expect(200);
        let after = fields(&api, &ada, &path).await;
        assert_ne!(before, after, "{name}");
        let undone = undo_newest(&api, &ada).await.expect(200);
        assert_eq!(appended(&undone), [back], "{name}");
        assert_eq!(fields(&api, &ada, &path).await, before, "{name}");
        undo_newest(&api, &ada).await.expect(200);
        assert_eq!(fields(&api, &ada, &path).await, after, "{name}");
        undo_newest(&api, &ada).await.expect(200);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_whole_batch_is_taken_back_at_once() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let mut ids = vec![];
    for _ in 0..60 {
        ids.push(email_in(&api, &ada, place).await);
    }
    let body = json!({"op": "trash", "ids": ids});
    let batch = api.post("/emails/batch").by(&ada).key("k1").json(&body).send().await.expect(200);
    let undone = undo_all_of(&api, &ada, &batch).await.expect(200);
    assert_eq!(appended(&undone), ["emails.restored"; 60]);
    assert_eq!(fields(&api, &ada, &format!("/emails/{}", ids[59])).await["trashed_at"], Value::Null);
    api.stop().await;
}

#[tokio::test]
async fn a_message_that_came_in_or_was_deleted_stays_what_it_is() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let received = newest_of(&api, "emails.received").await;
    undo(&api, &ada, &received).await.refused(409, "irreversible");
    verb(&api, &ada, &email, "trash").await.expect(200);
    api.delete(&format!("/emails/{email}")).by(&ada).send().await.expect(204);
    undo_newest(&api, &ada).await.refused(409, "irreversible");
    api.stop().await;
}

#[tokio::test]
async fn a_draft_is_written_back_and_comes_back_but_for_what_was_handed_over() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    connection(&api, &ada, "smtp", "ada@example.org").await;
    let body = json!({"to": ["grace@example.org"], "subject": "one"});
    let draft = api.post("/emails/drafts").by(&ada).json(&body).send().await.expect(201).body;
    let path = format!("/emails/drafts/{}", id(&draft));
    api.patch(&path).by(&ada).json(&json!({"subject": "two"})).send().await.expect(200);
    undo_newest(&api, &ada).await.expect(200);
    assert_eq!(fields(&api, &ada, &path).await["subject"], "one");
    let revert = |version: i64| api.post(&format!("{path}/revert")).by(&ada).json(&json!({ "to_version": version }));
    assert_eq!(revert(2).send().await.expect(200).body["objects"][0]["fields"]["subject"], "two");
    api.delete(&path).by(&ada).send().await.expect(204);
    let undone = undo_newest(&api, &ada).await.expect(200);
    assert_eq!(appended(&undone), ["drafts.drafted"]);
    assert_eq!(fields(&api, &ada, &path).await["subject"], "two");
    let sent = api.post(&format!("{path}/send")).by(&ada).send().await.expect(202);
    undo_all_of(&api, &ada, &sent).await.refused(409, "irreversible");
    revert(1).send().await.refused(409, "undo_conflict");
    api.stop().await;
}

#[tokio::test]
async fn a_decision_about_threads_is_taken_back_and_holds_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let ids = [email_in(&api, &ada, place).await, email_in(&api, &ada, place).await];
    let merge = api.post("/emails/threads/merge").by(&ada).json(&json!({ "email_ids": ids }));
    let decision = merge.send().await.expect(201).body;
    let undone = undo_newest(&api, &ada).await.expect(200);
    assert_eq!(appended(&undone), ["threads.dissolved"]);
    let path = format!("/emails/thread-decisions/{}", id(&decision));
    let revert = api.post(&format!("{path}/revert")).by(&ada).json(&json!({"to_version": 1}));
    let again = revert.send().await.expect(200);
    assert_eq!(appended(&again), ["threads.merged"]);
    api.stop().await;
}

#[tokio::test]
async fn an_email_is_made_what_it_was() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    for name in ["read", "star", "archive"] {
        verb(&api, &ada, &email, name).await.expect(200);
    }
    let revert = api.post(&format!("/emails/{email}/revert")).by(&ada).json(&json!({"to_version": 2}));
    let answer = revert.send().await.expect(200);
    assert_eq!(appended(&answer), ["emails.unstarred", "emails.unarchived"]);
    let now = &answer.body["objects"][0]["fields"];
    assert_eq!((&now["is_read"], &now["is_starred"]), (&json!(true), &json!(false)));
    api.stop().await;
}
