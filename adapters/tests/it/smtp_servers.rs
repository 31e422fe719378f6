//! SMTP with a real server that fails as its recipients ask it to: how far sending came, and how many copies arrived.

use std::time::Duration;

use orbit_adapters::{
    net::{Fault, Roots, Security, Server},
    smtp::{Delivery, Envelope, Outcome, send},
};
use orbit_testing::peers::{self, SmtpServer, SmtpSetup, Way};

use crate::scripted::{Hang, Hear, Say, at, login, play};

const MESSAGE: &[u8] = b"Subject: dots\r\n\r\n.\r\n..two\nlast";

async fn sent(server: &SmtpServer, to: &[&str], message: &[u8]) -> Delivery {
    let mut server = at(server.port);
    server.login = None;
    let to: Vec<_> = to.iter().map(|local| format!("{local}@example.org")).collect();
    send(&server, &Envelope { from: "ada@example.org", to: &to }, message).await
}

fn copies(server: &SmtpServer, local: &str) -> usize {
    server.copies(&format!("{local}@example.org")).len()
}

#[tokio::test]
async fn a_message_arrives_as_it_is_with_whole_lines() {
    let server = peers::aiosmtpd(SmtpSetup::default()).await;
    let delivery = sent(&server, &["bob", "chatty"], MESSAGE).await;
    assert!(matches!(delivery.outcome, Outcome::Accepted(_)), "{delivery:?}");
    assert_eq!(delivery.accepted().count(), 2);
    for local in ["bob", "chatty"] {
        let copies = server.copies(&format!("{local}@example.org"));
        assert_eq!(copies, [b"Subject: dots\r\n\r\n.\r\n..two\r\nlast\r\n"]);
    }
}

#[tokio::test]
async fn each_recipient_has_an_answer_of_their_own() {
    let server = peers::aiosmtpd(SmtpSetup::default()).await;
    let delivery = sent(&server, &["bob", "reject", "tempfail"], MESSAGE).await;
    assert!(matches!(delivery.outcome, Outcome::Accepted(_)), "{delivery:?}");
    let told: Vec<_> =
        delivery.recipients.iter().map(|one| (one.accepted, one.reply.as_ref().map(|reply| reply.code))).collect();
    assert_eq!(told, [(true, Some(250)), (false, Some(550)), (false, Some(450))]);
    assert_eq!(delivery.refused().count(), 1);
    assert_eq!([copies(&server, "bob"), copies(&server, "reject"), copies(&server, "tempfail")], [1, 0, 0]);
}

#[tokio::test]
async fn what_is_refused_is_refused_for_now_or_for_good() {
    let server = peers::aiosmtpd(SmtpSetup { size: Some(1_000), ..SmtpSetup::default() }).await;
    for (to, code) in [(&["tempfail"][..], 450), (&["tempfail", "reject"], 450), (&["tempdata"], 451)] {
        let delivery = sent(&server, to, MESSAGE).await;
        assert!(matches!(&delivery.outcome, Outcome::Temporary(reply) if reply.code == code), "{delivery:?}");
        assert_eq!(delivery.accepted().count(), 0);
    }
    for (to, code) in [(&["reject"][..], 550), (&["rejectdata"], 554), (&["with space"], 553)] {
        let delivery = sent(&server, to, MESSAGE).await;
        assert!(matches!(&delivery.outcome, Outcome::Permanent(reply) if reply.code == code), "{delivery:?}");
        assert_eq!(delivery.refused().count(), 1);
    }
    let delivery = sent(&server, &["bob"], &b"x".repeat(2_000)).await;
    assert!(matches!(&delivery.outcome, Outcome::Permanent(reply) if reply.code == 552), "{delivery:?}");
    let delivery = sent(&server, &["a>\r\nRCPT TO:<bob"], MESSAGE).await;
    assert!(matches!(&delivery.outcome, Outcome::Permanent(_)), "{delivery:?}");
    assert_eq!(copies(&server, "bob"), 0);
}

#[tokio::test]
async fn whoever_goes_before_the_end_of_the_message_has_not_taken_it() {
    let server = peers::aiosmtpd(SmtpSetup::default()).await;
    // More than the way there holds: the end cannot have left.
    let long = b"line\r\n".repeat(2_000_000);
    for (local, message) in [("cutrcpt", MESSAGE), ("closing", MESSAGE), ("cutdata", &long)] {
        let delivery = sent(&server, &["bob", local], message).await;
        assert!(matches!(delivery.outcome, Outcome::NotSent(_)), "{local}: {:?}", delivery.outcome);
        assert!(delivery.recipients.iter().all(|one| !one.accepted && one.reply.is_none()), "{delivery:?}");
        assert_eq!([copies(&server, local), copies(&server, "bob")], [0, 0]);
    }
}

#[tokio::test]
async fn whoever_goes_after_the_end_of_the_message_may_have_taken_it() {
    let server = peers::aiosmtpd(SmtpSetup::default()).await;
    for (local, arrived) in [("cutafterdot", 1), ("lostafterdot", 0)] {
        let delivery = sent(&server, &[local], MESSAGE).await;
        assert!(matches!(delivery.outcome, Outcome::Unknown(Fault::Closed)), "{local}: {delivery:?}");
        assert_eq!(delivery.recipients[0].reply, None);
        assert_eq!(copies(&server, local), arrived);
    }
}

#[tokio::test]
async fn whoever_never_answers_may_have_taken_it() {
    let server = peers::aiosmtpd(SmtpSetup::default()).await;
    let mut impatient = at(server.port);
    impatient.login = None;
    // The answer to the message gets ten times as long.
    impatient.timeout = Duration::from_secs(1);
    let to = ["slow@example.org".to_owned()];
    let delivery = send(&impatient, &Envelope { from: "ada@example.org", to: &to }, MESSAGE).await;
    assert!(matches!(delivery.outcome, Outcome::Unknown(Fault::Timeout)), "{delivery:?}");
    assert_eq!(copies(&server, "slow"), 1);
}

#[tokio::test]
async fn a_server_that_wants_a_login_gets_it_over_every_way() {
    for way in [Way::Plain, Way::Starttls, Way::Tls] {
        let server = peers::aiosmtpd(SmtpSetup { way, login: true, ..SmtpSetup::default() }).await;
        let security = match way {
            Way::Plain => Security::Plain,
            Way::Starttls => Security::Starttls,
            Way::Tls => Security::Tls,
        };
        let trusted = if way == Way::Plain { None } else { Some(server.certificate()) };
        let good = Server { security, roots: Roots::new(trusted.as_deref()).unwrap(), ..at(server.port) };
        let to = ["bob@example.org".to_owned()];
        let envelope = Envelope { from: "ada@example.org", to: &to };
        let delivery = send(&good, &envelope, MESSAGE).await;
        assert!(matches!(delivery.outcome, Outcome::Accepted(_)), "{way:?}: {delivery:?}");
        assert_eq!(server.copies("bob@example.org").len(), 1);

        let wrong = Server { login: Some(login("battery staple")), ..good.clone() };
        let delivery = send(&wrong, &envelope, MESSAGE).await;
        assert!(matches!(delivery.outcome, Outcome::NotSent(Fault::Login(_))), "{way:?}: {delivery:?}");
        if way != Way::Plain {
            let strange = Server { roots: Roots::new(None).unwrap(), ..good };
            let delivery = send(&strange, &envelope, MESSAGE).await;
            assert!(matches!(delivery.outcome, Outcome::NotSent(Fault::Tls(_))), "{way:?}: {delivery:?}");
        }
        assert_eq!(server.copies("bob@example.org").len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_knows_only_login_is_logged_in_at_so() {
    let script = vec![
        Say("220-many\r\n220 lines\r\n"),
        Hear("EHLO [127.0.0.1]"),
        Say("250-x\r\n250 AUTH=LOGIN CRAM-MD5\r\n"),
        Hear("AUTH LOGIN"),
        Say("334 VXNlcm5hbWU6\r\n"),
        Hear("YWRhQGV4YW1wbGUub3Jn"),
        Say("334 UGFzc3dvcmQ6\r\n"),
        Hear("Y29ycmVjdC1ob3JzZQ=="),
        Say("535 5.7.8 not correct-horse\r\n"),
    ];
    let (address, playing) = play(script).await;
    let to = ["bob@example.org".to_owned()];
    let delivery = send(&at(address.port()), &Envelope { from: "a@example.org", to: &to }, MESSAGE).await;
    let Outcome::NotSent(Fault::Login(said)) = delivery.outcome else { panic!("{delivery:?}") };
    assert_eq!(said, "535 it gave no reason that can be shown");
    playing.await.unwrap();
}

#[tokio::test]
async fn an_answer_before_the_end_is_no_yes() {
    let script = vec![
        Say("220 x\r\n"),
        Hear("EHLO"),
        Say("250-x\r\n250 8BITMIME\r\n"),
        Hear("MAIL FROM:<a@example.org>\r"),
        Say("250 x\r\n"),
        Hear("RCPT"),
        Say("250 x\r\n"),
        Hear("DATA"),
        Say("354 go on\r\n250 taken already\r\n"),
        Hang,
    ];
    let (address, _playing) = play(script).await;
    let mut server = at(address.port());
    server.login = None;
    let to = ["bob@example.org".to_owned()];
    let delivery = send(&server, &Envelope { from: "a@example.org", to: &to }, MESSAGE).await;
    assert!(matches!(delivery.outcome, Outcome::NotSent(Fault::Protocol(_))), "{delivery:?}");
}
