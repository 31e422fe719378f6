//! Trying: begun before it leaves, tried again, given up, tried once more because the user says so.

use super::*;

#[test]
fn sending_is_recorded_before_it_begins_and_begins_once() {
    a_submission([]).when_in(begin(), &at(10)).then([attempted(1)]).when_in(begin_try(2), &at(700)).then_rejected(
        // Even when the lease is over: first somebody looks what became of it.
        Rejection::UnderWay,
    );
}

#[test]
fn only_what_is_under_way_has_an_outcome() {
    let outcomes = [
        defer(vec![]),
        Command::Fail { attempt: 1, reason: reason(), recipients: vec![] },
        Command::Sent { attempt: 1, recipients: vec![], found_in_sent: true },
        Command::Uncertain { attempt: 1, detail: "Cut.".into() },
    ];
    for outcome in outcomes {
        a_submission([]).when(outcome.clone()).then_rejected(Rejection::NotUnderWay);
        under_way([deferred(later(60), vec![])]).when(outcome).then_rejected(Rejection::NotUnderWay);
    }
}

#[test]
fn what_could_not_be_sent_yet_is_tried_again_later() {
    under_way([])
        .when(defer(vec![]))
        .then([deferred(later(60), vec![])])
        .when_in(begin_try(2), &at(59))
        .then_rejected(Rejection::NotDue);
    under_way([deferred(later(60), vec![])])
        .when_in(begin_try(2), &at(60))
        .then([attempted(2)])
        .when(defer_try(2, vec![]))
        .then([deferred(later(120), vec![])]);
}

#[test]
fn who_comes_late_with_what_became_of_a_try_says_nothing_of_the_next() {
    let recipients = Vec::new;
    let late = [
        defer(vec![]),
        Command::Fail { attempt: 1, reason: reason(), recipients: recipients() },
        Command::Sent { attempt: 1, recipients: recipients(), found_in_sent: true },
        Command::Uncertain { attempt: 1, detail: "Cut.".into() },
    ];
    for outcome in late {
        let second = || under_way([deferred(later(60), vec![]), attempted(2)]);
        second().when(outcome.clone()).then_rejected(Rejection::OtherTry);
    }
    // Nor does a copy of the first, found when nobody knows of the second.
    let found = Command::Sent { attempt: 1, recipients: recipients(), found_in_sent: true };
    let lost = [deferred(later(60), vec![accepted("ada@example.org")]), attempted(2), uncertain()];
    under_way(lost).when(found).then_rejected(Rejection::OtherTry);
}

#[test]
fn that_the_server_took_a_message_is_so_however_late_it_is_heard() {
    let all = || vec![accepted("ada@example.org"), refused("b@example.org")];
    let taken = || Command::Sent { attempt: 1, recipients: all(), found_in_sent: false };
    for since in [
        vec![deferred(later(60), vec![])],
        vec![deferred(later(60), vec![]), attempted(2)],
        vec![deferred(later(60), vec![]), attempted(2), uncertain()],
        vec![uncertain(), held(5, false)],
    ] {
        under_way(since).when(taken()).then([sent(all())]);
    }
    a_submission([]).when(taken()).then_rejected(Rejection::NotUnderWay);
    under_way([cancelled()]).when(taken()).then_rejected(Rejection::NotUnderWay);
}

#[test]
fn who_has_not_seen_how_the_last_try_ended_does_not_begin_another() {
    // Whoever read the message before it was tried would send it to somebody who has got it.
    let tried = || under_way([deferred(later(60), vec![accepted("ada@example.org")])]);
    tried().when_in(begin_try(1), &at(60)).then_rejected(Rejection::OtherTry);
    tried().when_in(begin_try(2), &at(60)).then([attempted(2)]);
}

#[test]
fn the_tries_take_about_two_days() {
    let minutes: Vec<i64> = (1..u32::from(ATTEMPTS)).map(|tried| retry_after(tried).num_minutes()).collect();
    assert_eq!(minutes[..9], [1, 2, 5, 10, 20, 40, 60, 60, 240]);
    assert_eq!(minutes.iter().sum::<i64>() / 60, 47);
    assert_eq!(retry_after(0), retry_after(1));
    assert_eq!(retry_after(u32::MAX), TimeDelta::hours(4));
}

#[test]
fn who_has_an_answer_is_not_tried_again() {
    let given = under_way([]).when(defer(vec![accepted("ADA@example.org")]));
    let state = given.then([deferred(later(60), vec![accepted("ADA@example.org")])]).then_state();
    assert_eq!(state.sheet().unwrap().recipients(), ["ada@example.org", "b@example.org"]);
    assert_eq!(state.sheet().unwrap().outstanding(), ["b@example.org"]);
}

#[test]
fn when_all_have_an_answer_it_is_sent_if_anybody_got_it() {
    let some = vec![accepted("ada@example.org")];
    let all = vec![accepted("ada@example.org"), refused("b@example.org")];
    under_way([deferred(later(60), some.clone()), attempted(2)])
        .when(defer_try(2, vec![refused("b@example.org")]))
        .then([sent(all.clone())]);
    under_way([deferred(later(60), some), attempted(2)])
        .when(Command::Fail { attempt: 2, reason: reason(), recipients: vec![refused("b@example.org")] })
        .then([sent(all)]);
    let none = vec![refused("ada@example.org"), refused("b@example.org")];
    under_way([]).when(defer(none.clone())).then([failed(none)]);
}

#[test]
fn what_was_tried_often_enough_is_given_up() {
    let given_up =
        |email: &str| Recipient { email: email.into(), accepted: false, code: None, detail: Some("Try again.".into()) };
    let tries = (2..=u32::from(ATTEMPTS)).flat_map(|n| [deferred(later(60), vec![]), attempted(n)]);
    under_way(tries)
        .when(defer_try(u32::from(ATTEMPTS), vec![]))
        .then([failed(vec![given_up("ada@example.org"), given_up("b@example.org")])]);
    let some = || vec![accepted("ada@example.org")];
    let tries = (2..=u32::from(ATTEMPTS)).flat_map(|n| [deferred(later(60), some()), attempted(n)]);
    under_way(tries)
        .when(defer_try(u32::from(ATTEMPTS), vec![]))
        .then([sent(vec![accepted("ada@example.org"), given_up("b@example.org")])]);
}

#[test]
fn that_a_message_was_not_answered_is_believed_once() {
    let unanswered = || Reason { code: UNANSWERED.into(), detail: "Cut.".into() };
    let again = |attempt| Command::Defer { attempt, reason: unanswered(), recipients: vec![] };
    let Reason { code, detail } = unanswered();
    let once =
        || Event::from(Deferred { until: later(60), code: code.clone(), detail: detail.clone(), recipients: vec![] });
    under_way([]).when(again(1)).then([once()]);
    let ends = |given: Given<Submission>, command: Command, why: &str| {
        let detail = format!("The server did not answer a try, in which it may have taken the message. {why}");
        given.when(command).then([Uncertain { detail }.into()]);
    };
    ends(under_way([once(), attempted(2)]), again(2), "Cut.");
    // Whatever is said of the tries between, and if it is only to be sent at another time.
    let between = || [once(), attempted(2), deferred(later(60), vec![]), held(3_600, true), attempted(3)];
    ends(under_way(between()), again(3), "Cut.");
    // It was not refused, if all that is known is that the last try was; nor if it was tried often enough.
    let refused_now = Command::Fail { attempt: 3, reason: reason(), recipients: vec![] };
    ends(under_way(between()), refused_now, "Try again.");
    let tries = (2..=u32::from(ATTEMPTS)).flat_map(|n| [once(), attempted(n)]);
    ends(under_way(tries), defer_try(u32::from(ATTEMPTS), vec![]), "Try again.");
    // Until the user decides, or a later try tells who has got it.
    let decided = [once(), attempted(2), uncertain(), held(5, false), attempted(3)];
    under_way(decided).when(again(3)).then([once()]);
    let some = || vec![accepted("ada@example.org")];
    let told = [once(), attempted(2), deferred(later(60), some())];
    assert!(!under_way(told).then_state().sheet().unwrap().unanswered);
    let all = vec![accepted("ada@example.org"), refused("b@example.org")];
    let last = Command::Fail { attempt: 2, reason: reason(), recipients: all.clone() };
    under_way([once(), attempted(2)]).when(last).then([sent(all)]);
}

#[test]
fn what_failed_is_tried_anew_for_all_who_have_not_got_it() {
    let both = || vec![refused("ada@example.org"), refused("b@example.org")];
    let state = under_way([failed(both())])
        .when_in(Command::Retry, &at(5))
        .then([held(5, false)])
        .when(Command::Retry)
        .then_nothing()
        .then_state();
    let sheet = state.sheet().unwrap();
    assert_eq!((sheet.attempts, sheet.tried, sheet.outstanding().len()), (1, 0, 2));
    let some = vec![accepted("ada@example.org"), refused("b@example.org")];
    let state = under_way([deferred(later(60), some), attempted(2), uncertain(), held(5, false)]).then_state();
    assert_eq!(state.sheet().unwrap().outstanding(), ["b@example.org"]);
}

#[test]
fn what_is_put_off_again_keeps_the_answers_it_has() {
    let some = vec![accepted("ada@example.org"), refused("b@example.org")];
    let state = under_way([deferred(later(60), some), held(3_600, true)]).then_state();
    assert_eq!(state.sheet().unwrap().outstanding(), [""; 0]);
    under_way([deferred(later(60), vec![])]).when(Command::Retry).then([held(0, false)]);
}

#[test]
fn what_was_sent_is_not_tried_again() {
    under_way([sent(vec![])]).when(Command::Retry).then_rejected(Rejection::Over);
    under_way([sent(vec![])]).when_in(begin(), &at(9_999)).then_rejected(Rejection::Over);
    under_way([]).when(Command::Retry).then_rejected(Rejection::UnderWay);
}
