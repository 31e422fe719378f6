//! Making a task what it was.

use orbit_events::tasks::task::{Reopened, Restored};

use super::*;

/// The task as it was created, changed a little, is what it is to be again.
fn be(change: impl FnOnce(&mut Present)) -> Command {
    let State::Present(mut to) = a_task([]).then_state() else { panic!("a task that was created is there") };
    change(&mut to);
    Command::SetBack(Box::new(SetBack { to: *to, lineage: None }))
}

#[test]
fn each_field_goes_back_by_its_own_fact() {
    let changed = [
        Retitled { title: "Buy oats".into() }.into(),
        Prioritised { priority: Priority::High }.into(),
        Moved { list_id: list(2), position: "B".into() }.into(),
        labelled(7),
    ];
    a_task(changed).when(be(|_| ())).then([
        Retitled { title: "Buy milk".into() }.into(),
        Prioritised { priority: Priority::Medium }.into(),
        Moved { list_id: list(1), position: at_end(now(), 0) }.into(),
        Unlabelled { label_id: label(7) }.into(),
    ]);
}

#[test]
fn what_was_done_or_dismissed_is_so_again_at_its_moment_and_for_its_reason() {
    let earlier = now() - chrono::TimeDelta::days(1);
    let done = |task: &mut Present| (task.status, task.completed_at) = (Status::Done, Some(earlier));
    a_task([]).when(be(done)).then([Completed { completed_at: earlier }.into()]);
    let reason = || Some("Not mine".to_owned());
    let turned_down = |task: &mut Present| (task.status, task.dismiss_reason) = (Status::Dismissed, reason());
    a_task([completed()])
        .when(be(turned_down))
        .then([Reopened {}.into(), Dismissed { reason: reason() }.into()])
        .when(be(turned_down))
        .then_nothing();
}

#[test]
fn a_task_comes_out_of_the_trash_and_goes_back_into_it() {
    a_task([deleted()])
        .when(be(|_| ()))
        .then([Restored {}.into()])
        .when(be(|task| task.deleted_at = Some(now())))
        .then([deleted()]);
}

#[test]
fn in_the_trash_a_task_does_not_change() {
    let retitle = be(|task| (task.title, task.deleted_at) = ("Buy oats".into(), Some(now())));
    a_task([deleted()]).when(retitle).then_rejected(Rejection::Deleted);
}

#[test]
fn a_task_is_part_again_only_of_what_may_be_its_parent() {
    let part_of_9 = |lineage| match be(|to| to.parent_id = Some(task(9))) {
        Command::SetBack(asked) => Command::SetBack(Box::new(SetBack { lineage, ..*asked })),
        other => other,
    };
    a_task([]).when(part_of_9(Some(below(9)))).then([Nested { parent_id: Some(task(9)) }.into()]);
    a_task([]).when(part_of_9(None)).then_rejected(Rejection::ParentNotFound);
    let deleted_parent = Lineage { standing: Standing::Deleted, ..below(9) };
    a_task([]).when(part_of_9(Some(deleted_parent))).then_rejected(Rejection::ParentDeleted);
    let circle = Lineage { ancestors: vec![TaskId(stream())], ..below(9) };
    a_task([]).when(part_of_9(Some(circle))).then_rejected(Rejection::Circle);
}
