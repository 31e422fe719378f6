//! How an e-mail comes in, and comes in again.

use super::*;

#[test]
fn an_email_comes_in_once() {
    given::<Email>([]).when(receive(message())).then([message().into()]).when(receive(message())).then_nothing();
}

#[test]
fn what_comes_in_as_trash_or_archived_is_marked_so() {
    let from = |place| Received { place, ..message() };
    let (archive, trash) = (place(3, Role::Archive), place(4, Role::Trash));
    given::<Email>([]).when(receive(from(archive))).then([from(archive).into(), Archived {}.into()]);
    given::<Email>([]).when(receive(from(trash))).then([from(trash).into(), trashed()]);
}

#[test]
fn what_was_deleted_comes_in_again_only_if_the_user_brings_it() {
    let found = Command::Receive(Box::new(message()), Again::No);
    given::<Email>([]).when(found.clone()).then([message().into()]);
    an_email(deleted()).when(found).then_nothing();
    let state = an_email(deleted()).when(receive(message())).then([message().into()]).then_state();
    assert_eq!(state.present().unwrap().trashed_at, None);
}

#[test]
fn an_email_holds_its_message_even_when_it_is_deleted() {
    let claim = || message_claim(user(), &Key::MessageId("1@example.org".into()));
    assert_eq!(claim(), Claim::hashed("emails.message", &[user().0.as_bytes(), b"m", b"1@example.org"]));
    an_email([]).then_claims([claim()]);
    an_email(deleted()).then_claims([claim()]);
}

#[test]
fn a_message_without_an_id_is_known_by_its_bytes() {
    let received = Received { message_id: None, ..message() };
    let sha256 = received.raw.sha256.clone();
    let claim = Claim::hashed("emails.message", &[user().0.as_bytes(), b"r", sha256.as_bytes()]);
    given::<Email>([received.into()]).then_claims([claim]);
    // An id that looks like a digest is still an id.
    assert_ne!(message_claim(user(), &Key::new(Some(&sha256), "")), message_claim(user(), &Key::new(None, &sha256)));
}

#[test]
fn an_answer_goes_to_whom_the_email_says_or_to_whom_it_is_from() {
    let state = |received: Received| given::<Email>([received.into()]).then_state().present().unwrap().clone();
    assert_eq!(state(message()).reply_to, [ada()]);
    let list = Address { email: "list@example.org".into(), name: None };
    assert_eq!(state(Received { reply_to: vec![list.clone()], ..message() }).reply_to, [list]);
    assert_eq!(state(Received { from: None, ..message() }).reply_to, []);
}

#[test]
fn an_answer_continues_the_references_or_what_was_answered() {
    let state = |in_reply_to: &[&str], references: &[&str]| {
        let [in_reply_to, references] =
            [in_reply_to, references].map(|ids| ids.iter().map(|id| (*id).into()).collect());
        let received = Received { in_reply_to, references, ..message() };
        given::<Email>([received.into()]).then_state().present().unwrap().references.clone()
    };
    assert_eq!(state(&["b"], &["a", "b"]), ["a", "b"]);
    assert_eq!(state(&["b"], &[]), ["b"]);
    assert_eq!(state(&["b", "c"], &[]), [""; 0], "nobody knows which of them");
}

#[test]
fn of_a_long_subject_only_the_beginning_is_kept() {
    let received = Received { subject: Some(format!("a\nb{}", "ü".repeat(900))), ..message() };
    let state = given::<Email>([received.into()]).then_state();
    let subject = &state.present().unwrap().subject;
    assert!(subject.starts_with("a bü") && subject.chars().count() == 200, "{subject}");
}

#[test]
fn an_email_that_was_sent_by_us_comes_in_like_any_other() {
    let origin = Origin::Submission { submission_id: SubmissionId(Uuid::nil()) };
    let sent = Received { origin, place: place(2, Role::Sent), is_read: true, ..message() };
    let state = given::<Email>([]).when(receive(sent.clone())).then([sent.into()]).then_state();
    assert_eq!(state.present().unwrap().role(), Role::Sent);
}

#[test]
fn an_email_that_never_was_is_not_found_and_a_deleted_one_is_gone() {
    for command in [read(true), Command::Archive, Command::Trash, Command::Move(inbox()), Command::Snooze(None)] {
        given::<Email>([]).when(command.clone()).then_rejected(Rejection::NotFound);
        an_email(deleted()).when(command).then_rejected(Rejection::Deleted);
    }
    given::<Email>([]).when(Command::Delete).then_rejected(Rejection::NotFound);
    an_email(deleted()).when(Command::Delete).then_nothing();
}
