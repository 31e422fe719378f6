//! Mailboxes are taken in whole, once, and from where whoever died had come to.

use std::{
    fs,
    io::Cursor,
    sync::atomic::{AtomicUsize, Ordering},
};

use orbit_adapters::{
    mailbox::{self, Kind, Mark},
    net::Roots,
};
use orbit_domain::emails::Folder;
use orbit_event_store::{
    EventStore,
    imports::{Going, Import, Status, Wanted},
};
use orbit_events::emails::Role;
use orbit_platform::{ids, shutdown::Shutdown};
use orbit_reactor::{
    Deps, Mail,
    imports::job::{self, Ended},
    start,
};
use orbit_testing::eventually;
use uuid::Uuid;

use crate::world::{self, Mailbox, SOON, World, message, messages, put};

fn mbox(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut all = vec![];
    for message in messages {
        mailbox::append(message, world::start(), &mut all).unwrap();
    }
    all
}

fn wanted(mailbox: &Mailbox, bytes: usize) -> Wanted {
    Wanted {
        id: ids::new_event_id(),
        user_id: mailbox.cause.user.0,
        name: Some("old.mbox".to_owned()),
        format: None,
        folder: None,
        bytes: bytes as u64,
    }
}

/// Uploads a mailbox and asks for it to be taken in.
async fn upload(mailbox: &Mailbox, content: Vec<u8>) -> Import {
    let user = mailbox.cause.user;
    let wanted = wanted(mailbox, content.len());
    let reference = put(&mailbox.blobs, &mailbox.store, user, content).await;
    mailbox.store.imports().request(&wanted, &reference).await.unwrap().unwrap()
}

async fn find(mailbox: &Mailbox, id: Uuid) -> Import {
    mailbox.store.imports().find(mailbox.cause.user.0, id).await.unwrap().unwrap()
}

async fn reactor(world: &World, store: &EventStore, life: &Shutdown) {
    let nats = orbit_testing::nats().await;
    let deps = Deps {
        store: store.clone(),
        nats: nats.client().clone(),
        prefix: nats.prefix().to_owned(),
        blobs: world.blobs.clone(),
        mail: Mail { roots: Roots::new(None).unwrap(), private_hosts: true, poll: std::time::Duration::from_mins(5) },
    };
    start(deps, life);
}

#[tokio::test]
async fn an_upload_is_taken_in_and_its_bytes_are_deleted() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let mut all = messages(900, "Many");
    all.push(message("7", "Again"));
    all.push(b"Subject: without an id\n\nx".to_vec());
    let import = upload(&mailbox, mbox(&all)).await;
    assert_eq!((import.status, import.percent()), (Status::Queued, 0));
    reactor(&world, &store, &life).await;
    let done = eventually(SOON, || async {
        let import = find(&mailbox, import.id).await;
        (import.status == Status::Complete && import.upload.is_none()).then_some(import)
    })
    .await;
    let counts = done.progress.counts;
    assert_eq!((counts.messages, counts.created, counts.known, counts.refused), (902, 901, 1, 0));
    assert_eq!((done.percent(), done.progress.bytes_done), (100, done.bytes_total));
    assert_eq!(counts.noted, 1, "one has no id");
    let types = world.types().await;
    assert_eq!(types.iter().filter(|name| *name == "emails.received").count(), 901);
    assert_eq!(types.iter().filter(|name| *name == "folders.observed").count(), 6);
    assert_eq!(world.packs().await, 3, "a pack for each group, and none of the upload");
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_was_cut_short_goes_on_where_it_was_and_counts_nothing_twice() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let content = mbox(&messages(1_000, "Many"));
    let (wanted, worker, imports) = (wanted(&mailbox, content.len()), ids::new_event_id(), store.imports());
    let open = |content: Vec<u8>| move |mark: Option<Mark>| mailbox::over(Cursor::new(content), Kind::Mbox, mark);

    let import = imports.begin(&wanted, worker).await.unwrap().unwrap();
    assert!(imports.begin(&wanted, worker).await.unwrap().is_none(), "somebody is at it");
    let groups = AtomicUsize::new(0);
    let life_of_one = Shutdown::new();
    let told = |_: &_| {
        if groups.fetch_add(1, Ordering::SeqCst) == 0 {
            life_of_one.trigger();
        }
    };
    tokio::select! {
        biased;
        () = life_of_one.cancelled() => {}
        done = job::work(&mailbox.ingest, &imports, &import, worker, open(content.clone()), told) => panic!("{done:?}"),
    }
    imports.give_back(import.id, worker).await.unwrap();
    // Cut between the facts of a group and the note of it: that group comes again.
    let import = imports.begin(&wanted, worker).await.unwrap().unwrap();
    let ended = job::work(&mailbox.ingest, &imports, &import, worker, open(content), |_| {}).await.unwrap();
    assert_eq!(ended, Ended::Complete);
    let counts = find(&mailbox, import.id).await.progress.counts;
    assert_eq!((counts.messages, counts.created + counts.known), (1_000, 1_000));
    let received = world.types().await.iter().filter(|name| *name == "emails.received").count();
    assert_eq!(received, 1_000);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn whoever_was_only_slow_writes_nothing_more_when_another_goes_on() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let content = mbox(&messages(500, "Many"));
    let (wanted, imports) = (wanted(&mailbox, content.len()), store.imports());
    let (slow, other) = (ids::new_event_id(), ids::new_event_id());
    let import = imports.begin(&wanted, slow).await.unwrap().unwrap();
    imports.give_back(import.id, slow).await.unwrap();
    imports.begin(&wanted, other).await.unwrap().unwrap();
    let open = move |mark| mailbox::over(Cursor::new(content), Kind::Mbox, mark);
    let ended = job::work(&mailbox.ingest, &imports, &import, slow, open, |_| {}).await.unwrap();
    assert_eq!(ended, Ended::Lost);
    assert_eq!(find(&mailbox, import.id).await.progress.counts.messages, 0);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn who_cancels_keeps_what_is_there_and_gets_no_more() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let import = upload(&mailbox, mbox(&messages(3, "Few"))).await;
    let user = mailbox.cause.user.0;
    let cancelled = store.imports().cancel(user, import.id).await.unwrap().unwrap();
    assert_eq!(cancelled.status, Status::Cancelled, "nobody was at it");
    assert!(store.imports().cancel(user, import.id).await.unwrap().is_none());

    let content = mbox(&messages(2_000, "Many"));
    let (wanted, worker, imports) = (wanted(&mailbox, content.len()), ids::new_event_id(), store.imports());
    let running = imports.begin(&wanted, worker).await.unwrap().unwrap();
    let asked = imports.cancel(user, running.id).await.unwrap().unwrap();
    assert_eq!(asked.status, Status::Running, "whoever is at it looks with every group");
    let open = move |mark| mailbox::over(Cursor::new(content), Kind::Mbox, mark);
    let ended = job::work(&mailbox.ingest, &imports, &running, worker, open, |_| {}).await.unwrap();
    assert_eq!(ended, Ended::Cancelled);
    let counted = find(&mailbox, running.id).await.progress.counts.messages;
    assert_eq!(counted, 400, "the group that was in work stays");
    assert_eq!(imports.progress(running.id, worker, &running.progress).await.unwrap(), Going::Cancelled);

    // The first one's bytes go, though nothing was ever taken from it.
    let packs = world.packs().await;
    reactor(&world, &store, &life).await;
    eventually(SOON, || async { find(&mailbox, import.id).await.upload.is_none() }).await;
    assert_eq!(world.packs().await, packs - 1);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_maildir_keeps_its_folders_and_marks() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let maildir = world.directory.path().join("Maildir");
    for (name, id) in [
        ("cur/1700000001.M1.host:2,S", "read"),
        ("new/1700000002.M2.host", "new"),
        ("cur/1700000003.M3.host:2,FT", "thrown"),
        (".Sent/cur/1700000004.M4.host:2,", "sent"),
        (".Work.Old/cur/1700000005.M5.host:2,F", "filed"),
    ] {
        let path = maildir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, message(id, "In a file")).unwrap();
    }
    let (wanted, worker, imports) = (wanted(&mailbox, 0), ids::new_event_id(), store.imports());
    let import = imports.begin(&wanted, worker).await.unwrap().unwrap();
    let open = move |mark| mailbox::open(&maildir, mark);
    job::work(&mailbox.ingest, &imports, &import, worker, open, |_| {}).await.unwrap();
    let raw = ["read", "new", "thrown", "sent", "filed"].map(|id| message(id, "In a file"));
    let mut found = vec![];
    for taken in mailbox.take(&raw).await {
        let email = mailbox.present(taken.email_id).await;
        found.push((email.is_read, email.is_starred, email.role()));
    }
    assert_eq!(
        found,
        [
            (true, false, Role::Inbox),
            (false, false, Role::Inbox),
            (false, true, Role::Trash),
            (false, false, Role::Sent),
            (false, true, Role::Other)
        ]
    );
    let place = mailbox.ingest.ensure_folder(&mailbox.cause, "Work/Old").await.unwrap();
    let folder = store.load::<Folder>(place.folder_id.0).await.unwrap().unwrap();
    let folder = folder.state.present().unwrap();
    assert_eq!((folder.path.as_str(), folder.name.as_str()), ("Work/Old", "Old"));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn whoever_is_forgotten_meanwhile_leaves_no_job() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let import = upload(&mailbox, mbox(&messages(3, "Few"))).await;
    store.forget(mailbox.cause.user).await.unwrap();
    let user = mailbox.cause.user.0;
    assert!(store.imports().find(user, import.id).await.unwrap().is_none());
    // One that was asked for at the very moment of the erasure.
    let late = wanted(&mailbox, 3);
    let upload = import.upload.unwrap();
    store.imports().request(&late, &upload).await.unwrap().unwrap();
    reactor(&world, &store, &life).await;
    eventually(SOON, || async { store.imports().find(user, late.id).await.unwrap().is_none() }).await;
    assert_eq!(world.facts().await, 0);
    life.finish(SOON).await.unwrap();
}
