//! Bytes at random, and mails that were broken at random: there is always a reading, within its limits.

use orbit_adapters::mime::{self, Images, Reading};
use proptest::prelude::*;

use crate::corpus::{mails, received_at};

fn assert_within_limits(reading: &Reading) {
    let lists = [&reading.to, &reading.cc, &reading.bcc, &reading.reply_to];
    assert!(lists.iter().all(|list| list.len() <= mime::ADDRESSES_EACH));
    let addresses = lists.into_iter().flatten().chain(&reading.from);
    let bytes = |one: &mime::Address| one.email.len() + one.name.as_deref().map_or(0, str::len);
    assert!(addresses.map(bytes).sum::<usize>() <= mime::ADDRESSES_BYTES);
    let ids = || reading.in_reply_to.iter().chain(&reading.references).chain(&reading.message_id);
    assert!(ids().all(|id| !id.is_empty() && id.len() <= mime::MESSAGE_ID_BYTES));
    assert!(reading.in_reply_to.len() <= mime::REFERENCES && reading.references.len() <= mime::REFERENCES);
    assert!(reading.subject.as_deref().is_none_or(|text| text.chars().count() <= mime::SUBJECT_CHARS));
    assert!(reading.text.len() <= mime::TEXT_BYTES && reading.parts.len() <= mime::PARTS);
    let texts = ids().cloned().chain(reading.subject.clone()).chain(reading.from.iter().map(|one| one.email.clone()));
    for text in texts.chain(reading.parts.iter().filter_map(|part| part.filename.clone())) {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    assert!(!reading.text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{:?}", reading.text);
}

fn read_all_ways(raw: &[u8]) {
    let reading = mime::read(raw, received_at());
    assert_within_limits(&reading);
    assert_eq!(reading, mime::read(raw, received_at()), "the same bytes read the same");
    if let Some(html) = mime::html(raw) {
        mime::sanitise(&html, Images::Show, &|id| Some(id.to_owned()));
    }
    for part in &reading.parts {
        assert!(mime::part(raw, &part.path).is_some(), "{}", part.path);
        assert!(usize::try_from(part.offset + part.length).unwrap() <= raw.len());
    }
}

/// What mails are made of, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=b\n",
        "Content-Type: multipart/alternative; boundary=\"b\"\r\n",
        "Content-Type: text/html; charset=utf-16\n",
        "Content-Type: message/rfc822\n",
        "\n",
        "\r\n",
        "\r",
        "--b\n",
        "--b--\n",
        "Content-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: quoted-printable\n",
        "=?utf-8?Q?=C3?=",
        "=?iso-2022-jp?B??= ",
        "=?big5?B?pA==?=",
        "From: ",
        "To: a@b.example, ",
        "Subject: ",
        "Date: ",
        "Message-ID: <",
        ">",
        "References: ",
        "<a@b> ",
        " ",
        "\t",
        "\"",
        "(",
        ")",
        "\\",
        ";",
        ":",
        "filename*0*=utf-8''%C3",
        "<b>",
        "<!--",
        "&amp;",
        "begin 644 x\n",
        "end\n",
        "SGVsbG8=\n",
        "=3D=\n",
        "31 Feb 2026 25:61:61 +9999",
        "Content-Type: message/delivery-status\n",
    ]);
    let piece = prop_oneof![4 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..12)];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// One of each kind of thing that a reader might go through again and again.
#[test]
fn what_repeats_itself_for_megabytes_is_read_in_no_time() {
    let many = |piece: &str| piece.repeat(4 * 1024 * 1024 / piece.len());
    for (what, raw) in [
        ("nested messages", many("Content-Type: message/rfc822\n\n")),
        ("nested multiparts", many("Content-Type: multipart/mixed; boundary=b\n\n--b\n")),
        (
            "boundaries",
            format!(
                "Content-Type: multipart/mixed; boundary=b\n\n{}",
                many("--b\nContent-Type: multipart/mixed; boundary=c\n\n")
            ),
        ),
        ("fields", many("A: b\n")),
        ("one field", format!("To: {}\n\n", many("a@b, "))),
        ("groups", format!("To: {}\n\n", many("a:b@c;"))),
        ("comments", format!("From: {}\n\n", many("("))),
        ("words", format!("Subject: {}\n\n", many("=?ab?q?"))),
        ("words in words", format!("Subject: {}\n\n", many("=?ab?q?a?= "))),
        ("ids", format!("References: {}\n\n", many("<"))),
        ("parameters", format!("Content-Type: a/b; {}\n\n", many("a*1=x; "))),
        ("files", format!("\n{}", many("begin 644 a\nend\n"))),
        ("flowing lines", format!("Content-Type: text/plain; format=flowed\n\n{}", many("> \n"))),
        ("tags", format!("Content-Type: text/html\n\n{}", many("<p><br>&nbsp;"))),
        ("unclosed tags", format!("Content-Type: text/html\n\n{}", many("<a href='"))),
        ("base64", format!("Content-Transfer-Encoding: base64\n\n{}", many("="))),
        ("quoted", format!("Content-Transfer-Encoding: quoted-printable\n\n{}", many(" ="))),
        (
            "reports",
            format!(
                "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n{}",
                many("\n")
            ),
        ),
    ] {
        let begun = std::time::Instant::now();
        let reading = mime::read(raw.as_bytes(), received_at());
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{what}: {:?}", begun.elapsed());
        assert_within_limits(&reading);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_a_reading(raw in prop::collection::vec(any::<u8>(), 0..600)) {
        read_all_ways(&raw);
    }

    #[test]
    fn whatever_is_put_together_of_pieces_of_mails_has_a_reading(raw in pieces()) {
        read_all_ways(&raw);
    }

    #[test]
    fn mails_that_were_changed_cut_and_glued_have_a_reading(
        which in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mails = mails();
        let (one, two) = (&mails[which.index(mails.len())].1, &mails[other.index(mails.len())].1);
        let at = cut.index(one.len() + 1);
        let mut raw = [&one[..at], &two[at.min(two.len())..]].concat();
        for (index, byte) in changes {
            if !raw.is_empty() {
                let at = index.index(raw.len());
                raw[at] = byte;
            }
        }
        read_all_ways(&raw);
    }
}
