//! Completing, dismissing, reopening.

use super::*;

#[test]
fn a_task_is_completed_once() {
    a_task([]).when(Command::Complete).then([completed()]).when(Command::Complete).then_nothing();
}

#[test]
fn a_done_task_knows_when_and_forgets_it_when_reopened() {
    let state = a_task([completed()]).then_state();
    let done = state.live().unwrap();
    assert_eq!((done.status, done.completed_at), (Status::Done, Some(now())));
    let state = a_task([completed(), Reopened {}.into()]).then_state();
    let open = state.live().unwrap();
    assert_eq!((open.status, open.completed_at), (Status::Open, None));
}

#[test]
fn every_open_status_can_be_completed_or_dismissed() {
    for status in [Status::Backlog, Status::InProgress, Status::Waiting, Status::Pending] {
        a_task([standing(status)]).when(Command::Complete).then([completed()]);
        a_task([standing(status)]).when(DISMISS).then([dismissed()]);
    }
}

#[test]
fn a_done_or_dismissed_task_is_reopened_and_an_open_one_is_left_alone() {
    a_task([completed()]).when(Command::Reopen).then([Reopened {}.into()]).when(Command::Reopen).then_nothing();
    a_task([dismissed()]).when(Command::Reopen).then([Reopened {}.into()]);
    a_task([standing(Status::Waiting)]).when(Command::Reopen).then_nothing();
}

#[test]
fn a_task_is_dismissed_once_with_the_users_words() {
    let reason = Reason::parse("no longer needed").unwrap();
    a_task([])
        .when(Command::Dismiss { reason: Some(reason.clone()) })
        .then([Dismissed { reason: Some("no longer needed".into()) }.into()])
        .when(Command::Dismiss { reason: None })
        .then_nothing();
}

#[test]
fn what_is_done_is_not_dismissed_and_what_is_dismissed_is_not_done() {
    a_task([completed()]).when(DISMISS).then_rejected(Rejection::Done);
    a_task([dismissed()]).when(Command::Complete).then_rejected(Rejection::Dismissed);
    a_task([completed()]).when(set_status(Status::Dismissed)).then_rejected(Rejection::Done);
    a_task([dismissed()]).when(set_status(Status::Done)).then_rejected(Rejection::Dismissed);
}

#[test]
fn setting_the_status_to_done_or_dismissed_completes_or_dismisses() {
    a_task([]).when(set_status(Status::Done)).then([completed()]);
    a_task([]).when(set_status(Status::Dismissed)).then([dismissed()]);
    a_task([completed()]).when(set_status(Status::Done)).then_nothing();
}

#[test]
fn setting_the_status_of_a_done_task_reopens_it_first() {
    a_task([completed()]).when(set_status(Status::Open)).then([Reopened {}.into()]);
    a_task([dismissed()])
        .when(set_status(Status::Waiting))
        .then([Reopened {}.into(), super::standing(Status::Waiting)]);
}

#[test]
fn the_status_that_a_task_has_is_not_set_again() {
    a_task([]).when(set_status(Status::Open)).then_nothing();
}

#[test]
fn a_done_task_can_still_be_edited() {
    a_task([completed()])
        .when(edit(Edit { title: Some(title("Bought milk")), ..Edit::default() }))
        .then([Retitled { title: "Bought milk".into() }.into()]);
}

#[test]
fn the_reason_is_known_while_a_task_is_dismissed_and_no_longer() {
    let why = |task: Given<Task>| Task::fields(&task.then_state())["dismiss_reason"].clone();
    let dismissed = || Dismissed { reason: Some("Not mine".into()) }.into();
    assert_eq!(why(a_task([dismissed()])), "Not mine");
    assert_eq!(why(a_task([dismissed(), Reopened {}.into()])), serde_json::Value::Null);
}
