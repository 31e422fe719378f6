//! `POST /connections/test` against real mail servers: what it says of each step, and that nothing of it stays.

use std::time::{Duration, Instant};

use axum::{Router, http::Method};
use orbit_adapters::net::Roots;
use orbit_command_api::MailServers;
use orbit_testing::peers::{self, PASSWORD, SmtpSetup, USER, Way};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    common::{Answer, Api, Call, Session, id, nobody},
    emails::token,
};

const OFF: &str = "off";

/// A process that speaks with servers on this machine, and trusts the web alone.
async fn here(api: &Api) -> Router {
    api.another_for_mail(MailServers::new(Roots::new(None).unwrap(), true), OFF).await
}

fn call(router: &Router, by: &Session) -> Call {
    Call::new(router.clone(), Method::POST, "/connections/test").by(by)
}

async fn tested(router: &Router, by: &Session, body: &Value) -> Answer {
    call(router, by).json(body).send().await
}

fn account(kind: &str, port: u16, security: &str) -> Value {
    json!({
        "kind": kind, "name": "Work", "endpoint": "127.0.0.1", "port": port, "security": security, "username": USER,
        "secret": PASSWORD
    })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// Each step in a word: `ok`, `-` if it was skipped, or the code of why it failed.
fn told(answer: &Answer) -> String {
    let text = answer.body.to_string();
    assert!(!text.contains(PASSWORD), "{text}");
    let steps = answer.body["steps"].as_array().unwrap();
    let words = steps.iter().map(|step| match step["status"].as_str().unwrap() {
        "ok" => "ok",
        "skipped" => "-",
        _ => step["code"].as_str().unwrap(),
    });
    let words = words.collect::<Vec<_>>().join(" ");
    assert!(
        steps.iter().all(|step| !step["detail"].as_str().unwrap().is_empty() && step["took_ms"].is_u64()),
        "{text}"
    );
    assert_eq!(answer.body["ok"], steps.iter().all(|step| step["status"] != "failed"), "{text}");
    words
}

async fn outcome(router: &Router, by: &Session, body: &Value) -> String {
    told(&tested(router, by, body).await.expect(200))
}

#[tokio::test]
async fn a_mailbox_is_tested_before_it_is_connected_and_nothing_is_stored() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (here, imap) = (here(&api).await, peers::pymap().await);
    let facts = api.facts().await;
    let good = account("imap", imap.port, "plain");
    let answer = tested(&here, &ada, &good).await.expect(200);
    assert_eq!(told(&answer), "ok ok - ok ok");
    let steps: Vec<_> = answer.body["steps"].as_array().unwrap().iter().map(|step| step["step"].clone()).collect();
    assert_eq!(steps, ["dns", "tcp", "tls", "login", "select"]);
    assert!(answer.body["steps"].as_array().unwrap().iter().all(|step| step["kind"] == "imap"));
    assert_eq!((&answer.body["mailbox"]["messages"], &answer.body["mailbox"]["folders"]), (&json!(0), &json!(1)));
    let offers = answer.body["mailbox"]["offers"].as_array().unwrap();
    assert!(offers.contains(&json!("objectid")) && !offers.contains(&json!("condstore")), "{offers:?}");

    let wrong = tested(&here, &ada, &with(good.clone(), "secret", "battery-staple")).await.expect(200);
    assert_eq!(told(&wrong), "ok ok - login_refused -");
    assert!(!wrong.body.to_string().contains("battery-staple") && wrong.body["mailbox"].is_null(), "{}", wrong.body);
    assert_eq!(outcome(&here, &ada, &with(good.clone(), "secret", Value::Null)).await, "ok ok - no_credentials -");
    assert_eq!(
        outcome(&here, &ada, &with(good.clone(), "security", "starttls")).await,
        "ok ok starttls_not_offered - -"
    );
    assert_eq!(outcome(&here, &ada, &with(good.clone(), "security", "tls")).await, "ok ok tls_not_spoken - -");
    assert_eq!(outcome(&here, &ada, &with(good.clone(), "endpoint", "nobody.invalid")).await, "name_not_found - - - -");
    drop(imap);
    assert_eq!(outcome(&here, &ada, &good).await, "ok port_closed - - -");
    assert_eq!(api.facts().await, facts, "something was appended");
    api.stop().await;
}

#[tokio::test]
async fn an_account_to_send_through_is_tested_and_nothing_is_sent() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let smtp = peers::aiosmtpd(SmtpSetup { way: Way::Tls, login: true, ..SmtpSetup::default() }).await;
    let trusting = MailServers::new(Roots::new(Some(&smtp.certificate())).unwrap(), true);
    let trusting = api.another_for_mail(trusting, OFF).await;
    let good = account("smtp", smtp.port, "tls");
    let answer = tested(&trusting, &ada, &good).await.expect(200);
    assert_eq!(told(&answer), "ok ok ok ok ok");
    let last = &answer.body["steps"][4];
    assert_eq!((&last["step"], &last["kind"]), (&json!("smtp"), &json!("smtp")));
    assert!(answer.body["mailbox"].is_null());
    // The certificate is its own, which only this process was told to trust.
    assert_eq!(outcome(&here(&api).await, &ada, &good).await, "ok ok certificate_not_trusted - -");
    let nobody = with(with(good.clone(), "username", Value::Null), "secret", Value::Null);
    assert_eq!(outcome(&trusting, &ada, &with(nobody.clone(), "address", USER)).await, "ok ok ok - login_required");
    assert_eq!(outcome(&trusting, &ada, &nobody).await, "ok ok ok - no_sender_address");
    assert!(smtp.copies(USER).is_empty());
    api.stop().await;
}

#[tokio::test]
async fn a_connection_is_tested_with_what_is_stored_of_it_and_only_by_whose_it_is() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let (here, imap) = (here(&api).await, peers::pymap().await);
    let body = account("imap", imap.port, "plain");
    let made = api.post("/connections").by(&ada).json(&body).send().await.expect(201).body;
    let n8n = json!({"kind": "n8n", "name": "x", "endpoint": "http://n8n.local"});
    let n8n = api.post("/connections").by(&ada).json(&n8n).send().await.expect(201).body;
    let facts = api.facts().await;
    let stored = json!({ "connection_id": id(&made) });
    assert_eq!(outcome(&here, &ada, &stored).await, "ok ok - ok ok");
    tested(&here, &bob, &stored).await.refused(422, "unknown_connection");
    tested(&here, &ada, &json!({ "connection_id": nobody() })).await.refused(422, "unknown_connection");
    let answer = tested(&here, &ada, &json!({ "connection_id": id(&n8n) })).await.refused(422, "not_a_mail_server");
    answer.names(&[("/connection_id", "not_a_mail_server")]);
    assert_eq!(api.facts().await, facts, "something was appended");
    let path = format!("/connections/{}", id(&made));
    api.patch(&path).by(&ada).json(&json!({"secret": "battery-staple"})).send().await.expect(200);
    assert_eq!(outcome(&here, &ada, &stored).await, "ok ok - login_refused -");
    api.delete(&path).by(&ada).send().await.expect(204);
    tested(&here, &ada, &stored).await.refused(422, "unknown_connection");
    api.stop().await;
}

#[tokio::test]
async fn an_account_or_a_connection_is_named_and_every_faulty_field_is() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let here = here(&api).await;
    let refused = async |body: Value, status: u16, code: &str, fields: &[(&str, &str)]| {
        tested(&here, &ada, &body).await.refused(status, code).names(fields);
    };
    refused(json!({}), 422, "validation_failed", &[("", "nothing_to_test")]).await;
    refused(json!({"connection_id": null}), 422, "validation_failed", &[("", "nothing_to_test")]).await;
    let both = json!({"connection_id": nobody(), "endpoint": "mail.example.org", "secret": 7, "port": null});
    let fields = [("/endpoint", "not_with_connection_id"), ("/secret", "not_with_connection_id")];
    refused(both, 422, "validation_failed", &fields).await;
    refused(json!({"connection_id": 7}), 400, "invalid_request", &[("/connection_id", "wrong_type")]).await;
    refused(json!({"connection_id": "x"}), 422, "validation_failed", &[("/connection_id", "invalid_id")]).await;
    let fields = [("/colour", "unknown_field"), ("/connection_id", "invalid_id")];
    refused(json!({"connection_id": "x", "colour": 1}), 400, "invalid_request", &fields).await;
    let fields = [("/kind", "missing"), ("/name", "missing"), ("/endpoint", "missing")];
    refused(json!({"secret": "x"}), 400, "invalid_request", &fields).await;
    let wrong = json!({
        "kind": "imap", "name": "", "endpoint": "https://x.org", "port": 0, "username": "", "secret": "a\0b",
        "security": "none", "address": "ada", "display_name": "a\nb", "imap_connection_id": "x", "saves_sent": 1, "x": 1
    });
    let fields = [
        ("/x", "unknown_field"),
        ("/imap_connection_id", "invalid_id"),
        ("/saves_sent", "wrong_type"),
        ("/name", "empty"),
        ("/endpoint", "invalid_host"),
        ("/port", "out_of_range"),
        ("/username", "empty"),
        ("/secret", "nul_character"),
        ("/security", "unknown_value"),
        ("/address", "invalid_email"),
        ("/display_name", "control_character"),
    ];
    refused(wrong, 400, "invalid_request", &fields).await;
    let calendar = json!({"kind": "caldav", "name": "x", "endpoint": "https://cloud.example.org"});
    refused(calendar, 422, "not_a_mail_server", &[("/kind", "not_a_mail_server")]).await;
    let theirs = api.post("/connections").by(&bob).json(&account("imap", 143, "plain")).send().await.expect(201).body;
    let body = with(account("smtp", 25, "plain"), "imap_connection_id", id(&theirs));
    refused(body, 422, "unknown_connection", &[("/imap_connection_id", "unknown_connection")]).await;
    api.stop().await;
}

#[tokio::test]
async fn what_is_on_this_machine_is_not_told_of_where_that_is_not_allowed() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // As a process is that nobody has told otherwise.
    let public = api.another().await;
    let mut answers = Vec::new();
    for (endpoint, port) in [("127.0.0.1", port), ("127.0.0.1", 1), ("localhost", port), ("169.254.169.254", 80)] {
        let body = with(account("imap", port, "tls"), "endpoint", endpoint);
        let answer = tested(&public, &ada, &body).await.expect(200);
        assert_eq!(told(&answer), "private_host_refused - - - -");
        answers.push(answer.body["steps"][0]["detail"].clone());
    }
    assert_eq!(answers[0], answers[1]);
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "somebody came");
    api.stop().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_so_long_and_no_longer() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let here = here(&api).await;
    // The system takes the connection, and nobody ever speaks.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let began = Instant::now();
    let test = async |kind, security, expected| {
        assert_eq!(outcome(&here, &ada, &account(kind, port, security)).await, expected);
    };
    tokio::join!(
        test("imap", "tls", "ok ok timeout - -"),
        test("imap", "plain", "ok ok - timeout -"),
        test("smtp", "starttls", "ok ok timeout - -"),
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    api.stop().await;
}

#[tokio::test]
async fn so_many_tests_a_minute_and_no_more_and_each_user_for_themselves() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let servers = MailServers::new(Roots::new(None).unwrap(), true);
    let limited = api.another_for_mail(servers, "2/h").await;
    let body = json!({ "connection_id": nobody() });
    for _ in 0..2 {
        tested(&limited, &ada, &body).await.refused(422, "unknown_connection");
    }
    let answer = tested(&limited, &ada, &body).await.refused(429, "rate_limited");
    assert!(!answer.text("retry-after").is_empty());
    assert!(answer.text("ratelimit-policy").contains("\"connection_test\";q=2;w=3600"), "{answer:?}");
    tested(&limited, &bob, &body).await.refused(422, "unknown_connection");
    let task = Call::new(limited, Method::POST, "/tasks").by(&ada);
    task.json(&json!({"title": "x"})).send().await.expect(201);
    api.stop().await;
}

#[tokio::test]
async fn a_test_is_what_a_token_may_do_that_may_connect_and_is_repeated_and_shown_like_other_writes() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let (reader, writer) = (token(&api, &ada, &["users:read"]).await, token(&api, &ada, &["users:write"]).await);
    let (here, imap) = (here(&api).await, peers::pymap().await);
    let body = account("imap", imap.port, "plain");
    let facts = api.facts().await;
    let by = |token: &str, path: &str| Call::new(here.clone(), Method::POST, path).bearer(token).json(&body);
    by(&reader, "/connections/test").send().await.refused(403, "missing_scope");
    assert_eq!(told(&by(&writer, "/connections/test").key("k1").send().await.expect(200)), "ok ok - ok ok");
    drop(imap);
    let repeated = by(&writer, "/connections/test").key("k1").send().await.expect(200);
    assert_eq!((told(&repeated).as_str(), repeated.text("idempotent-replayed").as_str()), ("ok ok - ok ok", "true"));
    assert_eq!(told(&by(&writer, "/connections/test").key("k2").send().await.expect(200)), "ok port_closed - - -");
    let shown = by(&writer, "/connections/test?dry_run=true").send().await.expect(200);
    assert_eq!(shown.body, json!({"dry_run": true, "facts": []}));
    assert_eq!(api.facts().await, facts, "something was appended");
    api.stop().await;
}
