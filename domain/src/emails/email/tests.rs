//! Rules of e-mails, as sentences.

use chrono::TimeDelta;
use orbit_events::{
    FolderId, SubmissionId,
    emails::{
        BlobRef, Origin,
        email::{Labelled, Moved, Snoozed, Trashed, Unlabelled},
    },
};
use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, given, now, user},
    laws::{laws, parsed},
};

mod coming_in;
mod marking;
mod observing;
mod the_trash;

fn place(n: u128, role: Role) -> Where {
    Where { folder_id: FolderId(Uuid::from_u128(n)), role }
}

fn inbox() -> Where {
    place(1, Role::Inbox)
}

fn raw() -> BlobRef {
    BlobRef { pack: "0".repeat(32), key: 1, offset: 0, length: 100, chunk: 0, sha256: "A".repeat(43) }
}

fn ada() -> Address {
    Address { email: "ada@example.org".into(), name: Some("Ada".into()) }
}

fn message() -> Received {
    Received {
        message_id: Some("1@example.org".into()),
        subject: Some("Lunch".into()),
        from: Some(ada()),
        to: vec![],
        cc: vec![],
        bcc: vec![],
        reply_to: vec![],
        in_reply_to: vec![],
        references: vec![],
        date: now(),
        date_missing: false,
        received_at: now(),
        text: "Today?".into(),
        text_truncated: false,
        parts: vec![],
        has_html: false,
        size: 100,
        notes: vec![],
        language: None,
        place: inbox(),
        is_read: false,
        is_starred: false,
        labels: vec![],
        origin: Origin::Import,
        raw: raw(),
        bounce: None,
    }
}

fn receive(received: Received) -> Command {
    Command::Receive(Box::new(received), Again::Yes)
}

fn an_email(since: impl IntoIterator<Item = Event>) -> Given<Email> {
    given(std::iter::once(message().into()).chain(since))
}

fn trashed() -> Event {
    Trashed { trashed_at: now() }.into()
}

fn deleted() -> [Event; 2] {
    [trashed(), Deleted {}.into()]
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn labelled(text: &str) -> Event {
    Labelled { label: text.into() }.into()
}

fn read(read: bool) -> Command {
    Command::Mark { read: Some(read), starred: None }
}

fn a_place() -> impl Strategy<Value = Where> + Clone {
    let roles = [Role::Inbox, Role::Sent, Role::Archive, Role::Trash, Role::Junk, Role::Other];
    prop::sample::select(roles.to_vec()).prop_map(|role| place(role as u128, role))
}

fn some_labels() -> impl Strategy<Value = Vec<Label>> + Clone {
    prop::collection::vec(parsed(Label::parse), 0..4)
}

fn a_message() -> impl Strategy<Value = Received> + Clone {
    (a_place(), any::<bool>(), prop::option::of("[ab]")).prop_map(|(place, is_read, message_id)| Received {
        place,
        is_read,
        message_id,
        labels: vec!["a".into()],
        ..message()
    })
}

fn observed() -> impl Strategy<Value = Observed> + Clone {
    let flag = || prop::option::of(any::<bool>());
    (flag(), flag(), prop::option::of(some_labels()), prop::option::of(a_place()), prop::bool::weighted(0.1))
        .prop_map(|(read, starred, labels, place, gone)| Observed { read, starred, labels, place, gone })
}

fn an_edit() -> impl Strategy<Value = Edit> + Clone {
    let flag = || prop::option::of(any::<bool>());
    (flag(), flag(), flag(), prop::option::of(some_labels())).prop_map(|(read, starred, archived, labels)| Edit {
        read,
        starred,
        archived,
        labels,
    })
}

fn earlier_marks() -> impl Strategy<Value = Marks> + Clone {
    (a_place(), any::<[bool; 4]>(), some_labels()).prop_map(
        |(place, [is_read, is_starred, is_archived, gone], labels)| Marks {
            place,
            is_read,
            is_starred,
            is_archived,
            labels: labels.into_iter().map(String::from).collect(),
            trashed_at: gone.then(now),
            snoozed_until: None,
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let flag = || prop::option::of(any::<bool>());
    let again = prop_oneof![Just(Again::Yes), Just(Again::No)];
    let until = prop::option::of((-100..3_000_i64).prop_map(|days| now() + TimeDelta::days(days)));
    prop_oneof![
        4 => (a_message(), again).prop_map(|(received, again)| Command::Receive(Box::new(received), again)),
        2 => (flag(), flag()).prop_map(|(read, starred)| Command::Mark { read, starred }),
        2 => an_edit().prop_map(Command::Edit),
        1 => Just(Command::Archive),
        1 => prop::option::of(a_place()).prop_map(Command::Unarchive),
        2 => a_place().prop_map(Command::Move),
        2 => parsed(Label::parse).prop_map(Command::Label),
        1 => parsed(Label::parse).prop_map(Command::Unlabel),
        2 => Just(Command::Trash),
        2 => prop::option::of(a_place()).prop_map(Command::Restore),
        1 => Just(Command::Delete),
        1 => until.prop_map(Command::Snooze),
        1 => earlier_marks().prop_map(|marks| Command::SetBack(Box::new(marks))),
        2 => observed().prop_map(Command::Observe),
    ]
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    Command::SetBack(Box::new(Marks::from_fields(fields).unwrap()))
}

laws!(Email, command(), absent: State::Absent | State::Deleted { .. }, set_back: set_back);
