//! Logging out: on this device, everywhere, and whatever else ends logins.

use axum::response::Response;
use orbit_domain::users::{
    Login,
    login::{Command, USER},
};
use orbit_event_store::{Mode, Unit};
use orbit_events::users::login::Reason;
use orbit_platform::http::extract::OptionalJsonBody;
use uuid::Uuid;

use super::account::DEVICES_SCANNED;
use crate::{
    error::{Error, Result},
    routes::read::Empty,
    write::{self, Reply, Write},
};

/// How often late logins are looked for: each time fewer can come, since what they are based on has changed.
const PASSES: u32 = 3;

/// Log out
///
/// On the device that the access token belongs to.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", operation_id = "log_out",
    responses((status = 204, description = "This device is logged out")))]
#[tracing::instrument(name = "command.logins.log_out", skip_all)]
pub async fn logout(write: Write, body: OptionalJsonBody<Empty>) -> Result<Response> {
    let sid = write.caller.require_session()?;
    body.value.check()?;
    let decide = |unit: Unit| async move {
        unit.decide::<Login>(sid, Command::LogOut { reason: Reason::LoggedOut }).await?;
        Ok(Reply::nothing())
    };
    let answer = write.run(&body.bytes, decide).await;
    write.app().sessions.recheck();
    answer
}

/// Log out everywhere
///
/// On all devices, this one too. API tokens go on working.
#[utoipa::path(post, path = "/api/v1/auth/logout-all", tag = "auth", operation_id = "log_out_everywhere",
    responses((status = 204, description = "All devices are logged out")))]
#[tracing::instrument(name = "command.logins.log_out_everywhere", skip_all)]
pub async fn logout_all(write: Write, body: OptionalJsonBody<Empty>) -> Result<Response> {
    write.caller.require_session()?;
    body.value.check()?;
    let reason = Reason::LoggedOutEverywhere;
    let decide = |unit: Unit| async move {
        end(&unit, None, reason).await?;
        Ok(Reply::nothing())
    };
    let answer = write.run(&body.bytes, decide).await?;
    end_late(&write, None, reason).await;
    Ok(answer)
}

/// Ends all logins of the user but one; how many those were.
pub async fn end(unit: &Unit, but: Option<Uuid>, reason: Reason) -> Result<usize> {
    let active = unit.scan(USER, unit.context().user_id.0.as_bytes(), DEVICES_SCANNED).await?;
    let mut ended = 0;
    for held in active.iter().filter(|held| Some(held.stream_id) != but) {
        unit.decide::<Login>(held.stream_id, Command::LogOut { reason }).await?;
        ended += 1;
    }
    Ok(ended)
}

/// Ends logins that were made while [`end`] was being decided: a scan does not guard what is not there yet.
pub async fn end_late(write: &Write, but: Option<Uuid>, reason: Reason) {
    write.app().sessions.recheck();
    if !write.request.dry_run {
        write::follow_up("end late logins", end_later(write, but, reason).await);
    }
}

async fn end_later(write: &Write, but: Option<Uuid>, reason: Reason) -> Result<()> {
    for _ in 0..PASSES {
        let decide = |unit: Unit| async move { end(&unit, but, reason).await };
        let ended = write.app().store.transact::<_, Error, _>(write.origin(), Mode::default(), decide).await?;
        if ended.answer == 0 {
            return Ok(());
        }
    }
    Ok(())
}
