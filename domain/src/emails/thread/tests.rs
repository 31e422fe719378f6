//! Rules of decisions about threads, as sentences.

use proptest::prelude::*;

use super::*;
use crate::{given::given, laws::laws};

fn emails(ids: impl IntoIterator<Item = u128>) -> Vec<EmailId> {
    ids.into_iter().map(|n| EmailId(Uuid::from_u128(n))).collect()
}

fn merged(ids: impl IntoIterator<Item = u128>) -> Event {
    Merged { email_ids: emails(ids) }.into()
}

#[test]
fn emails_are_merged_once_each() {
    given::<Thread>([])
        .when(Command::Merge(emails([2, 1, 2])))
        .then([merged([2, 1])])
        .when(Command::Merge(emails([2, 1, 1])))
        .then_nothing();
}

#[test]
fn it_takes_two_to_merge_and_one_to_split_off() {
    given::<Thread>([]).when(Command::Merge(emails([1, 1]))).then_rejected(Rejection::TooFew);
    given::<Thread>([]).when(Command::Split(emails([]))).then_rejected(Rejection::TooFew);
    given::<Thread>([]).when(Command::Split(emails([1]))).then([Split { email_ids: emails([1]) }.into()]);
}

#[test]
fn a_decision_is_about_at_most_500_emails() {
    given::<Thread>([]).when(Command::Merge(emails(0..500))).then([merged(0..500)]);
    given::<Thread>([]).when(Command::Merge(emails(0..501))).then_rejected(Rejection::TooMany);
}

#[test]
fn a_decision_does_not_become_another() {
    given::<Thread>([merged([1, 2])]).when(Command::Merge(emails([1, 3]))).then_rejected(Rejection::Exists);
    given::<Thread>([merged([1, 2])]).when(Command::Split(emails([1, 2]))).then_rejected(Rejection::Exists);
}

#[test]
fn a_decision_is_taken_back_once() {
    let dissolved = || Event::from(Dissolved {});
    given::<Thread>([merged([1, 2])])
        .when(Command::Dissolve)
        .then([dissolved()])
        .when(Command::Dissolve)
        .then_nothing();
    given::<Thread>([]).when(Command::Dissolve).then_rejected(Rejection::NotFound);
    given::<Thread>([merged([1, 2]), dissolved()])
        .when(Command::Merge(emails([1, 2])))
        .then_rejected(Rejection::Dissolved);
}

#[test]
fn a_decision_that_was_taken_back_holds_again_as_it_was() {
    let before = Thread::fields(&given::<Thread>([merged([1, 2])]).then_state());
    given::<Thread>([merged([1, 2]), Dissolved {}.into()]).when(set_back(&before)).then([merged([1, 2])]);
    given::<Thread>([merged([1, 2])]).when(set_back(&before)).then_nothing();
}

fn command() -> impl Strategy<Value = Command> {
    let some = prop::collection::vec(0..4_u128, 0..4).prop_map(emails);
    let each_once = prop::collection::btree_set(0..4_u128, 1..4).prop_map(emails);
    let earlier = each_once.prop_map(|email_ids| Present { ruling: Ruling::Split, email_ids });
    prop_oneof![
        3 => some.clone().prop_map(Command::Merge),
        2 => some.prop_map(Command::Split),
        1 => Just(Command::Dissolve),
        1 => earlier.prop_map(Command::SetBack),
    ]
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    match Present::from_fields(fields).unwrap() {
        None => Command::Dissolve,
        Some(decision) => Command::SetBack(decision),
    }
}

laws!(Thread, command(), absent: State::Absent | State::Dissolved, set_back: set_back);
