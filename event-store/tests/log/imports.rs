//! Jobs that take mailboxes in: one worker at a time, gone on with when it dies, and gone with their user.

use chrono::TimeDelta;
use orbit_event_store::imports::{AT_ONCE, Counts, End, Going, Problem, Progress, Status, Wanted};
use orbit_events::emails::BlobRef;
use orbit_platform::{clock::Clock, ids};
use serde_json::json;
use uuid::Uuid;

use crate::world::{Person, World};

async fn world() -> World {
    World { clock: Clock::fixed("2026-11-24T20:28:00Z".parse().unwrap()), ..World::new().await }
}

fn wanted(user: Uuid) -> Wanted {
    let name = Some("old.mbox".to_owned());
    Wanted { id: ids::new_event_id(), user_id: user, name, format: None, folder: None, bytes: 1_000 }
}

fn upload() -> BlobRef {
    let pack = Uuid::from_u128(7 << 76 | 9).simple().to_string();
    BlobRef { pack, key: 0, offset: 0, length: 1_000, chunk: 0, sha256: BlobRef::written(&[7; 32]) }
}

fn progress(bytes_done: i64) -> Progress {
    let error = Problem { at: json!({"offset": 1}), code: "too_large".to_owned(), detail: "it is".to_owned() };
    let counts = Counts { messages: 3, created: 1, known: 1, noted: 1, refused: 1 };
    Progress { bytes_done, counts, errors: vec![error], resume: Some(json!({"offset": bytes_done})) }
}

#[tokio::test]
async fn a_job_whose_worker_died_is_gone_on_with_and_the_dead_one_writes_nothing_more() {
    let world = world().await;
    let store = world.store().await;
    let (imports, user) = (store.imports(), Person::new(&store).await.id.0);
    let (dead, alive) = (ids::new_event_id(), ids::new_event_id());
    let asked = imports.request(&wanted(user), &upload()).await.unwrap().unwrap();
    assert_eq!((asked.status, asked.upload.clone()), (Status::Queued, Some(upload())));
    let taken = imports.take(dead).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.status), (asked.id, Status::Running));
    assert!(imports.take(alive).await.unwrap().is_none(), "somebody works on it");
    assert_eq!(imports.progress(taken.id, dead, &progress(250)).await.unwrap(), Going::On);
    world.clock.advance(TimeDelta::seconds(59));
    assert!(imports.take(alive).await.unwrap().is_none(), "it is still alive");

    world.clock.advance(TimeDelta::seconds(2));
    let taken = imports.take(alive).await.unwrap().unwrap();
    assert_eq!((taken.percent(), taken.progress), (25, progress(250)), "from where it was");
    assert_eq!(imports.progress(taken.id, dead, &progress(500)).await.unwrap(), Going::Lost);
    assert!(!imports.finish(taken.id, dead, End::Complete).await.unwrap());
    assert!(imports.finish(taken.id, alive, End::Complete).await.unwrap());
    let done = imports.find(user, taken.id).await.unwrap().unwrap();
    assert_eq!((done.status, done.percent(), done.progress.bytes_done), (Status::Complete, 100, 1_000));
    assert_eq!(imports.worked_off().await.unwrap(), [(done.id, user, upload())]);
    imports.upload_is_gone(done.id).await.unwrap();
    assert!(imports.worked_off().await.unwrap().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_job_that_gets_no_further_is_given_up_and_one_that_does_is_not() {
    let world = world().await;
    let store = world.store().await;
    let (imports, user) = (store.imports(), Person::new(&store).await.id.0);
    let asked = imports.request(&wanted(user), &upload()).await.unwrap().unwrap();
    for step in 0..9 {
        let taken = imports.take(user).await.unwrap().unwrap();
        imports.progress(taken.id, user, &progress(step)).await.unwrap();
        imports.give_back(taken.id, user).await.unwrap();
    }
    for _ in 0..4 {
        imports.take(user).await.unwrap().unwrap();
        world.clock.advance(TimeDelta::seconds(61));
    }
    assert!(imports.take(user).await.unwrap().is_none());
    let failed = imports.find(user, asked.id).await.unwrap().unwrap();
    assert_eq!((failed.status, failed.failure.as_deref()), (Status::Failed, Some("interrupted")));
    world.stop().await;
}

#[tokio::test]
async fn jobs_are_their_users_own_and_few_wait_at_once() {
    let world = world().await;
    let store = world.store().await;
    let (imports, user) = (store.imports(), Person::new(&store).await.id.0);
    let other = Person::new(&store).await.id.0;
    let mut asked = vec![];
    for _ in 0..AT_ONCE {
        world.clock.advance(TimeDelta::seconds(1));
        asked.push(imports.request(&wanted(user), &upload()).await.unwrap().unwrap().id);
    }
    assert!(imports.request(&wanted(user), &upload()).await.unwrap().is_none());
    assert_eq!((imports.unfinished(user).await.unwrap(), imports.unfinished(other).await.unwrap()), (AT_ONCE, 0));
    assert!(imports.request(&wanted(other), &upload()).await.unwrap().is_some());
    assert!(imports.find(other, asked[0]).await.unwrap().is_none());
    assert!(imports.cancel(other, asked[0]).await.unwrap().is_none());

    imports.cancel(user, asked[0]).await.unwrap().unwrap();
    assert!(imports.request(&wanted(user), &upload()).await.unwrap().is_some(), "there is room again");

    store.forget(orbit_events::UserId(user)).await.unwrap();
    assert!(imports.find(user, asked[1]).await.unwrap().is_none());
    assert_eq!(imports.unfinished(other).await.unwrap(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_file_goes_on_where_it_was_left_and_from_the_beginning_once_it_was_complete() {
    let world = world().await;
    let store = world.store().await;
    let (imports, user) = (store.imports(), Person::new(&store).await.id.0);
    let (file, worker) = (wanted(user), ids::new_event_id());
    let begun = imports.begin(&file, worker).await.unwrap().unwrap();
    assert_eq!((begun.status, begun.progress.clone()), (Status::Running, Progress::default()));
    imports.progress(file.id, worker, &progress(400)).await.unwrap();
    assert!(imports.take(worker).await.unwrap().is_none(), "only its command can read it");
    imports.give_back(file.id, worker).await.unwrap();
    let on = imports.begin(&file, worker).await.unwrap().unwrap();
    assert_eq!(on.progress, progress(400));
    imports.finish(file.id, worker, End::Complete).await.unwrap();
    let anew = imports.begin(&file, worker).await.unwrap().unwrap();
    assert_eq!(anew.progress, Progress::default());
    let other = Wanted { user_id: Person::new(&store).await.id.0, ..file };
    world.clock.advance(TimeDelta::seconds(61));
    assert!(imports.begin(&other, worker).await.unwrap().is_none(), "it is somebody else's");
    world.stop().await;
}
