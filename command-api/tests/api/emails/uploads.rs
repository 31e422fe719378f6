//! Files that are to be sent.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use orbit_domain::emails::{Attachment, ContentType, FileName, attachment};
use orbit_events::emails::BlobRef;
use orbit_platform::ids;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{decide, upload};
use crate::common::{Api, Call, id};

/// How many objects are stored.
fn stored(api: &Api) -> usize {
    let owners = std::fs::read_dir(api.files.path()).unwrap().flatten().filter(|entry| entry.path().is_dir());
    owners.map(|owner| std::fs::read_dir(owner.path()).unwrap().count()).sum()
}

#[tokio::test]
async fn a_file_is_stored_sealed_and_known_by_its_digest() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let content = "The tickets. ".repeat(10_000);
    let made = upload(&api, &ada, "tickets%20%C3%BC.txt", &content).await;
    assert_eq!(made.body["filename"], "tickets ü.txt");
    assert_eq!((&made.body["content_type"], &made.body["size"]), (&json!("text/plain"), &json!(content.len())));
    assert_eq!(made.body["sha256"], hex::encode(Sha256::digest(&content)));
    assert_eq!(made.text("location"), format!("/api/v1/emails/attachments/{}", id(&made.body)));
    assert_eq!(stored(&api), 1);
    let path = format!("/emails/attachments/{}", id(&made.body));
    api.delete(&path).by(&ada).send().await.expect(204);
    api.delete(&path).by(&ada).send().await.expect(204);
    api.stop().await;
}

#[tokio::test]
async fn an_upload_that_is_repeated_is_stored_once() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let send = |content: &str| {
        let call = api.post("/emails/attachments?filename=a.txt").by(&ada).key("k1");
        call.raw_untyped(content.to_owned()).send()
    };
    let first = send("abc").await.expect(201);
    assert_eq!(first.body["content_type"], "application/octet-stream");
    let again = send("abc").await.expect(201);
    assert_eq!((&again.body, again.text("idempotent-replayed").as_str()), (&first.body, "true"));
    send("abd").await.refused(422, "idempotency_key_reused");
    let dry = api.post("/emails/attachments?filename=a.txt&dry_run=true").by(&ada).raw_untyped("x".to_owned());
    assert_eq!(dry.send().await.expect(200).body["facts"][0]["type"], "attachments.uploaded");
    assert_eq!(stored(&api), 1, "what nothing refers to is not kept");
    api.stop().await;
}

#[tokio::test]
async fn a_file_has_a_name_a_type_and_at_most_25_mib() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let call = |query: &str| api.post(&format!("/emails/attachments{query}")).by(&ada);
    let named = |query: &str| call(query).raw_untyped("x".to_owned()).send();
    named("").await.refused(400, "invalid_query").names(&[("?filename", "missing")]);
    named("?filename=").await.refused(400, "invalid_query").names(&[("?filename", "empty")]);
    named("?filename=a&name=b").await.refused(400, "invalid_query").names(&[("?name", "unknown_parameter")]);
    let typed = call("?filename=a").header("content-type", "nonsense").raw_untyped("x".to_owned());
    typed.send().await.refused(400, "invalid_header");
    let limit = 25 * 1024 * 1024;
    let said = call("?filename=a").header("content-length", &(limit + 1).to_string()).raw_untyped("x".to_owned());
    said.send().await.refused(413, "body_too_large");
    let content = |pieces: Vec<Result<Bytes, io::Error>>| Body::from_stream(stream::iter(pieces));
    let piece = |bytes: usize| Ok(Bytes::from(vec![7; bytes]));
    let send = |body: Body| call("?filename=a").raw_untyped(body).send();
    send(content(vec![piece(3), piece(limit - 2)])).await.refused(413, "body_too_large");
    send(content(vec![piece(3), Err(io::Error::other("gone"))])).await.refused(400, "invalid_request");
    // More than other bodies may have.
    let taken = send(content(vec![piece(1024 * 1024), piece(1024)])).await.expect(201);
    assert_eq!(taken.body["size"], 1025 * 1024);
    assert_eq!((api.facts().await, stored(&api)), (facts + 1, 1));
    api.stop().await;
}

#[tokio::test]
async fn at_most_200_files_wait() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let kept = upload(&api, &ada, "a.txt", "a").await.body;
    for _ in 0..199 {
        let raw = BlobRef {
            pack: "0".repeat(32),
            key: 0,
            offset: 0,
            length: 1,
            chunk: 0,
            sha256: BlobRef::written(&[0; 32]),
        };
        let (filename, content_type) = (FileName::parse("a").unwrap(), ContentType::default());
        let command = attachment::Command::Upload { filename, content_type, raw };
        decide::<Attachment>(&api, &ada, ids::new_event_id(), command).await;
    }
    let one_more = api.post("/emails/attachments?filename=a").by(&ada).raw_untyped("x".to_owned());
    one_more.send().await.refused(409, "too_many_attachments");
    assert_eq!(stored(&api), 1);
    api.delete(&format!("/emails/attachments/{}", id(&kept))).by(&ada).send().await.expect(204);
    upload(&api, &ada, "b.txt", "b").await;
    api.stop().await;
}

#[tokio::test]
async fn where_nobody_said_where_files_lie_none_is_taken() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let other = api.another_without_files().await;
    let call = Call::new(other, axum::http::Method::POST, "/emails/attachments?filename=a").by(&ada);
    call.raw_untyped("x".to_owned()).send_unchecked().await.expect(501);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn a_user_brings_files_so_often_and_no_more() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let other = api.another_that_takes("2/h").await;
    let send = |of: &crate::common::Session| {
        let call = Call::new(other.clone(), axum::http::Method::POST, "/emails/attachments?filename=a").by(of);
        call.raw_untyped("x".to_owned()).send()
    };
    send(&ada).await.expect(201);
    send(&ada).await.expect(201);
    assert!(!send(&ada).await.refused(429, "rate_limited").text("retry-after").is_empty());
    send(&bob).await.expect(201);
    let draft = Call::new(other, axum::http::Method::POST, "/emails/drafts").by(&ada);
    draft.json(&json!({})).send().await.expect(201);
    api.stop().await;
}
