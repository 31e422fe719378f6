//! Changing the password.

use axum::response::Response;
use orbit_domain::users::{User, user::Command};
use orbit_event_store::Unit;
use orbit_events::users::login::Reason;
use orbit_platform::{
    http::{
        address::ClientAddress,
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
    },
    problem::ApiError,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    logins,
    proof::{self, Proof, wrong_password},
    register::new_password,
};
use crate::{
    error::Result,
    write::{Reply, Write},
};

/// The present password and the next one.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"current_password": "Correct horse 1", "new_password": "Battery staple 2"}"#)))]
pub struct ChangePassword {
    /// The present one.
    #[serde(default)]
    #[schema(value_type = String, required, format = "password", min_length = 1, max_length = 1024)]
    current_password: Field<String>,
    /// 8 to 128 characters with an upper-case letter, a lower-case letter and a digit.
    #[serde(default)]
    #[schema(value_type = String, required, format = "password", min_length = 8, max_length = 128)]
    new_password: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Change the password
///
/// All other devices are logged out. API tokens go on working. Not for API tokens.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "auth", operation_id = "change_password",
    request_body = ChangePassword, responses((status = 204, description = "The password is the new one")))]
#[tracing::instrument(name = "command.users.change_password", skip_all)]
pub async fn change(write: Write, address: ClientAddress, body: JsonBody<ChangePassword>) -> Result<Response> {
    let sid = write.caller.require_session()?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let current = faults.required("current_password", body.value.current_password, proof::presented);
    let new = new_password(&mut faults, "new_password", body.value.new_password);
    let (current, new) = faults.finish_with(|| Some((current?, new?)))?;

    // A repetition shows the password that was good the first time.
    if let Some(answer) = write.earlier(&body.bytes).await? {
        return Ok(answer);
    }
    let app = write.app();
    let user = app.store.load::<User>(write.caller.user_id).await?.ok_or_else(ApiError::invalid_token)?;
    let known = user.state.present().ok_or_else(ApiError::invalid_token)?;
    let proof = Proof::begin(app, known.email.to_lowercase(), address).await?;
    proof.verify(current, Some(known.password_hash.clone()), || wrong_password("current_password")).await?;
    proof.succeeded().await?;
    let hash = &app.passwords.hash(new).await?;
    let known = &known.password_hash;
    let decide = |unit: Unit| async move {
        let user = unit.load::<User>(unit.context().user_id.0).await?.ok_or_else(ApiError::invalid_token)?;
        if user.state.present().is_none_or(|user| user.password_hash != *known) {
            // It changed at this very moment.
            return Err(wrong_password("current_password").into());
        }
        unit.decide::<User>(user.id, Command::ChangePassword { password_hash: hash.clone() }).await?;
        logins::end(&unit, Some(sid), Reason::PasswordChanged).await?;
        Ok(Reply::nothing())
    };
    let answer = write.run(&body.bytes, decide).await?;
    logins::end_late(&write, Some(sid), Reason::PasswordChanged).await;
    Ok(answer)
}
