//! Mailboxes: what is written is what is read, and a reading goes on from every mark as if it had not been cut.

use std::{
    fs,
    io::{Cursor, Read, Write},
    path::Path,
};

use orbit_adapters::mailbox::{self, Found, Item, Kind, Mark, Messages};
use proptest::prelude::*;

use crate::corpus::{mails, received_at};

fn items(messages: Messages) -> Vec<Item> {
    let found = messages.map(|found| match found.unwrap() {
        Found::Message(item) => item,
        Found::Bad { at, code, detail, .. } => panic!("{at:?}: {code}: {detail}"),
    });
    found.collect()
}

fn raws(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| String::from_utf8_lossy(&item.raw).into_owned()).collect()
}

fn over(bytes: &[u8], kind: Kind, from: Option<Mark>) -> Messages {
    mailbox::over(Cursor::new(bytes.to_vec()), kind, from).unwrap()
}

/// From each mark on the rest is found, and nothing else.
fn assert_goes_on(read: impl Fn(Option<Mark>) -> Messages) -> Vec<Item> {
    let all = items(read(None));
    for (nth, item) in all.iter().enumerate() {
        assert_eq!(items(read(Some(item.next.clone()))), all[nth + 1..], "behind message {nth}");
    }
    all
}

fn mbox(raws: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for raw in raws {
        mailbox::append(raw, received_at(), &mut file).unwrap();
    }
    file
}

#[test]
fn the_corpus_goes_through_an_mbox_as_it_is() {
    let mails: Vec<_> = mails().into_iter().map(|(_, raw)| raw).filter(|raw| raw.ends_with(b"\n")).collect();
    assert!(mails.len() > 25);
    let file = mbox(&mails);
    let read = assert_goes_on(|from| over(&file, Kind::Mbox, from));
    assert_eq!(read.len(), mails.len());
    for (item, raw) in read.iter().zip(&mails) {
        assert!(item.raw == *raw, "{}", String::from_utf8_lossy(raw));
        assert_eq!(item.received_at, Some(received_at()));
    }
    assert_eq!(read.last().unwrap().next, Mark::Offset(file.len() as u64));
}

#[test]
fn all_ways_to_write_an_mbox_are_read() {
    const FROM: &str = "From a@b.example Tue Nov 24 10:00:00 2026\n";
    for (file, expected) in [
        (
            format!("{FROM}Subject: 1\n\n>From me\n>>From you\n\n{FROM}Subject: 2\n\nx\n"),
            vec!["Subject: 1\n\nFrom me\n>From you\n", "Subject: 2\n\nx\n"],
        ),
        // No line between them, and one in a text that has no date.
        (
            format!("{FROM}Subject: 1\n\nFrom here on\n{FROM}Subject: 2\n\nx\n"),
            vec!["Subject: 1\n\nFrom here on\n", "Subject: 2\n\nx\n"],
        ),
        // A length that leads to the next one, over what would separate.
        (
            format!("{FROM}Content-Length: 42\n\n{FROM}\n{FROM}Subject: 2\n\nx\n"),
            vec!["Content-Length: 42\n\nFrom a@b.example Tue Nov 24 10:00:00 2026\n", "Subject: 2\n\nx\n"],
        ),
        // One that leads nowhere.
        (
            format!("{FROM}Content-Length: 3\n\nmore than that\n\n{FROM}Content-Length: 999\n\nless\n"),
            vec!["Content-Length: 3\n\nmore than that\n", "Content-Length: 999\n\nless\n"],
        ),
        // Nothing before the first, blank lines before it, no end at the last.
        ("Subject: alone\n\nx".to_owned(), vec!["Subject: alone\n\nx"]),
        (format!("\n\n{FROM}Subject: 1\n\nx"), vec!["Subject: 1\n\nx"]),
        (String::new(), vec![]),
    ] {
        for file in [file.clone(), file.replace('\n', "\r\n")] {
            let is_crlf = file.contains('\r');
            let read = raws(&assert_goes_on(|from| over(file.as_bytes(), Kind::Mbox, from)));
            let read: Vec<_> = read.iter().map(|raw| raw.replace("\r\n", "\n")).collect();
            // The length counts bytes of one of the two.
            if !(is_crlf && file.contains("Content-Length: 42")) {
                assert_eq!(read, expected, "{file}");
            }
        }
    }
}

#[test]
fn a_mark_of_a_file_that_has_changed_leads_to_the_next_message() {
    let file = mbox(&[b"Subject: 1\n\none\n".to_vec(), b"Subject: 2\n\ntwo\n".to_vec()]);
    let read = items(over(&file, Kind::Mbox, Some(Mark::Offset(20))));
    assert_eq!(raws(&read), ["Subject: 2\n\ntwo\n"]);
    assert_eq!(items(over(&file, Kind::Mbox, Some(Mark::Offset(1_000_000)))), []);
    assert!(mailbox::over(Cursor::new(file), Kind::Mbox, Some(Mark::Name("x".into()))).is_err());
}

/// A stream of a great many bytes that nobody holds.
struct Long {
    head: Cursor<Vec<u8>>,
    left: usize,
    tail: Cursor<Vec<u8>>,
}

impl Read for Long {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.head.read(into)?;
        if read > 0 {
            return Ok(read);
        }
        if self.left == 0 {
            return self.tail.read(into);
        }
        let length = into.len().min(self.left);
        into[..length].fill(b'x');
        self.left -= length;
        Ok(length)
    }
}

#[test]
fn a_message_that_is_too_large_is_passed_over() {
    let one = mbox(&[b"Subject: 1\n\none\n".to_vec()]);
    let two = mbox(&[b"Subject: 2\n\ntwo\n".to_vec()]);
    let head = [&one[..], b"From a@b.example Tue Nov 24 10:00:00 2026\nSubject: large\n\n"].concat();
    let tail = [b"\n\n", &two[..]].concat();
    let large = Long { head: Cursor::new(head), left: mailbox::MESSAGE_BYTES + 1, tail: Cursor::new(tail) };
    let found: Vec<_> = mailbox::over(large, Kind::Mbox, None).unwrap().map(Result::unwrap).collect();
    let [Found::Message(_), Found::Bad { at, next, code, .. }, Found::Message(last)] = &found[..] else {
        panic!("{} found", found.len())
    };
    assert_eq!((*at == Mark::Offset(one.len() as u64), *code), (true, "too_large"));
    assert_eq!(last.raw, b"Subject: 2\n\ntwo\n");
    assert!(matches!((next, &last.next), (Mark::Offset(next), Mark::Offset(end)) if end - next == two.len() as u64));

    let alone = Long { head: Cursor::default(), left: mailbox::MESSAGE_BYTES + 1, tail: Cursor::default() };
    let found: Vec<_> = mailbox::over(alone, Kind::Eml, None).unwrap().map(Result::unwrap).collect();
    assert!(matches!(&found[..], [Found::Bad { code: "too_large", .. }]));
}

#[test]
fn a_file_of_one_message_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.eml");
    fs::write(&path, "From a@b Tue Nov 24 10:00:00 2026\nX-Mozilla-Status: 0005\nSubject: x\n\nFrom here\n").unwrap();
    let read = assert_goes_on(|from| mailbox::open(&path, from).unwrap());
    assert_eq!((read.len(), read[0].read, read[0].starred), (1, Some(true), Some(true)));
    fs::write(&path, "").unwrap();
    assert_eq!(items(mailbox::open(&path, None).unwrap()), []);
    assert!(mailbox::open(&folder.path().join("missing"), None).is_err());
    assert!(mailbox::open(folder.path(), None).is_err(), "no Maildir");
}

/// Names and contents of a Maildir.
const MAILDIR: [(&str, &str); 9] = [
    ("cur/1700000003.M1.host:2,FS", "Subject: starred\n\nx"),
    ("cur/1700000001.M1.host:2,", "Subject: seen by nobody\n\nx"),
    ("new/1700000002.M1.host", "Subject: new\n\nx"),
    ("cur/.hidden", "no message"),
    ("tmp/1700000009.M1.host", "half a message"),
    (".Sent/cur/1700000004.M1.host:2,S", "Subject: sent\n\nx"),
    (".Sent/maildirfolder", ""),
    (".Entw&APw-rfe.Alt/cur/1700000005.M1.host:2,ST", "Subject: old draft\n\nx"),
    ("dovecot-uidlist", "3 V1"),
];

fn subjects(items: &[Item]) -> Vec<String> {
    let subject = |raw: &String| raw.lines().next().unwrap().trim_start_matches("Subject: ").to_owned();
    raws(items).iter().map(subject).collect()
}

fn assert_is_the_maildir(read: &[Item]) {
    let mut by_time: Vec<_> = read.to_vec();
    by_time.sort_by_key(|item| item.received_at);
    assert_eq!(subjects(&by_time), ["seen by nobody", "new", "starred", "sent", "old draft"]);
    let marks: Vec<_> = by_time.iter().map(|item| (item.read, item.starred, item.trashed)).collect();
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(marks, [(no, no, false), (no, no, false), (yes, yes, false), (yes, no, false), (yes, no, true)]);
    let folders: Vec<_> = by_time.iter().map(|item| item.folder.as_deref()).collect();
    assert_eq!(folders, [None, None, None, Some("Sent"), Some("Entwürfe/Alt")]);
    assert_eq!(by_time[1].received_at.unwrap().timestamp(), 1_700_000_002);
}

fn make_maildir(root: &Path) {
    for (name, content) in MAILDIR {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_maildir_is_read_with_its_folders_and_marks() {
    let folder = tempfile::tempdir().unwrap();
    make_maildir(folder.path());
    let read = assert_goes_on(|from| mailbox::open(folder.path(), from).unwrap());
    assert_is_the_maildir(&read);
    assert!(mailbox::open(folder.path(), Some(Mark::Offset(1))).is_err());
    // Marks change while it is read, and new ones become read ones.
    let all = items(mailbox::open(folder.path(), None).unwrap());
    fs::rename(folder.path().join(MAILDIR[0].0), folder.path().join("cur/1700000003.M1.host:2,FRS")).unwrap();
    fs::rename(folder.path().join(MAILDIR[2].0), folder.path().join("cur/1700000002.M1.host:2,S")).unwrap();
    let rest = items(mailbox::open(folder.path(), Some(all[1].next.clone())).unwrap());
    assert_eq!(subjects(&rest), subjects(&all[2..]));
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_tar_of_a_maildir_is_read_as_the_maildir() {
    let folder = tempfile::tempdir().unwrap();
    make_maildir(folder.path());
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all("home/ada/Maildir", folder.path()).unwrap();
    let bytes = builder.into_inner().unwrap();
    let read = assert_goes_on(|from| over(&bytes, Kind::Tar, from));
    assert_is_the_maildir(&read);
    let path = folder.path().join("all.tar");
    fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
    assert_eq!(items(mailbox::open(&path, None).unwrap()), read);
}

#[test]
fn files_of_an_archive_are_found_under_names_of_any_length() {
    let long = format!("{}/letter.eml", "a directory with a long name/".repeat(10).trim_end_matches('/'));
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5")]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(14);
    header.set_path("short").unwrap();
    header.set_cksum();
    pax.append(&header, &b"Subject: pax\n\n"[..]).unwrap();
    for (bytes, subject) in [
        (
            archive(&[("readme.txt", b"no mail"), (&long, b"Subject: gnu\n\n"), ("next.EML", b"Subject: next\n\n")]),
            "gnu",
        ),
        (pax.into_inner().unwrap(), "pax"),
    ] {
        let read = assert_goes_on(|from| over(&bytes, Kind::Tar, from));
        assert_eq!(subjects(&read)[0], subject);
    }
}

#[test]
fn an_archive_that_is_cut_or_damaged_is_read_up_to_there() {
    let bytes = archive(&[("1.eml", b"Subject: 1\n\n"), ("2.eml", b"Subject: 2\n\n")]);
    let mut damaged = bytes.clone();
    damaged[1024 + 20] ^= 1;
    for bytes in [&bytes[..1024 + 512 + 5], &damaged[..], &bytes[..1024 + 100]] {
        let found: Vec<_> = over(bytes, Kind::Tar, None).map(Result::unwrap).collect();
        let is_so =
            matches!(&found[..], [Found::Message(_), Found::Bad { at: Mark::Offset(1024), code: "unreadable", .. }]);
        assert!(is_so, "{found:?}");
    }
    assert_eq!(items(over(&bytes[..1024], Kind::Tar, None)).len(), 1, "without blocks at its end");
}

/// Lines that are hard on an mbox.
fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "From a@b.example Tue Nov 24 10:00:00 2026",
        "From nowhere",
        ">From x",
        ">>From y",
        "",
        "Content-Length: 3",
        "Subject: x",
        "Content-Length: 30",
        "\r",
        "> From",
        "From ",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "[ -~ä]{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_lines_messages_have_they_go_through_an_mbox_as_they_are(
        messages in prop::collection::vec(prop::collection::vec(line(), 1..8), 0..5),
    ) {
        // A head, so that no line of a message is taken for one about its length.
        let raws: Vec<_> = messages.iter().map(|lines| format!("X: y\n\n{}\n", lines.join("\n")).into_bytes()).collect();
        let file = mbox(&raws);
        let read = assert_goes_on(|from| over(&file, Kind::Mbox, from));
        prop_assert_eq!(read.iter().map(|item| item.raw.clone()).collect::<Vec<_>>(), raws);
    }

    #[test]
    fn any_bytes_are_read_to_their_end(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2_000),
            prop::collection::vec(line(), 0..20).prop_map(|lines| lines.join("\n").into_bytes()),
        ],
        from in 0..2_000u64,
    ) {
        for kind in [Kind::Eml, Kind::Mbox, Kind::Tar] {
            let mut last = 0;
            for found in over(&bytes, kind, Some(Mark::Offset(from))) {
                let (Found::Message(Item { next, .. }) | Found::Bad { next, .. }) = found.unwrap();
                let Mark::Offset(next) = next else { panic!("{next:?}") };
                prop_assert!(next >= last);
                last = next;
            }
        }
    }
}
