//! IMAP as servers may speak it, byte for byte.

use std::time::Duration;

use orbit_adapters::{
    imap::{Client, Idle, Items, LITERAL, Resync, Uids},
    net::{Fault, Security},
};

use crate::scripted::{Hang, Hear, Pour, Say, Turn, at, play};

const HELLO: &str = "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n";
const IN: &str = "o1 OK [CAPABILITY IMAP4rev1 CONDSTORE ENABLE QRESYNC IDLE UIDPLUS] in\r\n";

/// Logs in at a server that then goes on with a script.
async fn after_login(script: Vec<Turn>) -> (Client, tokio::task::JoinHandle<Vec<String>>) {
    let mut whole = vec![Say(HELLO), Hear("AUTHENTICATE PLAIN AGFkYUBl"), Say(IN)];
    whole.extend(script);
    let (address, playing) = play(whole).await;
    let mut server = at(address.port());
    server.timeout = Duration::from_secs(2);
    (Client::connect(&server).await.unwrap(), playing)
}

fn one(uid: u32) -> Uids {
    Uids::range(uid..=uid)
}

#[tokio::test]
async fn a_server_without_anything_is_logged_in_at_by_login() {
    let script = vec![
        Say("* OK hello\r\n"),
        Hear("o1 CAPABILITY"),
        Say("* CAPABILITY imap4rev1\r\no1 OK done\r\n"),
        Hear(r#"o2 LOGIN "ada@example.org" "correct-horse""#),
        Say("o2 OK in\r\n"),
        Hear("o3 CAPABILITY"),
        Say("* CAPABILITY IMAP4rev1 IDLE\r\no3 OK done\r\n"),
    ];
    let (address, playing) = play(script).await;
    let client = Client::connect(&at(address.port())).await.unwrap();
    assert!(client.can("IDLE") && !client.can("MOVE"));
    playing.await.unwrap();
}

#[tokio::test]
async fn a_refused_login_says_why_and_never_the_password() {
    let (address, _playing) = play(vec![Say(HELLO), Hear("AUTH"), Say("o1 NO [AUTHENTICATIONFAILED] who?\r\n")]).await;
    let fault = Client::connect(&at(address.port())).await.err().unwrap();
    assert_eq!((fault.code(), fault.to_string()), ("login", "the server refused the login: who?".to_owned()));

    let (address, _playing) = play(vec![Say(HELLO), Hear("AUTH"), Say("o1 NO correct-horse is wrong\r\n")]).await;
    let fault = Client::connect(&at(address.port())).await.err().unwrap();
    assert!(matches!(&fault, Fault::Login(said) if !said.contains("horse")), "{fault:?}");
}

#[tokio::test]
async fn a_password_is_not_told_where_starttls_was_asked_for_and_is_not_there() {
    let (address, playing) = play(vec![Say(HELLO), Hear("o1 STARTTLS"), Say("o1 BAD what?\r\n")]).await;
    let mut server = at(address.port());
    server.security = Security::Starttls;
    assert!(matches!(Client::connect(&server).await.err().unwrap(), Fault::NoStarttls));
    assert_eq!(playing.await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_said_in_the_clear_before_tls_ends_the_conversation() {
    let injected = "o1 OK go on\r\no2 OK [CAPABILITY IMAP4rev1] injected\r\n";
    let (address, _playing) = play(vec![Say(HELLO), Hear("o1 STARTTLS"), Say(injected), Hang]).await;
    let mut server = at(address.port());
    server.security = Security::Starttls;
    assert!(matches!(Client::connect(&server).await.err().unwrap(), Fault::Protocol(_)));
}

#[tokio::test]
async fn nobody_is_somebody_before_logging_in() {
    let (address, _playing) = play(vec![Say("* PREAUTH [CAPABILITY IMAP4rev1] you are root\r\n"), Hang]).await;
    assert!(matches!(Client::connect(&at(address.port())).await.err().unwrap(), Fault::Protocol(_)));
    let (address, _playing) = play(vec![Say("* BYE too many\r\n"), Hang]).await;
    assert!(matches!(Client::connect(&at(address.port())).await.err().unwrap(), Fault::Refused(_)));
}

#[tokio::test]
async fn a_folder_is_resynchronised_by_what_vanished_and_changed() {
    let script = vec![
        Hear("o2 ENABLE QRESYNC"),
        Say("* ENABLED QRESYNC CONDSTORE\r\no2 OK done\r\n"),
        Hear(r#"o3 SELECT "INBOX" (QRESYNC (67890007 20050715194045000 1:500))"#),
        Say("* OK [CLOSED] before\r\n* 18 EXISTS\r\n* OK [UIDVALIDITY 67890007] x\r\n* OK [UIDNEXT 600] x\r\n"),
        Say("* OK [HIGHESTMODSEQ 20060715194045007] x\r\n* OK [PERMANENTFLAGS (\\Seen)] x\r\n"),
        Say("* VANISHED (EARLIER) 41,43:116\r\n* 2 FETCH (UID 49 FLAGS (\\Seen) MODSEQ (20060115205545359))\r\n"),
        Say("o3 OK [READ-ONLY] done\r\n"),
    ];
    let (mut client, _playing) = after_login(script).await;
    assert!(client.enable_resync().await.unwrap());
    let known = Resync { uid_validity: 67_890_007, modseq: 20_050_715_194_045_000, known: Uids::range(1..=500) };
    let selected = client.select(b"INBOX", Some(&known)).await.unwrap();
    assert_eq!((selected.exists, selected.uid_validity, selected.uid_next), (18, 67_890_007, Some(600)));
    assert_eq!(selected.highest_modseq, Some(20_060_715_194_045_007));
    assert_eq!(selected.vanished.to_string(), "41,43:116");
    assert_eq!((selected.changed.len(), selected.changed[0].uid), (1, Some(49)));
    assert!(selected.read_only && !selected.takes_keywords);
}

#[tokio::test]
async fn messages_come_one_by_one_with_whatever_lies_between() {
    let script = vec![
        Hear("o2 UID FETCH 4:5 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"),
        Say("* 1 FETCH (UID 4 BODY[] {11}\r\na: b\r\n\r\n) x)"),
        Say("\r\n* 9 EXISTS\r\n* 2 FETCH (BODY[] \"\" UID 5)\r\no2 OK done\r\n"),
        Hear("o3 NOOP"),
        Say("o3 OK nothing\r\n"),
    ];
    let (mut client, _playing) = after_login(script).await;
    let mut fetching = client.fetch(&Uids::range(4..=5), Items::Messages, None).await.unwrap();
    let first = fetching.next().await.unwrap().unwrap();
    assert_eq!((first.uid, first.body.as_deref()), (Some(4), Some(&b"a: b\r\n\r\n) x"[..])));
    assert_eq!(fetching.next().await.unwrap().unwrap().body.as_deref(), Some(&b""[..]));
    assert_eq!(fetching.next().await.unwrap(), None);
    assert_eq!(fetching.next().await.unwrap(), None);
    drop(fetching);
    assert_eq!(client.exists(), 9);
    assert_eq!(client.noop().await.unwrap(), Idle::News);
}

#[tokio::test]
async fn a_fetch_that_is_left_in_the_midst_leaves_nothing_to_use() {
    let script = vec![Hear("o2 UID FETCH"), Say("* 1 FETCH (UID 1 FLAGS ())\r\n"), Hang];
    let (mut client, _playing) = after_login(script).await;
    client.fetch(&one(1), Items::Flags, Some(7)).await.unwrap().next().await.unwrap().unwrap();
    assert!(matches!(client.noop().await, Err(Fault::Closed)));
}

#[tokio::test]
async fn a_cut_in_a_literal_is_a_closed_connection() {
    let (mut client, _playing) = after_login(vec![Hear("o2"), Say("* 1 FETCH (BODY[] {100}\r\nhalf")]).await;
    let fault = client.fetch(&one(1), Items::Messages, None).await.unwrap().all().await.unwrap_err();
    assert!(matches!(fault, Fault::Closed), "{fault:?}");
}

#[tokio::test]
async fn literals_lines_and_silence_are_bounded() {
    let too_large: &'static str = Box::leak(format!("* 1 FETCH (BODY[] {{{}}}\r\n", LITERAL + 1).into_boxed_str());
    for literal in [too_large, "* 1 FETCH (BODY[] {99999999999999999999}\r\n"] {
        let (mut client, _playing) = after_login(vec![Hear("o2"), Say(literal), Hang]).await;
        let fault = client.fetch(&one(1), Items::Messages, None).await.unwrap().all().await.unwrap_err();
        assert!(matches!(fault, Fault::TooLarge(_)), "{fault:?}");
    }
    let (mut client, _playing) = after_login(vec![Hear("o2"), Pour(3_000_000)]).await;
    assert!(matches!(client.noop().await, Err(Fault::TooLarge(_))));
    let (mut client, _playing) = after_login(vec![Hear("o2"), Say("* 1 FETCH (BODY[] {9}\r\nx"), Hang]).await;
    let fault = client.fetch(&one(1), Items::Messages, None).await.unwrap().all().await.unwrap_err();
    assert!(matches!(fault, Fault::Timeout), "{fault:?}");
}

#[tokio::test]
async fn what_is_no_answer_is_no_panic() {
    for nonsense in
        ["o2 MAYBE\r\n", "o9 OK\r\n", "+ more?\r\n", "* 1 FETCH ((((\r\n", "* 1 FETCH x\r\n", "* VANISHED x\r\n"]
    {
        let (mut client, _playing) = after_login(vec![Hear("o2"), Say(nonsense), Hang]).await;
        assert!(matches!(client.noop().await, Err(Fault::Protocol(_))), "{nonsense}");
    }
}

#[tokio::test]
async fn idling_ends_with_news_or_with_the_time() {
    let script = vec![
        Hear("o2 IDLE"),
        Say("* OK soon\r\n+ idling\r\n* OK still here\r\n* 4 EXISTS\r\n"),
        Hear("DONE"),
        Say("o2 OK done\r\n"),
        Hear("o3 IDLE"),
        Say("+ idling\r\n"),
        Hear("DONE"),
        Say("o3 OK done\r\n"),
        Hear("o4 IDLE"),
        Say("o4 NO not here\r\n"),
        Hear("o5 IDLE"),
        Say("+ idling\r\n"),
    ];
    let (mut client, _playing) = after_login(script).await;
    assert_eq!(client.idle(std::future::pending()).await.unwrap(), Idle::News);
    assert_eq!(client.idle(tokio::time::sleep(Duration::from_millis(20))).await.unwrap(), Idle::Quiet);
    assert!(matches!(client.idle(std::future::pending()).await, Err(Fault::Refused(_))));
    assert!(matches!(client.idle(std::future::pending()).await, Err(Fault::Closed)));
}

#[tokio::test]
async fn without_move_messages_are_copied_and_only_they_are_removed() {
    let script = vec![
        Hear(r#"o2 UID COPY 7 "Old \"x\"""#),
        Say("o2 OK [COPYUID 38505 7 3956] done\r\n"),
        Hear(r"o3 UID STORE 7 +FLAGS.SILENT (\Deleted)"),
        Say("o3 OK done\r\n"),
        Hear("o4 UID EXPUNGE 7"),
        Say("* VANISHED 7\r\no4 OK done\r\n"),
        Hear("o5 APPEND {6}"),
        Say("+ go on\r\n"),
        Hear("Gel"),
        Say("* OK hm\r\n"),
    ];
    let (mut client, _playing) = after_login(script).await;
    let placed = client.move_to(&one(7), b"Old \"x\"").await.unwrap().unwrap();
    assert_eq!((placed.uid_validity, placed.uids), (38_505, one(3_956)));
    // A name that cannot be quoted; the server goes before it asks for the message.
    let appended = client.append("Gelä".as_bytes(), &["\\Seen"], "2026-01-02T03:04:05Z".parse().unwrap(), b"x").await;
    assert!(matches!(appended, Err(Fault::Closed)));
}
