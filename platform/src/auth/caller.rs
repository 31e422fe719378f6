//! The caller of a request, and what they may do.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::problem::ApiError;

/// Who sent a request. An extractor: 401 where the guard let nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user whose data this is about. Every read and write takes it.
    pub user_id: Uuid,
    /// The login (device) that the access token belongs to.
    pub sid: Option<Uuid>,
    /// What may be done with the token.
    pub scopes: Scopes,
    /// What kind of token it was.
    pub token: TokenKind,
    /// When the token stops working, if it does: for answers that last longer than a moment.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What kind of token a caller showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token of a login.
    Session,
    /// An API token.
    Api {
        /// Its id.
        id: Uuid,
    },
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// Everything: the user themselves.
    All,
    /// What an API token was issued for. `admin` covers everything, `x:write` does not cover `x:read`.
    Only(Arc<BTreeSet<String>>),
}

impl Scopes {
    /// The scopes of an API token.
    pub fn only(scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Only(Arc::new(scopes.into_iter().map(Into::into).collect()))
    }

    /// Whether `scope` is among them.
    pub fn allow(&self, scope: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(scopes) => scopes.contains(scope) || scopes.contains("admin"),
        }
    }
}

impl Caller {
    /// The user themselves, logged in on a device.
    pub fn session(user_id: Uuid, sid: Uuid) -> Self {
        Self { user_id, sid: Some(sid), scopes: Scopes::All, token: TokenKind::Session, expires_at: None }
    }

    /// A program with an API token.
    pub fn api(user_id: Uuid, token_id: Uuid, scopes: Scopes) -> Self {
        Self { user_id, sid: None, scopes, token: TokenKind::Api { id: token_id }, expires_at: None }
    }

    /// The same caller, with a token that stops working then.
    #[must_use]
    pub fn until(self, expires_at: impl Into<Option<DateTime<Utc>>>) -> Self {
        Self { expires_at: expires_at.into(), ..self }
    }

    /// Refuses (403, naming the scope) a token without `scope`.
    pub fn require(&self, scope: &str) -> Result<(), ApiError> {
        if self.scopes.allow(scope) { Ok(()) } else { Err(ApiError::missing_scope(scope)) }
    }

    /// Refuses (403) API tokens: for what only the user themselves may do, such as changing the password.
    pub fn require_session(&self) -> Result<Uuid, ApiError> {
        self.sid.ok_or_else(|| ApiError::forbidden("an API token cannot do this, log in"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_may_do_everything_and_an_api_token_what_it_was_issued_for() {
        let (user, id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let session = Caller::session(user, id);
        assert!(session.require("tasks:write").is_ok() && session.require_session().is_ok());
        let reader = Caller::api(user, id, Scopes::only(["tasks:read"]));
        assert!(reader.require("tasks:read").is_ok());
        assert_eq!(reader.require("tasks:write").unwrap_err().code(), "missing_scope");
        assert_eq!(reader.require_session().unwrap_err().code(), "forbidden");
        assert!(Caller::api(user, id, Scopes::only(["admin"])).require("tasks:write").is_ok());
    }
}
