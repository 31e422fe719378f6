//! The mail servers of tests: each answers, is its test's own, and goes with it.
#![allow(clippy::unwrap_used, reason = "tests; the helpers too")]

use std::io::{BufRead, BufReader, ErrorKind};

use orbit_testing::peers::{SmtpSetup, aiosmtpd, dovecot, pymap};
use tokio::net::TcpStream;

/// What a server says first.
fn greeting(port: u16) -> String {
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

async fn is_gone(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn servers_answer_and_go_with_their_test() {
    let (imap, smtp) = (pymap().await, aiosmtpd(SmtpSetup::default()).await);
    assert!(greeting(imap.port).starts_with("* OK"));
    assert!(greeting(smtp.port).starts_with("220 "));
    assert_eq!(smtp.copies("bob@example.org"), [b""; 0]);
    let (mailbox, sink) = (imap.port, smtp.port);
    drop((imap, smtp));
    assert!(is_gone(mailbox).await && is_gone(sink).await);
}

#[tokio::test]
async fn dovecot_answers_and_leaves_nothing_behind() {
    let Some(server) = dovecot().await else { return };
    assert!(greeting(server.port).starts_with("* OK"));
    let (port, directory) = (server.port, server.maildir());
    drop(server);
    assert!(is_gone(port).await && !directory.parent().unwrap().exists());
}
