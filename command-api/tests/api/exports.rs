//! Archives of everything about a user: asked for, made in the background, complete and without secrets.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::TryStreamExt;
use orbit_adapters::{
    blobs::{Blobs, Location},
    mailbox::{self, Found, Kind},
};
use orbit_event_store::exports::{Export, Status};
use orbit_events::{
    Actor, UserId,
    emails::{self, Role},
};
use orbit_reactor::ingest::{Again, Cause, Incoming, Ingest};
use orbit_testing::eventually;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::common::{Api, PASSWORD, Session, id, titled};

const SOON: Duration = Duration::from_secs(30);

/// The archive once it is complete.
async fn complete(api: &Api, of: &Session, asked: &Value) -> Export {
    let user: Uuid = of.claims()["sub"].as_str().unwrap().parse().unwrap();
    let export: Uuid = id(asked).parse().unwrap();
    eventually(SOON, || async {
        let export = api.app.store().exports().find(user, export).await.unwrap().ok_or("it is gone")?;
        if export.status == Status::Complete { Ok(export) } else { Err("it is not complete") }
    })
    .await
}

/// The files in it.
async fn files(api: &Api, export: &Export) -> BTreeMap<String, String> {
    let mut bytes = vec![];
    let mut number = 0;
    while let Some(piece) = api.app.store().exports().piece(export, number).await.unwrap() {
        bytes.extend(piece);
        number += 1;
    }
    assert_eq!(i64::try_from(bytes.len()).unwrap(), export.bytes);
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_export_has_every_fact_and_everything_as_it_is_now_and_no_secret() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    api.register("other@example.org").await;
    let task = api.task(&ada, titled("Water the \"ferns\" ✿")).await;
    api.patch(&format!("/tasks/{}", id(&task))).by(&ada).json(&titled("Water the palms")).send().await.expect(200);
    let connection = json!({"kind": "imap", "name": "Work", "endpoint": "imap.example.org", "port": 993,
                            "username": "ada", "secret": "s3cr3t"});
    api.post("/connections").by(&ada).json(&connection).send().await.expect(201);
    let token = json!({"name": "script", "scopes": ["tasks:read"]});
    api.post("/auth/tokens").by(&ada).json(&token).send().await.expect(201);
    let label = api.post("/labels").by(&ada).json(&json!({"name": "green"})).send().await.expect(201).body;
    api.delete(&format!("/labels/{}", id(&label))).by(&ada).send().await.expect(204);

    let asked = api.post("/auth/me/export").by(&ada).send().await.expect(202);
    assert_eq!(asked.text("location"), format!("/api/v1/auth/me/exports/{}", id(&asked.body)));
    let export = complete(&api, &ada, &asked.body).await;
    assert_eq!(export.progress(), 100);
    let files = files(&api, &export).await;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "attachments.jsonl",
            "connections.jsonl",
            "devices.jsonl",
            "drafts.jsonl",
            "emails.jsonl",
            "emails.mbox",
            "folders.jsonl",
            "history.jsonl",
            "labels.jsonl",
            "lists.jsonl",
            "manifest.json",
            "profile.json",
            "submissions.jsonl",
            "tasks.jsonl",
            "threads.jsonl",
            "tokens.jsonl"
        ]
    );
    let user = &ada.claims()["sub"];
    let history = lines(&files["history.jsonl"]);
    let mine: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE user_id = $1::text::uuid")
        .bind(user.as_str())
        .fetch_one(api.database.pool())
        .await
        .unwrap();
    assert_eq!(i64::try_from(history.len()).unwrap(), mine);
    assert!(history.iter().any(|fact| fact["data"]["title"] == "Water the \"ferns\" ✿"));
    let tasks = lines(&files["tasks.jsonl"]);
    assert_eq!((tasks.len(), &tasks[0]["title"], &tasks[0]["version"]), (1, &json!("Water the palms"), &json!(2)));
    assert_eq!(lines(&files["lists.jsonl"]).len(), 4);
    assert_eq!(files["labels.jsonl"], "", "what was removed is only in the history");
    let profile: Value = serde_json::from_str(&files["profile.json"]).unwrap();
    assert_eq!((&profile["email"], &profile["id"]), (&json!("ada@example.org"), user));
    let all: String = files.values().cloned().collect();
    for secret in ["s3cr3t", "argon2", "secret_hash", "refresh_hash", "other@example.org", PASSWORD] {
        assert!(!all.contains(secret), "{secret}");
    }
    let manifest: Value = serde_json::from_str(&files["manifest.json"]).unwrap();
    assert_eq!((&manifest["facts"], &manifest["position"]), (&json!(mine), &json!(export.upto)));
    for file in manifest["files"].as_array().unwrap() {
        let text = &files[file["name"].as_str().unwrap()];
        assert_eq!(file["sha256"], hex::encode(Sha256::digest(text)), "{file}");
        assert_eq!(file["lines"], text.lines().count(), "{file}");
    }
    api.stop().await;
}

#[tokio::test]
async fn an_archive_is_bounded_in_number_and_time_and_sealed_with_the_users_key() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let user: Uuid = ada.claims()["sub"].as_str().unwrap().parse().unwrap();
    let mut asked = vec![];
    for _ in 0..4 {
        api.advance(TimeDelta::seconds(1));
        let answer = api.post("/auth/me/export").by(&ada).send().await.expect(202).body;
        complete(&api, &ada, &answer).await;
        asked.push(answer);
    }
    let kept = api.app.store().exports().list(user).await.unwrap();
    let kept: Vec<String> = kept.iter().map(|export| export.id.to_string()).collect();
    assert_eq!(kept, [id(&asked[3]), id(&asked[2]), id(&asked[1])], "the oldest gives way");
    let plain = "SELECT count(*) FROM log.export_chunks WHERE position('PK'::bytea IN data) = 1";
    assert_eq!(sqlx::query_scalar::<_, i64>(plain).fetch_one(api.database.pool()).await.unwrap(), 0);
    api.advance(TimeDelta::days(7));
    assert!(api.app.store().exports().list(user).await.unwrap().is_empty(), "expired");
    api.app.store().sweep_once().await.unwrap();
    let left = "SELECT count(*) FROM log.export_chunks";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(api.database.pool()).await.unwrap(), 0);
    api.stop().await;
}

#[tokio::test]
async fn an_export_is_asked_for_by_who_is_logged_in_and_with_nothing_in_the_body() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let path = "/auth/me/export";
    api.post(path).send().await.expect(401);
    let wrong = api.post(path).by(&ada).json(&json!({"format": "tar"})).send().await;
    wrong.refused(400, "invalid_request").names(&[("/format", "unknown_field")]);
    let token = json!({"name": "script", "scopes": ["admin"]});
    let token = api.post("/auth/tokens").by(&ada).json(&token).send().await.expect(201).body;
    api.post(path).bearer(token["token"].as_str().unwrap()).send().await.refused(403, "forbidden");
    let shown = api.post(&format!("{path}?dry_run=true")).by(&ada).send().await.expect(200).body;
    assert_eq!(shown, json!({"dry_run": true, "facts": []}));
    let asked = "SELECT count(*) FROM log.exports";
    assert_eq!(sqlx::query_scalar::<_, i64>(asked).fetch_one(api.database.pool()).await.unwrap(), 0);
    // The same key gets the same answer, whatever became of the job.
    let asked = api.post(path).by(&ada).key("k1").send().await.expect(202);
    complete(&api, &ada, &asked.body).await;
    let again = api.post(path).by(&ada).key("k1").send().await.expect(202);
    assert_eq!((again.body, again.headers["idempotent-replayed"].to_str().unwrap()), (asked.body, "true"));
    api.stop().await;
}

/// Messages that came in, one after the other.
async fn take(api: &Api, ingest: &Ingest, user: UserId, raw: &[&str]) -> Vec<Uuid> {
    let cause = Cause { user, actor: Actor::User, correlation_id: user.0, again: Again::Yes };
    let incoming = |raw: &&str| Incoming {
        raw: raw.as_bytes().to_vec(),
        place: ingest.place(user, Role::Inbox),
        is_read: false,
        is_starred: false,
        labels: vec![],
        received_at: api.clock.now(),
        origin: emails::Origin::Import,
    };
    let taken = ingest.take(&cause, raw.iter().map(incoming).collect()).await.unwrap();
    taken.into_iter().map(|taken| taken.email_id).collect()
}

#[tokio::test]
async fn an_export_has_every_message_that_is_there_as_it_came_and_files_that_wait() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let user = UserId(ada.claims()["sub"].as_str().unwrap().parse().unwrap());
    let blobs = Blobs::open(&Location::Directory(api.files.path().to_owned())).unwrap();
    let ingest = Ingest::new(api.app.store().clone(), blobs.clone());
    let raw = [
        "Message-ID: <one@example.org>\r\nSubject: One\r\n\r\nFrom here on it is quoted.\r\n",
        "Message-ID: <two@example.org>\r\n\r\nDeleted for good.\r\n",
        "Message-ID: <three@example.org>\r\n\r\nDeleted and brought again.\r\n",
    ];
    let ids = take(&api, &ingest, user, &raw).await;
    for id in &ids[1..] {
        api.post(&format!("/emails/{id}/trash")).by(&ada).send().await.expect(200);
        api.delete(&format!("/emails/{id}")).by(&ada).send().await.expect(204);
    }
    take(&api, &ingest, user, &raw[2..]).await;
    // A message whose bytes are gone: it is told, and the rest is there.
    let lost = take(&api, &ingest, user, &["Message-ID: <four@example.org>\r\n\r\nLost.\r\n"]).await[0];
    let packs: Vec<_> = blobs.objects().try_collect().await.unwrap();
    blobs.remove(user.0, packs.last().unwrap().1).await.unwrap();
    for name in ["plan.txt", "thrown.txt"] {
        let call = api.post(&format!("/emails/attachments?filename={name}")).by(&ada);
        let call = call.header("content-type", "text/plain").raw_untyped(format!("{name}: words"));
        let file = call.send().await.expect(201).body;
        if name == "thrown.txt" {
            api.delete(&format!("/emails/attachments/{}", id(&file))).by(&ada).send().await.expect(204);
        }
    }

    let asked = api.post("/auth/me/export").by(&ada).send().await.expect(202);
    let export = complete(&api, &ada, &asked.body).await;
    let files = files(&api, &export).await;
    let found: Vec<_> = mailbox::over(Cursor::new(files["emails.mbox"].clone().into_bytes()), Kind::Mbox, None)
        .unwrap()
        .map(|found| match found.unwrap() {
            Found::Message(item) => String::from_utf8(item.raw).unwrap(),
            bad @ Found::Bad { .. } => panic!("{bad:?}"),
        })
        .collect();
    assert_eq!(found, [raw[0], raw[2]], "in the order in which they came in, each once");
    assert_eq!(files["left-out.txt"], format!("e-mail {lost}: its bytes are missing\n"));
    let waiting: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("files/")).collect();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].0.ends_with("-plan.txt") && waiting[0].1 == "plan.txt: words", "{waiting:?}");
    api.stop().await;
}
