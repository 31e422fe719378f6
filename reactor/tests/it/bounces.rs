//! Reports about delivery find the message that they are about, once, whoever brings them, and nobody else's.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use orbit_domain::emails::{
    Submission, email,
    submission::{Command, Sheet, Standing, Submit},
};
use orbit_event_store::{Fault as LogFault, Mode, Refused, Stored, Unit};
use orbit_events::{
    EmailId,
    emails::{Action, Address, Content, submission::Bounced},
};
use orbit_platform::{ids, shutdown::Shutdown};
use orbit_reactor::ingest::{Again, Fault, Outcome};
use orbit_testing::{eventually, peers};
use uuid::Uuid;

use crate::{
    office::{Office, message_id},
    synced::{Synced, by_hand, client},
    world::{Mailbox, SOON, World, message, start},
};

/// A report about a message, as servers write it.
fn report(number: usize, original: &str, action: &str, recipient: &str) -> Vec<u8> {
    format!(
        "Message-ID: <report-{number}@relay.example>\r\nFrom: Mail Delivery System <mailer-daemon@relay.example>\r\n\
         To: ada@example.org\r\nDate: Tue, 24 Nov 2026 11:00:00 +0000\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 nobody of that name\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{original}>\r\nSubject: Tickets\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

impl Mailbox {
    async fn submission(&self, id: Uuid, command: Command) {
        let mut origin = by_hand(self);
        // A day later, so that what is held is due.
        origin.context.now += TimeDelta::days(1);
        let decide = |unit: Unit| {
            let command = command.clone();
            async move { unit.decide::<Submission>(id, command).await.map(drop) }
        };
        let done: Result<_, Refused<_>> = self.store.transact(origin, Mode::default(), decide).await;
        done.unwrap();
    }

    /// Wants a message with this id to be sent to somebody.
    async fn submit(&self, message_id: &str) -> Uuid {
        let id = ids::new_event_id();
        let address = |email: &str| Address { email: email.to_owned(), name: None };
        let content = Content {
            connection_id: None,
            reply_to_email_id: None,
            to: vec![address("bob@example.org")],
            cc: vec![],
            bcc: vec![],
            subject: "Tickets".to_owned(),
            body: "Two, please.".to_owned(),
            attachments: vec![],
        };
        let submit = Box::new(Submit {
            content,
            from: address("ada@example.org"),
            message_id: message_id.to_owned(),
            in_reply_to: None,
            references: vec![],
            attachments: vec![],
            draft_id: None,
        });
        let until = self.store.clock().now();
        self.submission(id, Command::Submit { submit, until, scheduled: false }).await;
        id
    }

    /// The same, and it was sent.
    async fn sent(&self, message_id: &str) -> Uuid {
        let id = self.submit(message_id).await;
        let lease_until = self.store.clock().now() + TimeDelta::days(2);
        self.submission(id, Command::Begin { attempt: 1, lease_until }).await;
        self.submission(id, Command::Sent { attempt: 1, recipients: vec![], found_in_sent: false }).await;
        id
    }

    async fn sheet(&self, id: Uuid) -> Sheet {
        self.store.load::<Submission>(id).await.unwrap().unwrap().state.sheet().unwrap().clone()
    }

    /// Reports about a message: how many were recorded, and whether one says that somebody does not get it.
    async fn reports(&self, id: Uuid) -> (usize, bool) {
        let sheet = self.sheet(id).await;
        (sheet.bounces.len(), sheet.bounced)
    }
}

async fn bounced(world: &World) -> usize {
    world.types().await.iter().filter(|name| *name == "submissions.bounced").count()
}

#[tokio::test]
async fn a_report_is_recorded_with_the_message_that_it_is_about() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let (sent, other) = (mailbox.sent("1@example.org").await, mailbox.sent("2@example.org").await);
    let raw = [
        report(1, "1@example.org", "failed", "bob@example.org"),
        message("one", "Hello"),
        report(2, "unknown@example.org", "failed", "bob@example.org"),
        // Passed on, so it comes about an address that the message was not for.
        report(3, "1@example.org", "failed", "bob@elsewhere.example"),
    ];
    let taken = mailbox.take(&raw).await;
    assert!(taken.iter().all(|taken| taken.outcome == Outcome::Created), "{taken:?}");
    assert_eq!((mailbox.reports(sent).await, mailbox.reports(other).await), ((2, true), (0, false)));
    let told = mailbox.sheet(sent).await.bounces;
    assert_eq!(told, BTreeSet::from([taken[0], taken[3]].map(|taken| EmailId(taken.email_id))));
    // In one append: what is told of the message lies right behind its report.
    let sql = "SELECT b.position - r.position FROM log.events r JOIN log.events b ON b.type = 'submissions.bounced'
               WHERE r.stream_id = $1 AND r.type = 'emails.received' ORDER BY b.position LIMIT 1";
    let apart: i64 = sqlx::query_scalar(sql).bind(taken[0].email_id).fetch_one(world.database.pool()).await.unwrap();
    assert_eq!(apart, 1);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_report_that_a_message_is_late_or_has_arrived_is_recorded_and_is_no_bounce() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let sent = mailbox.sent("1@example.org").await;
    for (number, action) in ["delayed", "delivered", "relayed", "expanded"].into_iter().enumerate() {
        mailbox.take(&[report(number, "1@example.org", action, "bob@example.org")]).await;
    }
    assert_eq!(mailbox.reports(sent).await, (4, false));
    mailbox.take(&[report(9, "1@example.org", "failed", "bob@example.org")]).await;
    assert_eq!(mailbox.reports(sent).await, (5, true));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_report_that_is_brought_twice_is_recorded_once() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mut mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let sent = mailbox.sent("1@example.org").await;
    let raw = report(1, "1@example.org", "failed", "bob@example.org");
    let taken = mailbox.take(&[raw.clone(), raw.clone()]).await;
    assert_eq!(mailbox.outcomes(std::slice::from_ref(&raw)).await, [Outcome::Known]);
    // Deleted and brought once more it is the same report.
    for command in [email::Command::Trash, email::Command::Delete] {
        mailbox.command(taken[0].email_id, command).await;
    }
    mailbox.cause.again = Again::Yes;
    assert_eq!(mailbox.outcomes(&[raw]).await, [Outcome::Back]);
    assert_eq!((mailbox.reports(sent).await, bounced(&world).await), ((1, true), 1));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_report_about_anothers_message_is_an_email_and_no_more() {
    let (world, life) = (World::new().await, Shutdown::new());
    let store = world.store(&life).await;
    let (ada, eve) = (Mailbox::new(&world, &store).await, Mailbox::new(&world, &store).await);
    let (hers, other) = (ada.sent("1@example.org").await, eve.sent("2@example.org").await);
    let raw = [report(1, "1@example.org", "failed", "bob@example.org")];
    assert_eq!(eve.outcomes(&raw).await, [Outcome::Created]);
    assert_eq!((ada.reports(hers).await, eve.reports(other).await), ((0, false), (0, false)));
    assert_eq!(bounced(&world).await, 0);
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_report_about_what_never_left_is_an_email_and_no_more() {
    let (world, life) = (World::new().await, Shutdown::new());
    let mailbox = Mailbox::new(&world, &world.store(&life).await).await;
    let (held, cancelled) = (mailbox.submit("1@example.org").await, mailbox.submit("2@example.org").await);
    mailbox.submission(cancelled, Command::Cancel).await;
    let raw = [1, 2].map(|n| report(n, &format!("{n}@example.org"), "failed", "bob@example.org"));
    assert_eq!(mailbox.outcomes(&raw).await, [Outcome::Created; 2]);
    assert_eq!((mailbox.reports(held).await, mailbox.reports(cancelled).await), ((0, false), (0, false)));
    let standing = mailbox.store.load::<Submission>(cancelled).await.unwrap().unwrap();
    assert_eq!(standing.state.wanted().map(|(_, standing)| standing.clone()), Some(Standing::Cancelled));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn many_who_bring_reports_about_one_message_at_once_lose_none_and_double_none() {
    let (world, life) = (World::new().await, Shutdown::new());
    let one = Mailbox::new(&world, &world.store(&life).await).await;
    let sent = one.sent("1@example.org").await;
    // Another process, which brings some of the same.
    let two = one.at(&world.store(&life).await);
    let raw: Vec<Vec<u8>> = (0..60).map(|n| report(n, "1@example.org", "failed", "bob@example.org")).collect();
    let bring = async |mailbox: &Mailbox, raw: &[Vec<u8>]| {
        for few in raw.chunks(5) {
            // As whoever brings messages does: what was contended is brought again.
            loop {
                let group = few.iter().map(|raw| mailbox.incoming(raw)).collect();
                match mailbox.ingest.take(&mailbox.cause, group).await {
                    Ok(_) => break,
                    Err(Fault::Log(LogFault::Contended(_))) => {}
                    Err(fault) => panic!("{fault:?}"),
                }
            }
        }
    };
    tokio::join!(bring(&one, &raw[..40]), bring(&two, &raw[20..]), bring(&one, &raw[30..]));
    let received = world.types().await.iter().filter(|name| *name == "emails.received").count();
    assert_eq!((received, bounced(&world).await), (60, 60));
    assert_eq!(one.reports(sent).await, (60, true));
    life.finish(SOON).await.unwrap();
}

#[tokio::test]
async fn a_report_that_comes_into_a_mailbox_elsewhere_finds_its_message() {
    let server = peers::pymap().await;
    let synced = Synced::new(server.port, peers::PASSWORD).await;
    let sent = synced.mailbox.sent("1@example.org").await;
    let raw = report(1, "1@example.org", "failed", "bob@example.org");
    client(&server).await.append(b"INBOX", &[], start(), &raw).await.unwrap();
    synced.keep();
    eventually(SOON, || async { synced.mailbox.reports(sent).await == (1, true) }).await;
    synced.compared().await;
    assert_eq!(synced.mailbox.reports(sent).await, (1, true));
}

#[tokio::test]
async fn a_message_that_a_real_server_took_is_found_by_the_report_about_it() {
    let office = Office::new(None).await.unwrap();
    office.reactor(&office.life);
    let id = office.submit(&["bob"]).await;
    office.ends(id, "sent").await;
    // What comes back names the message as the server got it.
    let copy = String::from_utf8(office.smtp.copies("bob@example.org").remove(0)).unwrap();
    assert!(copy.contains(&message_id(id)), "{copy}");
    let mailbox = Mailbox::of(&office.world, &office.store, office.user);
    mailbox.take(&[report(1, &message_id(id), "failed", "bob@example.org")]).await;
    assert_eq!(mailbox.reports(id).await, (1, true));
    let stored = office.store.log().stream(id, 0, 100).await.unwrap();
    let told = Stored::tell_all(stored, office.store.vault()).await.unwrap();
    let last: Bounced = serde_json::from_value(told.last().unwrap().data.clone().unwrap()).unwrap();
    let said = &last.recipients[0];
    assert_eq!((&*said.email, said.action, said.status.as_deref()), ("bob@example.org", Action::Failed, Some("5.1.1")));
    office.life.finish(SOON).await.unwrap();
}
