//! Marks on an e-mail: read, starred, archived, moved, labelled, put off; and all of them as they were.

use super::*;

#[test]
fn an_email_is_marked_once() {
    an_email([]).when(read(true)).then([Read {}.into()]).when(read(true)).then_nothing();
    an_email([Read {}.into()]).when(read(false)).then([Unread {}.into()]);
    let both = Command::Mark { read: Some(true), starred: Some(true) };
    an_email([]).when(both).then([Read {}.into(), Starred {}.into()]);
    an_email([]).when(Command::Mark { read: None, starred: None }).then_nothing();
}

#[test]
fn an_email_goes_to_the_archive_and_stays_in_its_folder() {
    let state = an_email([]).when(Command::Archive).then([Archived {}.into()]).then_state();
    let email = state.present().unwrap();
    assert_eq!((email.place, email.role()), (inbox(), Role::Archive));
    an_email([Archived {}.into()]).when(Command::Unarchive(None)).then([Unarchived {}.into()]);
    an_email([]).when(Command::Unarchive(Some(inbox()))).then_nothing();
}

#[test]
fn what_came_in_as_archived_goes_to_the_given_folder_when_it_is_taken_out() {
    let received = Received { place: place(3, Role::Archive), ..message() };
    given::<Email>([received.into(), Archived {}.into()])
        .when(Command::Unarchive(Some(inbox())))
        .then([Unarchived {}.into(), Moved { place: inbox() }.into()])
        .when(Command::Unarchive(Some(inbox())))
        .then_nothing();
}

#[test]
fn moving_to_an_archive_archives_and_moving_elsewhere_takes_out_of_it() {
    let other = place(5, Role::Other);
    an_email([]).when(Command::Move(place(3, Role::Archive))).then([Archived {}.into()]);
    an_email([Archived {}.into()])
        .when(Command::Move(other))
        .then([Unarchived {}.into(), Moved { place: other }.into()])
        .when(Command::Move(other))
        .then_nothing();
    an_email([Archived {}.into()]).when(Command::Move(inbox())).then([Unarchived {}.into()]);
}

#[test]
fn labels_are_put_on_and_taken_off_once() {
    an_email([]).when(Command::Label(label("a"))).then([labelled("a")]).when(Command::Label(label("a"))).then_nothing();
    an_email([labelled("a")])
        .when(Command::Unlabel(label("a")))
        .then([Unlabelled { label: "a".into() }.into()])
        .when(Command::Unlabel(label("a")))
        .then_nothing();
}

#[test]
fn an_email_has_at_most_50_labels() {
    let full = || an_email((0..50).map(|n| labelled(&format!("l{n}"))));
    full().when(Command::Label(label("l7"))).then_nothing();
    full().when(Command::Label(label("one more"))).then_rejected(Rejection::TooManyLabels);
}

#[test]
fn an_edit_changes_several_marks_and_names_all_labels() {
    let edit = Edit {
        read: Some(true),
        starred: None,
        archived: Some(true),
        labels: Some(vec![label("b"), label("c"), label("b")]),
    };
    an_email([labelled("a"), labelled("b")])
        .when(Command::Edit(edit.clone()))
        .then([Read {}.into(), Archived {}.into(), Unlabelled { label: "a".into() }.into(), labelled("c")])
        .when(Command::Edit(edit))
        .then_nothing();
}

#[test]
fn an_email_is_put_off_until_a_time_that_is_not_too_far() {
    let until = |days| Some(now() + TimeDelta::days(days));
    let snooze = |days| Command::Snooze(until(days));
    let snoozed = |until| Event::from(Snoozed { until });
    an_email([]).when(snooze(1)).then([snoozed(until(1))]).when(snooze(1)).then_nothing();
    an_email([snoozed(until(1))]).when(Command::Snooze(None)).then([snoozed(None)]);
    an_email([]).when(Command::Snooze(None)).then_nothing();
    an_email([]).when(snooze(0)).then_rejected(Rejection::SnoozeInThePast);
    an_email([]).when(snooze(5 * 365 + 1)).then_rejected(Rejection::SnoozeTooFar);
    an_email([snoozed(until(-1))]).when(snooze(-1)).then_nothing();
}

#[test]
fn all_marks_go_back_by_facts_of_their_own() {
    let Some(before) = an_email([]).then_state().present().map(Present::fields) else { panic!("it is there") };
    let changed = [Read {}.into(), Starred {}.into(), Archived {}.into(), labelled("a"), trashed()];
    an_email(changed).when(set_back(&before)).then([
        Restored {}.into(),
        Unread {}.into(),
        Unstarred {}.into(),
        Unarchived {}.into(),
        Unlabelled { label: "a".into() }.into(),
    ]);
    an_email([]).when(set_back(&before)).then_nothing();
}
