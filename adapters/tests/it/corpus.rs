//! The corpus: mails of our own writing, each odd in its way, with what is read in it beside it.

use std::{fmt::Write, fs, path::Path};

use chrono::{DateTime, Utc};
use orbit_adapters::mime::{self, Address, Encoding, Reading};

pub fn received_at() -> DateTime<Utc> {
    "2026-12-24T18:00:00Z".parse().unwrap()
}

/// All mails of the corpus, by name.
pub fn mails() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut mails: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    mails.sort();
    assert!(mails.len() >= 30, "{}", mails.len());
    mails
}

fn mail(name: &str) -> Vec<u8> {
    mails().into_iter().find(|(known, _)| known == name).unwrap().1
}

fn shown(all: &[Address]) -> String {
    let one = |one: &Address| match &one.name {
        Some(name) => format!("{name} <{}>", one.email),
        None => format!("<{}>", one.email),
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A reading as one page.
fn page(reading: &Reading) -> String {
    let mut page = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(page, "{name}: {value}").unwrap();
        }
    };
    line("id", reading.message_id.clone().unwrap_or_default());
    line("subject", reading.subject.clone().unwrap_or_default());
    line("from", shown(reading.from.as_slice()));
    line("to", shown(&reading.to));
    line("cc", shown(&reading.cc));
    line("bcc", shown(&reading.bcc));
    line("reply to", shown(&reading.reply_to));
    line("answers", reading.in_reply_to.join(" "));
    line("references", reading.references.join(" "));
    line("date", format!("{}{}", reading.date, if reading.date_missing { " (missing)" } else { "" }));
    line("language", reading.language.unwrap_or_default().to_owned());
    line("html", if reading.has_html { "yes".to_owned() } else { String::new() });
    line("notes", reading.notes.join(" "));
    for part in &reading.parts {
        let encoding = match part.encoding {
            Encoding::Identity => "as it is",
            Encoding::Base64 => "base64",
            Encoding::QuotedPrintable => "quoted-printable",
            Encoding::Nested => "nested",
        };
        let (name, inline) = (part.filename.as_deref().unwrap_or("-"), if part.is_inline { ", inline" } else { "" });
        let id = part.content_id.as_deref().map(|id| format!(", <{id}>")).unwrap_or_default();
        let (path, kind, size) = (&part.path, &part.content_type, part.size);
        line("part", format!("{path} {kind} «{name}» {size} bytes, {encoding}{inline}{id}"));
    }
    if let Some(bounce) = &reading.bounce {
        line("bounced", bounce.original_message_id.clone().unwrap_or("something".to_owned()));
        for one in &bounce.recipients {
            let (status, said) = (one.status.as_deref().unwrap_or("-"), one.diagnostic.as_deref().unwrap_or("-"));
            line("recipient", format!("{} {:?} {status} {said}", one.email, one.action));
        }
    }
    for text in reading.text.lines() {
        writeln!(page, "| {text}").unwrap();
    }
    page
}

#[test]
fn every_mail_of_the_corpus_reads_as_its_page_says() {
    insta::with_settings!({ snapshot_path => "../corpus", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, raw) in mails() {
            insta::assert_snapshot!(name, page(&mime::read(&raw, received_at())));
        }
    });
}

#[test]
fn every_part_can_be_had_by_its_path_and_by_where_it_lies() {
    for (name, raw) in mails() {
        for part in mime::read(&raw, received_at()).parts {
            let by_path = mime::part(&raw, &part.path).unwrap();
            assert_eq!(by_path.len() as u64, part.size, "{name} {}", part.path);
            if part.encoding != Encoding::Nested {
                let offset = usize::try_from(part.offset).unwrap();
                let encoded = &raw[offset..offset + usize::try_from(part.length).unwrap()];
                let mut decoder = mime::Decoder::new(part.encoding);
                assert_eq!([decoder.push(encoded), decoder.finish()].concat(), by_path, "{name} {}", part.path);
            }
        }
    }
}

#[test]
fn a_mail_that_ends_anywhere_is_read_as_far_as_it_goes() {
    for name in ["alternative-related", "broken-base64", "dsn-postfix", "rfc2231", "many-from"] {
        let raw = mail(name);
        let whole = mime::read(&raw, received_at());
        for end in 0..raw.len() {
            let reading = mime::read(&raw[..end], received_at());
            // Once there is a blank line, all of the head was read.
            if raw[..end].windows(4).any(|four| four == b"\r\n\r\n" || four.ends_with(b"\n\n")) {
                assert_eq!((&reading.subject, &reading.from, reading.date), (&whole.subject, &whole.from, whole.date));
            }
            assert!(reading.parts.len() <= whole.parts.len(), "{name} up to {end}");
        }
    }
}

#[test]
fn a_mail_nested_fifty_deep_is_read_to_its_bottom() {
    let levels = (0..50).map(|n| format!("Content-Type: multipart/mixed; boundary=\"b{n}.\"\r\n\r\n--b{n}.\r\n"));
    let ends = (0..50).rev().map(|n| format!("--b{n}.--\r\n"));
    let bottom = "Content-Type: text/plain\r\n\r\nat the bottom of it all\r\n";
    let raw = format!("Subject: deep\r\n{}{bottom}{}", levels.collect::<String>(), ends.collect::<String>());
    let reading = mime::read(raw.as_bytes(), received_at());
    assert_eq!(reading.text, "at the bottom of it all");
    assert_eq!(reading.notes, ["no_from", "no_date", "no_message_id"]);
}

#[test]
fn an_attachment_of_thirty_megabytes_is_hashed_and_not_held() {
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let lines = 30 * 1024 * 1024 / line.len();
    let raw = format!(
        "Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee there\r\n--b\r\n\
         Content-Type: video/mp4; name=film.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
        line.repeat(lines)
    );
    let reading = mime::read(raw.as_bytes(), received_at());
    assert_eq!((reading.text.as_str(), reading.parts.len()), ("see there", 1));
    assert_eq!(reading.parts[0].size, lines as u64 * 57);
    assert!(reading.parts[0].sha256.is_some());
}
