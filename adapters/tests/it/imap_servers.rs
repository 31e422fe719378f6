//! IMAP with real servers: pymap, which can little, and dovecot, which can nearly everything.

use std::{path::Path, time::Duration};

use chrono::{DateTime, Utc};
use orbit_adapters::{
    imap::{Client, Idle, Items, Resync, Uids, Use, encode_name},
    net::{Fault, Roots, Security, Server},
};
use orbit_testing::{
    eventually,
    peers::{self, ImapServer},
};

use crate::scripted::{at, login};

fn date() -> DateTime<Utc> {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

fn message(n: u32) -> Vec<u8> {
    format!("Message-ID: <m{n}@example.org>\r\nSubject: {n}\r\n\r\nBody of {n}\r\n.\r\n").into_bytes()
}

async fn connect(server: &ImapServer) -> Client {
    Client::connect(&at(server.port)).await.unwrap()
}

/// Runs a test against both, as far as both are there.
macro_rules! both {
    ($($name:ident)*) => {$(
        mod $name {
            #[tokio::test]
            async fn with_pymap() {
                super::tests::$name(&orbit_testing::peers::pymap().await).await;
            }

            #[tokio::test]
            async fn with_dovecot() {
                if let Some(server) = orbit_testing::peers::dovecot().await {
                    super::tests::$name(&server).await;
                }
            }
        }
    )*};
}

both! {
    a_message_that_was_appended_is_fetched_byte_for_byte
    a_wrong_password_is_refused
    flags_are_set_and_taken_away
    messages_are_moved_and_deleted
    a_folder_that_was_made_anew_has_another_uid_validity
    folders_of_any_name_can_be_used
    idling_hears_of_a_new_message
    a_thousand_messages_come_one_by_one
}

mod tests {
    use super::*;

    pub async fn a_message_that_was_appended_is_fetched_byte_for_byte(server: &ImapServer) {
        let mut client = connect(server).await;
        let placed = client.append(b"INBOX", &["\\Seen"], date(), &message(1)).await.unwrap().unwrap();
        let selected = client.select(b"INBOX", None).await.unwrap();
        assert_eq!((selected.exists, selected.uid_validity, selected.read_only), (1, placed.uid_validity, false));
        let fetched = client.fetch(&placed.uids, Items::Messages, None).await.unwrap().all().await.unwrap();
        let [got] = &fetched[..] else { panic!("{fetched:?}") };
        assert_eq!(got.body.as_deref(), Some(&message(1)[..]));
        assert_eq!((got.size, got.internal_date), (Some(message(1).len() as u64), Some(date())));
        assert!(got.flags.as_ref().unwrap().iter().any(|flag| flag == "\\Seen"));
        assert_eq!(got.email_id.is_some(), client.can("OBJECTID"));
        assert_eq!(client.find_message("m1@example.org").await.unwrap(), placed.uids);
        assert!(client.find_message("m2@example.org").await.unwrap().is_empty());
        let names = client.fetch(&placed.uids, Items::Names, None).await.unwrap().all().await.unwrap();
        assert_eq!(names[0].header.as_deref(), Some(&b"Message-ID: <m1@example.org>\r\n\r\n"[..]));
        client.logout().await.unwrap();
    }

    pub async fn a_wrong_password_is_refused(server: &ImapServer) {
        let mut wrong = at(server.port);
        wrong.login = Some(login("battery staple"));
        assert!(matches!(Client::connect(&wrong).await, Err(Fault::Login(_))));
        wrong.login = None;
        assert!(matches!(Client::connect(&wrong).await, Err(Fault::Login(_))));
    }

    pub async fn flags_are_set_and_taken_away(server: &ImapServer) {
        let mut client = connect(server).await;
        let uids = client.append(b"INBOX", &[], date(), &message(1)).await.unwrap().unwrap().uids;
        let before = client.select(b"INBOX", None).await.unwrap();
        client.store(&uids, true, &["\\Seen", "\\Flagged"]).await.unwrap();
        client.store(&uids, false, &["\\Seen"]).await.unwrap();
        let fetched = client.fetch(&uids, Items::Flags, None).await.unwrap().all().await.unwrap();
        let flags: Vec<_> = fetched[0].flags.iter().flatten().filter(|flag| *flag != "\\Recent").collect();
        assert_eq!(flags, ["\\Flagged"]);
        if let Some(modseq) = before.highest_modseq {
            let changed = client.fetch(&Uids::range(1..=u32::MAX), Items::Flags, Some(modseq)).await.unwrap();
            assert!(changed.all().await.unwrap()[0].modseq.unwrap() > modseq);
            let after = client.select(b"INBOX", None).await.unwrap().highest_modseq.unwrap();
            let changed = client.fetch(&Uids::range(1..=u32::MAX), Items::Flags, Some(after)).await.unwrap();
            assert_eq!(changed.all().await.unwrap(), []);
        }
    }

    pub async fn messages_are_moved_and_deleted(server: &ImapServer) {
        let mut client = connect(server).await;
        client.create(b"Old").await.unwrap();
        for n in 1..=3 {
            client.append(b"INBOX", &[], date(), &message(n)).await.unwrap();
        }
        client.select(b"INBOX", None).await.unwrap();
        let all = client.find(&Uids::range(1..=u32::MAX)).await.unwrap();
        let [first, second, third] = all.iter().collect::<Vec<_>>()[..] else { panic!("{all}") };
        let placed = client.move_to(&Uids::range(second..=second), b"Old").await.unwrap().unwrap();
        client.delete(&Uids::range(third..=third)).await.unwrap();
        assert_eq!(client.find(&all).await.unwrap(), Uids::range(first..=first));
        assert_eq!(client.exists(), 1);
        let old = client.select(b"Old", None).await.unwrap();
        assert_eq!((old.exists, old.uid_validity), (1, placed.uid_validity));
        assert_eq!(client.find_message("m2@example.org").await.unwrap(), placed.uids);
        assert!(matches!(client.select(b"Nowhere", None).await, Err(Fault::Select(_))));
    }

    pub async fn a_folder_that_was_made_anew_has_another_uid_validity(server: &ImapServer) {
        let mut client = connect(server).await;
        client.create(b"Project").await.unwrap();
        let before = client.select(b"Project", None).await.unwrap();
        // At most servers a time in seconds, so the first attempts may be too soon.
        eventually(Duration::from_secs(20), || async {
            other(server, &["DELETE Project", "CREATE Project"]).await;
            let after = connect(server).await.select(b"Project", None).await.unwrap();
            after.uid_validity != before.uid_validity
        })
        .await;
    }

    pub async fn folders_of_any_name_can_be_used(server: &ImapServer) {
        let mut client = connect(server).await;
        for name in ["Grün & \"Gelb\"", "日本語", "back\\slash"] {
            let path = encode_name(name);
            client.create(&path).await.unwrap();
            client.append(&path, &[], date(), &message(1)).await.unwrap();
            let folders = client.list().await.unwrap();
            let folder = folders.iter().find(|folder| folder.name == name).unwrap_or_else(|| panic!("{folders:?}"));
            assert!(folder.selectable && folder.delimiter.as_deref() == Some("/"));
            assert_eq!(client.select(&folder.path, None).await.unwrap().exists, 1);
        }
    }

    pub async fn idling_hears_of_a_new_message(server: &ImapServer) {
        let (mut client, mut other) = tokio::join!(connect(server), connect(server));
        client.select(b"INBOX", None).await.unwrap();
        let brief = tokio::time::sleep(Duration::from_millis(50));
        assert_eq!(client.idle(brief).await.unwrap(), Idle::Quiet);
        let (news, appended) = tokio::join!(
            client.idle(tokio::time::sleep(Duration::from_secs(30))),
            other.append(b"INBOX", &[], date(), b"Subject: new\r\n\r\n"),
        );
        appended.unwrap();
        assert_eq!(news.unwrap(), Idle::News);
        assert_eq!(client.exists(), 1);
    }

    pub async fn a_thousand_messages_come_one_by_one(server: &ImapServer) {
        let mut client = connect(server).await;
        for n in 1..=1_000 {
            client.append(b"INBOX", &[], date(), &message(n)).await.unwrap();
        }
        let selected = client.select(b"INBOX", None).await.unwrap();
        assert_eq!(selected.exists, 1_000);
        let all = client.find(&Uids::range(1..=u32::MAX)).await.unwrap();
        assert_eq!(all.len(), 1_000);
        let mut fetching = client.fetch(&all, Items::Messages, None).await.unwrap();
        let mut n = 0;
        while let Some(fetched) = fetching.next().await.unwrap() {
            n += 1;
            assert_eq!(fetched.body.unwrap(), message(n));
        }
        assert_eq!(n, 1_000);
    }
}

/// What somebody else does there, in so many words.
async fn other(server: &ImapServer, commands: &[&str]) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let login = format!("LOGIN {} {}", peers::USER, peers::PASSWORD);
    for command in [&[login.as_str()], commands, &["LOGOUT"]].concat() {
        stream.write_all(format!("x {command}\r\n").as_bytes()).await.unwrap();
    }
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said.matches("\r\nx OK").count(), commands.len() + 2, "{said}");
}

fn trusting(server: &ImapServer, port: u16, security: Security, roots: &Path) -> Server {
    let roots = Roots::new(Some(roots)).unwrap();
    Server { port, security, roots, ..at(server.port) }
}

#[tokio::test]
async fn dovecot_is_reached_by_tls_of_both_kinds_and_only_with_a_certificate_that_is_trusted() {
    let Some(server) = peers::dovecot().await else { return };
    let certificate = server.certificate();
    for (port, security) in [(server.tls_port.unwrap(), Security::Tls), (server.port, Security::Starttls)] {
        let good = trusting(&server, port, security, &certificate);
        Client::connect(&good).await.unwrap().logout().await.unwrap();
        let strange = Server { roots: Roots::new(None).unwrap(), ..good.clone() };
        assert!(matches!(Client::connect(&strange).await, Err(Fault::Tls(_))), "{security:?}");
        let elsewhere = Server { host: "127.0.0.2".to_owned(), ..good };
        let fault = Client::connect(&elsewhere).await.err().unwrap();
        assert!(matches!(fault, Fault::Tls(_) | Fault::Tcp(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn dovecot_tells_what_its_folders_are_for_and_what_went_meanwhile() {
    let Some(server) = peers::dovecot().await else { return };
    let mut client = connect(&server).await;
    let folders = client.list().await.unwrap();
    let special = |special| folders.iter().find(|folder| folder.special == Some(special)).unwrap().name.as_str();
    assert_eq!((special(Use::Sent), special(Use::Trash)), ("Sent", "Trash"));
    assert!(folders.iter().any(orbit_adapters::imap::Folder::is_inbox));

    for n in 1..=4 {
        client.append(b"INBOX", &[], date(), &message(n)).await.unwrap();
    }
    assert!(client.enable_resync().await.unwrap());
    let before = client.select(b"INBOX", None).await.unwrap();
    let mut other = connect(&server).await;
    other.select(b"INBOX", None).await.unwrap();
    other.delete(&Uids::range(2..=3)).await.unwrap();
    other.store(&Uids::range(4..=4), true, &["\\Seen", "work"]).await.unwrap();
    let resync =
        Resync { uid_validity: before.uid_validity, modseq: before.highest_modseq.unwrap(), known: Uids::range(1..=4) };
    let after = client.select(b"INBOX", Some(&resync)).await.unwrap();
    assert_eq!((after.exists, after.vanished), (2, Uids::range(2..=3)));
    let [changed] = &after.changed[..] else { panic!("{:?}", after.changed) };
    assert_eq!(changed.uid, Some(4));
    assert!(changed.flags.as_ref().unwrap().contains(&"work".to_owned()) && after.takes_keywords);
}

#[tokio::test]
async fn a_server_in_a_private_network_is_refused_where_that_is_not_allowed() {
    let server = Server { private_hosts: false, ..at(143) };
    assert!(matches!(Client::connect(&server).await, Err(Fault::PrivateHost)));
    let server = Server { host: "localhost".to_owned(), ..server };
    assert!(matches!(Client::connect(&server).await, Err(Fault::PrivateHost)));
    let server = Server { host: "nobody.invalid".to_owned(), ..server };
    assert_eq!(Client::connect(&server).await.err().unwrap().code(), "dns");
}
