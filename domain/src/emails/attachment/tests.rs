//! Rules of uploads, as sentences.

use proptest::prelude::*;

use super::*;
use crate::{
    given::{given, stream, user},
    laws::{laws, parsed},
};

fn raw(length: u64) -> BlobRef {
    BlobRef { pack: "0".repeat(32), key: 1, offset: 0, length, chunk: 0, sha256: "A".repeat(43) }
}

fn upload(name: &str, length: u64) -> Command {
    let (filename, content_type) = (FileName::parse(name).unwrap(), ContentType::default());
    Command::Upload { filename, content_type, raw: raw(length) }
}

fn uploaded(name: &str, length: u64) -> Event {
    let content_type = "application/octet-stream".to_owned();
    Uploaded { filename: name.into(), content_type, size: length, raw: raw(length) }.into()
}

#[test]
fn a_file_is_uploaded_once() {
    given::<Attachment>([])
        .when(upload("a.txt", 9))
        .then([uploaded("a.txt", 9)])
        .when(upload("a.txt", 9))
        .then_nothing();
    given::<Attachment>([uploaded("a.txt", 9)]).when(upload("b.txt", 9)).then_rejected(Rejection::Exists);
}

#[test]
fn a_file_has_at_most_25_mib() {
    let most = 25 * 1024 * 1024;
    given::<Attachment>([]).when(upload("a", most)).then([uploaded("a", most)]);
    given::<Attachment>([]).when(upload("a", most + 1)).then_rejected(Rejection::TooLarge);
}

#[test]
fn a_file_is_discarded_once_and_for_good() {
    given::<Attachment>([uploaded("a.txt", 9)])
        .when(Command::Discard)
        .then([Discarded {}.into()])
        .when(Command::Discard)
        .then_nothing()
        .when(upload("a.txt", 9))
        .then_rejected(Rejection::Discarded);
    given::<Attachment>([]).when(Command::Discard).then_rejected(Rejection::NotFound);
}

#[test]
fn uploads_are_counted_while_they_wait() {
    let claim = Claim::ordered("attachments.user", &[user().0.as_bytes(), stream().as_bytes()]);
    given::<Attachment>([uploaded("a.txt", 9)]).then_claims([claim]);
    given::<Attachment>([uploaded("a.txt", 9), Discarded {}.into()]).then_claims([]);
}

fn command() -> impl Strategy<Value = Command> {
    let upload = (parsed(FileName::parse), prop::sample::select(vec![9, u64::MAX])).prop_map(|(filename, length)| {
        Command::Upload { filename, content_type: ContentType::default(), raw: raw(length) }
    });
    prop_oneof![3 => upload, 1 => Just(Command::Discard)]
}

laws!(Attachment, command(), absent: State::Absent | State::Discarded);
