//! Opening an account.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::TimeDelta;
use orbit_domain::{
    tasks::{self, DEFAULT_LISTS, List, ListName, order::Slot},
    users::{
        DeviceName, Email, Locale, Name, Password, TimeZone, User,
        user::{self, Command, Profile, email_claim},
    },
};
use orbit_event_store::{Fault, Unit};
use orbit_events::UserId;
use orbit_platform::{
    http::{
        address::ClientAddress,
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
    },
    ids,
    problem::ApiError,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::account::{Device, Tokens};
use crate::{
    error::Result,
    routes::{read::text, tasks::jitter},
    state::AppState,
    write::{self, Reply, WriteRequest},
};

/// A new account.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"email": "ada@example.org", "password": "Correct horse 1", "name": "Ada"}"#)))]
pub struct Register {
    /// Unique without regard to case.
    #[serde(default)]
    #[schema(value_type = String, required, format = "email", max_length = 254, example = "ada@example.org")]
    email: Field<String>,
    /// 8 to 128 characters with an upper-case letter, a lower-case letter and a digit.
    #[serde(default)]
    #[schema(value_type = String, required, format = "password", min_length = 8, max_length = 128)]
    password: Field<String>,
    /// What to call the user.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "Ada")]
    name: Field<String>,
    /// An IANA zone; UTC, if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Berlin")]
    time_zone: Field<String>,
    /// A BCP 47 tag; English, if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "de-DE")]
    locale: Field<String>,
    /// What the user calls this device.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 100, example = "Ada's laptop")]
    device_name: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

struct NewAccount {
    email: Email,
    password: Password,
    profile: Profile,
    device_name: Option<DeviceName>,
}

/// Register
///
/// Opens an account with the lists Backlog, Today, In Progress and Done, and logs in on this device.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "auth", operation_id = "register", security(()),
    request_body = Register, responses((status = 201, description = "Tokens for this device", body = Tokens)))]
#[tracing::instrument(name = "command.users.register", skip_all)]
pub async fn register(
    State(app): State<AppState>,
    request: WriteRequest,
    address: ClientAddress,
    headers: HeaderMap,
    body: JsonBody<Register>,
) -> Result<Response> {
    let NewAccount { email, password, profile, device_name } = body.value.read()?;
    let vault = app.store.vault();
    let mode = request.mode(vault, scope(vault, &email), &body.bytes);
    // With a key this may be the repetition of the registration that took the address.
    if mode.idempotency.is_none() && app.store.holder(&email_claim(&email)).await?.is_some() {
        return Err(Fault::Taken { scope: user::EMAIL.to_owned() }.into());
    }
    let password_hash = app.passwords.hash(password).await?;
    let user = UserId(ids::new_v7(app.store.clock()));
    let origin = request.origin(user, None, app.store.clock().now());
    let (app, dry_run) = (&app, request.dry_run);
    let device = &Device::new(device_name, &headers, address);
    let (email, password_hash, profile) = (&email, &password_hash, &Box::new(profile));
    let decide = |unit: Unit| async move {
        // Before there is a key: nobody would ever destroy the one of an account that is refused.
        if unit.holder(&email_claim(email)).await?.is_some() {
            return Err(Fault::Taken { scope: user::EMAIL.to_owned() }.into());
        }
        if !dry_run {
            // Before the first fact that it seals. Without the facts the key is of no use and does no harm.
            app.store.vault().create_key(user).await?;
        }
        let command =
            Command::Register { email: email.clone(), password_hash: password_hash.clone(), profile: profile.clone() };
        unit.create::<User>(user.0, command)?;
        default_lists(app, &unit)?;
        let tokens = device.start(app, &unit)?;
        Reply::created(&tokens, "/api/v1/auth/me".to_owned())
    };
    Ok(write::respond(write::transact(app, origin, mode, decide).await?))
}

fn default_lists(app: &AppState, unit: &Unit) -> Result<()> {
    let mut at = unit.context().now;
    for name in DEFAULT_LISTS {
        let name = ListName::parse(name).map_err(ApiError::internal)?;
        let slot = Slot::anywhere(at, jitter());
        unit.create::<List>(ids::new_v7(app.store.clock()), tasks::list::Command::Create { name, color: None, slot })?;
        // Later places are behind earlier ones.
        at += TimeDelta::microseconds(1);
    }
    Ok(())
}

/// Whose idempotency key it is while there is no user: an id made of the address that tells nothing about it.
pub fn scope(vault: &orbit_event_store::Vault, email: &Email) -> Uuid {
    let hash = vault.hash("registrations", email.folded().as_bytes());
    Uuid::from_bytes(hash[..16].try_into().unwrap_or_default())
}

impl Register {
    fn read(self) -> Result<NewAccount, ApiError> {
        let mut faults = Faults::new();
        faults.unknown(self.unknown);
        let email = faults.required("email", self.email, text(Email::parse));
        let password = new_password(&mut faults, "password", self.password);
        let name = faults.required("name", self.name, text(Name::parse));
        let time_zone = faults.optional("time_zone", self.time_zone, text(TimeZone::parse));
        let locale = faults.optional("locale", self.locale, text(Locale::parse));
        let device_name = faults.optional("device_name", self.device_name, text(DeviceName::parse));
        faults.finish_with(|| {
            let mut profile = Profile::new(name?);
            profile.time_zone = time_zone.unwrap_or_default();
            profile.locale = locale.unwrap_or_default();
            Some(NewAccount { email: email?, password: password?, profile, device_name })
        })
    }
}

/// A new password; every rule that it breaks is noted.
pub fn new_password(faults: &mut Faults, name: &str, field: Field<String>) -> Option<Password> {
    let text = faults.required(name, field, Faults::any)?;
    match Password::parse(&text) {
        Ok(password) => Some(password),
        Err(broken) => {
            for invalid in broken {
                faults.broken::<()>(name, invalid.code, invalid.detail);
            }
            None
        }
    }
}
