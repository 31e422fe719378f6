//! Rules as sentences: `given(facts).when(command).then(facts)`.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use orbit_events::{Actor, UserId};
use uuid::Uuid;

use crate::{Aggregate, Claim, Context};

/// The moment of every decision in these tests: 2026-11-22 21:00 UTC.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_381_200, 0).unwrap()
}

/// Whose data all tests are about.
pub(crate) fn user() -> UserId {
    UserId(Uuid::from_u128(1))
}

/// The stream that claims are made for.
pub(crate) fn stream() -> Uuid {
    Uuid::from_u128(2)
}

/// The user acts, now.
pub(crate) fn context() -> Context {
    Context { now: now(), user_id: user(), actor: Actor::User }
}

/// What has happened so far.
pub(crate) struct Given<A: Aggregate>(A::State);

/// What came of a command.
pub(crate) struct Outcome<A: Aggregate> {
    before: A::State,
    result: Result<Vec<A::Event>, A::Rejection>,
}

/// Starts a sentence with what has happened so far.
pub(crate) fn given<A: Aggregate>(facts: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given(facts.into_iter().fold(A::State::default(), |state, fact| A::evolve(state, &fact)))
}

impl<A: Aggregate> Given<A> {
    pub(crate) fn when(self, command: A::Command) -> Outcome<A> {
        self.when_in(command, &context())
    }

    pub(crate) fn when_in(self, command: A::Command, context: &Context) -> Outcome<A> {
        let result = A::decide(&self.0, command, context);
        Outcome { before: self.0, result }
    }

    pub(crate) fn then_state(self) -> A::State {
        self.0
    }

    /// What the stream holds to itself.
    pub(crate) fn then_claims(self, expected: impl IntoIterator<Item = Claim>) {
        let expected: Vec<Claim> = expected.into_iter().collect();
        assert_eq!(A::claims(&self.0, stream(), user()), expected);
    }
}

impl<A: Aggregate> Outcome<A> {
    #[track_caller]
    pub(crate) fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Given<A> {
        let expected: Vec<A::Event> = expected.into_iter().collect();
        assert_eq!(self.result, Ok(expected.clone()));
        Given(expected.iter().fold(self.before, A::evolve))
    }

    #[track_caller]
    pub(crate) fn then_nothing(self) -> Given<A> {
        self.then([])
    }

    #[track_caller]
    pub(crate) fn then_rejected(self, expected: A::Rejection)
    where
        A::Event: Debug,
    {
        assert_eq!(self.result, Err(expected));
    }
}
