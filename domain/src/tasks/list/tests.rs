//! Rules of lists, as sentences.

use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, given, now, stream, user},
    laws::{laws, parsed},
    tasks::order::at_end,
};

fn name(name: &str) -> ListName {
    ListName::parse(name).unwrap()
}

fn color(color: &str) -> Color {
    Color::parse(color).unwrap()
}

fn slot() -> Slot {
    Slot::anywhere(now(), 0)
}

fn end() -> String {
    at_end(now(), 0)
}

fn today() -> Event {
    Created { name: "Today".into(), color: None, position: end() }.into()
}

fn a_list() -> Given<List> {
    given([today()])
}

fn create(text: &str) -> Command {
    Command::Create { name: name(text), color: None, slot: slot() }
}

fn rename(text: &str) -> Command {
    Command::Edit(Edit { name: Some(name(text)), ..Edit::default() })
}

const REMOVE: Command = Command::Remove { has_tasks: false, is_last: false };

#[test]
fn a_list_is_created_at_the_end() {
    given::<List>([]).when(create("Today")).then([today()]);
}

#[test]
fn creating_the_same_list_again_is_quiet_and_another_with_its_id_is_rejected() {
    a_list().when(create("Today")).then_nothing();
    a_list().when(create("Tomorrow")).then_rejected(Rejection::Exists);
}

#[test]
fn a_list_is_renamed_recoloured_and_moved_in_one_go() {
    let slot = Slot::between(None, Some("A"), now(), 0).unwrap();
    let edit = Edit { name: Some(name("Now")), color: Some(Some(color("#FF0000"))), slot: Some(slot.clone()) };
    a_list().when(Command::Edit(edit)).then([
        Renamed { name: "Now".into() }.into(),
        Recoloured { color: Some("#ff0000".into()) }.into(),
        Moved { position: slot.position().into() }.into(),
    ]);
}

#[test]
fn only_what_changes_becomes_a_fact() {
    let same = Edit { name: Some(name("Today")), color: Some(None), slot: Some(slot()) };
    a_list().when(Command::Edit(same)).then_nothing();
    a_list().when(Command::Edit(Edit::default())).then_nothing();
}

#[test]
fn a_name_may_change_its_case() {
    a_list().when(rename("TODAY")).then([Renamed { name: "TODAY".into() }.into()]);
}

#[test]
fn a_colour_can_be_cleared() {
    let clear = Edit { color: Some(None), ..Edit::default() };
    given::<List>([today(), Recoloured { color: Some("#ff0000".into()) }.into()])
        .when(Command::Edit(clear))
        .then([Recoloured { color: None }.into()]);
}

#[test]
fn an_empty_list_is_removed_once() {
    a_list().when(REMOVE).then([Removed {}.into()]).when(REMOVE).then_nothing();
}

#[test]
fn a_list_with_tasks_is_not_removed() {
    a_list().when(Command::Remove { has_tasks: true, is_last: true }).then_rejected(Rejection::NotEmpty);
}

#[test]
fn the_last_list_is_not_removed() {
    a_list().when(Command::Remove { has_tasks: false, is_last: true }).then_rejected(Rejection::Last);
}

#[test]
fn a_removed_list_takes_no_more_commands() {
    for command in [create("Today"), rename("x"), Command::Edit(Edit::default())] {
        given::<List>([today(), Removed {}.into()]).when(command).then_rejected(Rejection::Removed);
    }
}

#[test]
fn a_list_that_never_was_is_not_found() {
    for command in [rename("x"), REMOVE] {
        given::<List>([]).when(command).then_rejected(Rejection::NotFound);
    }
}

#[test]
fn a_list_holds_its_name_without_regard_to_case_and_its_place() {
    let (user_bytes, end) = (user().0.into_bytes(), end());
    a_list().then_claims([
        Claim::hashed("lists.name", &[&user_bytes, b"today"]),
        Claim::ordered("lists.order", &[&user_bytes, end.as_bytes()]),
    ]);
    assert_eq!(name_claim(user(), "TODAY"), name_claim(user(), "today"));
}

#[test]
fn a_removed_list_holds_nothing() {
    given::<List>([today(), Removed {}.into()]).then_claims([]);
    assert_eq!(List::claims(&State::Absent, stream(), user()), []);
}

fn command() -> impl Strategy<Value = Command> {
    let name = parsed(ListName::parse);
    let color = prop::option::of(prop::sample::select(vec![color("#112233"), color("#445566")]));
    let slot = any::<(u8, u32)>().prop_map(|(before, jitter)| match before {
        0..128 => Slot::anywhere(now(), jitter),
        128.. => Slot::between(None, Some("V"), now(), jitter).unwrap(),
    });
    let edit = (prop::option::of(name.clone()), prop::option::of(color.clone()), prop::option::of(slot.clone()))
        .prop_map(|(name, color, slot)| Edit { name, color, slot });
    let earlier = (name.clone(), color.clone()).prop_map(|(name, color)| Command::SetBack {
        to: Present { name: name.into(), color: color.map(String::from), position: end() },
        created_at: now(),
    });
    prop_oneof![
        1 => earlier,
        2 => (name, color, slot).prop_map(|(name, color, slot)| Command::Create { name, color, slot }),
        4 => edit.prop_map(Command::Edit),
        1 => any::<(bool, bool)>().prop_map(|(has_tasks, is_last)| Command::Remove { has_tasks, is_last }),
    ]
}

#[test]
fn a_list_that_was_taken_off_the_board_comes_back_as_it_was() {
    let to = Present { name: "Today".into(), color: None, position: end() };
    let restored = Restored { name: "Today".into(), color: None, position: end(), created_at: now() };
    let set_back = Command::SetBack { to, created_at: now() };
    given::<List>([today(), Removed {}.into()])
        .when(set_back.clone())
        .then([restored.into()])
        .when(set_back)
        .then_nothing();
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    if fields.is_empty() {
        return REMOVE;
    }
    Command::SetBack { to: Present::from_fields(fields).unwrap(), created_at: now() }
}

laws!(List, command(), absent: State::Absent | State::Removed, set_back: set_back);
