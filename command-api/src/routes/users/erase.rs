//! Forgetting a user.

use axum::response::Response;
use orbit_domain::users::{
    ApiToken, Connection, User,
    api_token::{self, Command as TokenCommand},
    connection::{self, Command as ConnectionCommand},
    user::Command,
};
use orbit_event_store::Unit;
use orbit_events::users::login::Reason;
use orbit_platform::{
    http::{
        address::ClientAddress,
        extract::{Faults, Field, JsonBody, Unknown},
    },
    problem::ApiError,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    connections::MAX_CONNECTIONS,
    logins,
    proof::{self, Proof, wrong_password},
    tokens::MAX_TOKENS,
};
use crate::{
    error::Result,
    write::{Reply, Write, present, respond},
};

/// The password, so that nobody is erased by a device that was left open.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({"password": "Correct horse 1"}))]
pub struct EraseMe {
    /// The present one.
    #[serde(default)]
    #[schema(value_type = String, required, format = "password", min_length = 1, max_length = 1024)]
    password: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Erase the account
///
/// Everything that the user wrote is forgotten for good: the key that opens it is destroyed. What remains is that
/// something happened, and when. Not for API tokens.
#[utoipa::path(delete, path = "/api/v1/auth/me", tag = "auth", operation_id = "erase_me", request_body = EraseMe,
    responses((status = 204, description = "The user is forgotten")))]
#[tracing::instrument(name = "command.users.erase", skip_all)]
pub async fn erase(write: Write, address: ClientAddress, body: JsonBody<EraseMe>) -> Result<Response> {
    write.caller.require_session()?;
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
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        let id = unit.context().user_id.0;
        present::<User>(&unit, id, if_match).await?;
        unit.decide::<User>(id, Command::Erase).await?;
        logins::end(&unit, None, Reason::AccountErased).await?;
        for held in unit.scan(api_token::USER, id.as_bytes(), 2 * MAX_TOKENS).await? {
            unit.decide::<ApiToken>(held.stream_id, TokenCommand::Revoke).await?;
        }
        for held in unit.scan(connection::USER, id.as_bytes(), 2 * MAX_CONNECTIONS).await? {
            unit.decide::<Connection>(held.stream_id, ConnectionCommand::Disconnect).await?;
        }
        Ok(Reply::nothing())
    };
    let answer = write.transact(&body.bytes, decide).await?;
    if write.request.dry_run {
        return Ok(respond(answer));
    }
    // The fact stands: whatever becomes of late logins, the key goes. If the process dies now, the sweep of the next one
    // destroys it.
    logins::end_late(&write, None, Reason::AccountErased).await;
    if let Err(fault) = app.store.forget(write.user()).await {
        tracing::warn!(
            error = &fault as &dyn std::error::Error,
            "a user's key is not destroyed yet, the sweep will do it"
        );
    }
    app.sessions.recheck();
    Ok(respond(answer))
}
