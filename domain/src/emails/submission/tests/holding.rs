//! From the wish to the first try: held, scheduled, cancelled.

use super::*;

#[test]
fn a_message_is_submitted_once_and_held() {
    given::<Submission>([]).when(submit()).then([submitted(), held(10, false)]).when(submit()).then_nothing();
    let other = Submit { message_id: "2@example.org".into(), ..message() };
    let other = Command::Submit { submit: Box::new(other), until: later(10), scheduled: false };
    a_submission([]).when(other).then_rejected(Rejection::Exists);
}

#[test]
fn a_message_for_nobody_is_not_submitted() {
    let content = Content { to: vec![], bcc: vec![], ..content() };
    let submit = Box::new(Submit { content, ..message() });
    given::<Submission>([])
        .when(Command::Submit { submit, until: later(10), scheduled: false })
        .then_rejected(Rejection::NoRecipient);
}

#[test]
fn a_message_is_scheduled_for_at_most_a_year_ahead() {
    let day = 86_400;
    let submit = |until| Command::Submit { submit: Box::new(message()), until: later(until), scheduled: true };
    given::<Submission>([]).when(submit(365 * day)).then([submitted(), held(365 * day, true)]);
    given::<Submission>([]).when(submit(365 * day + 1)).then_rejected(Rejection::SendTooFar);
    a_submission([]).when(Command::Reschedule(later(365 * day + 1))).then_rejected(Rejection::SendTooFar);
    a_submission([]).when(Command::Reschedule(later(0))).then_rejected(Rejection::SendInThePast);
}

#[test]
fn a_message_that_waits_is_rescheduled() {
    let reschedule = || Command::Reschedule(later(3_600));
    a_submission([]).when(reschedule()).then([held(3_600, true)]).when(reschedule()).then_nothing();
    under_way([deferred(later(60), vec![])]).when(reschedule()).then([held(3_600, true)]);
    under_way([]).when(reschedule()).then_rejected(Rejection::UnderWay);
    for over in [sent(vec![]), failed(vec![]), uncertain()] {
        under_way([over]).when(reschedule()).then_rejected(Rejection::Over);
    }
}

#[test]
fn a_message_bears_the_date_that_was_chosen_for_it_until_it_was_tried() {
    let date = |given: Given<Submission>| given.then_state().sheet().unwrap().date;
    assert_eq!(date(a_submission([])), now());
    assert_eq!(date(a_submission([held(3_600, true)])), later(3_600));
    let tried = under_way([deferred(later(60), vec![]), held(3_600, true)]);
    assert_eq!(date(tried), now(), "every try is the same message");
}

#[test]
fn a_message_is_not_sent_before_it_is_due() {
    a_submission([]).when_in(begin(), &at(9)).then_rejected(Rejection::NotDue);
    a_submission([]).when_in(begin(), &at(10)).then([attempted(1)]);
}

#[test]
fn a_message_is_cancelled_while_it_waits() {
    a_submission([]).when(Command::Cancel).then([cancelled()]).when(Command::Cancel).then_nothing();
    under_way([deferred(later(60), vec![])]).when(Command::Cancel).then([cancelled()]);
    under_way([uncertain()]).when(Command::Cancel).then([cancelled()]);
    under_way([]).when(Command::Cancel).then_rejected(Rejection::UnderWay);
    under_way([sent(vec![])]).when(Command::Cancel).then_rejected(Rejection::Over);
    under_way([failed(vec![])]).when(Command::Cancel).then_rejected(Rejection::Over);
}

#[test]
fn a_cancelled_message_is_never_sent() {
    for command in [begin(), Command::Retry, Command::Reschedule(later(3_600))] {
        a_submission([cancelled()]).when_in(command, &at(3_599)).then_rejected(Rejection::Over);
    }
    a_submission([cancelled()]).when(defer(vec![])).then_rejected(Rejection::NotUnderWay);
}

#[test]
fn a_message_that_never_was_is_not_found() {
    let bounce = Command::Bounce { email_id: EmailId(Uuid::nil()), recipients: vec![] };
    let found = Command::Sent { attempt: 1, recipients: vec![], found_in_sent: true };
    let reschedule = Command::Reschedule(later(9));
    for command in [begin(), defer(vec![]), found, bounce, Command::Cancel, Command::Retry, reschedule] {
        given::<Submission>([]).when(command).then_rejected(Rejection::NotFound);
    }
}

#[test]
fn a_submission_is_found_by_its_message_and_by_when_it_is_due() {
    let due = |at: DateTime<Utc>| Claim::ordered("submissions.due", &[&due_key(at), stream().as_bytes()]);
    let message = || message_claim(user(), "1@example.org");
    a_submission([]).then_claims([due(later(10)), message()]);
    under_way([]).then_claims([due(later(600)), message()]);
    under_way([deferred(later(60), vec![])]).then_claims([due(later(60)), message()]);
    for over in [sent(vec![]), failed(vec![]), uncertain()] {
        under_way([over]).then_claims([message()]);
    }
    a_submission([cancelled()]).then_claims([message()]);
    assert!(due_key(later(1)) > due_key(now()));
    assert_eq!(due_key(DateTime::<Utc>::MIN_UTC), [0; 8]);
}
