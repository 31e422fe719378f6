//! Handing a message over to be sent: what is decided then, and that it is decided once.

use axum::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use orbit_domain::emails::{Attachment, ContentType, FileName, attachment};
use orbit_events::emails::{BlobRef, email::Received};
use serde_json::{Value, json};

use super::{connection, decide, inbox, message, receive, send, upload};
use crate::common::{Api, Call, Session, id, nobody, start};

/// The newest `submissions.submitted`, as a dry run shows it.
async fn shown(api: &Api, of: &Session, body: &Value) -> Value {
    let answer = api.post("/emails/send?dry_run=true").by(of).key("dry").json(body).send().await.expect(200);
    let facts = answer.body["facts"].as_array().unwrap();
    facts.iter().find(|fact| fact["type"] == "submissions.submitted").unwrap()["data"].clone()
}

#[tokio::test]
async fn a_message_is_held_before_it_is_sent_and_its_answer_is_kept_for_a_week() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let account = connection(&api, &ada, "smtp", "ada@example.org").await;
    let body = json!({"to": ["grace@example.org"], "subject": "Tickets", "body": "Shall we?"});
    api.post("/emails/send").by(&ada).json(&body).send().await.refused(400, "idempotency_key_required");
    let facts = api.facts().await;
    let sent = send(&api, &ada, "k1", &body).await.expect(202);
    assert_eq!(api.types_after(facts).await, ["submissions.submitted", "submissions.held"]);
    let submission = id(&sent.body).to_owned();
    assert_eq!(sent.text("location"), format!("/api/v1/emails/submissions/{submission}"));
    assert_eq!((&sent.body["status"], &sent.body["scheduled"]), (&json!("held"), &json!(false)));
    assert_eq!(sent.body["hold_until"], json!(start() + TimeDelta::seconds(10)));
    assert_eq!(sent.body["message_id"], format!("{}@example.org", submission.replace('-', "")));
    assert_eq!((&sent.body["from_email"], &sent.body["connection_id"]), (&json!("ada@example.org"), &json!(account)));
    api.advance(TimeDelta::days(6));
    let (ada, facts) = (api.login("ada@example.org").await, api.facts().await);
    let again = send(&api, &ada, "k1", &body).await.expect(202);
    assert_eq!((&again.body, again.text("idempotent-replayed").as_str()), (&sent.body, "true"));
    send(&api, &ada, "k1", &json!({"to": ["alan@example.org"]})).await.refused(422, "idempotency_key_reused");
    assert_eq!(api.facts().await, facts);
    api.advance(TimeDelta::days(2));
    let ada = api.login("ada@example.org").await;
    // By then it is another wish.
    assert_ne!(id(&send(&api, &ada, "k1", &body).await.expect(202).body), submission);
    api.stop().await;
}

#[tokio::test]
async fn a_message_goes_out_at_a_time_that_somebody_chose() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    connection(&api, &ada, "smtp", "ada@example.org").await;
    let at = async |key: &str, send_at: DateTime<Utc>| {
        send(&api, &ada, key, &json!({"to": ["grace@example.org"], "send_at": send_at})).await
    };
    let later = start() + TimeDelta::days(1);
    let scheduled = at("k1", later).await.expect(202).body;
    assert_eq!((&scheduled["hold_until"], &scheduled["scheduled"]), (&json!(later), &json!(true)));
    // Never sooner than it could be taken back.
    let soon = at("k2", start() + TimeDelta::seconds(1)).await.expect(202).body;
    assert_eq!((&soon["hold_until"], &soon["scheduled"]), (&json!(start() + TimeDelta::seconds(10)), &json!(false)));
    let answer = at("k3", start() + TimeDelta::days(366)).await.refused(422, "send_too_far");
    answer.names(&[("/send_at", "send_too_far")]);
    let body = json!({"to": ["grace@example.org"], "send_at": "tomorrow"});
    send(&api, &ada, "k4", &body).await.refused(422, "validation_failed").names(&[("/send_at", "invalid_value")]);
    api.stop().await;
}

#[tokio::test]
async fn who_sends_and_through_what_is_found_or_asked_for() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let body = json!({"to": ["grace@example.org"]});
    let refused = async |body: &Value, code: &str| {
        send(&api, &ada, "k", body).await.refused(422, code).names(&[("/connection_id", code)]);
    };
    let named = |account: &str| json!({"to": ["grace@example.org"], "connection_id": account});
    connection(&api, &ada, "imap", "ada@example.org").await;
    refused(&body, "no_sending_connection").await;
    let nameless = connection(&api, &ada, "smtp", "ada").await;
    refused(&body, "no_sender_address").await;
    let change = json!({"address": "Ada@Work.example", "display_name": "Ada L."});
    api.patch(&format!("/connections/{nameless}")).by(&ada).json(&change).send().await.expect(200);
    let from = shown(&api, &ada, &body).await;
    assert_eq!(from["from"], json!({"email": "Ada@Work.example", "name": "Ada L."}));
    assert!(from["message_id"].as_str().unwrap().ends_with("@Work.example"));
    let other = connection(&api, &ada, "smtp", "ada@home.example").await;
    refused(&body, "no_sending_connection").await;
    assert_eq!(shown(&api, &ada, &named(&other)).await["from"]["email"], "ada@home.example");
    api.delete(&format!("/connections/{other}")).by(&ada).send().await.expect(204);
    refused(&named(&other), "unknown_connection").await;
    let theirs = connection(&api, &bob, "smtp", "bob@example.org").await;
    refused(&named(&theirs), "unknown_connection").await;
    refused(&named(&nobody()), "unknown_connection").await;
    assert_eq!(shown(&api, &ada, &body).await["from"]["email"], "Ada@Work.example", "only one is left");
    api.stop().await;
}

#[tokio::test]
async fn an_answer_refers_to_what_it_answers() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    connection(&api, &ada, "smtp", "ada@example.org").await;
    let place = inbox(&api, &ada).await;
    let ids = |count: usize| (0..count).map(|n| format!("{n}@example.org")).collect::<Vec<_>>();
    let with = |message_id: Option<&str>, references: Vec<String>| Received {
        message_id: message_id.map(str::to_owned),
        references,
        in_reply_to: vec![],
        ..message(place)
    };
    let short = receive(&api, &ada, with(Some("last@example.org"), ids(2))).await;
    let answer = |email: &str| json!({"to": ["grace@example.org"], "reply_to_email_id": email});
    let submitted = shown(&api, &ada, &answer(&short)).await;
    assert_eq!(submitted["in_reply_to"], "last@example.org");
    assert_eq!(submitted["references"], json!(["0@example.org", "1@example.org", "last@example.org"]));
    let long = receive(&api, &ada, with(Some("end@example.org"), ids(100))).await;
    let references = shown(&api, &ada, &answer(&long)).await["references"].as_array().unwrap().clone();
    assert_eq!(
        (references.len(), &references[0], &references[1]),
        (100, &json!("0@example.org"), &json!("2@example.org"))
    );
    assert_eq!(references[99], "end@example.org");
    let without = receive(&api, &ada, with(None, vec![])).await;
    let submitted = shown(&api, &ada, &answer(&without)).await;
    assert_eq!((&submitted["in_reply_to"], &submitted["references"]), (&Value::Null, &json!([])));
    for email in [nobody(), id(&upload(&api, &ada, "a.txt", "a").await.body).to_owned()] {
        let refused = send(&api, &ada, "k", &answer(&email)).await.refused(422, "unknown_email");
        refused.names(&[("/reply_to_email_id", "unknown_email")]);
    }
    api.stop().await;
}

/// A file of 20 MiB, as far as its fact says.
async fn large_file(api: &Api, of: &Session) -> String {
    let length = 20 * 1024 * 1024;
    let sha256 = BlobRef::written(&[0; 32]);
    let raw = BlobRef { pack: "0".repeat(32), key: 0, offset: 0, length, chunk: 0, sha256 };
    let (filename, content_type) = (FileName::parse("b.bin").unwrap(), ContentType::default());
    let id = orbit_platform::ids::new_event_id();
    decide::<Attachment>(api, of, id, attachment::Command::Upload { filename, content_type, raw }).await;
    id.to_string()
}

#[tokio::test]
async fn files_go_with_the_message_and_together_they_fit_one() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    connection(&api, &ada, "smtp", "ada@example.org").await;
    let file = upload(&api, &ada, "a.txt", "abc").await.body;
    let body = json!({"to": ["grace@example.org"], "attachments": [file["id"]]});
    let submitted = shown(&api, &ada, &body).await;
    let attached = &submitted["attachments"][0];
    assert_eq!((&attached["filename"], &attached["size"]), (&json!("a.txt"), &json!(3)));
    assert_eq!(attached["attachment_id"], file["id"]);
    let sent = send(&api, &ada, "k1", &body).await.expect(202);
    assert_eq!(sent.body["status"], "held");
    // What is on its way has all it needs; only nobody can send it once more.
    api.delete(&format!("/emails/attachments/{}", id(&file))).by(&ada).send().await.expect(204);
    send(&api, &ada, "k2", &body)
        .await
        .refused(422, "unknown_attachment")
        .names(&[("/attachments/0", "unknown_attachment")]);
    let (one, two) = (large_file(&api, &ada).await, large_file(&api, &ada).await);
    let body = json!({"to": ["grace@example.org"], "attachments": [one, two]});
    send(&api, &ada, "k3", &body)
        .await
        .refused(422, "message_too_large")
        .names(&[("/attachments", "message_too_large")]);
    api.stop().await;
}

#[tokio::test]
async fn a_message_is_for_somebody() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    connection(&api, &ada, "smtp", "ada@example.org").await;
    let facts = api.facts().await;
    for body in [json!({}), json!({"to": [], "subject": "x"}), json!({"to": null, "cc": null})] {
        send(&api, &ada, "k1", &body).await.refused(422, "no_recipient").names(&[("/to", "no_recipient")]);
    }
    let draft = api.post("/emails/drafts").by(&ada).json(&json!({"subject": "x"})).send().await.expect(201).body;
    let answer = api.post(&format!("/emails/drafts/{}/send", id(&draft))).by(&ada).send().await;
    answer.refused(422, "draft_incomplete").names(&[("/to", "draft_incomplete")]);
    assert_eq!(api.types_after(facts).await, ["drafts.drafted"]);
    send(&api, &ada, "k1", &json!({"bcc": ["grace@example.org"]})).await.expect(202);
    api.stop().await;
}

#[tokio::test]
async fn a_draft_is_handed_over_once_and_is_a_draft_again_when_that_is_cancelled() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let account = connection(&api, &ada, "smtp", "ada@example.org").await;
    let body = json!({"to": ["grace@example.org"], "subject": "Tickets"});
    let draft = api.post("/emails/drafts").by(&ada).json(&body).send().await.expect(201).body;
    let path = format!("/emails/drafts/{}", id(&draft));
    let facts = api.facts().await;
    let hand_over = |key: &str| api.post(&format!("{path}/send")).by(&ada).key(key);
    hand_over("k0").header("if-match", "\"7\"").send().await.refused(412, "precondition_failed");
    let sent = hand_over("k1").send().await.expect(202);
    assert_eq!(api.types_after(facts).await, ["drafts.submitted", "submissions.submitted", "submissions.held"]);
    assert_eq!((&sent.body["draft_id"], &sent.body["connection_id"]), (&draft["id"], &json!(account)));
    assert_eq!(hand_over("k1").send().await.expect(202).text("idempotent-replayed"), "true");
    hand_over("k2").send().await.refused(409, "draft_submitted");
    api.patch(&path).by(&ada).json(&json!({"subject": "x"})).send().await.refused(409, "draft_submitted");
    api.delete(&path).by(&ada).send().await.refused(409, "draft_submitted");
    let facts = api.facts().await;
    let cancel = format!("/emails/submissions/{}/cancel", id(&sent.body));
    assert_eq!(api.post(&cancel).by(&ada).send().await.expect(200).body["status"], "cancelled");
    assert_eq!(api.types_after(facts).await, ["submissions.cancelled", "drafts.reopened"]);
    let edited = api.patch(&path).by(&ada).json(&json!({"subject": "Tickets!"})).send().await.expect(200).body;
    assert_eq!((&edited["status"], &edited["submission_id"]), (&json!("pending"), &Value::Null));
    let body = json!({"send_at": start() + TimeDelta::days(1)});
    let again = hand_over("k3").json(&body).send().await.expect(202).body;
    assert_eq!((&again["subject"], &again["scheduled"]), (&json!("Tickets!"), &json!(true)));
    assert_ne!(again["message_id"], sent.body["message_id"]);
    // The first one stays cancelled, and leaves the draft alone.
    api.post(&cancel).by(&ada).send().await.expect(200);
    hand_over("k4").send().await.refused(409, "draft_submitted");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_a_message_is_sent_at_once_with_one_key_it_is_sent_once() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    connection(&api, &ada, "smtp", "ada@example.org").await;
    let other = api.another().await;
    let facts = api.facts().await;
    let body = json!({"to": ["grace@example.org"]});
    let calls = (0..8).map(|n| {
        let path = "/emails/send";
        let call = if n % 2 == 0 { api.post(path) } else { Call::new(other.clone(), Method::POST, path) };
        call.by(&ada).key("k1").json(&body).send()
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 202 && answer.body == answers[0].body));
    assert_eq!(api.types_after(facts).await, ["submissions.submitted", "submissions.held"]);
    let draft = api.post("/emails/drafts").by(&ada).json(&body).send().await.expect(201).body;
    let path = format!("/emails/drafts/{}/send", id(&draft));
    let calls = (0..8).map(|n| {
        let call = if n % 2 == 0 { api.post(&path) } else { Call::new(other.clone(), Method::POST, &path) };
        call.by(&ada).send()
    });
    let mut statuses: Vec<_> = join_all(calls).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409, 409, 409, 409, 409]);
    api.stop().await;
}
