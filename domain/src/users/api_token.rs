//! An API token: named, with scopes, perhaps with an end. Its secret is shown once and kept as a hash.

use chrono::{DateTime, Utc};
use orbit_events::{
    UserId,
    users::api_token::{Event, Issued, Revoked},
};
use serde_json::json;
use uuid::Uuid;

use super::{Scopes, TokenName};
use crate::{Aggregate, Claim, Context, Fields, Secret, aggregate::rejections, undo::Reversal};

/// Scope of the claim on a token's id; scanned by user, it gives the tokens that are not revoked.
pub const USER: &str = "api_tokens.user";

/// The aggregate.
#[derive(Debug)]
pub struct ApiToken;

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Issued, perhaps expired.
    Issued(Present),
    /// Revoked.
    Revoked,
}

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What the user calls it.
    pub name: String,
    /// SHA-256 of the secret, hexadecimal.
    pub secret_hash: Secret,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it stops working; never, if absent.
    pub expires_at: Option<DateTime<Utc>>,
}

impl State {
    /// The token, unless it was revoked.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Issued(token) => Some(token),
            Self::Absent | Self::Revoked => None,
        }
    }

    /// The token, if it works at this moment.
    pub fn usable(&self, now: DateTime<Utc>) -> Option<&Present> {
        self.present().filter(|token| token.expires_at.is_none_or(|end| now < end))
    }
}

/// What can be asked of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Issue it.
    Issue {
        /// What the user calls it.
        name: TokenName,
        /// SHA-256 of the secret, hexadecimal.
        secret_hash: Secret,
        /// What it may do.
        scopes: Scopes,
        /// When it stops working; never, if absent.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Revoke it.
    Revoke,
}

rejections! {
    /// Why a token may say no.
    NotFound = "api_token_not_found", NotFound, "there is no such API token";
    Exists = "api_token_exists", Conflict, "an API token with this id exists already";
    Revoked = "api_token_revoked", Gone, "the API token was revoked";
    ExpiresInPast = "expires_in_past", Invalid on "expires_at", "must lie in the future";
}

impl Aggregate for ApiToken {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Issue { name, secret_hash, scopes, expires_at } => {
                let issued = Issued {
                    name: name.into(),
                    secret_hash: secret_hash.expose().to_owned(),
                    scopes: scopes.names().to_vec(),
                    expires_at,
                };
                issue(state, issued, context.now)
            }
            Command::Revoke => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Issued(_) => Ok(vec![Revoked {}.into()]),
                State::Revoked => Ok(vec![]),
            },
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Issued(issued) => State::Issued(Present {
                name: issued.name.clone(),
                secret_hash: Secret::new(&issued.secret_hash),
                scopes: issued.scopes.clone(),
                expires_at: issued.expires_at,
            }),
            Event::Revoked(Revoked {}) => State::Revoked,
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let claim = |_: &Present| Claim::ordered(USER, &[user.0.as_bytes(), id.as_bytes()]);
        state.present().map(claim).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { name, scopes, expires_at, .. }) = state.present() else { return Fields::new() };
        Fields::from([("name", json!(name)), ("scopes", json!(scopes)), ("expires_at", json!(expires_at))])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Issued(_) => Reversal::Never("an API token that was given out ends by being revoked"),
            Event::Revoked(_) => Reversal::Never("an API token that was revoked never becomes good again"),
        }
    }
}

fn issue(state: &State, issued: Issued, now: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Absent if issued.expires_at.is_some_and(|end| end <= now) => Err(Rejection::ExpiresInPast),
        State::Absent => Ok(vec![issued.into()]),
        State::Issued(token) if token.secret_hash.expose() == issued.secret_hash => Ok(vec![]),
        State::Issued(_) => Err(Rejection::Exists),
        State::Revoked => Err(Rejection::Revoked),
    }
}

#[cfg(test)]
mod tests;
