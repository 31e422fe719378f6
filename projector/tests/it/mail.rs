//! Facts of mail, as tests want them: some by name, and any at random.

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::{
    AttachmentId, EmailId, Event, FolderId, SubmissionId,
    emails::{
        Action, Address, Author, BouncedRecipient, Content, Origin, Recipient, Role, Where, attachment, draft,
        email::{self, Received},
        folder, submission, thread,
    },
};
use uuid::Uuid;

use crate::world::at;

/// E-mails, decisions about threads, and a draft, a submission, a folder and a file: what streams of mail a user has.
pub const STREAMS: u8 = 13;
const EMAILS: u8 = 7;
const DECISIONS: u8 = 2;

pub fn of_email(fact: impl Into<email::Event>) -> Event {
    Event::Email(fact.into())
}

pub fn of_thread(fact: impl Into<thread::Event>) -> Event {
    Event::Thread(fact.into())
}

pub fn address(email: &str) -> Address {
    Address { email: email.to_owned(), name: Some(email.split('@').next().unwrap().to_owned()) }
}

fn example(wire_type: &str) -> Event {
    let fact = Event::types().find(|fact| fact.wire_type == wire_type).unwrap();
    Event::decode(wire_type, fact.schema_version, fact.example.as_bytes()).unwrap()
}

/// An e-mail as most tests want it: unread in the inbox, from ada to bob, and answering nothing.
pub fn received(message_id: &str, subject: &str, text: &str) -> Received {
    let Event::Email(email::Event::Received(received)) = example("emails.received") else { panic!("no e-mail") };
    Received {
        message_id: Some(message_id.to_owned()),
        subject: Some(subject.to_owned()),
        from: Some(address("ada@example.org")),
        to: vec![address("bob@example.org")],
        cc: vec![],
        bcc: vec![],
        reply_to: vec![],
        in_reply_to: vec![],
        references: vec![],
        date: at(1),
        received_at: at(1),
        text: text.to_owned(),
        parts: vec![],
        notes: vec![],
        language: Some("en".to_owned()),
        place: Where { folder_id: FolderId(Uuid::from_u128(500)), role: Role::Inbox },
        is_read: false,
        is_starred: false,
        labels: vec![],
        origin: Origin::Import,
        bounce: None,
        ..*received
    }
}

/// An answer to these message ids.
pub fn answer(message_id: &str, to: &[&str]) -> Received {
    let references = to.iter().map(|id| (*id).to_owned()).collect();
    Received { references, ..received(message_id, "Re: something", "Yes.") }
}

fn place(argument: u8) -> Where {
    let role = [Role::Inbox, Role::Junk, Role::Other][usize::from(argument % 3)];
    Where { folder_id: FolderId(Uuid::from_u128(500 + u128::from(argument % 3))), role }
}

fn days(argument: u8) -> DateTime<Utc> {
    at(1) + TimeDelta::days(i64::from(argument) * 9)
}

/// A message with a message id, references, a subject, people and flags that other messages of `argument` share.
pub fn any_received(n: u8, argument: u8) -> Received {
    let subject = ["Re: lunch", "lunch", "", "Fwd: news", "news"][usize::from(argument % 5)];
    let answers = [vec![], vec![], vec![n / 2], vec![(n + argument) % EMAILS, 40 + argument % 2]];
    let references: Vec<String> = answers[usize::from(argument / 5 % 4)].iter().map(|n| format!("m{n}@x")).collect();
    let from = ["ada@example.org", "Bob@example.org", ""][usize::from(n % 3)];
    Received {
        message_id: (n != 3).then(|| format!("m{n}@x")),
        references,
        from: (!from.is_empty()).then(|| address(from)),
        to: vec![address(if n.is_multiple_of(2) { "bob@example.org" } else { "ada@example.org" })],
        date: days(argument),
        language: [None, Some("en".to_owned()), Some("de".to_owned())][usize::from(argument % 3)].clone(),
        place: place(argument),
        is_read: argument.is_multiple_of(2),
        is_starred: argument.is_multiple_of(7),
        labels: (0..argument % 3).map(|n| format!("l\"{n}, \\ü")).collect(),
        ..received("", subject, &format!("words {argument} {n}"))
    }
}

/// Whether what happens to this stream may begin again after its end.
pub fn comes_back(place: u8) -> bool {
    place < EMAILS || place == EMAILS + DECISIONS + 2
}

/// Any fact of one of a user's streams of mail; `stream` says which stream is at a place.
pub fn any_event(place: u8, first: bool, what: u8, argument: u8, stream: impl Fn(u8) -> Uuid) -> Event {
    const DRAFT: u8 = EMAILS + DECISIONS;
    let email = |n: u8| EmailId(stream(n % EMAILS));
    match place {
        0..EMAILS if first => of_email(any_received(place, argument)),
        0..EMAILS => of_email(mark(what, argument)),
        EMAILS..DRAFT => {
            let email_ids = (0..=argument % 3).map(|n| email(argument / 3 * (n + 1) + n)).collect();
            of_thread(match (first, what % 5) {
                (false, 0) => thread::Event::from(thread::Dissolved {}),
                (_, 0..3) => thread::Merged { email_ids }.into(),
                _ => thread::Split { email_ids }.into(),
            })
        }
        DRAFT => Event::Draft(match (first, what % 6) {
            (true, _) | (false, 0) => draft::Drafted { content: content(argument), created_by: Author::Agent }.into(),
            (_, 1 | 2) => draft::Edited { content: content(argument) }.into(),
            (_, 3) => draft::Discarded {}.into(),
            (_, 4) => draft::Submitted { submission_id: SubmissionId(stream(DRAFT + 1)) }.into(),
            _ => draft::Reopened {}.into(),
        }),
        10 => Event::Submission(sending(first, what, argument)),
        11 => Event::Folder(match (first, what % 4) {
            (true, _) | (false, 0) => observed(argument).into(),
            (_, 1 | 2) => folder::ResetObserved { uid_validity: argument.into(), rematched: 1, missing: 0 }.into(),
            _ => folder::Removed {}.into(),
        }),
        _ if first => example("attachments.uploaded"),
        _ => Event::Attachment(attachment::Discarded {}.into()),
    }
}

fn mark(what: u8, argument: u8) -> email::Event {
    let label = format!("l\"{}, \\ü", argument % 4);
    match what % 14 {
        0 => email::Read {}.into(),
        1 => email::Unread {}.into(),
        2 => email::Starred {}.into(),
        3 => email::Unstarred {}.into(),
        4 => email::Archived {}.into(),
        5 => email::Unarchived {}.into(),
        6 => email::Moved { place: place(argument) }.into(),
        7 | 8 => email::Labelled { label }.into(),
        9 => email::Unlabelled { label }.into(),
        10 => email::Trashed { trashed_at: days(argument) }.into(),
        11 => email::Restored {}.into(),
        12 => email::Snoozed { until: argument.is_multiple_of(2).then(|| days(argument)) }.into(),
        _ => email::Deleted {}.into(),
    }
}

fn content(argument: u8) -> Content {
    Content {
        connection_id: None,
        reply_to_email_id: argument.is_multiple_of(2).then(|| EmailId(Uuid::from_u128(argument.into()))),
        to: vec![address("bob@example.org")],
        cc: vec![],
        bcc: vec![],
        subject: format!("words {argument}"),
        body: "written".to_owned(),
        attachments: (0..argument % 3).map(|n| AttachmentId(Uuid::from_u128(n.into()))).collect(),
    }
}

fn observed(argument: u8) -> folder::Observed {
    let name = format!("words {argument}");
    folder::Observed { connection_id: None, path: name.clone(), name, role: place(argument).role, delimiter: None }
}

pub fn sending(first: bool, what: u8, argument: u8) -> submission::Event {
    let (code, detail) = ("greylisted".to_owned(), format!("words {argument}"));
    let said = |accepted| Recipient { email: "bob@example.org".into(), accepted, code: Some(250), detail: None };
    let bounced = BouncedRecipient {
        email: "bob@example.org".into(),
        action: if argument.is_multiple_of(3) { Action::Delayed } else { Action::Failed },
        status: Some("5.1.1".into()),
        diagnostic: None,
    };
    match (first, what % 9) {
        (true, _) => {
            let Event::Submission(submitted) = example("submissions.submitted") else { panic!("no submission") };
            submitted
        }
        (_, 0) => submission::Held { until: days(argument), scheduled: argument.is_multiple_of(2) }.into(),
        (_, 1 | 2) => submission::Attempted { attempt: argument.into(), lease_until: days(argument) }.into(),
        (_, 3) => submission::Deferred { until: days(argument), code, detail, recipients: vec![said(false)] }.into(),
        (_, 4) => {
            submission::Sent { sent_at: days(argument), recipients: vec![said(true)], found_in_sent: false }.into()
        }
        (_, 5) => submission::DeliveryFailed { code, detail, recipients: vec![said(false)] }.into(),
        (_, 6) => submission::Uncertain { detail }.into(),
        (_, 7) => {
            submission::Bounced { email_id: EmailId(Uuid::from_u128(argument.into())), recipients: vec![bounced] }
                .into()
        }
        _ => submission::Cancelled {}.into(),
    }
}
