//! Rules of submissions, as sentences.

use std::collections::HashSet;

use chrono::TimeDelta;
use orbit_events::emails::{
    Action, Author,
    submission::{Bounced, Deferred, DeliveryFailed, Sent, Submitted, Uncertain},
};
use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, context, given, now, stream, user},
    laws::{laws, parsed, text},
};

mod answering;
mod holding;
mod trying;

fn address(email: &str) -> Address {
    Address { email: email.into(), name: None }
}

fn content() -> Content {
    Content {
        connection_id: None,
        reply_to_email_id: None,
        to: vec![address("ada@example.org")],
        cc: vec![],
        bcc: vec![address("b@example.org"), address("ADA@example.org")],
        subject: "Lunch".into(),
        body: "Today?".into(),
        attachments: vec![],
    }
}

fn message() -> Submit {
    Submit {
        content: content(),
        from: address("me@example.org"),
        message_id: "1@example.org".into(),
        in_reply_to: None,
        references: vec![],
        attachments: vec![],
        draft_id: None,
    }
}

fn later(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

/// The user acts, that many seconds later.
fn at(seconds: i64) -> Context {
    Context { now: later(seconds), ..context() }
}

fn submit() -> Command {
    Command::Submit { submit: Box::new(message()), until: later(10), scheduled: false }
}

fn submitted() -> Event {
    let Submit { content, from, message_id, in_reply_to, references, attachments, draft_id } = message();
    Submitted {
        content,
        from,
        message_id,
        in_reply_to,
        references,
        attachments,
        draft_id,
        date: now(),
        attempts_at_most: ATTEMPTS,
        created_by: Author::User,
    }
    .into()
}

fn held(seconds: i64, scheduled: bool) -> Event {
    Held { until: later(seconds), scheduled }.into()
}

fn attempted(attempt: u32) -> Event {
    Attempted { attempt, lease_until: later(600) }.into()
}

fn a_submission(since: impl IntoIterator<Item = Event>) -> Given<Submission> {
    given([submitted(), held(10, false)].into_iter().chain(since))
}

fn under_way(since: impl IntoIterator<Item = Event>) -> Given<Submission> {
    a_submission(std::iter::once(attempted(1)).chain(since))
}

fn begin() -> Command {
    begin_try(1)
}

fn begin_try(attempt: u32) -> Command {
    Command::Begin { attempt, lease_until: later(600) }
}

fn accepted(email: &str) -> Recipient {
    Recipient { email: email.into(), accepted: true, code: Some(250), detail: None }
}

fn refused(email: &str) -> Recipient {
    Recipient { email: email.into(), accepted: false, code: Some(550), detail: Some("no such mailbox".into()) }
}

fn reason() -> Reason {
    Reason { code: "temporary_failure".into(), detail: "Try again.".into() }
}

fn defer(recipients: Vec<Recipient>) -> Command {
    defer_try(1, recipients)
}

fn defer_try(attempt: u32, recipients: Vec<Recipient>) -> Command {
    Command::Defer { attempt, reason: reason(), recipients }
}

fn sent(recipients: Vec<Recipient>) -> Event {
    Sent { sent_at: now(), recipients, found_in_sent: false }.into()
}

fn deferred(until: DateTime<Utc>, recipients: Vec<Recipient>) -> Event {
    let Reason { code, detail } = reason();
    Deferred { until, code, detail, recipients }.into()
}

fn failed(recipients: Vec<Recipient>) -> Event {
    let Reason { code, detail } = reason();
    DeliveryFailed { code, detail, recipients }.into()
}

fn uncertain() -> Event {
    Uncertain { detail: "Cut.".into() }.into()
}

fn cancelled() -> Event {
    Cancelled {}.into()
}

/// What the server may have said about some of the recipients, and about one who is none.
fn results() -> impl Strategy<Value = Vec<Recipient>> + Clone {
    let emails = prop::sample::select(vec!["ada@example.org", "B@example.org", "who@example.org"]);
    let result = (emails, any::<bool>(), prop::option::of(text())).prop_map(|(email, accepted, detail)| Recipient {
        email: email.into(),
        accepted,
        code: None,
        detail,
    });
    prop::collection::vec(result, 0..3)
}

/// What a report may say, of a recipient or of one who is none.
fn reported() -> impl Strategy<Value = Vec<BouncedRecipient>> {
    let action = prop::sample::select(vec![Action::Failed, Action::Delayed, Action::Delivered]);
    let email = prop::sample::select(vec!["ada@example.org", "who@example.org"]);
    let said = (email, action).prop_map(|(email, action)| BouncedRecipient {
        email: email.into(),
        action,
        status: None,
        diagnostic: None,
    });
    prop::collection::vec(said, 0..3)
}

fn command() -> impl Strategy<Value = Command> {
    let moment = (-100..40_000_i64).prop_map(|minutes| now() + TimeDelta::minutes(minutes));
    let why = text().prop_map(|detail| Reason { code: "refused".into(), detail });
    let report = (0..3_u128).prop_map(|n| EmailId(Uuid::from_u128(n)));
    let subject = parsed(crate::emails::Subject::parse);
    let new = (subject, moment.clone(), any::<bool>()).prop_map(|(subject, until, scheduled)| {
        let content = Content { subject: subject.into(), ..content() };
        Command::Submit { submit: Box::new(Submit { content, ..message() }), until, scheduled }
    });
    let attempt = 1..3_u32;
    let defer = (attempt.clone(), why.clone(), results()).prop_map(|(attempt, reason, recipients)| Command::Defer {
        attempt,
        reason,
        recipients,
    });
    let fail = (attempt.clone(), why, results()).prop_map(|(attempt, reason, recipients)| Command::Fail {
        attempt,
        reason,
        recipients,
    });
    prop_oneof![
        3 => Just(submit()),
        1 => new,
        1 => moment.clone().prop_map(Command::Reschedule),
        6 => (attempt.clone(), moment).prop_map(|(attempt, lease_until)| Command::Begin { attempt, lease_until }),
        2 => defer,
        1 => fail,
        1 => (attempt.clone(), results(), any::<bool>())
            .prop_map(|(attempt, recipients, found_in_sent)| Command::Sent { attempt, recipients, found_in_sent }),
        1 => (attempt, text()).prop_map(|(attempt, detail)| Command::Uncertain { attempt, detail }),
        1 => (report, reported()).prop_map(|(email_id, recipients)| Command::Bounce { email_id, recipients }),
        1 => Just(Command::Cancel),
        2 => Just(Command::Retry),
    ]
}

laws!(Submission, command(), absent: State::Absent);

/// The command about the try that is next or under way, as whoever has just looked says it.
fn in_turn(command: Command, state: &State) -> Command {
    let Some(sheet) = state.sheet() else { return command };
    match command {
        Command::Begin { lease_until, .. } => Command::Begin { attempt: sheet.next_attempt(), lease_until },
        Command::Defer { reason, recipients, .. } => Command::Defer { attempt: sheet.attempts, reason, recipients },
        Command::Fail { reason, recipients, .. } => Command::Fail { attempt: sheet.attempts, reason, recipients },
        Command::Sent { recipients, found_in_sent, .. } => {
            Command::Sent { attempt: sheet.attempts, recipients, found_in_sent }
        }
        Command::Uncertain { detail, .. } => Command::Uncertain { attempt: sheet.attempts, detail },
        other => other,
    }
}

proptest! {
    /// Whatever happens, somebody who has got the message is never in an envelope again.
    #[test]
    fn who_has_got_it_does_not_get_it_again(
        commands in prop::collection::vec((command(), prop::bool::weighted(0.8)), 0..40),
    ) {
        let mut state = State::Absent;
        let mut got: HashSet<String> = HashSet::new();
        for (step, (command, is_in_turn)) in (0..).zip(commands) {
            let command = if is_in_turn { in_turn(command, &state) } else { command };
            let context = Context { now: now() + TimeDelta::days(step), ..context() };
            for fact in Submission::decide(&state, command, &context).unwrap_or_default() {
                state = Submission::evolve(state, &fact);
                let sheet = state.sheet().unwrap();
                got.extend(sheet.results.iter().filter(|it| it.accepted).map(|it| it.email.to_lowercase()));
                if let Event::Attempted(_) = fact {
                    let envelope = sheet.outstanding();
                    prop_assert!(!envelope.is_empty());
                    prop_assert!(envelope.iter().all(|email| !got.contains(&email.to_lowercase())), "{envelope:?}");
                }
            }
        }
    }
}
