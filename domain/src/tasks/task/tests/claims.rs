//! What a task holds to itself across all streams.

use super::*;

#[test]
fn a_task_holds_its_place_and_its_parent() {
    let end = at_end(now(), 0);
    let (list, parent) = (list(1).0.into_bytes(), task(7).0.into_bytes());
    let place = || Claim::ordered("tasks.order", &[&list, end.as_bytes()]);
    a_task([]).then_claims([place()]);
    a_task([Nested { parent_id: Some(task(7)) }.into()])
        .then_claims([place(), Claim::ordered("tasks.child", &[&parent, stream().as_bytes()])]);
}

#[test]
fn a_deleted_task_holds_nothing() {
    a_task([Nested { parent_id: Some(task(7)) }.into(), deleted()]).then_claims([]);
    assert_eq!(Task::claims(&State::Absent, stream(), user()), []);
}
