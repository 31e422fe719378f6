//! What facts of e-mails can hold, and that it is never too much.

use super::{
    email::{Event, Received},
    *,
};
use crate::Fact;

/// Text of so many bytes, each of which JSON writes as two.
fn long(bytes: usize) -> String {
    "\"".repeat(bytes)
}

fn example() -> Received {
    let fact = Event::TYPES.iter().find(|fact| fact.wire_type == "emails.received").unwrap();
    match Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap() {
        Event::Received(received) => *received,
        other => panic!("{other:?}"),
    }
}

/// As many as there may be, which together have as many bytes as they may have.
fn addresses() -> Vec<Address> {
    let bytes = ADDRESSES_BYTES / (4 * ADDRESSES_EACH) / 2;
    vec![Address { email: long(bytes), name: Some(long(bytes)) }; ADDRESSES_EACH]
}

#[test]
fn the_largest_reading_fits_a_message() {
    let in_part = PARTS_BYTES / PARTS / 4;
    let part = Part {
        path: long(in_part),
        filename: Some(long(in_part)),
        content_type: long(in_part),
        content_id: Some(long(in_part)),
        size: u64::MAX,
        offset: u64::MAX,
        length: u64::MAX,
        encoding: Encoding::QuotedPrintable,
        ..example().parts[0].clone()
    };
    let in_bounce = BOUNCED_BYTES / BOUNCED / 3;
    let recipient = BouncedRecipient {
        email: long(in_bounce),
        action: Action::Delivered,
        status: Some(long(in_bounce)),
        diagnostic: Some(long(in_bounce)),
    };
    let received = Received {
        message_id: Some(long(MESSAGE_ID_BYTES)),
        // Four bytes in UTF-8 are more than two in JSON.
        subject: Some("🦀".repeat(SUBJECT_CHARS)),
        from: Some(addresses()[0].clone()),
        to: addresses(),
        cc: addresses(),
        bcc: addresses(),
        reply_to: addresses(),
        in_reply_to: vec![long(REFERENCES_BYTES / REFERENCES / 2); REFERENCES],
        references: vec![long(REFERENCES_BYTES / REFERENCES / 2); REFERENCES],
        text: long(TEXT_BYTES),
        parts: vec![part; PARTS],
        notes: vec!["broken_quoted_printable".to_owned(); NOTES],
        labels: vec!["🦀".repeat(LABEL_CHARS); LABELS],
        bounce: Some(Bounce {
            original_message_id: Some(long(MESSAGE_ID_BYTES)),
            recipients: vec![recipient; BOUNCED],
        }),
        ..example()
    };
    let bytes = Event::from(received).encode().len();
    // The broker takes 1 MiB, with the envelope and the seal.
    assert!((500_000..900 * 1024).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_digest_is_written_and_read_back() {
    for digest in [[0; 32], [255; 32], std::array::from_fn(|index| u8::try_from(index * 7 % 256).unwrap())] {
        let sha256 = BlobRef::written(&digest);
        assert_eq!(sha256.len(), 43);
        assert_eq!(BlobRef { sha256, ..example().raw }.digest(), Some(digest));
    }
    // SHA-256 of "test".
    let raw = example().raw;
    assert_eq!(BlobRef::written(&raw.digest().unwrap()), raw.sha256);
    assert_eq!(raw.digest().unwrap()[..4], [0x9f, 0x86, 0xd0, 0x81]);
}

#[test]
fn what_is_no_digest_and_no_pack_is_none() {
    let raw = || example().raw;
    assert!(raw().pack_id().is_some());
    let a_spelling_too_many = format!("{}B", "A".repeat(42));
    for sha256 in ["", "n4bQ", &"A".repeat(42), &"A".repeat(44), &"+".repeat(43), &"ä".repeat(43), &a_spelling_too_many]
    {
        assert_eq!(BlobRef { sha256: sha256.to_owned(), ..raw() }.digest(), None, "{sha256}");
    }
    for pack in ["", "0197f0a0-0000-7000-8000-00000000a001", &"g".repeat(32), &"0".repeat(31)] {
        assert_eq!(BlobRef { pack: pack.to_owned(), ..raw() }.pack_id(), None, "{pack}");
    }
}
