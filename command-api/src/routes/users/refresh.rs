//! Exchanging a refresh token for the next pair.

use axum::{extract::State, http::StatusCode, response::Response};
use orbit_domain::{
    Secret,
    users::{Login, login::Command},
};
use orbit_event_store::{Fault, Unit};
use orbit_platform::{
    auth::OpaqueToken,
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
    },
    problem::ApiError,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::account::{REFRESH_PREFIX, Tokens};
use crate::{
    error::{Result, rejected},
    state::AppState,
    write::{self, Reply, WriteRequest},
};

/// A refresh token.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"refresh_token": "orb_rt_AZMC1W88ex6cUw1qPB8rSg…"}"#)))]
pub struct Refresh {
    /// As it came with the last pair.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 200)]
    refresh_token: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Refresh
///
/// Each refresh token is good for one use. A second use may be a thief's, so it logs the device out. Who repeats a request
/// that was perhaps not answered sends the same `Idempotency-Key` with it and gets the first answer again.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", operation_id = "refresh", security(()),
    request_body = Refresh, responses((status = 200, description = "The next tokens for this device", body = Tokens),
        (status = 401, description = "The token is not, or no longer, good")))]
#[tracing::instrument(name = "command.logins.refresh", skip_all)]
pub async fn refresh(State(app): State<AppState>, request: WriteRequest, body: JsonBody<Refresh>) -> Result<Response> {
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let token = faults.required("refresh_token", body.value.refresh_token, Faults::any);
    let token = faults.finish_with(|| token)?;
    let invalid = || rejected(&orbit_domain::users::login::Rejection::InvalidToken);
    let token = OpaqueToken::parse(REFRESH_PREFIX, &token).ok_or_else(invalid)?;
    let login = match app.store.load::<Login>(token.id()).await {
        Err(Fault::Forgotten) => None,
        found => found?,
    };
    let login = login.ok_or_else(invalid)?;

    let next = OpaqueToken::new(REFRESH_PREFIX, login.id);
    let origin = request.origin(login.user_id, Some(login.id), app.store.clock().now());
    let mode = request.mode(app.store.vault(), login.user_id.0, &body.bytes);
    let (state, token, next) = (&app, &token, &next);
    let decide = |unit: Unit| async move {
        let command = Command::Refresh {
            presented: Secret::new(token.hash()),
            next: Secret::new(next.hash()),
            expires_at: unit.context().now + state.refresh_ttl,
        };
        let login = unit.decide::<Login>(token.id(), command).await?;
        if login.state.active().is_none() {
            // The facts that end this family must be appended, so for the unit of work this is no refusal.
            return Ok(Reply::status_only(StatusCode::UNAUTHORIZED));
        }
        Reply::ok(&Tokens::new(state, login.user_id.0, next))
    };
    let answer = write::transact(&app, origin, mode, decide).await?;
    if answer.preview.is_none() && answer.answer.status() == StatusCode::UNAUTHORIZED.as_u16() {
        app.sessions.recheck();
        tracing::warn!(login = %login.id, "a refresh token was used twice, the device was logged out");
        let detail = "this refresh token was used before; the device was logged out";
        return Err(ApiError::unauthorized("refresh_reuse_detected", detail).into());
    }
    Ok(write::respond(answer))
}
