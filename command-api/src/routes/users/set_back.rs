//! How an account becomes again what it was. Of logins, API tokens and connections no fact can be taken back.

use orbit_domain::{
    Fields,
    users::{
        ApiToken, Connection, Login, User,
        user::{Command, Earlier},
    },
};
use orbit_event_store::{Loaded, Unit};
use orbit_platform::problem::ApiError;

use super::SCOPE;
use crate::{
    routes::history::set_back::{SetBack, Stopped},
    state::AppState,
};

impl SetBack for User {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(_: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        let earlier = Earlier::from_fields(fields).map_err(ApiError::internal)?;
        unit.decide::<Self>(now.id, Command::SetBack(Box::new(earlier))).await?;
        Ok(())
    }
}

impl SetBack for Login {
    const SCOPE: &'static str = SCOPE;
}

impl SetBack for ApiToken {
    const SCOPE: &'static str = SCOPE;
}

impl SetBack for Connection {
    const SCOPE: &'static str = SCOPE;
}
