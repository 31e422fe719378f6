//! Trying accounts at real servers, and at ones that misbehave: each step, and in which words it fails.

use std::time::{Duration, Instant};

use orbit_adapters::{
    net::{Roots, Security, Server},
    probe::{Account, Outcome, Report, Stage, probe},
};
use orbit_testing::peers::{self, SmtpSetup, Way};
use tokio::net::TcpListener;

use crate::scripted::{Hang, Hear, Say, Wait, at, login, play};

const SMTP: Account<'_> = Account::Smtp { from: Some(peers::USER) };

/// Each step in a word: `ok`, `-` if it was skipped, or the code of why it failed.
fn told(report: &Report) -> String {
    let words = report.steps.iter().map(|step| match step.outcome {
        Outcome::Ok => "ok",
        Outcome::Failed(code) => code,
        Outcome::Skipped => "-",
    });
    words.collect::<Vec<_>>().join(" ")
}

fn detail(report: &Report, stage: Stage) -> &str {
    &report.steps.iter().find(|step| step.stage == stage).unwrap().detail
}

async fn outcome(account: Account<'_>, server: &Server) -> String {
    let report = probe(account, server).await;
    assert!(report.steps.iter().all(|step| !step.detail.contains(peers::PASSWORD)), "{report:?}");
    assert_eq!(report.is_ok(), !report.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_))));
    told(&report)
}

#[tokio::test]
async fn an_account_to_send_through_is_tried_up_to_its_sender_and_nothing_is_sent() {
    let smtp = peers::aiosmtpd(SmtpSetup { way: Way::Starttls, login: true, ..SmtpSetup::default() }).await;
    let roots = Roots::new(Some(&smtp.certificate())).unwrap();
    let good = Server { security: Security::Starttls, roots, ..at(smtp.port) };
    let report = probe(SMTP, &good).await;
    assert_eq!(told(&report), "ok ok ok ok ok");
    assert_eq!(
        report.steps.iter().map(|step| step.stage.name()).collect::<Vec<_>>(),
        ["dns", "tcp", "tls", "login", "smtp"]
    );
    assert!(report.is_ok() && report.mailbox.is_none());

    let wrong = Server { login: Some(login("battery staple")), ..good.clone() };
    assert_eq!(outcome(SMTP, &wrong).await, "ok ok ok login_refused -");
    let nobody = Server { login: None, ..good.clone() };
    assert_eq!(outcome(SMTP, &nobody).await, "ok ok ok - login_required");
    assert_eq!(outcome(Account::Smtp { from: None }, &good).await, "ok ok ok ok no_sender_address");
    let strange = Account::Smtp { from: Some("a>\r\nRCPT TO:<b") };
    assert_eq!(outcome(strange, &good).await, "ok ok ok ok sender_refused");
    let at_once = Server { security: Security::Tls, ..good.clone() };
    assert_eq!(outcome(SMTP, &at_once).await, "ok ok tls_not_spoken - -");
    assert!(smtp.copies(peers::USER).is_empty());

    let port = smtp.port;
    drop(smtp);
    let report = probe(SMTP, &good).await;
    assert_eq!(told(&report), "ok port_closed - - -");
    assert!(detail(&report, Stage::Tcp).contains(&port.to_string()), "{report:?}");
}

#[tokio::test]
async fn a_server_that_offers_no_encryption_is_not_spoken_with_in_the_clear() {
    let smtp = peers::aiosmtpd(SmtpSetup::default()).await;
    let plain = Server { login: None, ..at(smtp.port) };
    let report = probe(SMTP, &plain).await;
    assert_eq!(told(&report), "ok ok - - ok");
    assert!(report.is_ok());
    assert!(detail(&report, Stage::Tls).contains("others on the way"), "{report:?}");
    let starttls = Server { security: Security::Starttls, ..plain };
    assert_eq!(outcome(SMTP, &starttls).await, "ok ok starttls_not_offered - -");
}

#[tokio::test]
async fn a_mailbox_is_tried_up_to_its_inbox() {
    let imap = peers::pymap().await;
    let report = probe(Account::Imap, &at(imap.port)).await;
    assert_eq!(told(&report), "ok ok - ok ok");
    assert_eq!(report.steps.last().unwrap().stage.name(), "select");
    let mailbox = report.mailbox.unwrap();
    assert_eq!((mailbox.messages, mailbox.folders), (0, Some(1)));
    assert!(mailbox.offers.contains(&"OBJECTID") && !mailbox.offers.contains(&"CONDSTORE"), "{mailbox:?}");
    let wrong = Server { login: Some(login("battery staple")), ..at(imap.port) };
    assert_eq!(outcome(Account::Imap, &wrong).await, "ok ok - login_refused -");
    let nobody = Server { login: None, ..at(imap.port) };
    assert_eq!(outcome(Account::Imap, &nobody).await, "ok ok - no_credentials -");
    // One protocol where the other is spoken.
    assert_eq!(outcome(SMTP, &at(imap.port)).await, "ok ok - protocol -");
}

#[tokio::test]
async fn a_certificate_has_to_be_trusted_and_for_the_name() {
    let Some(imap) = peers::dovecot().await else { return };
    let trusting = Roots::new(Some(&imap.certificate())).unwrap();
    let tls = Server { security: Security::Tls, roots: trusting, ..at(imap.tls_port.unwrap()) };
    let report = probe(Account::Imap, &tls).await;
    assert_eq!(told(&report), "ok ok ok ok ok");
    assert!(report.mailbox.unwrap().offers.contains(&"QRESYNC"));
    let strange = Server { roots: Roots::new(None).unwrap(), ..tls.clone() };
    assert_eq!(outcome(Account::Imap, &strange).await, "ok ok certificate_not_trusted - -");
    // The same machine under a name that the certificate is not for.
    let renamed = Server { host: "0.0.0.0".to_owned(), ..tls.clone() };
    assert_eq!(outcome(Account::Imap, &renamed).await, "ok ok certificate_wrong_name - -");
    let in_the_clear = Server { port: imap.port, ..tls.clone() };
    assert_eq!(outcome(Account::Imap, &in_the_clear).await, "ok ok tls_not_spoken - -");
    let starttls = Server { security: Security::Starttls, port: imap.port, ..tls };
    assert_eq!(outcome(Account::Imap, &starttls).await, "ok ok ok ok ok");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_or_inside_is_not_gone_to() {
    let nobody = Server { host: "nobody.invalid".to_owned(), ..at(143) };
    let report = probe(Account::Imap, &nobody).await;
    assert_eq!(told(&report), "name_not_found - - - -");
    assert!(detail(&report, Stage::Dns).contains("nobody.invalid"), "{report:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listener.local_addr().unwrap().port();
    let mut details = Vec::new();
    for port in [taken, 1] {
        let private = Server { private_hosts: false, ..at(port) };
        let report = probe(Account::Imap, &private).await;
        assert_eq!(told(&report), "private_host_refused - - - -");
        details.push(report.steps.into_iter().map(|step| step.detail).collect::<Vec<_>>());
    }
    // Nothing tells the port that something listens at from the one where nothing does.
    assert_eq!(details[0].first(), details[1].first());
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "somebody came");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    for (security, expected) in [
        (Security::Plain, "ok ok - timeout -"),
        (Security::Starttls, "ok ok timeout - -"),
        (Security::Tls, "ok ok timeout - -"),
    ] {
        let (address, playing) = play(vec![Hang]).await;
        let silent = Server { security, timeout: Duration::from_secs(1), ..at(address.port()) };
        let began = Instant::now();
        assert_eq!(outcome(Account::Imap, &silent).await, expected);
        assert!(began.elapsed() < Duration::from_secs(10));
        playing.abort();
    }
}

#[tokio::test]
async fn a_server_that_is_slow_at_every_step_is_not_waited_for_at_each() {
    // Within the time of one step, each time; together they take more than twice that.
    let (step, slow) = (Duration::from_secs(4), Duration::from_millis(2_800));
    let script = vec![
        Wait(slow),
        Say("* OK [CAPABILITY IMAP4rev1] x\r\n"),
        Hear("LOGIN"),
        Wait(slow),
        Say("o1 OK [CAPABILITY IMAP4rev1] x\r\n"),
        Hear("SELECT"),
        Hang,
    ];
    let (address, playing) = play(script).await;
    let server = Server { timeout: step, ..at(address.port()) };
    let began = Instant::now();
    assert_eq!(outcome(Account::Imap, &server).await, "ok ok - ok timeout");
    assert!(began.elapsed() < step * 2 + Duration::from_secs(1), "{:?}", began.elapsed());
    playing.abort();
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_quoted() {
    let script = vec![
        Say("220 x\r\n"),
        Hear("EHLO"),
        Say("250-x\r\n250 AUTH PLAIN\r\n"),
        Hear("AUTH PLAIN"),
        Say("235 x\r\n"),
        Hear("MAIL FROM:<ada@example.org>\r"),
        Say("550 not for correct-horse or Y29ycmVjdC1ob3JzZQ==\r\n"),
    ];
    let (address, _playing) = play(script).await;
    let report = probe(SMTP, &at(address.port())).await;
    assert_eq!(told(&report), "ok ok - ok sender_refused");
    let told = detail(&report, Stage::Smtp);
    assert!(told.ends_with("it gave no reason that can be shown") && !told.contains("Y29ycm"), "{told}");
}
