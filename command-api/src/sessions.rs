//! Logins that were seen to be active: an access token outlives its login by seconds, not by its own quarter of an hour.
//!
//! Every write asks whether the caller's login is still active. The answer is remembered for [`REMEMBERED`], so that it
//! costs a round trip now and then, not each time. What ends logins in this process is noticed at once, what ends them
//! in another one when the memory runs out.

use std::time::Duration;

use orbit_domain::users::Login;
use orbit_event_store::{EventStore, Fault};
use orbit_platform::{auth::Caller, problem::ApiError, recent::Recent};
use uuid::Uuid;

use crate::error::Result;

/// How long a login counts as active after it was looked at.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Logins remembered at once; the least used give way.
const CAPACITY: usize = 100_000;

/// The memory. Clones share it.
#[derive(Clone)]
pub struct Sessions(Recent<Uuid, Uuid>);

impl Sessions {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self(Recent::new(CAPACITY, REMEMBERED))
    }

    /// Refuses (401) a caller whose login has ended. API tokens were looked at when they were read.
    pub async fn check(&self, store: &EventStore, caller: &Caller) -> Result<()> {
        let Some(sid) = caller.sid else { return Ok(()) };
        if self.0.get(&sid) == Some(caller.user_id) {
            return Ok(());
        }
        let login = match store.load::<Login>(sid).await {
            Ok(login) => login,
            // The account was erased, and its key with it.
            Err(Fault::Forgotten) => None,
            Err(fault) => return Err(fault.into()),
        };
        let active = login.filter(|login| login.user_id.0 == caller.user_id && login.state.active().is_some());
        if active.is_none() {
            return Err(ApiError::invalid_token().into());
        }
        self.0.insert(sid, caller.user_id);
        Ok(())
    }

    /// Forgets all that was seen: logins have ended.
    pub fn recheck(&self) {
        self.0.forget_all();
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}
