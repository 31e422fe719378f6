//! Marks of one e-mail.

use chrono::TimeDelta;
use orbit_events::emails::Role;
use serde_json::{Value, json};

use super::{email_in, folder, inbox, verb};
use crate::common::{Api, start};

#[tokio::test]
async fn every_verb_marks_and_asking_for_what_is_so_appends_nothing() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    for (name, field, value, fact) in [
        ("read", "is_read", true, "emails.read"),
        ("unread", "is_read", false, "emails.unread"),
        ("star", "is_starred", true, "emails.starred"),
        ("unstar", "is_starred", false, "emails.unstarred"),
        ("archive", "is_archived", true, "emails.archived"),
        ("unarchive", "is_archived", false, "emails.unarchived"),
    ] {
        let facts = api.facts().await;
        let marked = verb(&api, &ada, &email, name).await.expect(200);
        assert_eq!((&marked.body[field], marked.body["id"].as_str()), (&json!(value), Some(email.as_str())), "{name}");
        assert_eq!(api.types_after(facts).await, [fact]);
        assert_eq!(marked.position(), facts + 1);
        let again = verb(&api, &ada, &email, name).await.expect(200);
        assert_eq!((again.text("etag"), api.facts().await), (marked.text("etag"), facts + 1), "{name}");
    }
    api.stop().await;
}

#[tokio::test]
async fn an_email_goes_into_the_trash_comes_back_and_is_deleted_only_from_there() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let path = format!("/emails/{email}");
    api.delete(&path).by(&ada).send().await.refused(409, "email_not_in_trash");
    let trashed = verb(&api, &ada, &email, "trash").await.expect(200);
    assert_eq!((&trashed.body["folder"], &trashed.body["trashed_at"]), (&json!("trash"), &json!(start())));
    assert_eq!(trashed.body["folder_id"], json!(place.folder_id));
    verb(&api, &ada, &email, "archive").await.refused(409, "email_in_trash");
    for (name, body) in [
        ("label", json!({"label": "x"})),
        ("move", json!({"folder": "inbox"})),
        ("snooze", json!({"until": "2026-12-01T08:00:00Z"})),
    ] {
        let answer = api.post(&format!("{path}/{name}")).by(&ada).json(&body).send().await;
        answer.refused(409, "email_in_trash");
    }
    api.patch(&path).by(&ada).json(&json!({"is_archived": true})).send().await.refused(409, "email_in_trash");
    assert_eq!(verb(&api, &ada, &email, "read").await.expect(200).body["is_read"], true);
    assert_eq!(verb(&api, &ada, &email, "restore").await.expect(200).body["folder"], "inbox");
    verb(&api, &ada, &email, "trash").await.expect(200);
    api.delete(&path).by(&ada).send().await.expect(204);
    let facts = api.facts().await;
    api.delete(&path).by(&ada).send().await.expect(204);
    for name in ["read", "trash", "restore", "unarchive"] {
        verb(&api, &ada, &email, name).await.refused(410, "email_deleted");
    }
    let body = json!({"folder": "inbox"});
    api.post(&format!("{path}/move")).by(&ada).json(&body).send().await.refused(410, "email_deleted");
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn what_came_in_as_trash_or_archived_comes_out_into_the_inbox_of_its_account() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let account = Some(orbit_platform::ids::new_event_id());
    inbox(&api, &ada).await;
    let theirs = folder(&api, &ada, account, "INBOX", Role::Inbox).await;
    for (role, back) in [(Role::Trash, "restore"), (Role::Archive, "unarchive")] {
        let place = folder(&api, &ada, account, &format!("{role:?}"), role).await;
        let email = email_in(&api, &ada, place).await;
        let answer = verb(&api, &ada, &email, back).await.expect(200);
        assert_eq!((&answer.body["folder"], &answer.body["folder_id"]), (&json!("inbox"), &json!(theirs.folder_id)));
    }
    let place = folder(&api, &ada, account, "All", Role::Archive).await;
    let email = email_in(&api, &ada, place).await;
    let answer = api.patch(&format!("/emails/{email}")).by(&ada).json(&json!({"is_archived": false})).send().await;
    assert_eq!(answer.expect(200).body["folder_id"], json!(theirs.folder_id));
    api.stop().await;
}

#[tokio::test]
async fn a_patch_changes_several_marks_at_once_within_its_rules() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let change = |body: Value| api.patch(&format!("/emails/{email}")).by(&ada).json(&body);
    let body =
        json!({"is_read": true, "is_starred": true, "is_archived": true, "labels": ["work", " travel ", "work"]});
    let changed = change(body.clone()).send().await.expect(200);
    assert_eq!(changed.body["labels"], json!(["travel", "work"]));
    assert_eq!((&changed.body["is_read"], &changed.body["folder"]), (&json!(true), &json!("archive")));
    let version = changed.text("etag");
    assert_eq!(change(body).send().await.expect(200).text("etag"), version);
    change(json!({"is_read": false})).header("if-match", "\"1\"").send().await.refused(412, "precondition_failed");
    change(json!({"is_read": false})).header("if-match", &version).send().await.expect(200);
    assert_eq!(change(json!({"labels": null})).send().await.expect(200).body["labels"], json!([]));
    let facts = api.facts().await;
    let shown = api.patch(&format!("/emails/{email}?dry_run=true")).by(&ada).json(&json!({"is_starred": false}));
    assert_eq!(shown.send().await.expect(200).body["facts"][0]["type"], "emails.unstarred");
    let many: Vec<_> = (0..51).map(|n| n.to_string()).collect();
    change(json!({"labels": many})).send().await.refused(422, "validation_failed").names(&[("/labels", "too_many")]);
    let bad = json!({"is_read": null, "is_starred": "yes", "labels": ["", "a\nb"], "subject": "x"});
    change(bad).send().await.refused(400, "invalid_request").names(&[
        ("/subject", "unknown_field"),
        ("/is_read", "null"),
        ("/is_starred", "wrong_type"),
        ("/labels/0", "empty"),
        ("/labels/1", "control_character"),
    ]);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn labels_are_put_on_and_taken_off_one_by_one_up_to_fifty() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let ask = |verb: &str, label: &str| {
        api.post(&format!("/emails/{email}/{verb}")).by(&ada).json(&json!({ "label": label })).send()
    };
    assert_eq!(ask("label", "travel").await.expect(200).body["labels"], json!(["travel"]));
    let facts = api.facts().await;
    ask("label", "travel").await.expect(200);
    ask("unlabel", "work").await.expect(200);
    assert_eq!(api.facts().await, facts);
    assert_eq!(ask("unlabel", "travel").await.expect(200).body["labels"], json!([]));
    for n in 0..50 {
        ask("label", &n.to_string()).await.expect(200);
    }
    ask("label", "one more").await.refused(422, "too_many_email_labels").names(&[("/labels", "too_many_email_labels")]);
    ask("label", "").await.refused(422, "validation_failed").names(&[("/label", "empty")]);
    api.stop().await;
}

#[tokio::test]
async fn an_email_is_put_off_into_the_future_and_is_there_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let email = email_in(&api, &ada, place).await;
    let snooze = |body: Value| api.post(&format!("/emails/{email}/snooze")).by(&ada).json(&body).send();
    let until = start() + TimeDelta::days(1);
    assert_eq!(snooze(json!({ "until": until })).await.expect(200).body["snoozed_until"], json!(until));
    assert_eq!(snooze(json!({"until": null})).await.expect(200).body["snoozed_until"], Value::Null);
    snooze(json!({ "until": start() }))
        .await
        .refused(422, "snooze_in_the_past")
        .names(&[("/until", "snooze_in_the_past")]);
    let far = start() + TimeDelta::days(6 * 365);
    snooze(json!({ "until": far })).await.refused(422, "snooze_too_far");
    snooze(json!({})).await.refused(400, "invalid_request").names(&[("/until", "missing")]);
    snooze(json!({"until": "tomorrow"})).await.refused(422, "validation_failed").names(&[("/until", "invalid_value")]);
    api.stop().await;
}
