//! Logins that were seen to be active: an access token outlives its login by seconds, not by its own quarter of an hour.

use std::time::Duration;

use orbit_platform::{
    auth::Caller,
    postgres::{self, Pool},
    problem::ApiError,
    recent::Recent,
};
use uuid::Uuid;

use crate::{app::POOL, routes::users::sessions};

/// How long a login counts as active after it was looked at: as in the command API.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Logins remembered at once; the least used give way.
const CAPACITY: usize = 100_000;

/// The memory. Clones share it.
#[derive(Clone, Debug)]
pub struct Sessions(Recent<Uuid, Uuid>);

impl Sessions {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self(Recent::new(CAPACITY, REMEMBERED))
    }

    /// Refuses (401) a caller whose login has ended. API tokens were looked at when they were read.
    pub async fn check(&self, pool: &Pool, caller: &Caller) -> Result<(), ApiError> {
        let Some(login_id) = caller.sid else { return Ok(()) };
        if self.0.get(&login_id) == Some(caller.user_id) {
            return Ok(());
        }
        let mut db = postgres::acquire(pool, POOL).await?;
        if sessions::has_ended(&mut db, caller.user_id, login_id).await? {
            return Err(ApiError::invalid_token());
        }
        self.0.insert(login_id, caller.user_id);
        Ok(())
    }
}
