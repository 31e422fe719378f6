//! Asking to be forgotten, and taking it back. Whose time of grace is over is forgotten by [`crate::erasures`].

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_domain::users::{
    ApiToken, User,
    api_token::{self, Command as TokenCommand},
    user::Command,
};
use orbit_event_store::Unit;
use orbit_events::users::login::Reason;
use orbit_platform::{
    http::{
        address::ClientAddress,
        extract::{Faults, Field, JsonBody, OptionalJsonBody, Unknown},
        openapi::parsed,
    },
    problem::ApiError,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    logins,
    proof::{self, Proof, wrong_password},
    tokens::MAX_TOKENS,
};
use crate::{
    error::Result,
    routes::read::Empty,
    write::{Reply, Write, present},
};

/// The password, so that nobody is erased by a device that was left open.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"password": "Correct horse 1"}"#)))]
pub struct EraseMe {
    /// The present one.
    #[serde(default)]
    #[schema(value_type = String, required, format = "password", min_length = 1, max_length = 1024)]
    password: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// When an account is erased.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"due_at": "2026-11-29T20:28:00Z"}"#)))]
pub struct ErasureDue {
    /// Until then it can be taken back.
    due_at: DateTime<Utc>,
}

/// Erase the account
///
/// In 7 days (unless the operator set another time), during which it can be taken back: all other devices are logged out
/// and all API tokens revoked at once, this device stays. Then everything that the user wrote is forgotten for good: the
/// key that opens it is destroyed. What remains is that something happened, and when. Asking again changes nothing. Not
/// for API tokens.
#[utoipa::path(delete, path = "/api/v1/auth/me", tag = "auth", operation_id = "erase_me", request_body = EraseMe,
    responses((status = 202, description = "The user will be forgotten", body = ErasureDue)))]
#[tracing::instrument(name = "command.users.request_erasure", skip_all)]
pub async fn erase(write: Write, address: ClientAddress, body: JsonBody<EraseMe>) -> Result<Response> {
    let sid = write.caller.require_session()?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let password = faults.required("password", body.value.password, proof::presented);
    let password = faults.finish_with(|| password)?;

    let app = write.app();
    let user = app.store.load::<User>(write.caller.user_id).await?.ok_or_else(ApiError::invalid_token)?;
    let known = user.state.present().ok_or_else(ApiError::invalid_token)?;
    let proof = Proof::begin(app, known.email.to_lowercase(), address).await?;
    proof.verify(password, Some(known.password_hash.clone()), || wrong_password("password")).await?;
    proof.succeeded().await?;
    let (if_match, known) = (&write.request.if_match, &known.password_hash);
    let decide = |unit: Unit| async move {
        let id = unit.context().user_id.0;
        let user = present::<User>(&unit, id, if_match).await?;
        if user.state.present().is_none_or(|user| user.password_hash != *known) {
            // It changed at this very moment.
            return Err(wrong_password("password").into());
        }
        let due_at = unit.context().now + app.erasure_grace;
        let user = unit.decide::<User>(id, Command::RequestErasure { due_at }).await?;
        let due_at = user.state.present().and_then(|user| user.erasure_due_at).unwrap_or(due_at);
        logins::end(&unit, Some(sid), Reason::LoggedOutEverywhere).await?;
        for held in unit.scan(api_token::USER, id.as_bytes(), 2 * MAX_TOKENS).await? {
            unit.decide::<ApiToken>(held.stream_id, TokenCommand::Revoke).await?;
        }
        Reply::accepted(&ErasureDue { due_at })
    };
    let answer = write.run(&body.bytes, decide).await?;
    logins::end_late(&write, Some(sid), Reason::LoggedOutEverywhere).await;
    app.erasures.wake();
    Ok(answer)
}

/// Keep the account
///
/// Takes back that it is to be erased. Devices stay logged out and API tokens revoked. If nothing was asked for, nothing
/// changes. Not for API tokens.
#[utoipa::path(post, path = "/api/v1/auth/me/erasure/cancel", tag = "auth", operation_id = "keep_me",
    responses((status = 204, description = "The account stays")))]
#[tracing::instrument(name = "command.users.cancel_erasure", skip_all)]
pub async fn cancel(write: Write, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require_session()?;
    body.value.check()?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        let id = unit.context().user_id.0;
        present::<User>(&unit, id, if_match).await?;
        let user = unit.decide::<User>(id, Command::CancelErasure).await?;
        Ok(Reply::nothing().version(user.version))
    };
    write.run(&body.bytes, decide).await
}
