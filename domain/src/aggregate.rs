//! What every aggregate is made of.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use orbit_events::{Actor, Fact, UserId};
use serde_json::Value;
use uuid::Uuid;

use crate::undo::Reversal;

/// What a decision may know beside the state and the command.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The moment of the decision, in microseconds.
    pub now: DateTime<Utc>,
    /// Whose data it is about.
    pub user_id: UserId,
    /// Who acts.
    pub actor: Actor,
}

/// What is known of an aggregate, field by field, under the names that the API gives them.
pub type Fields = BTreeMap<&'static str, Value>;

/// A consistency boundary: one stream of facts and the rules for the next one.
pub trait Aggregate: 'static {
    /// Its facts.
    type Event: Fact + Clone + fmt::Debug + PartialEq;
    /// What a decision reads, folded from the facts. `Default` is the state before the first fact.
    type State: Clone + Default + fmt::Debug + PartialEq + Send + Sync + 'static;
    /// What can be asked of it.
    type Command: Clone + fmt::Debug + Send + Sync;
    /// Why it may say no.
    type Rejection: Reject;

    /// The facts that follow from a command; none, if what is asked for is already so.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after a fact.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// What the aggregate with this id, in this state, holds to itself across all streams. Taken and released with its
    /// facts, in the same transaction. Two claims of one state never have the same scope and key.
    fn claims(state: &Self::State, id: Uuid, user: UserId) -> Vec<Claim>;

    /// What is known of it: empty before its first fact and when it is gone. Two facts apart, this is what changed; so
    /// it has whatever a user may want to see changed, and never a secret, nor a hash of one.
    fn fields(state: &Self::State) -> Fields;

    /// How a fact can be taken back. Every fact is named here: whoever adds one decides.
    fn reversal(event: &Self::Event) -> Reversal;
}

/// A key that at most one stream holds within its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// What the key is unique in: `users.email`, `lists.name`, `tasks.order` …
    pub scope: &'static str,
    /// The key.
    pub key: ClaimKey,
}

/// How a claim's key is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClaimKey {
    /// Personal: stored as a keyed hash, found only by who knows it.
    Hashed(Vec<u8>),
    /// Made of ids and positions only: stored as it is, and can be scanned in order.
    Ordered(Vec<u8>),
}

impl Claim {
    /// A claim on something personal: the parts in a row, stored as a keyed hash.
    pub fn hashed(scope: &'static str, parts: &[&[u8]]) -> Self {
        Self { scope, key: ClaimKey::Hashed(parts.concat()) }
    }

    /// A claim on ids and positions: the parts in a row, stored as they are.
    pub fn ordered(scope: &'static str, parts: &[&[u8]]) -> Self {
        Self { scope, key: ClaimKey::Ordered(parts.concat()) }
    }
}

/// The answer to a command that lost a claim to another stream: a conflict, with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// The field that the claim was made of, as clients call it.
    pub field: Option<&'static str>,
    /// A sentence for a person.
    pub detail: &'static str,
}

/// What kind of no a rejection is; the edge maps it to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It does not exist, or is somebody else's.
    NotFound,
    /// It contradicts the present state.
    Conflict,
    /// It breaks a rule, whatever the state.
    Invalid,
    /// The credentials do not fit.
    Unauthorised,
    /// It existed and is gone for good.
    Gone,
}

/// A normal, named no.
pub trait Reject: fmt::Display + fmt::Debug + PartialEq + Clone + Send + Sync + 'static {
    /// Every one that its aggregate knows.
    const ALL: &'static [Self];

    /// Stable, `snake_case`; clients match on it.
    fn code(&self) -> &'static str;
    /// Which status it becomes.
    fn kind(&self) -> Kind;
    /// The field of the command that it is about, as clients call it.
    fn field(&self) -> Option<&'static str>;
}

/// Declares the rejections of one aggregate: name, code, kind, the field it is about (if any), a sentence for a person.
macro_rules! rejections {
    (
        $(#[$doc:meta])*
        $( $variant:ident = $code:literal, $kind:ident $(on $field:literal)?, $detail:literal; )+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            $(
                #[doc = concat!("`", $code, "`")]
                #[error($detail)]
                $variant,
            )+
        }

        impl $crate::Reject for Rejection {
            const ALL: &'static [Self] = &[$( Self::$variant, )+];

            fn code(&self) -> &'static str {
                match self { $( Self::$variant => $code, )+ }
            }

            fn kind(&self) -> $crate::Kind {
                match self { $( Self::$variant => $crate::Kind::$kind, )+ }
            }

            fn field(&self) -> Option<&'static str> {
                match self { $( Self::$variant => None$(.or(Some($field)))?, )+ }
            }
        }
    };
}

pub(crate) use rejections;
