//! Messages become e-mails: their bytes are on the disk, each is in the log once, whoever brings it how often.

use orbit_domain::emails::email::Command;
use orbit_events::emails::Role;
use orbit_platform::shutdown::Shutdown;
use orbit_reactor::ingest::{Again, Outcome, Prepared};

use crate::world::{Mailbox, SOON, World, message, messages};

#[tokio::test]
async fn a_message_becomes_an_email_and_its_bytes_are_found_where_the_fact_says() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let raw = [message("one", "First"), message("two", "Second"), b"no headers at all \xff\x00".to_vec(), vec![]];
    let taken = mailbox.take(&raw).await;
    assert!(taken.iter().all(|taken| taken.outcome == Outcome::Created), "{taken:?}");
    assert_eq!(world.types().await, ["emails.received"; 4]);
    assert!(taken[0].notes == 0 && taken[2].notes > 0, "what is odd is noted: {taken:?}");
    assert_eq!(world.packs().await, 1, "a group is one pack");
    for (raw, taken) in raw.iter().zip(&taken) {
        let fact = mailbox.received(taken.email_id).await;
        assert_eq!(&mailbox.bytes(&fact.raw).await, raw);
        assert_eq!((fact.size, fact.labels), (raw.len() as u64, vec!["work".to_owned()]));
    }
    let first = mailbox.received(taken[0].email_id).await;
    assert_eq!((first.subject.as_deref(), first.text.trim()), (Some("First"), "Good morning."));
    assert_eq!(first.message_id.as_deref(), Some("one@example.org"));
    let email = mailbox.present(taken[0].email_id).await;
    assert!(email.is_starred && !email.is_read && email.place.role == Role::Inbox);
    let at = taken[0].email_id.get_timestamp().unwrap().to_unix().0;
    assert_eq!(i64::try_from(at).unwrap(), first.date.timestamp(), "ids sort by the time of the message");
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_is_brought_again_is_known_and_nothing_is_stored_for_it() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    let mut raw = messages(150, "Many");
    raw.push(b"without an id".to_vec());
    assert_eq!(mailbox.outcomes(&raw).await, [Outcome::Created; 151]);
    let (facts, packs) = (world.facts().await, world.packs().await);
    assert_eq!(mailbox.outcomes(&raw).await, [Outcome::Known; 151]);
    // The same message id is the same message, whatever else it says; and twice in one group is once.
    let (again, new) = (message("7", "Other words"), message("new", "New"));
    let mixed = mailbox.outcomes(&[again.clone(), new.clone(), new]).await;
    assert_eq!(mixed, [Outcome::Known, Outcome::Created, Outcome::Known]);
    assert_eq!((world.facts().await, world.packs().await), (facts + 1, packs + 1));

    // Somebody else has a mailbox of their own.
    let other = Mailbox::new(&world, &store).await;
    assert_eq!(other.outcomes(&[again]).await, [Outcome::Created]);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn two_who_bring_the_same_messages_at_once_make_each_an_email_once() {
    let (world, life) = (World::new().await, Shutdown::new());
    let one = Mailbox::new(&world, &world.store(&life).await).await;
    // Another process, which knows nothing of what the first is at.
    let two = one.at(&world.store(&life).await);
    let raw = messages(200, "Twice");
    // The same message ids with another date: they are to become e-mails with other ids.
    let later = |raw: &Vec<u8>| String::from_utf8_lossy(raw).replace("10:00:00", "11:00:00").into_bytes();
    let mixed: Vec<Vec<u8>> =
        raw.iter().enumerate().map(|(n, raw)| if n % 3 == 0 { later(raw) } else { raw.clone() }).collect();
    let (ours, theirs) = tokio::join!(one.take(&raw), two.take(&mixed));
    assert_eq!(world.types().await, ["emails.received"; 200]);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.email_id, theirs.email_id);
        let outcomes = [ours.outcome, theirs.outcome];
        let created = outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count();
        assert_eq!(created, 1, "{outcomes:?}");
    }
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_comes_back_if_the_user_brings_it_and_not_if_it_is_only_found() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mut mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let raw = [message("gone", "Gone")];
    let id = mailbox.take(&raw).await[0].email_id;
    mailbox.command(id, Command::Trash).await;
    assert_eq!(mailbox.outcomes(&raw).await, [Outcome::Known], "it is in the trash, where it stays");
    mailbox.command(id, Command::Delete).await;
    mailbox.cause.again = Again::No;
    assert_eq!(mailbox.outcomes(&raw).await, [Outcome::Known]);
    mailbox.cause.again = Again::Yes;
    let back = mailbox.take(&raw).await;
    assert_eq!((back[0].email_id, back[0].outcome), (id, Outcome::Back));
    assert_eq!(mailbox.present(id).await.trashed_at, None);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_crash_between_blobs_and_facts_leaves_bytes_and_no_email() {
    let (world, life, dying) = (World::new().await, Shutdown::new(), Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let raw = messages(3, "Cut");
    let dead = mailbox.at(&world.store(&dying).await);
    let group = raw.iter().map(|raw| dead.incoming(raw)).collect();
    let prepared = Prepared::read(group).await.unwrap();
    // Nothing is appended from here on, and everything else still works.
    dying.finish(SOON).await.unwrap();
    assert!(dead.ingest.commit(&dead.cause, prepared).await.is_err());
    assert_eq!((world.facts().await, world.packs().await), (0, 1));

    let taken = mailbox.take(&raw).await;
    assert!(taken.iter().all(|taken| taken.outcome == Outcome::Created), "{taken:?}");
    assert_eq!((world.facts().await, world.packs().await), (3, 2));
    for (raw, taken) in raw.iter().zip(&taken) {
        assert_eq!(&mailbox.bytes(&mailbox.received(taken.email_id).await.raw).await, raw);
    }
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn without_blobs_no_fact_is_appended() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    std::fs::remove_dir_all(world.blobs_dir()).unwrap();
    // A file where the directory was: nothing can be written below it, whoever one is.
    std::fs::write(world.blobs_dir(), b"").unwrap();
    let failed = mailbox.ingest.take(&mailbox.cause, vec![mailbox.incoming(&message("one", "One"))]).await;
    assert!(failed.is_err());
    assert_eq!(world.facts().await, 0);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn garbage_is_taken_in_as_it_is_and_what_is_too_large_is_refused_alone() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let garbage = [
        vec![0; 4_096],
        b"\xff\xfe\xfd".repeat(1_000),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(2_000),
        b"Subject: =?utf-8?B?//////?=\r\nDate: yesterday\r\nMessage-ID: <>\r\n\r\n\xc3".to_vec(),
        format!(
            "Subject: {}\r\nTo: {}\r\n\r\n{}",
            "s".repeat(100_000),
            "a@b, ".repeat(20_000),
            "\u{7}".repeat(900_000)
        )
        .into_bytes(),
        vec![b'a'; 65 * 1024 * 1024],
        message("fine", "Fine"),
    ];
    let outcomes = mailbox.outcomes(&garbage).await;
    let mut expected = [Outcome::Created; 7];
    expected[5] = Outcome::Refused("too_large");
    assert_eq!(outcomes, expected);
    assert_eq!(world.types().await, ["emails.received"; 6]);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_comes_from_the_trash_or_the_archive_is_marked_so() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let group = [Role::Trash, Role::Archive, Role::Sent].map(|role| {
        let mut incoming = mailbox.incoming(&message(&format!("{role:?}"), "Somewhere"));
        incoming.place = mailbox.ingest.place(mailbox.cause.user, role);
        incoming
    });
    let taken = mailbox.ingest.take(&mailbox.cause, group.to_vec()).await.unwrap();
    let mut marks = vec![];
    for one in taken {
        let email = mailbox.present(one.email_id).await;
        marks.push((email.trashed_at.is_some(), email.is_archived));
    }
    assert_eq!(marks, [(true, false), (false, true), (false, false)]);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn folders_are_made_once_and_are_the_users_own() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let mailbox = Mailbox::new(&world, &store).await;
    mailbox.ingest.ensure_folders(&mailbox.cause).await.unwrap();
    mailbox.ingest.ensure_folders(&mailbox.cause).await.unwrap();
    assert_eq!(world.types().await, ["folders.observed"; 6]);
    let place = |role| mailbox.ingest.place(mailbox.cause.user, role);
    assert_ne!(place(Role::Inbox), place(Role::Sent));
    assert_eq!(place(Role::Other), place(Role::Inbox), "what has no folder of ours lies in the inbox");
    let other = Mailbox::new(&world, &store).await;
    assert_ne!(other.ingest.place(other.cause.user, Role::Inbox), place(Role::Inbox));

    let folder = async |path: &str| mailbox.ingest.ensure_folder(&mailbox.cause, path).await.unwrap();
    assert_eq!(folder("SENT").await, place(Role::Sent));
    assert_eq!(folder(" \n").await, place(Role::Inbox));
    let work = folder("Work/2026").await;
    assert_eq!((work.role, folder("Work/2026\u{7}").await), (Role::Other, work));
    assert_eq!(world.facts().await, 7, "one more folder, once");
    life.finish(SOON).await.unwrap();
}
