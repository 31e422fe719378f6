//! What the server answered, what was found where the answer was lost, and reports that come later.

use super::*;

fn with(email: &str, is_accepted: bool) -> Recipient {
    Recipient { email: email.into(), accepted: is_accepted, code: None, detail: None }
}

#[test]
fn a_message_is_sent_to_those_whom_the_server_took_it_for() {
    let recipients = vec![accepted("ada@example.org"), refused("b@example.org")];
    let taken = Command::Sent { attempt: 1, recipients: recipients.clone(), found_in_sent: false };
    under_way([]).when(taken.clone()).then([sent(recipients)]).when(taken).then_nothing();
}

#[test]
fn a_copy_among_what_was_sent_tells_that_everybody_got_it() {
    let found = || Command::Sent { attempt: 1, recipients: vec![], found_in_sent: true };
    let all = vec![with("ada@example.org", true), with("b@example.org", true)];
    let sent = || Event::from(Sent { sent_at: now(), recipients: all.clone(), found_in_sent: true });
    under_way([]).when(found()).then([sent()]);
    under_way([uncertain()]).when(found()).then([sent()]);
}

#[test]
fn a_message_that_was_taken_for_nobody_was_not_sent() {
    let recipients = vec![refused("ada@example.org"), refused("b@example.org")];
    let command = Command::Sent { attempt: 1, recipients: recipients.clone(), found_in_sent: false };
    let (code, detail) = ("refused".to_owned(), "The server refused every recipient.".to_owned());
    under_way([]).when(command).then([DeliveryFailed { code, detail, recipients }.into()]);
}

#[test]
fn what_the_server_said_is_kept_as_one_short_line() {
    let reason = Reason { code: "refused".into(), detail: format!("550 no\r\n\0{}", "x".repeat(999)) };
    let outcome = under_way([]).when(Command::Fail { attempt: 1, reason, recipients: vec![] });
    let detail = format!("550 no  {}", "x".repeat(292));
    let recipients = ["ada@example.org", "b@example.org"]
        .map(|email| Recipient { detail: Some(detail.clone()), ..with(email, false) });
    let recipients = recipients.to_vec();
    outcome.then([DeliveryFailed { code: "refused".into(), detail, recipients }.into()]);
}

#[test]
fn nobody_knows_once_and_then_the_user_decides() {
    let lost = || Command::Uncertain { attempt: 1, detail: "Cut.".into() };
    under_way([]).when(lost()).then([uncertain()]).when(lost()).then_nothing();
    under_way([uncertain()]).when(Command::Retry).then([held(0, false)]);
    under_way([uncertain()]).when(Command::Cancel).then([cancelled()]);
    under_way([uncertain()]).when_in(begin(), &at(9_999)).then_rejected(Rejection::Over);
}

#[test]
fn a_report_is_recorded_once_whatever_became_of_the_message() {
    let report = |n| EmailId(Uuid::from_u128(n));
    let said = BouncedRecipient {
        email: "b@example.org".into(),
        action: Action::Failed,
        status: Some("5.1.1".into()),
        diagnostic: None,
    };
    let bounce = |n| Command::Bounce { email_id: report(n), recipients: vec![said.clone()] };
    let bounced = |n| Event::from(Bounced { email_id: report(n), recipients: vec![said.clone()] });
    under_way([sent(vec![])]).when(bounce(1)).then([bounced(1)]).when(bounce(1)).then_nothing();
    under_way([uncertain(), cancelled()]).when(bounce(1)).then([bounced(1)]);
    let many = (0..100).map(bounced);
    under_way(many).when(bounce(100)).then_nothing();
}

fn report(action: Action, email: &str) -> Event {
    let said = BouncedRecipient { email: email.into(), action, status: None, diagnostic: None };
    Bounced { email_id: EmailId(Uuid::from_u128(7)), recipients: vec![said] }.into()
}

#[test]
fn a_message_has_bounced_if_a_report_says_that_somebody_does_not_get_it() {
    let bounced = |reports: Vec<Event>| {
        let state = under_way([sent(vec![])].into_iter().chain(reports)).then_state();
        let told = Submission::fields(&state)["bounced"] == true;
        assert_eq!(state.sheet().unwrap().bounced, told);
        told
    };
    for said in [Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded] {
        assert!(!bounced(vec![report(said, "b@example.org")]), "{said:?}");
    }
    assert!(bounced(vec![report(Action::Failed, "b@example.org")]));
    assert!(bounced(vec![report(Action::Failed, "b@example.org"), report(Action::Delivered, "ada@example.org")]));
    // Whoever passes mail on reports about an address of his own.
    assert!(bounced(vec![report(Action::Failed, "whoever@elsewhere.example")]));
}

#[test]
fn what_is_said_of_others_than_the_recipients_is_kept_and_decides_nothing_about_them() {
    let Event::Bounced(Bounced { email_id, recipients }) = report(Action::Failed, "list@elsewhere.example") else {
        panic!("no report")
    };
    let command = Command::Bounce { email_id, recipients };
    let deferred = [deferred(later(60), vec![accepted("ada@example.org")])];
    let outcome = under_way(deferred).when(command).then([report(Action::Failed, "list@elsewhere.example")]);
    assert_eq!(outcome.then_state().sheet().unwrap().outstanding(), ["b@example.org"]);
}

#[test]
fn of_what_never_left_nobody_reports_anything() {
    let bounce = || Command::Bounce { email_id: EmailId(Uuid::from_u128(7)), recipients: vec![] };
    a_submission([]).when(bounce()).then_nothing();
    a_submission([held(3_600, true)]).when(bounce()).then_nothing();
    a_submission([cancelled()]).when(bounce()).then_nothing();
}
