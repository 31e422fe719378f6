//! API tokens, looked up in the log: one that was just revoked is refused at once.

use orbit_domain::users::ApiToken;
use orbit_event_store::{EventStore, Fault};
use orbit_platform::{
    auth::{API_TOKEN_PREFIX, ApiTokens, Caller, OpaqueToken, Scopes},
    problem::ApiError,
};

use crate::error::Error;

/// Knows the API tokens of a log.
pub struct LoggedApiTokens(pub EventStore);

impl LoggedApiTokens {
    async fn find(&self, token: &str) -> Result<Caller, Error> {
        let token = OpaqueToken::parse(API_TOKEN_PREFIX, token).ok_or_else(ApiError::invalid_token)?;
        let found = match self.0.load::<ApiToken>(token.id()).await {
            // The account was erased, and its key with it.
            Err(Fault::Forgotten) => None,
            found => found?,
        };
        let found = found.ok_or_else(ApiError::invalid_token)?;
        let issued = found.state.present().filter(|issued| token.fits(issued.secret_hash.expose()));
        issued.ok_or_else(ApiError::invalid_token)?;
        let usable = found.state.usable(self.0.clock().now()).ok_or_else(ApiError::token_expired)?;
        Ok(Caller::api(found.user_id.0, found.id, Scopes::only(usable.scopes.iter().cloned())))
    }
}

impl ApiTokens for LoggedApiTokens {
    fn verify<'a>(&'a self, token: &'a str) -> futures_util::future::BoxFuture<'a, Result<Caller, ApiError>> {
        Box::pin(async move { self.find(token).await.map_err(Error::into_answer) })
    }
}
