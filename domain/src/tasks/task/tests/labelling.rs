//! Labels on a task.

use super::*;

#[test]
fn the_set_of_labels_becomes_this_one() {
    a_task([labelled(1), labelled(2)])
        .when(set_labels([2, 3, 3]))
        .then([Unlabelled { label_id: label(1) }.into(), labelled(3)])
        .when(set_labels([3, 2]))
        .then_nothing();
}

#[test]
fn a_label_is_put_on_and_taken_off_once() {
    a_task([])
        .when(Command::Label(label(1)))
        .then([labelled(1)])
        .when(Command::Label(label(1)))
        .then_nothing()
        .when(Command::Unlabel(label(1)))
        .then([Unlabelled { label_id: label(1) }.into()])
        .when(Command::Unlabel(label(1)))
        .then_nothing();
}

#[test]
fn a_51st_label_is_rejected() {
    a_task([]).when(set_labels(0..51)).then_rejected(Rejection::TooManyLabels);
    a_task((0..50).map(labelled)).when(Command::Label(label(50))).then_rejected(Rejection::TooManyLabels);
    a_task((0..50).map(labelled)).when(Command::Label(label(49))).then_nothing();
}

#[test]
fn a_very_long_list_of_labels_is_refused_quickly() {
    a_task([]).when(set_labels(0..30_000)).then_rejected(Rejection::TooManyLabels);
}
