//! Rules of drafts, as sentences.

use orbit_events::{Actor, emails::Address};
use proptest::prelude::*;

use super::*;
use crate::{
    given::{Given, context, given, stream, user},
    laws::{laws, parsed},
};

fn recipients(emails: &[&str]) -> Recipients {
    Recipients::parse(emails.iter().map(|email| (*email, None))).unwrap()
}

fn compose(subject: &str, to: &[&str]) -> Compose {
    Compose {
        connection_id: None,
        reply_to_email_id: Some(EmailId(Uuid::from_u128(7))),
        to: recipients(to),
        cc: Recipients::default(),
        bcc: Recipients::default(),
        subject: Subject::parse(subject).unwrap(),
        body: Body::parse("Today?").unwrap(),
        attachments: AttachmentIds::parse([AttachmentId(Uuid::from_u128(8))]).unwrap(),
    }
}

fn content(subject: &str, to: &[&str]) -> Content {
    compose(subject, to).into()
}

fn drafted() -> Event {
    Drafted { content: content("Lunch", &["ada@example.org"]), created_by: Author::User }.into()
}

fn a_draft(since: impl IntoIterator<Item = Event>) -> Given<Draft> {
    given(std::iter::once(drafted()).chain(since))
}

fn begin() -> Command {
    Command::Draft(Box::new(compose("Lunch", &["ada@example.org"])))
}

fn submission(n: u128) -> SubmissionId {
    SubmissionId(Uuid::from_u128(n))
}

fn submitted(n: u128) -> Event {
    Submitted { submission_id: submission(n) }.into()
}

fn edit(edit: Edit) -> Command {
    Command::Edit(Box::new(edit))
}

fn retitle(subject: &str) -> Command {
    edit(Edit { subject: Some(Subject::parse(subject).unwrap()), ..Edit::default() })
}

#[test]
fn a_draft_is_begun_once() {
    given::<Draft>([]).when(begin()).then([drafted()]).when(begin()).then_nothing();
    a_draft([]).when(Command::Draft(Box::new(compose("Dinner", &[])))).then_rejected(Rejection::Exists);
}

#[test]
fn a_draft_tells_that_the_agent_wrote_it() {
    let agent = Context { actor: Actor::Agent { run_id: Uuid::nil() }, ..context() };
    let by_agent = Drafted { content: content("Lunch", &["ada@example.org"]), created_by: Author::Agent };
    given::<Draft>([]).when_in(begin(), &agent).then([by_agent.into()]);
}

#[test]
fn an_edit_changes_what_it_names_and_tells_all_of_it() {
    let changed = Content {
        reply_to_email_id: None,
        cc: vec![Address { email: "b@example.org".into(), name: None }],
        attachments: vec![],
        ..content("Lunch", &["ada@example.org"])
    };
    let command = edit(Edit {
        reply_to_email_id: Some(None),
        cc: Some(recipients(&["b@example.org"])),
        attachments: Some(AttachmentIds::default()),
        ..Edit::default()
    });
    a_draft([]).when(command.clone()).then([Edited { content: changed }.into()]).when(command).then_nothing();
    a_draft([]).when(edit(Edit::default())).then_nothing();
}

#[test]
fn a_draft_is_thrown_away_once() {
    let discarded = || Event::from(Discarded {});
    a_draft([]).when(Command::Discard).then([discarded()]).when(Command::Discard).then_nothing();
    a_draft([discarded()]).when(retitle("x")).then_rejected(Rejection::Discarded);
    a_draft([discarded()]).when(begin()).then_rejected(Rejection::Discarded);
    a_draft([discarded()]).when(Command::Submit(submission(1))).then_rejected(Rejection::Discarded);
}

#[test]
fn a_draft_that_was_handed_over_does_not_change() {
    a_draft([])
        .when(Command::Submit(submission(1)))
        .then([submitted(1)])
        .when(Command::Submit(submission(1)))
        .then_nothing();
    for command in [retitle("x"), Command::Discard, Command::Submit(submission(2)), begin()] {
        a_draft([submitted(1)]).when(command).then_rejected(Rejection::Submitted);
    }
}

#[test]
fn a_draft_for_nobody_is_not_handed_over() {
    let for_nobody = Drafted { content: content("Lunch", &[]), created_by: Author::User };
    given::<Draft>([for_nobody.into()]).when(Command::Submit(submission(1))).then_rejected(Rejection::Incomplete);
}

#[test]
fn a_draft_is_written_on_when_that_sending_was_cancelled() {
    a_draft([submitted(1)])
        .when(Command::Reopen(submission(1)))
        .then([Reopened {}.into()])
        .when(Command::Reopen(submission(1)))
        .then_nothing();
    let again = [submitted(1), Reopened {}.into(), submitted(2)];
    a_draft(again).when(Command::Reopen(submission(1))).then_nothing();
}

#[test]
fn a_draft_that_never_was_is_not_found() {
    for command in [retitle("x"), Command::Discard, Command::Submit(submission(1)), Command::Reopen(submission(1))] {
        given::<Draft>([]).when(command).then_rejected(Rejection::NotFound);
    }
}

#[test]
fn a_draft_is_counted_while_it_is_written() {
    let claim = || Claim::ordered("drafts.user", &[user().0.as_bytes(), stream().as_bytes()]);
    a_draft([]).then_claims([claim()]);
    a_draft([submitted(1)]).then_claims([]);
    a_draft([submitted(1), Reopened {}.into()]).then_claims([claim()]);
    a_draft([Discarded {}.into()]).then_claims([]);
}

#[test]
fn a_draft_that_was_thrown_away_comes_back_with_all_of_it() {
    let before = Draft::fields(&a_draft([]).then_state());
    a_draft([Discarded {}.into()]).when(set_back(&before)).then([drafted()]);
    a_draft([submitted(1)]).when(set_back(&before)).then_rejected(Rejection::Submitted);
}

fn command() -> impl Strategy<Value = Command> {
    let subject = parsed(Subject::parse);
    let to = prop::sample::select(vec![vec![], vec!["ada@example.org"], vec!["ada@example.org", "b@example.org"]]);
    let id = (1..3_u128).prop_map(submission);
    let composed = (subject.clone(), to.clone()).prop_map(|(subject, to)| Compose { subject, ..compose("", &to) });
    let earlier = composed.clone().prop_map(|compose| Present { content: compose.into(), created_by: Author::Agent });
    prop_oneof![
        3 => composed.prop_map(|compose| Command::Draft(Box::new(compose))),
        3 => (prop::option::of(subject), prop::option::of(to)).prop_map(|(subject, to)| {
            edit(Edit { subject, to: to.map(|to| recipients(&to)), ..Edit::default() })
        }),
        1 => Just(Command::Discard),
        1 => id.clone().prop_map(Command::Submit),
        1 => id.prop_map(Command::Reopen),
        1 => earlier.prop_map(|draft| Command::SetBack(Box::new(draft))),
    ]
}

/// The command that undo makes of these fields.
fn set_back(fields: &Fields) -> Command {
    if fields.is_empty() {
        return Command::Discard;
    }
    Command::SetBack(Box::new(Present::from_fields(fields).unwrap()))
}

laws!(Draft, command(), absent: State::Absent | State::Discarded, set_back: set_back);
