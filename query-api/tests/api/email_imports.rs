//! Mailboxes that are being taken in: how far each is, to its own user.

use orbit_event_store::imports::{Counts, End, Imports, Problem, Progress, Wanted};
use orbit_events::emails::BlobRef;
use orbit_platform::ids;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADA, BOB, World};

fn jobs(world: &World) -> Imports {
    Imports::new(world.database.pool().into(), world.clock.clone())
}

async fn ask(world: &World, user: Uuid) -> Uuid {
    let upload = BlobRef { pack: "0".repeat(32), key: 0, offset: 0, length: 8, chunk: 0, sha256: "A".repeat(43) };
    let (id, name) = (ids::new_event_id(), Some("old.mbox".to_owned()));
    let wanted = Wanted { id, user_id: user, name, format: None, folder: None, bytes: 8 };
    jobs(world).request(&wanted, &upload).await.unwrap().unwrap();
    id
}

fn rows(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_import_says_how_far_it_is_and_what_could_not_be_read() {
    let world = World::new().await.with_ada().await;
    let (jobs, id) = (jobs(&world), ask(&world, ADA.0).await);
    let path = format!("/emails/imports/{id}");
    let queued = world.get(ADA, &path).await.ok();
    assert_eq!(
        (&queued["status"], &queued["progress"], &queued["name"]),
        (&"queued".into(), &0.into(), &"old.mbox".into())
    );
    let taken = jobs.take(id).await.unwrap().unwrap();
    let error = Problem { at: json!({"offset": 1}), code: "too_large".to_owned(), detail: "it is".to_owned() };
    let counts = Counts { messages: 4, created: 1, known: 1, noted: 1, refused: 2 };
    let progress = Progress { bytes_done: 2, counts, errors: vec![error], resume: Some(json!({"offset": 2})) };
    jobs.progress(taken.id, id, &progress).await.unwrap();
    let running = world.get(ADA, &path).await.ok();
    let told = ["status", "progress", "messages", "created", "known", "noted", "refused", "errors", "finished_at"];
    let told = told.map(|field| running[field].clone());
    let errors = json!([{"at": {"offset": 1}, "code": "too_large", "detail": "it is"}]);
    let expected = [json!("running"), json!(25), json!(4), json!(1), json!(1), json!(1), json!(2), errors, Value::Null];
    assert_eq!(told, expected);
    assert!(running.get("resume").is_none() && running.get("upload").is_none(), "{running}");
    jobs.finish(taken.id, id, End::Complete).await.unwrap();
    let done = world.get(ADA, &path).await.ok();
    assert_eq!((&done["status"], &done["progress"]), (&"complete".into(), &100.into()));
}

#[tokio::test]
async fn imports_are_listed_the_newest_first_and_are_their_users_own() {
    let world = World::new().await.with_ada().await;
    world.register(BOB, "Bob", "UTC").await;
    assert_eq!(rows(&world.get(ADA, "/emails/imports").await.ok()), Vec::<String>::new());
    let mut all = vec![];
    for _ in 0..3 {
        all.push(ask(&world, ADA.0).await.to_string());
    }
    all.reverse();
    let first = world.get(ADA, "/emails/imports?limit=2").await.ok();
    let next = first["next_cursor"].as_str().unwrap();
    let rest = world.get(ADA, &format!("/emails/imports?limit=2&cursor={next}")).await.ok();
    assert_eq!([rows(&first), rows(&rest)].concat(), all, "those of one moment in the order of their ids");
    assert_eq!(rows(&world.get(BOB, "/emails/imports").await.ok()), Vec::<String>::new());
    assert_eq!(world.get(BOB, &format!("/emails/imports/{}", all[0])).await.status, 404);
    assert_eq!(world.get(ADA, "/emails/imports/x").await.status, 404);
    assert_eq!(world.get(ADA, "/emails/imports?as_of=1").await.status, 400, "they have no past");
}
