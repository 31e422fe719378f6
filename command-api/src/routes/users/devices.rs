//! Devices: the logins of a user.

use axum::response::Response;
use orbit_domain::users::{Login, login::Command};
use orbit_event_store::Unit;
use orbit_events::{LoginId, users::login::Reason};
use orbit_platform::http::path::PathId;

use super::SCOPE;
use crate::{
    error::Result,
    write::{Reply, Write, present},
};

/// Log a device out
#[utoipa::path(delete, path = "/api/v1/auth/devices/{id}", tag = "auth", operation_id = "log_out_device",
    params(("id" = uuid::Uuid, Path, description = "The device")),
    responses((status = 204, description = "The device is logged out")))]
#[tracing::instrument(name = "command.logins.log_out_device", skip_all)]
pub async fn end(write: Write, PathId(id): PathId<LoginId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Login>(&unit, id.0, if_match).await?;
        unit.decide::<Login>(id.0, Command::LogOut { reason: Reason::LoggedOut }).await?;
        Ok(Reply::nothing())
    };
    let answer = write.run(b"", decide).await;
    write.app().sessions.recheck();
    answer
}
