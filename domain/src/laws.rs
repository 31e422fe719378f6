//! What is true of every aggregate, whatever is asked of it and in whatever order: proptests over lists of commands.

use std::collections::HashSet;

use chrono::TimeDelta;
use orbit_events::{Actor, Fact};
use proptest::{prelude::*, sample::Index};
use uuid::Uuid;

use crate::{
    Aggregate, Context, Fields, Invalid, Reject,
    given::{context, now, stream, user},
    undo::{self, Change, Reversal},
};

/// Somebody acts, at some later moment.
fn contexts(steps: usize) -> impl Iterator<Item = Context> {
    let actors = [Actor::User, Actor::Agent { run_id: Uuid::nil() }, Actor::System];
    (0..steps).map(move |step| {
        let seconds = i64::try_from(step).unwrap_or(0) * 60;
        Context { now: now() + TimeDelta::seconds(seconds), user_id: user(), actor: actors[step % actors.len()] }
    })
}

/// Runs commands one after the other, as the store does, and checks at each step.
pub(crate) fn hold<A: Aggregate>(commands: Vec<A::Command>, is_absent: fn(&A::State) -> bool) {
    let mut live = A::State::default();
    let mut log: Vec<(&'static str, i16, Vec<u8>)> = vec![];
    let contexts = contexts(commands.len());
    for (command, context) in commands.into_iter().zip(contexts) {
        let facts = match A::decide(&live, command.clone(), &context) {
            Ok(facts) => facts,
            Err(rejection) => {
                assert!(is_snake_case(rejection.code()), "{rejection:?}");
                assert!(!rejection.to_string().is_empty(), "{rejection:?}");
                continue;
            }
        };
        for fact in &facts {
            live = A::evolve(live, fact);
            log.push((fact.wire_type(), fact.schema_version(), fact.encode()));
        }
        let again = A::decide(&live, command.clone(), &context).unwrap_or_default();
        assert!(again.is_empty(), "{command:?} once more: {again:?}");
        assert_claims_are_distinct::<A>(&live);
        assert_fields_are_known::<A>(&live, is_absent);
    }
    let replayed = log.iter().fold(A::State::default(), |state, (wire_type, version, payload)| {
        A::evolve(state, &A::Event::decode(wire_type, *version, payload).unwrap())
    });
    assert_eq!(replayed, live, "replay = live fold");
    assert_eq!(A::fields(&replayed), A::fields(&live), "what is known is known from the facts");
}

/// Folds facts in an order that no decision would make, and asks for everything on the way.
pub(crate) fn survive<A: Aggregate>(facts: Vec<Index>, commands: &[A::Command], is_absent: fn(&A::State) -> bool) {
    let read = |index: Index| {
        let fact = index.get(A::Event::TYPES);
        A::Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap()
    };
    let mut state = A::State::default();
    for fact in facts.into_iter().map(read) {
        state = A::evolve(state, &fact);
        assert_claims_are_distinct::<A>(&state);
        assert_fields_are_known::<A>(&state, is_absent);
        for command in commands.iter().cloned() {
            let _ = A::decide(&state, command, &context());
        }
    }
}

/// Takes the newest fact back, and then the taking back: the fields are as before it, and then as after it.
pub(crate) fn take_back<A: Aggregate>(commands: Vec<A::Command>, set_back: fn(&Fields) -> A::Command) {
    let mut states = vec![A::State::default()];
    let mut newest = None;
    let contexts = contexts(commands.len());
    for (command, context) in commands.into_iter().zip(contexts) {
        for fact in A::decide(&states[states.len() - 1], command, &context).unwrap_or_default() {
            states.push(A::evolve(states[states.len() - 1].clone(), &fact));
            newest = Some(fact);
        }
    }
    let Some(Reversal::ByFacts) = newest.as_ref().map(A::reversal) else { return };
    let now = &states[states.len() - 1];
    let (before, after) = (A::fields(&states[states.len() - 2]), A::fields(now));
    let (undone, facts) = without::<A>(now, &before, &after, set_back);
    assert_same(&A::fields(&undone), &before);
    if facts.iter().all(|fact| A::reversal(fact) == Reversal::ByFacts) {
        let (redone, _) = without::<A>(&undone, &after, &A::fields(&undone), set_back);
        assert_same(&A::fields(&redone), &after);
    }
}

fn without<A: Aggregate>(
    now: &A::State,
    before: &Fields,
    after: &Fields,
    set_back: fn(&Fields) -> A::Command,
) -> (A::State, Vec<A::Event>) {
    let change = Change { before: before.clone(), after: after.clone() };
    let target = undo::without(&A::fields(now), &[change]).expect("nothing has changed since");
    let facts = A::decide(now, set_back(&target), &context()).expect("what was so may be so again");
    (facts.iter().fold(now.clone(), A::evolve), facts)
}

/// The same but for the order of sets; and what never was may be in the trash.
fn assert_same(fields: &Fields, expected: &Fields) {
    if expected.is_empty() && fields.get("deleted_at").is_some_and(|at| !at.is_null()) {
        return;
    }
    let sorted = |fields: &Fields| {
        let mut fields = fields.clone();
        for value in fields.values_mut() {
            if let Some(entries) = value.as_array_mut() {
                entries.sort_by_key(ToString::to_string);
            }
        }
        fields
    };
    assert_eq!(sorted(fields), sorted(expected));
}

fn assert_claims_are_distinct<A: Aggregate>(state: &A::State) {
    let claims = A::claims(state, stream(), user());
    let distinct: HashSet<_> = claims.iter().collect();
    assert_eq!(distinct.len(), claims.len(), "{claims:?}");
}

/// Something is known of whatever is there, and nothing of what is not yet or no longer; no secret ever.
fn assert_fields_are_known<A: Aggregate>(state: &A::State, is_absent: fn(&A::State) -> bool) {
    let fields = A::fields(state);
    assert_eq!(fields.is_empty(), is_absent(state), "{fields:?} of {state:?}");
    assert!(fields.keys().all(|field| is_snake_case(field)), "{fields:?}");
    assert!(!fields.keys().any(|field| field.ends_with("hash") || *field == "secret"), "{fields:?}");
}

fn is_snake_case(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Text that a person might send, and text that nobody should.
pub(crate) fn text() -> impl Strategy<Value = String> + Clone {
    let hostile = ["", " ", "\0", "a\0b", "\u{202e}x", "\u{feff}", "'; DROP TABLE x", "🦀", "\u{fffd}", "ǅ", "İ"];
    prop_oneof![
        "[abcABC]{1,3}",
        any::<String>(),
        prop::sample::select(hostile.to_vec()).prop_map(str::to_owned),
        (1..2_000_usize).prop_map(|length| "x".repeat(length)),
    ]
}

/// A value parsed from any text that can be parsed.
pub(crate) fn parsed<T: std::fmt::Debug + Clone + 'static>(
    parse: fn(&str) -> Result<T, Invalid>,
) -> impl Strategy<Value = T> + Clone {
    text().prop_filter_map("not such a value", move |text| parse(&text).ok()).boxed()
}

/// The laws of one aggregate, given a strategy for its commands and the states in which there is nothing to know.
macro_rules! laws {
    ($aggregate:ty, $command:expr, absent: $absent:pat, set_back: $set_back:expr) => {
        $crate::laws::laws!($aggregate, $command, absent: $absent);

        proptest::proptest! {
            #[test]
            fn taking_the_newest_fact_back_brings_the_fields_before_it_and_once_more_those_after_it(
                commands in proptest::collection::vec($command, 1..20),
            ) {
                $crate::laws::take_back::<$aggregate>(commands, $set_back);
            }
        }
    };
    ($aggregate:ty, $command:expr, absent: $absent:pat) => {
        proptest::proptest! {
            #[test]
            fn replay_is_the_live_fold_and_repeating_is_quiet(commands in proptest::collection::vec($command, 0..40)) {
                $crate::laws::hold::<$aggregate>(commands, |state| matches!(state, $absent));
            }

            #[test]
            fn facts_in_any_order_and_any_command_are_survived(
                facts in proptest::collection::vec(proptest::prelude::any::<proptest::sample::Index>(), 0..12),
                commands in proptest::collection::vec($command, 0..4),
            ) {
                $crate::laws::survive::<$aggregate>(facts, &commands, |state| matches!(state, $absent));
            }
        }
    };
}

pub(crate) use laws;
