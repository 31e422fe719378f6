//! Logging in with e-mail address and password.

use axum::{extract::State, http::HeaderMap, response::Response};
use orbit_domain::users::{DeviceName, Email, User, user::email_claim};
use orbit_event_store::{Fault, Loaded, Unit};
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
    account::{Device, Tokens},
    proof::{self, Proof},
};
use crate::{
    error::Result,
    routes::read::text,
    state::AppState,
    write::{self, Reply, WriteRequest},
};

/// Credentials.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"email": "ada@example.org", "password": "Correct horse 1", "device_name": "Ada's phone"}"#)))]
pub struct LogIn {
    /// Without regard to case.
    #[serde(default)]
    #[schema(value_type = String, required, format = "email", max_length = 254, example = "ada@example.org")]
    email: Field<String>,
    /// The account's password.
    #[serde(default)]
    #[schema(value_type = String, required, format = "password", min_length = 1, max_length = 1024)]
    password: Field<String>,
    /// What the user calls this device.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100, example = "Ada's phone")]
    device_name: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Log in
///
/// Whether it was the address or the password that is not right is not told. Five failures within 15 minutes lock the
/// account for the address they came from for 15 minutes.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", operation_id = "log_in", security(()),
    request_body = LogIn, responses((status = 200, description = "Tokens for this device", body = Tokens),
        (status = 401, description = "Address or password are not right")))]
#[tracing::instrument(name = "command.logins.log_in", skip_all)]
pub async fn login(
    State(app): State<AppState>,
    request: WriteRequest,
    address: ClientAddress,
    headers: HeaderMap,
    body: JsonBody<LogIn>,
) -> Result<Response> {
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let email = faults.required("email", body.value.email, text(Email::parse));
    let password = faults.required("password", body.value.password, proof::presented);
    let device_name = faults.optional("device_name", body.value.device_name, text(DeviceName::parse));
    let (email, password, device_name) = faults.finish_with(|| Some((email?, password?, device_name)))?;

    let proof = Proof::begin(&app, email.folded(), address).await?;
    let user = account(&app, &email).await?;
    let hash = user.as_ref().and_then(|user| user.state.present()).map(|user| user.password_hash.clone());
    proof.verify(password, hash.clone(), refused).await?;
    let (Some(user), Some(hash)) = (user, hash) else { return Err(refused().into()) };

    let origin = request.origin(user.user_id, None, app.store.clock().now());
    let mode = request.mode(app.store.vault(), user.id, &body.bytes);
    let device = &Device::new(device_name, &headers, address);
    let (state, hash, id) = (&app, &hash, user.id);
    let decide = |unit: Unit| async move {
        // Guarded: when the password changes at this moment, this login comes before it or not at all.
        let user = unit.load::<User>(id).await?;
        let same = user.as_ref().and_then(|user| user.state.present()).is_some_and(|user| user.password_hash == *hash);
        if !same {
            return Err(refused().into());
        }
        Reply::ok(&device.log_in(state, &unit).await?)
    };
    let answer = write::transact(&app, origin, mode, decide).await?;
    if !request.dry_run {
        write::follow_up("forget failed logins", proof.succeeded().await);
    }
    Ok(write::respond(answer))
}

/// The account of an address.
async fn account(app: &AppState, email: &Email) -> Result<Option<Loaded<User>>> {
    let Some(id) = app.store.holder(&email_claim(email)).await? else { return Ok(None) };
    match app.store.load::<User>(id).await {
        Err(Fault::Forgotten) => Ok(None),
        found => Ok(found?),
    }
}

fn refused() -> ApiError {
    ApiError::unauthorized("invalid_credentials", "e-mail address or password are not right")
}
