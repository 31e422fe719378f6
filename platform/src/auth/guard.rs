//! The guard: lets a request through only with a token, and not too often.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;

use super::{
    caller::Caller,
    strangers::Strangers,
    token::{Refusal, TokenVerifier},
};
use crate::{
    http::{address::ClientAddress, limits::RateLimiter},
    problem::{ApiError, kinds},
};

/// How API tokens begin.
pub const API_TOKEN_PREFIX: &str = "orb_pat_";

/// Names under which people put tokens into URLs.
const TOKEN_PARAMETERS: [&str; 3] = ["access_token", "token", "api_key"];

/// Knows API tokens: whoever keeps them.
pub trait ApiTokens: Send + Sync + 'static {
    /// Who a token belongs to; `ApiError::invalid_token` if it is unknown or revoked.
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Caller, ApiError>>;
}

/// What the guard needs. Clones share it: every request takes one.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    verifier: TokenVerifier,
    api_tokens: Option<Arc<dyn ApiTokens>>,
    strangers: Strangers,
    limiter: RateLimiter,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("verifier", &self.0.verifier)
            .field("limiter", &self.0.limiter)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that knows access tokens, and lets each user call as often as `limiter` allows.
    pub fn new(verifier: TokenVerifier, limiter: RateLimiter) -> Self {
        Self(Arc::new(Inner { verifier, api_tokens: None, strangers: Strangers::new(), limiter }))
    }

    /// A guard that knows API tokens too.
    pub fn with_api_tokens(verifier: TokenVerifier, limiter: RateLimiter, api_tokens: Arc<dyn ApiTokens>) -> Self {
        let api_tokens = Some(api_tokens);
        Self(Arc::new(Inner { verifier, api_tokens, strangers: Strangers::new(), limiter }))
    }

    /// Who sent these headers from this address.
    pub async fn authenticate(&self, headers: &HeaderMap, address: ClientAddress) -> Result<Caller, ApiError> {
        let token = bearer(headers)?;
        if token.starts_with(API_TOKEN_PREFIX) {
            return self.look_up(token, address).await;
        }
        self.0.verifier.verify(token).map_err(|refusal| {
            tracing::debug!(%refusal, "refused a token");
            if refusal == Refusal::Expired { ApiError::token_expired() } else { ApiError::invalid_token() }
        })
    }

    async fn look_up(&self, token: &str, address: ClientAddress) -> Result<Caller, ApiError> {
        let Some(tokens) = &self.0.api_tokens else { return Err(ApiError::invalid_token()) };
        let strangers = &self.0.strangers;
        strangers.admit(address, token)?;
        let found = tokens.verify(token).await;
        match &found {
            Ok(_) => strangers.succeeded(token),
            Err(error) if error.status() == StatusCode::UNAUTHORIZED => strangers.failed(address, token),
            // A database that is away says nothing about the token.
            Err(_) => {}
        }
        found
    }
}

/// The middleware. To be put on the routes that need a caller:
/// `router.route_layer(axum::middleware::from_fn_with_state(guard, auth::guard))`.
pub async fn guard(State(guard): State<Guard>, address: ClientAddress, mut request: Request, next: Next) -> Response {
    if has_token(request.uri()) {
        return ApiError::of(&kinds::TOKEN_IN_URL, "send the token as Authorization: Bearer").into_response();
    }
    let caller = match guard.authenticate(request.headers(), address).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let verdict = guard.0.limiter.check_user(caller.user_id);
    request.extensions_mut().insert(caller);
    verdict.run(request, next).await
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(ApiError::unauthenticated)?;
    if values.next().is_some() {
        return Err(ApiError::invalid_token());
    }
    let value = value.to_str().map_err(|_| ApiError::invalid_token())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(ApiError::unauthenticated)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthenticated());
    }
    Ok(token.trim())
}

fn has_token(uri: &Uri) -> bool {
    let names = uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| TOKEN_PARAMETERS.contains(&name))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
