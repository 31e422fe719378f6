//! Messages that we write: they read as what was meant, and are the same each time.

use orbit_adapters::mime::{self, Address, Attachment, Compose};
use proptest::prelude::*;

use crate::corpus::received_at;

fn address(email: &str, name: Option<&str>) -> Address {
    Address { email: email.to_owned(), name: name.map(str::to_owned) }
}

fn written(message: &Compose<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    mime::compose(message, &mut out).unwrap();
    out
}

fn simple<'a>(from: &'a Address, to: &'a [Address], subject: &'a str, body: &'a str) -> Compose<'a> {
    Compose {
        message_id: "0197f0a0aaaa7000800000000000a001@quay.example",
        date: received_at(),
        from,
        to,
        cc: &[],
        subject,
        in_reply_to: None,
        references: &[],
        body,
        attachments: &[],
    }
}

#[test]
fn what_is_written_reads_as_what_was_meant() {
    let from = address("bo@quay.example", Some("Bo Lindqvist"));
    let to = [address("ada@harbour.example", Some("Berg, Ada \"Kapitänin\"")), address("crew@quay.example", None)];
    let cc = [address("büro@werft.example", None)];
    let references: Vec<String> = (0..30).map(|n| format!("message-{n}@harbour.example")).collect();
    let files = [
        Attachment {
            filename: "Größenliste für März.pdf",
            content_type: "application/pdf",
            content: b"%PDF-1.4\r\n\0\xff",
        },
        Attachment { filename: "notes.txt", content_type: "text/plain", content: "Ünicode\n.\nend\n".as_bytes() },
        Attachment { filename: "empty", content_type: "application/octet-stream", content: b"" },
    ];
    let body = "Liebe Ada,\n\n.\nFrom wird nicht verändert – und eine sehr lange Zeile: ".to_owned()
        + &"das ist noch ein Wort für dich ".repeat(50)
        + "\n\nBo\n";
    let message = Compose {
        cc: &cc,
        subject: "Re: Größe der Anker 🛟 und noch einiges mehr, das nicht in eine Zeile passt, so lang ist es",
        in_reply_to: Some("message-29@harbour.example"),
        references: &references,
        attachments: &files,
        ..simple(&from, &to, "", &body)
    };
    let raw = written(&message);
    let reading = mime::read(&raw, "2000-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(reading.notes, Vec::<&str>::new());
    assert_eq!(reading.message_id.as_deref(), Some(message.message_id));
    assert_eq!((reading.from.as_ref(), reading.date), (Some(&from), received_at()));
    assert_eq!((reading.to.as_slice(), reading.cc.as_slice()), (&to[..], &cc[..]));
    assert_eq!(reading.subject.as_deref(), Some(message.subject));
    assert_eq!((reading.in_reply_to.as_slice(), reading.references), (&references[29..], references.clone()));
    assert_eq!(reading.text, body.trim_end());
    assert_eq!(reading.language, Some("de"));
    for (part, file) in reading.parts.iter().zip(&files) {
        assert_eq!((part.filename.as_deref(), part.content_type.as_str()), (Some(file.filename), file.content_type));
        let content = mime::part(&raw, &part.path).unwrap();
        // Texts travel with the line ends of the network.
        let lines = String::from_utf8_lossy(&content).replace("\r\n", "\n");
        assert!(content == file.content || lines.as_bytes() == file.content, "{}", file.filename);
    }
    assert_eq!(reading.parts.len(), files.len());
    for line in raw.split(|byte| *byte == b'\n') {
        assert!(line.len() <= 998, "{}", String::from_utf8_lossy(line));
        assert!(line.is_empty() || line.ends_with(b"\r"), "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn what_others_have_called_their_messages_and_files_stays_in_its_place() {
    let (from, to) = (address("bo@quay.example", None), [address("ada@harbour.example", None)]);
    let references = ["fine@a".to_owned(), "a> <b".to_owned(), "c\r\nBcc: d@e.example".to_owned(), "ü@f".to_owned()];
    let kinds = ["text/plain\r\nBcc: d@e.example", "multipart/mixed", "message/rfc822", "nonsense", "image/svg+xml"];
    let files = kinds.map(|content_type| Attachment { filename: "a\r\nb", content_type, content: b"x" });
    let message = Compose {
        in_reply_to: Some("a\r\nBcc: d@e.example"),
        references: &references,
        attachments: &files,
        ..simple(&from, &to, "x", "y")
    };
    let reading = mime::read(&written(&message), received_at());
    assert!(reading.bcc.is_empty() && reading.in_reply_to.is_empty());
    assert_eq!(reading.references, ["fine@a"]);
    let kinds: Vec<_> = reading.parts.iter().map(|part| part.content_type.as_str()).collect();
    let unknown = "application/octet-stream";
    assert_eq!(kinds, [unknown, unknown, unknown, unknown, "image/svg+xml"]);
}

#[test]
fn every_try_has_the_same_bytes() {
    let (from, to) = (address("bo@quay.example", None), [address("ada@harbour.example", None)]);
    let files = [Attachment { filename: "a", content_type: "image/png", content: b"png" }];
    let message = Compose { attachments: &files, ..simple(&from, &to, "again", "and again\n") };
    let first = written(&message);
    assert_eq!(first, written(&message));
    let other = Compose { message_id: "another@quay.example", ..message };
    assert!(
        !String::from_utf8(written(&other)).unwrap().contains(boundary(&first)),
        "another message has another boundary"
    );
}

fn boundary(raw: &[u8]) -> &str {
    str::from_utf8(raw).unwrap().split_once("boundary=\"").unwrap().1.split_once('"').unwrap().0
}

#[test]
fn a_message_to_nobody_who_may_be_named_says_so() {
    let from = address("bo@quay.example", None);
    let raw = String::from_utf8(written(&simple(&from, &[], "secret", "x"))).unwrap();
    assert!(raw.contains("To: undisclosed-recipients:;\r\n") && !raw.to_ascii_lowercase().contains("bcc"), "{raw}");
    assert!(mime::read(raw.as_bytes(), received_at()).to.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_out_of_its_place(
        subject in "[ -~\r\n\täß🛟=?]{0,80}", name in "[ -~\r\nä\"\\\\(),<>@]{1,40}", body in "[ -~\nä.=]{0,300}",
    ) {
        let (from, to) = (address("bo@quay.example", Some(&name)), [address("ada@harbour.example", None)]);
        let raw = written(&simple(&from, &to, &subject, &body));
        let reading = mime::read(&raw, received_at());
        prop_assert_eq!(reading.to, to.to_vec());
        prop_assert_eq!(&reading.from.unwrap().email, "bo@quay.example");
        prop_assert!(reading.bcc.is_empty() && reading.parts.is_empty());
        prop_assert_eq!(reading.text.replace(char::is_whitespace, ""), body.replace(char::is_whitespace, ""));
    }
}
