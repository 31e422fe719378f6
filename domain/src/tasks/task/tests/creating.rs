//! Writing tasks down.

use super::*;

#[test]
fn a_task_is_written_down_with_what_a_user_would_expect() {
    given::<Task>([]).when(Command::Create(new("Buy milk"))).then([created().into()]);
}

#[test]
fn a_task_keeps_everything_that_was_told() {
    let told = Create {
        lineage: Some(below(7)),
        description: Some(description("2 %")),
        priority: Some(Priority::High),
        status: Some(Status::Pending),
        due_date: Some(DueDate::parse("2026-12-01").unwrap()),
        labels: vec![label(1), label(2), label(1)],
        extracted_from: Some(EntityRef { kind: "email".into(), id: Uuid::nil() }),
        ..new("Buy milk")
    };
    let kept = Created {
        parent_id: Some(task(7)),
        description: Some("2 %".into()),
        priority: Priority::High,
        status: Status::Pending,
        due_date: NaiveDate::from_ymd_opt(2026, 12, 1),
        labels: vec![label(1), label(2)],
        extracted_from: told.extracted_from.clone(),
        ..created()
    };
    given::<Task>([]).when(Command::Create(told)).then([kept.into()]);
}

#[test]
fn an_empty_description_is_none() {
    let told = Create { description: Some(description("")), ..new("Buy milk") };
    given::<Task>([]).when(Command::Create(told)).then([created().into()]);
}

#[test]
fn a_task_of_the_agent_is_the_agents() {
    let agent = Context { actor: Actor::Agent { run_id: Uuid::nil() }, ..context() };
    let expected = Created { created_by: Author::Agent, ..created() };
    given::<Task>([]).when_in(Command::Create(new("Buy milk")), &agent).then([expected.into()]);
}

#[test]
fn a_task_that_begins_as_done_or_dismissed_was_open_first() {
    let told = |status| Command::Create(Create { status: Some(status), ..new("Buy milk") });
    given::<Task>([]).when(told(Status::Done)).then([created().into(), completed()]);
    given::<Task>([]).when(told(Status::Dismissed)).then([created().into(), dismissed()]);
}

#[test]
fn creating_the_same_again_is_quiet_wherever_it_would_stand() {
    let elsewhere = Place { slot: Slot::anywhere(now(), 99), ..place(1) };
    a_task([]).when(Command::Create(Create { place: elsewhere, ..new("Buy milk") })).then_nothing();
}

#[test]
fn creating_another_with_the_same_id_is_rejected() {
    a_task([]).when(Command::Create(new("Buy bread"))).then_rejected(Rejection::Exists);
    a_task([completed()]).when(Command::Create(new("Buy milk"))).then_rejected(Rejection::Exists);
    a_task([deleted()]).when(Command::Create(new("Buy milk"))).then_rejected(Rejection::Deleted);
}

#[test]
fn a_task_has_at_most_50_labels() {
    let labels = |n: u128| Command::Create(Create { labels: (0..n).map(label).collect(), ..new("x") });
    given::<Task>([]).when(labels(51)).then_rejected(Rejection::TooManyLabels);
    let created = Created { title: "x".into(), labels: (0..50).map(label).collect(), ..created() };
    given::<Task>([]).when(labels(50)).then([created.into()]);
}

#[test]
fn a_task_that_never_was_is_not_found() {
    for command in all_others().into_iter().chain([Command::Delete, restore()]) {
        given::<Task>([]).when(command).then_rejected(Rejection::NotFound);
    }
}
