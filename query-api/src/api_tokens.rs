//! API tokens, looked up in the log: one that was just revoked is refused at once, however far the read models are.

use futures_util::future::BoxFuture;
use orbit_domain::users::ApiToken;
use orbit_event_store::{Fault, Loaded, Log, Vault};
use orbit_platform::{
    auth::{API_TOKEN_PREFIX, ApiTokens, Caller, OpaqueToken, Scopes},
    clock::Clock,
    problem::ApiError,
};
use uuid::Uuid;

/// Knows the API tokens of a log, for a process that only reads it.
#[derive(Debug)]
pub struct LoggedApiTokens {
    /// The log. The primary's: a replica may not know yet that a token was revoked.
    pub log: Log,
    /// Opens what the log says.
    pub vault: Vault,
    /// Tells when a token has expired.
    pub clock: Clock,
}

impl LoggedApiTokens {
    async fn find(&self, token: &str) -> Result<Caller, ApiError> {
        let token = OpaqueToken::parse(API_TOKEN_PREFIX, token).ok_or_else(ApiError::invalid_token)?;
        let found = self.load(token.id()).await?.ok_or_else(ApiError::invalid_token)?;
        let issued = found.state.present().filter(|issued| token.fits(issued.secret_hash.expose()));
        issued.ok_or_else(ApiError::invalid_token)?;
        let usable = found.state.usable(self.clock.now()).ok_or_else(ApiError::token_expired)?;
        let scopes = Scopes::only(usable.scopes.iter().cloned());
        Ok(Caller::api(found.user_id.0, found.id, scopes).until(usable.expires_at))
    }

    /// Refuses (401) a token that was good once and is no longer: revoked, expired, or its user was forgotten.
    pub async fn check(&self, id: Uuid) -> Result<(), ApiError> {
        let found = self.load(id).await?.ok_or_else(ApiError::invalid_token)?;
        found.state.present().ok_or_else(ApiError::invalid_token)?;
        found.state.usable(self.clock.now()).map(drop).ok_or_else(ApiError::token_expired)
    }

    async fn load(&self, id: Uuid) -> Result<Option<Loaded<ApiToken>>, ApiError> {
        match self.log.load::<ApiToken>(&self.vault, id).await {
            // The account was erased, and its key with it.
            Err(Fault::Forgotten) => Ok(None),
            Err(Fault::Database { source, .. }) => Err(source.into()),
            found => found.map_err(ApiError::internal),
        }
    }
}

impl ApiTokens for LoggedApiTokens {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, ApiError>> {
        Box::pin(self.find(token))
    }
}
