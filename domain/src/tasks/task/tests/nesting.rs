//! Sub-tasks.

use super::*;

#[test]
fn a_task_becomes_part_of_another_and_stops_being_it() {
    a_task([])
        .when(nest(Some(below(7))))
        .then([Nested { parent_id: Some(task(7)) }.into()])
        .when(nest(None))
        .then([Nested { parent_id: None }.into()])
        .when(nest(None))
        .then_nothing();
}

#[test]
fn a_task_may_stay_where_it_is_even_if_it_could_not_come_there_now() {
    let gone = Lineage { standing: Standing::Deleted, ..below(7) };
    a_task([Nested { parent_id: Some(task(7)) }.into()]).when(nest(Some(gone))).then_nothing();
}

#[test]
fn the_tree_stays_a_shallow_tree() {
    let itself = Lineage { parent: TaskId(stream()), ..below(7) };
    let circle = Lineage { ancestors: vec![task(8), TaskId(stream())], ..below(7) };
    let too_deep = Lineage { ancestors: (10..15).map(task).collect(), ..below(7) };
    let too_high = Lineage { height: 5, ..below(7) };
    let absent = Lineage { standing: Standing::Absent, ..below(7) };
    let deleted = Lineage { standing: Standing::Deleted, ..below(7) };
    for (lineage, rejection) in [
        (itself, Rejection::Circle),
        (circle, Rejection::Circle),
        (too_deep, Rejection::TooDeep),
        (too_high, Rejection::TooDeep),
        (absent, Rejection::ParentNotFound),
        (deleted, Rejection::ParentDeleted),
    ] {
        a_task([]).when(nest(Some(lineage.clone()))).then_rejected(rejection.clone());
        let create = Create { lineage: Some(lineage), ..new("x") };
        given::<Task>([]).when(Command::Create(create)).then_rejected(rejection);
    }
}
