//! Rules of labels, as sentences.

use proptest::prelude::*;

use super::*;
use crate::{
    given::{given, user},
    laws::{laws, parsed},
};

fn name(name: &str) -> LabelName {
    LabelName::parse(name).unwrap()
}

fn red() -> Color {
    Color::parse("#ff0000").unwrap()
}

fn urgent() -> Event {
    Created { name: "Urgent".into(), color: Some("#ff0000".into()) }.into()
}

fn create(text: &str) -> Command {
    Command::Create { name: name(text), color: Some(red()) }
}

fn rename(text: &str) -> Command {
    Command::Edit(Edit { name: Some(name(text)), color: None })
}

#[test]
fn a_label_is_made_once() {
    given::<Label>([]).when(create("Urgent")).then([urgent()]).when(create("Urgent")).then_nothing();
}

#[test]
fn another_label_with_the_same_id_is_rejected() {
    given::<Label>([urgent()]).when(create("Later")).then_rejected(Rejection::Exists);
}

#[test]
fn a_label_is_renamed_and_recoloured() {
    given::<Label>([urgent()])
        .when(Command::Edit(Edit { name: Some(name("Soon")), color: Some(None) }))
        .then([Renamed { name: "Soon".into() }.into(), Recoloured { color: None }.into()]);
}

#[test]
fn what_a_label_already_is_stays_quiet() {
    let same = Edit { name: Some(name("Urgent")), color: Some(Some(red())) };
    given::<Label>([urgent()]).when(Command::Edit(same)).then_nothing();
}

#[test]
fn a_label_is_removed_once_and_then_takes_no_more_commands() {
    let removed = || given::<Label>([urgent(), Removed {}.into()]);
    given::<Label>([urgent()]).when(Command::Remove).then([Removed {}.into()]).when(Command::Remove).then_nothing();
    removed().when(rename("x")).then_rejected(Rejection::Removed);
    removed().when(create("Urgent")).then_rejected(Rejection::Removed);
}

#[test]
fn a_label_that_never_was_is_not_found() {
    for command in [rename("x"), Command::Remove] {
        given::<Label>([]).when(command).then_rejected(Rejection::NotFound);
    }
}

#[test]
fn a_label_holds_its_name_until_it_is_removed() {
    given::<Label>([urgent()]).then_claims([Claim::hashed("labels.name", &[user().0.as_bytes(), b"urgent"])]);
    given::<Label>([urgent(), Removed {}.into()]).then_claims([]);
    assert_eq!(name_claim(user(), "ÄRGER"), name_claim(user(), "ärger"));
}

fn command() -> impl Strategy<Value = Command> {
    let name = parsed(LabelName::parse);
    let color = prop::option::of(Just(red()));
    let earlier = name.clone().prop_map(|name| Command::SetBack(Present { name: name.into(), color: None }));
    prop_oneof![
        1 => earlier,
        2 => (name.clone(), color.clone()).prop_map(|(name, color)| Command::Create { name, color }),
        4 => (prop::option::of(name), prop::option::of(color))
            .prop_map(|(name, color)| Command::Edit(Edit { name, color })),
        1 => Just(Command::Remove),
    ]
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    if fields.is_empty() {
        return Command::Remove;
    }
    Command::SetBack(Present::from_fields(fields).unwrap())
}

laws!(Label, command(), absent: State::Absent | State::Removed, set_back: set_back);
