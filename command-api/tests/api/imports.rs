//! Bringing a mailbox: stored as it comes, once, and a job that speaks of it; nothing stays of what is refused.

use axum::{Router, body::Body, http::Method};
use bytes::Bytes;
use clap::Parser;
use futures_util::{TryStreamExt, stream};
use orbit_adapters::blobs::{Blobs, Location};
use orbit_command_api::Config;
use orbit_event_store::imports::{End, Import};
use orbit_platform::http::layers::serve_layers;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::common::{Answer, Api, Call, Session, id};

const MAILBOX: &str = "From ada@example.org Tue Nov 24 10:00:00 2026\nSubject: One\n\nGood morning.\n\n";

fn bring(api: &Api, of: &Session, query: &str) -> Call {
    api.post(&format!("/emails/import{query}")).by(of).header("content-type", "application/mbox")
}

async fn brought(api: &Api, of: &Session) -> Answer {
    bring(api, of, "").raw_untyped(MAILBOX).send().await
}

fn blobs(api: &Api) -> Blobs {
    Blobs::open(&Location::Directory(api.files.path().to_owned())).unwrap()
}

async fn packs(api: &Api) -> Vec<(Uuid, Uuid, u64)> {
    blobs(api).objects().try_collect().await.unwrap()
}

fn user(of: &Session) -> Uuid {
    of.claims()["sub"].as_str().unwrap().parse().unwrap()
}

async fn job(api: &Api, of: &Session, import: &Value) -> Import {
    let id: Uuid = id(import).parse().unwrap();
    api.app.store().imports().find(user(of), id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_mailbox_is_stored_sealed_and_a_job_speaks_of_it() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let before = api.facts().await;
    let query = "?folder=Old%20mail&name=old.mbox";
    let asked = bring(&api, &ada, query).raw_untyped(MAILBOX).send().await.expect(202);
    let location = format!("/api/v1/emails/imports/{}", id(&asked.body));
    assert_eq!(asked.text("location"), location);
    let told = ["status", "progress", "name", "folder", "bytes", "messages"].map(|field| asked.body[field].clone());
    let expected = [json!("queued"), json!(0), json!("old.mbox"), json!("Old mail"), json!(MAILBOX.len()), json!(0)];
    assert_eq!(told, expected);
    assert_eq!(api.facts().await, before, "nothing has happened yet");

    let job = job(&api, &ada, &asked.body).await;
    assert_eq!((job.format.as_deref(), job.folder.as_deref()), (Some("mbox"), Some("Old mail")));
    let upload = job.upload.unwrap();
    let packs = packs(&api).await;
    assert_eq!((packs.len(), packs[0].0, Some(packs[0].1)), (1, user(&ada), upload.pack_id()));
    let path = api.files.path().join(user(&ada).to_string()).join(&upload.pack);
    let sealed = std::fs::read(path).unwrap();
    assert!(!sealed.windows(12).any(|window| window == b"Good morning"), "it is sealed");
    api.stop().await;
}

#[tokio::test]
async fn what_a_mailbox_is_is_said_by_its_type_or_by_hand() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    for (kind, query, format) in [
        ("message/rfc822", "", Some("eml")),
        ("application/x-tar", "", Some("tar")),
        ("application/octet-stream", "", None),
        ("application/octet-stream; name=x", "?format=mbox", Some("mbox")),
        ("application/mbox", "?format=eml", Some("eml")),
    ] {
        let call = api.post(&format!("/emails/import{query}")).by(&ada).header("content-type", kind);
        let asked = call.raw_untyped(MAILBOX).send().await.expect(202);
        assert_eq!(job(&api, &ada, &asked.body).await.format.as_deref(), format, "{kind}");
        api.post(&format!("/emails/imports/{}/cancel", id(&asked.body))).by(&ada).send().await.expect(200);
    }
    let call = api.post("/emails/import").by(&ada).header("content-type", "text/html");
    call.raw_untyped(MAILBOX).send().await.refused(415, "unsupported_media_type");
    let wrong = bring(&api, &ada, "?format=pst&folder=&name=%0A&size=1").raw_untyped(MAILBOX).send().await;
    let wrong = wrong.refused(400, "invalid_query");
    let names: Vec<String> = wrong.faults().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(names, ["?folder", "?format", "?name", "?size"]);
    api.stop().await;
}

#[tokio::test]
async fn nothing_stays_of_what_is_refused() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    bring(&api, &ada, "").raw_untyped("").send().await.refused(400, "invalid_request");
    let cut = stream::iter([Ok(Bytes::from(MAILBOX)), Err(std::io::Error::other("the client is gone"))]);
    bring(&api, &ada, "").raw_untyped(Body::from_stream(cut)).send().await.refused(400, "invalid_request");
    bring(&api, &ada, "?dry_run=true").raw_untyped(MAILBOX).send().await.expect(200);

    let config = Config::parse_from(["orbit-command-api"]);
    let narrow = api.another_app().await.with_import_limit(20);
    let narrow: Router = serve_layers(narrow.routes().into(), &config.http);
    let large = Call::new(narrow, Method::POST, "/emails/import").by(&ada);
    large.header("content-type", "application/mbox").raw_untyped(MAILBOX).send().await.refused(413, "body_too_large");
    assert_eq!(packs(&api).await, []);
    api.stop().await;
}

#[tokio::test]
async fn the_same_request_twice_is_one_job_and_its_bytes_lie_there_once() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let first = bring(&api, &ada, "").key("k").raw_untyped(MAILBOX).send().await.expect(202);
    let again = bring(&api, &ada, "").key("k").raw_untyped(MAILBOX).send().await.expect(202);
    assert_eq!((&again.body, again.text("idempotent-replayed").as_str()), (&first.body, "true"));
    let other = MAILBOX.replace("One", "Two");
    bring(&api, &ada, "").key("k").raw_untyped(other).send().await.refused(422, "idempotency_key_reused");
    assert_eq!(packs(&api).await.len(), 1);
    api.stop().await;
}

#[tokio::test]
async fn a_user_has_few_at_once_and_may_cancel_their_own() {
    let api = Api::new().await;
    let (ada, other) = (api.register("ada@example.org").await, api.register("other@example.org").await);
    let mut all = vec![];
    for _ in 0..3 {
        all.push(brought(&api, &ada).await.expect(202).body);
    }
    brought(&api, &ada).await.refused(409, "too_many_imports");
    bring(&api, &ada, "").key("k").raw_untyped(MAILBOX).send().await.refused(409, "too_many_imports");
    assert_eq!(packs(&api).await.len(), 3);
    brought(&api, &other).await.expect(202);

    let cancel =
        |who: &Session, import: &Value| api.post(&format!("/emails/imports/{}/cancel", id(import))).by(who).send();
    cancel(&other, &all[0]).await.refused(404, "not_found");
    assert_eq!(cancel(&ada, &all[0]).await.expect(200).body["status"], "cancelled");
    assert_eq!(cancel(&ada, &all[0]).await.expect(200).body["status"], "cancelled");
    brought(&api, &ada).await.expect(202);

    let (imports, worker) = (api.app.store().imports(), user(&ada));
    let taken = imports.take(worker).await.unwrap().unwrap();
    assert_eq!(taken.id.to_string(), id(&all[1]), "the oldest that is left");
    assert_eq!(cancel(&ada, &all[1]).await.expect(200).body["status"], "running", "it stops with its next messages");
    imports.finish(taken.id, worker, End::Complete).await.unwrap();
    cancel(&ada, &all[1]).await.refused(409, "import_ended");
    api.stop().await;
}

#[tokio::test]
async fn a_token_needs_the_scope() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let body = json!({"name": "t", "scopes": ["email:read"]});
    let token = api.post("/auth/tokens").by(&ada).json(&body).send().await.expect(201).body;
    let call = api.post("/emails/import").bearer(token["token"].as_str().unwrap());
    let call = call.header("content-type", "application/mbox").raw_untyped(MAILBOX);
    call.send().await.refused(403, "missing_scope");
    assert_eq!(packs(&api).await, []);
    api.stop().await;
}

#[tokio::test]
async fn who_is_erased_leaves_neither_jobs_nor_bytes() {
    let api = Api::new().await;
    let (ada, other) = (api.register("ada@example.org").await, api.register("other@example.org").await);
    for who in [&ada, &other] {
        brought(&api, who).await.expect(202);
    }
    let password = json!({ "password": crate::common::PASSWORD });
    api.delete("/auth/me").by(&ada).json(&password).send().await.expect(202);
    api.advance(chrono::TimeDelta::days(7));
    api.app.erase_due().await.unwrap();
    let owners: Vec<Uuid> = packs(&api).await.into_iter().map(|(owner, _, _)| owner).collect();
    assert_eq!(owners, [user(&other)]);
    let jobs: Vec<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM work.imports").fetch_all(api.database.pool()).await.unwrap();
    assert_eq!(jobs, [user(&other)]);
    api.stop().await;
}
