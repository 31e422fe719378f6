//! Changing what a task says and where it stands.

use super::*;

#[test]
fn one_edit_tells_each_thing_that_changed() {
    let everything = Edit {
        title: Some(title("Buy bread")),
        description: Some(Some(description("rye"))),
        priority: Some(Priority::Low),
        status: Some(Status::InProgress),
        due_date: Some(Some(DueDate::parse("2026-12-01").unwrap())),
        place: Some(place(2)),
        parent: Some(Some(below(7))),
        labels: Some(vec![label(1)]),
    };
    a_task([])
        .when(edit(everything.clone()))
        .then([
            Retitled { title: "Buy bread".into() }.into(),
            Described { description: Some("rye".into()) }.into(),
            Prioritised { priority: Priority::Low }.into(),
            Scheduled { due_date: NaiveDate::from_ymd_opt(2026, 12, 1) }.into(),
            Moved { list_id: list(2), position: at_end(now(), 0) }.into(),
            Nested { parent_id: Some(task(7)) }.into(),
            labelled(1),
            standing(Status::InProgress),
        ])
        .when(edit(everything))
        .then_nothing();
}

#[test]
fn description_and_due_date_can_be_cleared() {
    let told = [
        Described { description: Some("rye".into()) }.into(),
        Scheduled { due_date: NaiveDate::from_ymd_opt(2026, 12, 1) }.into(),
    ];
    a_task(told)
        .when(edit(Edit { description: Some(None), due_date: Some(None), ..Edit::default() }))
        .then([Described { description: None }.into(), Scheduled { due_date: None }.into()]);
}

#[test]
fn one_broken_rule_keeps_the_whole_edit_from_happening() {
    let half = Edit { title: Some(title("Buy bread")), status: Some(Status::Done), ..Edit::default() };
    a_task([dismissed()]).when(edit(half)).then_rejected(Rejection::Dismissed);
}

#[test]
fn a_task_that_is_in_the_list_already_keeps_its_place_there() {
    a_task([]).when(edit(Edit { place: Some(place(1)), ..Edit::default() })).then_nothing();
}

#[test]
fn a_task_is_moved_between_two_neighbours_unless_it_stands_there() {
    let slot = Slot::between(Some("A"), Some("C"), now(), 0).unwrap();
    let to = Command::Edit(Edit { place: Some(Place { list_id: list(1), slot }), ..Edit::default() });
    let moved = Moved { list_id: list(1), position: "B1".into() };
    a_task([]).when(to.clone()).then([moved.clone().into()]).when(to.clone()).then_nothing();
    a_task([Moved { position: "AV".into(), ..moved }.into()]).when(to).then_nothing();
}
