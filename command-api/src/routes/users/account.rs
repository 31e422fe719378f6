//! Logging in on a device: what registering and logging in have in common.

use axum::http::{HeaderMap, header};
use orbit_domain::{
    Secret,
    users::{
        DeviceName, Login, UserAgent,
        login::{Command, USER},
    },
};
use orbit_event_store::Unit;
use orbit_events::users::login::Reason;
use orbit_platform::{
    auth::OpaqueToken,
    http::{address::ClientAddress, openapi::parsed},
    ids,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{error::Result, state::AppState};

/// How refresh tokens begin.
pub const REFRESH_PREFIX: &str = "orb_rt_";

/// Most devices that are logged in at the same time; one more logs out the one that has been for longest.
const MAX_DEVICES: usize = 100;
/// Devices looked at when another one comes: logins at the very same moment can exceed the limit a little.
pub const DEVICES_SCANNED: i64 = 1_000;

/// What a device gets to work with.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "access_token": "eyJhbGciOiJFZERTQSIs…", "refresh_token": "orb_rt_AZMC1W88ex6cUw1qPB8rSg…",
    "token_type": "bearer", "expires_in": 900
}"#)))]
pub struct Tokens {
    /// Goes with every request as `Authorization: Bearer`.
    access_token: String,
    /// Is exchanged for the next pair when the access token has expired. Good for one use.
    refresh_token: String,
    /// `bearer`
    token_type: &'static str,
    /// How long the access token lives, in seconds.
    expires_in: u32,
}

impl Tokens {
    /// A pair for a device.
    pub fn new(app: &AppState, user: Uuid, refresh: &OpaqueToken) -> Self {
        let access = app.signer.sign(user, refresh.id());
        Self {
            access_token: access.token,
            refresh_token: refresh.expose(),
            token_type: "bearer",
            expires_in: access.expires_in,
        }
    }
}

/// What is known of a device.
#[derive(Debug, Clone)]
pub struct Device {
    /// What the user calls it.
    pub name: Option<DeviceName>,
    agent: Option<UserAgent>,
    address: ClientAddress,
}

impl Device {
    /// From the request.
    pub fn new(name: Option<DeviceName>, headers: &HeaderMap, address: ClientAddress) -> Self {
        let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Self { name, agent: agent.and_then(|agent| UserAgent::cut(&agent)), address }
    }

    /// Logs it in, in this unit of work.
    pub async fn log_in(&self, app: &AppState, unit: &Unit) -> Result<Tokens> {
        let user = unit.context().user_id;
        let active = unit.scan(USER, user.0.as_bytes(), DEVICES_SCANNED).await?;
        // Ids grow with time: the first ones have been logged in for longest.
        for held in active.iter().take((active.len() + 1).saturating_sub(MAX_DEVICES)) {
            unit.decide::<Login>(held.stream_id, Command::LogOut { reason: Reason::LoggedOut }).await?;
        }
        self.start(app, unit)
    }

    /// Logs it in as the first device of a new user.
    pub fn start(&self, app: &AppState, unit: &Unit) -> Result<Tokens> {
        let token = OpaqueToken::new(REFRESH_PREFIX, ids::new_v7(app.store.clock()));
        let address = Some(self.address.0).filter(|address| !address.is_unspecified());
        let command = Command::LogIn {
            refresh_hash: Secret::new(token.hash()),
            expires_at: unit.context().now + app.refresh_ttl,
            device_name: self.name.clone(),
            user_agent: self.agent.clone(),
            address,
        };
        unit.create::<Login>(token.id(), command)?;
        Ok(Tokens::new(app, unit.context().user_id.0, &token))
    }
}
