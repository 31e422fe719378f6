//! Deleting and restoring.

use super::*;

#[test]
fn a_task_is_deleted_and_restored_once() {
    a_task([])
        .when(Command::Delete)
        .then([deleted()])
        .when(Command::Delete)
        .then_nothing()
        .when(restore())
        .then([Restored {}.into()])
        .when(restore())
        .then_nothing();
}

#[test]
fn a_deleted_task_takes_no_other_command() {
    for command in all_others() {
        a_task([deleted()]).when(command).then_rejected(Rejection::Deleted);
    }
}

#[test]
fn a_restored_task_is_as_it_was() {
    let before = a_task([completed(), labelled(1)]).then_state();
    assert_eq!(a_task([completed(), labelled(1), deleted(), Restored {}.into()]).then_state(), before);
}

#[test]
fn a_task_whose_place_is_lost_comes_back_elsewhere() {
    let there = Restore { place: Some(place(2)), lineage: None };
    a_task([deleted()])
        .when(Command::Restore(there))
        .then([Restored {}.into(), Moved { list_id: list(2), position: at_end(now(), 0) }.into()]);
}

#[test]
fn a_task_comes_back_below_its_parent() {
    let back = Restore { place: None, lineage: Some(below(7)) };
    a_task([Nested { parent_id: Some(task(7)) }.into(), deleted()])
        .when(Command::Restore(back))
        .then([Restored {}.into()]);
}

#[test]
fn a_task_whose_parent_is_gone_comes_back_without() {
    for lineage in [
        None,
        Some(Lineage { standing: Standing::Deleted, ..below(7) }),
        Some(Lineage { height: 5, ..below(7) }),
        Some(below(8)),
    ] {
        a_task([Nested { parent_id: Some(task(7)) }.into(), deleted()])
            .when(Command::Restore(Restore { place: None, lineage }))
            .then([Restored {}.into(), Nested { parent_id: None }.into()]);
    }
}
