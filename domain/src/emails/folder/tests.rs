//! Rules of folders, as sentences.

use proptest::prelude::*;

use super::*;
use crate::{
    given::{given, stream, user},
    laws::{laws, text},
};

fn seen(name: &str) -> Observed {
    Observed {
        connection_id: Some(ConnectionId(Uuid::from_u128(7))),
        path: format!("INBOX/{name}"),
        name: name.into(),
        role: Role::Other,
        delimiter: Some("/".into()),
    }
}

fn observe(name: &str) -> Command {
    Command::Observe(seen(name))
}

fn reset(uid_validity: u32) -> ResetObserved {
    ResetObserved { uid_validity, rematched: 2, missing: 1 }
}

#[test]
fn a_folder_is_told_again_when_any_of_it_changed() {
    let renamed = Observed { role: Role::Archive, ..seen("Bills") };
    given::<Folder>([])
        .when(observe("Bills"))
        .then([seen("Bills").into()])
        .when(observe("Bills"))
        .then_nothing()
        .when(Command::Observe(renamed.clone()))
        .then([renamed.into()]);
}

#[test]
fn what_others_call_a_folder_is_cut_to_one_line() {
    let name = format!("a\r\nb\0{}", "ü".repeat(300));
    let state = given::<Folder>([]).when(observe(&name));
    let expected = format!("a  b{}", "ü".repeat(251));
    let (path, delimiter) = (format!("INBOX/a  b{}", "ü".repeat(300)), Some("/".to_owned()));
    let told = Observed { path, delimiter, ..seen(&expected) };
    state.then([told.into()]).when(observe(&name)).then_nothing();
}

#[test]
fn a_reset_is_told_once() {
    given::<Folder>([seen("Bills").into()])
        .when(Command::ObserveReset(reset(8)))
        .then([reset(8).into()])
        .when(Command::ObserveReset(reset(8)))
        .then_nothing()
        .when(observe("Bills"))
        .then_nothing()
        .when(Command::ObserveReset(reset(9)))
        .then([reset(9).into()]);
    given::<Folder>([]).when(Command::ObserveReset(reset(8))).then_rejected(Rejection::NotFound);
}

#[test]
fn a_folder_that_is_no_more_comes_back_when_it_is_seen_again() {
    let removed = || Event::from(Removed {});
    given::<Folder>([seen("Bills").into()])
        .when(Command::Remove)
        .then([removed()])
        .when(Command::Remove)
        .then_nothing()
        .when(observe("Bills"))
        .then([seen("Bills").into()]);
    given::<Folder>([removed()]).when(Command::ObserveReset(reset(8))).then_rejected(Rejection::Removed);
    given::<Folder>([]).when(Command::Remove).then_rejected(Rejection::NotFound);
}

#[test]
fn folders_are_found_by_their_user() {
    let claim = Claim::ordered("folders.user", &[user().0.as_bytes(), stream().as_bytes()]);
    given::<Folder>([seen("Bills").into()]).then_claims([claim]);
    given::<Folder>([seen("Bills").into(), Removed {}.into()]).then_claims([]);
}

fn command() -> impl Strategy<Value = Command> {
    let observed = (text(), text(), prop::option::of(text()), any::<bool>());
    let observed = observed.prop_map(|(path, name, delimiter, inbox)| Observed {
        connection_id: None,
        path,
        name,
        role: if inbox { Role::Inbox } else { Role::Other },
        delimiter,
    });
    prop_oneof![
        4 => observed.prop_map(Command::Observe),
        1 => (0..3_u32).prop_map(|uid_validity| Command::ObserveReset(reset(uid_validity))),
        1 => Just(Command::Remove),
    ]
}

laws!(Folder, command(), absent: State::Absent | State::Removed);
