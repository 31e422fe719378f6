//! What is to be sent is sent, and once: copies are counted in the server that gets them, for every way in which it fails.

use std::time::Duration;

use chrono::TimeDelta;
use orbit_domain::{
    emails::{
        Attachment, Submission,
        email::{Key, message_claim},
        submission,
    },
    users::{Connection, connection},
};
use orbit_testing::eventually;

use crate::{
    office::{Office, message_id},
    world::SOON,
};

#[tokio::test]
async fn every_failure_of_a_server_ends_with_exactly_one_copy_or_none() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    for (local, ends, copies) in [
        ("bob", "sent", 1),
        ("tempfail-2", "sent", 1),
        ("tempdata-1", "sent", 1),
        ("cutrcpt-1", "sent", 1),
        ("closing-1", "sent", 1),
        ("reject", "failed", 0),
        ("rejectdata", "failed", 0),
    ] {
        let id = office.submit(&[local]).await;
        let sheet = office.ends(id, ends).await;
        assert_eq!(office.copies(local), copies, "{local}");
        assert_eq!(sheet.results.iter().filter(|result| result.accepted).count(), copies, "{local}");
    }
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn each_recipient_gets_one_copy_however_differently_they_are_answered() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let id = office.submit(&["bob", "tempfail-2", "reject", "eve"]).await;
    let sheet = office.ends(id, "sent").await;
    assert_eq!(["bob", "tempfail-2", "reject", "eve"].map(|local| office.copies(local)), [1, 1, 0, 1]);
    let mut accepted: Vec<_> = sheet.results.iter().map(|result| (result.email.as_str(), result.accepted)).collect();
    accepted.sort_unstable();
    let expected = [("bob", true), ("eve", true), ("reject", false), ("tempfail-2", true)];
    assert!(accepted.iter().zip(expected).all(|(got, (local, yes))| got.0.starts_with(local) && got.1 == yes));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_was_sent_becomes_an_email_and_lies_among_what_was_sent_once() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let id = office.submit(&["bob"]).await;
    office.ends(id, "sent").await;
    eventually(SOON, || async { office.kept().await == 1 }).await;
    let types = office.world.types().await;
    assert_eq!(types.iter().filter(|name| *name == "emails.received").count(), 1);
    let told: Vec<_> = types.iter().filter(|name| name.starts_with("submissions.")).map(String::as_str).collect();
    let expected = ["submissions.submitted", "submissions.held", "submissions.attempted", "submissions.sent"];
    assert_eq!(told, expected);
    let body = String::from_utf8(office.smtp.copies("bob@example.org").remove(0)).unwrap();
    assert!(body.contains("Message-ID: <") && body.contains("\r\n.\r\nA."), "{body}");
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn files_go_with_their_message_and_wait_for_nothing_once_it_was_sent() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let file = office.upload("seats.txt", b"Row 7, if you can.").await;
    let waits = async || office.store.load::<Attachment>(file.attachment_id.0).await.unwrap().unwrap().state;
    let id = office.submit_with(&["reject"], vec![file.clone()]).await;
    office.ends(id, "failed").await;
    // It may be wanted again.
    assert!(waits().await.present().is_some());
    let id = office.submit_with(&["bob"], vec![file.clone()]).await;
    office.ends(id, "sent").await;
    assert!(waits().await.present().is_none());
    let copy = String::from_utf8(office.smtp.copies("bob@example.org").remove(0)).unwrap();
    assert!(copy.contains("seats.txt") && copy.contains("Um93IDcsIGlmIHlvdSBjYW4u"), "{copy}");
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn without_an_answer_a_copy_among_what_was_sent_tells_that_it_arrived() {
    let Some(office) = Office::new(Some(true)).await else { return };
    office.reactor(&office.life);
    // The server took it and went; its copy is found.
    let id = office.submit(&["cutafterdot"]).await;
    office.ends(id, "sent").await;
    assert_eq!((office.copies("cutafterdot"), office.kept().await), (1, 1));
    // It took nothing and went; since it keeps copies and there is none, it is sent again.
    let id = office.submit(&["lostafterdot-1"]).await;
    office.ends(id, "sent").await;
    assert_eq!((office.copies("lostafterdot-1"), office.kept().await), (1, 2));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn whom_a_server_does_not_answer_twice_decides_what_becomes_of_the_message() {
    let Some(office) = Office::new(Some(true)).await else { return };
    office.reactor(&office.life);
    let id = office.submit(&["lostafterdot"]).await;
    let sheet = office.ends(id, "uncertain").await;
    assert_eq!((sheet.attempts, office.copies("lostafterdot")), (2, 0));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_comes_late_keeps_its_message_from_being_sent_again() {
    let Some(office) = Office::new(Some(true)).await else { return };
    office.reactor(&office.life);
    // The next time it would be taken.
    let id = office.submit(&["lostafterdot-1"]).await;
    eventually(SOON, || async { office.find(id).await.1.name() == "deferred" }).await;
    office.keep(id).await;
    let sheet = office.ends(id, "sent").await;
    assert_eq!((sheet.attempts, office.copies("lostafterdot-1"), office.kept().await), (2, 0, 1));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn whoever_was_put_off_in_a_try_without_an_answer_is_not_taken_for_reached() {
    let Some(office) = Office::new(Some(true)).await else { return };
    office.reactor(&office.life);
    let id = office.submit(&["lostafterdot-1", "tempfail-2"]).await;
    let sheet = office.ends(id, "uncertain").await;
    assert_eq!(sheet.attempts, 1, "a copy that came late would not tell that it was shown to one only");
    office.decide::<Submission>(id, submission::Command::Retry).await;
    office.ends(id, "sent").await;
    assert_eq!((office.copies("lostafterdot-1"), office.copies("tempfail-2")), (1, 1));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_came_in_as_an_email_has_arrived_wherever_its_copy_is_now() {
    let Some(office) = Office::new(Some(true)).await else { return };
    // Its process died after the server took it and kept a copy, which came in and was thrown away there.
    let id = office.submit(&["bob"]).await;
    let known_at = office.is_lost_while_sent(id).await;
    office.keep(id).await;
    office.sync(&office.life);
    let claim = message_claim(office.user, &Key::MessageId(message_id(id)));
    eventually(SOON, || async { office.store.holder(&claim).await.unwrap() }).await;
    let mut there = office.mailbox().await;
    there.select(b"Sent", None).await.unwrap();
    let copy = there.find_message(&message_id(id)).await.unwrap();
    there.delete(&copy).await.unwrap();
    office.world.clock.set(known_at);
    office.reactor(&office.life);
    let sheet = office.ends(id, "sent").await;
    assert_eq!((sheet.attempts, office.copies("bob")), (1, 0));
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn without_an_answer_and_a_server_that_keeps_copies_nothing_is_sent_twice() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    for (local, copies) in [("cutafterdot", 1), ("lostafterdot", 0), ("slow", 1)] {
        let id = office.submit(&[local]).await;
        if local == "slow" {
            // A server may think ten times longer about a whole message than it may be silent else.
            eventually(Duration::from_mins(2), || async { office.find(id).await.1.name() == "uncertain" }).await;
        } else {
            office.ends(id, "uncertain").await;
        }
        office.world.clock.set(office.world.clock.now() + TimeDelta::days(1));
        let next = office.submit(&["bob"]).await;
        office.ends(next, "sent").await;
        assert_eq!(office.copies(local), copies, "{local}");
    }
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_process_was_sending_is_looked_for_and_two_reactors_send_it_once() {
    let Some(office) = Office::new(Some(true)).await else { return };
    // One that died with the message under way, whether before or after the server took it.
    let id = office.submit(&["bob"]).await;
    let known_at = office.is_lost_while_sent(id).await;
    office.world.clock.set(known_at);
    office.reactor(&office.life);
    office.reactor(&office.life);
    office.ends(id, "sent").await;
    assert_eq!(office.copies("bob"), 1);
    office.life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_gone_fails_its_messages() {
    let office = Office::new(None).await.unwrap();
    let id = office.submit(&["bob"]).await;
    office.decide::<Connection>(office.account.0, connection::Command::Disconnect).await;
    office.reactor(&office.life);
    office.ends(id, "failed").await;
    assert_eq!(office.copies("bob"), 0);
    office.life.finish(SOON).await.unwrap();
}
