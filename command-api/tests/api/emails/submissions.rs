//! What can be said about a message until it is gone.

use axum::http::Method;
use chrono::TimeDelta;
use orbit_domain::{
    Context,
    emails::{
        Submission,
        submission::{Command, Reason},
    },
};
use orbit_event_store::{Fault, Mode, Origin, Refused, Unit};
use orbit_events::{Actor, Metadata, emails::Recipient};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{decide, submission, user};
use crate::common::{Api, Call, start};

/// The reactor's part: it is about to be sent.
async fn begin(api: &Api, of: &crate::common::Session, id: &str, attempt: u32) {
    let lease_until = api.clock.now() + TimeDelta::minutes(10);
    decide::<Submission>(api, of, id.parse().unwrap(), Command::Begin { attempt, lease_until }).await;
}

fn reason() -> Reason {
    Reason { code: "refused".to_owned(), detail: "No such user.".to_owned() }
}

#[tokio::test]
async fn what_is_held_is_put_off_and_cancelled() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let id = submission(&api, &ada).await;
    let ask = |verb: &str| api.post(&format!("/emails/submissions/{id}/{verb}")).by(&ada);
    let facts = api.facts().await;
    ask("retry").send().await.expect(200);
    assert_eq!(api.facts().await, facts, "it is to be sent anyway");
    let later = start() + TimeDelta::days(2);
    let moved = ask("reschedule").json(&json!({ "send_at": later })).send().await.expect(200);
    assert_eq!((&moved.body["hold_until"], &moved.body["scheduled"]), (&json!(later), &json!(true)));
    ask("reschedule").json(&json!({ "send_at": later })).send().await.expect(200);
    assert_eq!(api.types_after(facts).await, ["submissions.held"]);
    for (body, status, code) in [
        (json!({ "send_at": start() }), 422, "send_in_the_past"),
        (json!({ "send_at": start() + TimeDelta::days(366) }), 422, "send_too_far"),
        (json!({}), 400, "missing"),
        (json!({"send_at": null}), 400, "null"),
        (json!({"send_at": "soon"}), 422, "invalid_value"),
    ] {
        ask("reschedule").json(&body).send().await.expect(status).names(&[("/send_at", code)]);
    }
    ask("cancel").header("if-match", "\"1\"").send().await.refused(412, "precondition_failed");
    let cancelled = ask("cancel").send().await.expect(200);
    assert_eq!((&cancelled.body["status"], &cancelled.body["hold_until"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(ask("cancel").send().await.expect(200).text("etag"), cancelled.text("etag"));
    ask("retry").send().await.refused(409, "submission_over");
    ask("reschedule").json(&json!({ "send_at": later })).send().await.refused(409, "submission_over");
    api.stop().await;
}

#[tokio::test]
async fn what_is_being_sent_is_left_alone_and_what_failed_is_tried_again() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let id = submission(&api, &ada).await;
    let ask = |verb: &str| api.post(&format!("/emails/submissions/{id}/{verb}")).by(&ada);
    let stream: Uuid = id.parse().unwrap();
    api.advance(TimeDelta::minutes(1));
    begin(&api, &ada, &id, 1).await;
    ask("cancel").send().await.refused(409, "submission_under_way");
    ask("retry").send().await.refused(409, "submission_under_way");
    let body = json!({ "send_at": start() + TimeDelta::days(1) });
    ask("reschedule").json(&body).send().await.refused(409, "submission_under_way");
    decide::<Submission>(&api, &ada, stream, Command::Fail { attempt: 1, reason: reason(), recipients: vec![] }).await;
    ask("cancel").send().await.refused(409, "submission_over");
    let again = ask("retry").send().await.expect(200).body;
    assert_eq!((&again["status"], &again["attempts"]), (&json!("held"), &json!(1)));
    assert_eq!(again["hold_until"], json!(api.clock.now()));
    begin(&api, &ada, &id, 2).await;
    decide::<Submission>(&api, &ada, stream, Command::Defer { attempt: 2, reason: reason(), recipients: vec![] }).await;
    let deferred = api.post(&format!("/emails/submissions/{id}/retry?dry_run=true")).by(&ada).send().await.expect(200);
    assert_eq!(deferred.body["facts"][0]["type"], "submissions.held");
    ask("retry").send().await.expect(200);
    begin(&api, &ada, &id, 3).await;
    let uncertain = Command::Uncertain { attempt: 3, detail: "It was cut short.".to_owned() };
    decide::<Submission>(&api, &ada, stream, uncertain).await;
    let uncertain = ask("retry").send().await.expect(200).body;
    assert_eq!((&uncertain["status"], &uncertain["failure_code"]), (&json!("held"), &Value::Null));
    begin(&api, &ada, &id, 4).await;
    let recipients =
        vec![Recipient { email: "grace@example.org".to_owned(), accepted: true, code: Some(250), detail: None }];
    decide::<Submission>(&api, &ada, stream, Command::Sent { attempt: 4, recipients, found_in_sent: false }).await;
    for verb in ["cancel", "retry"] {
        ask(verb).send().await.refused(409, "submission_over");
    }
    api.stop().await;
}

/// What may be said while sending begins.
enum Begun {
    Yes,
    TooLate,
}

async fn race_to_begin(api: &Api, of: &crate::common::Session, id: Uuid) -> Begun {
    #[derive(Debug)]
    enum No {
        Rejected,
        Fault(#[expect(dead_code, reason = "shown when the test fails")] Fault),
    }
    impl From<Fault> for No {
        fn from(fault: Fault) -> Self {
            Self::Fault(fault)
        }
    }
    // Ten seconds on: it is due, though the clock of the API says otherwise.
    let now = api.clock.now() + TimeDelta::seconds(11);
    let actor = Actor::System;
    let origin = Origin {
        context: Context { now, user_id: user(of), actor },
        metadata: Metadata {
            actor,
            correlation_id: orbit_platform::ids::new_event_id(),
            causation_id: None,
            session_id: None,
            traceparent: None,
        },
    };
    let decide = |unit: Unit| async move {
        let command = Command::Begin { attempt: 1, lease_until: now + TimeDelta::minutes(10) };
        unit.decide::<Submission>(id, command).await.map(|_| ()).map_err(|refused| match refused {
            Refused::Rejected(_) => No::Rejected,
            Refused::Fault(fault) => fault.into(),
        })
    };
    match api.app.store().transact(origin, Mode::default(), decide).await {
        Ok(_) => Begun::Yes,
        Err(No::Rejected) => Begun::TooLate,
        Err(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_cancelling_and_sending_at_once_one_wins() {
    let api = Api::ticking().await;
    let ada = api.register("ada@example.org").await;
    let other = api.another().await;
    for _ in 0..10 {
        let id = submission(&api, &ada).await;
        let path = format!("/emails/submissions/{id}/cancel");
        let (cancelled, begun) = tokio::join!(
            Call::new(other.clone(), Method::POST, &path).by(&ada).send(),
            race_to_begin(&api, &ada, id.parse().unwrap()),
        );
        match (cancelled.status, begun) {
            (200, Begun::TooLate) => {}
            (409, Begun::Yes) => assert_eq!(cancelled.code(), "submission_under_way"),
            (status, _) => panic!("both or neither: {status} {}", cancelled.body),
        }
    }
    api.stop().await;
}
