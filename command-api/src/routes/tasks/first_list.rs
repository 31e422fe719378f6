//! Where tasks go that name no list: the user's first list.

use std::time::Duration;

use orbit_domain::tasks::{List, list};
use orbit_event_store::{Fault, Unit};
use orbit_events::{ListId, UserId};
use orbit_platform::recent::Recent;
use uuid::Uuid;

use crate::error::{Result, refusal};

/// How long a first list is remembered. Reordering the lists through another process is noticed after that time;
/// through this one, at once. A list that was removed is noticed at once in any case: the unit of work guards it.
const REMEMBERED: Duration = Duration::from_secs(2);
/// Users whose first list is remembered.
const CAPACITY: usize = 100_000;

/// First lists that were looked up a moment ago: without them every task would cost a query more. Clones share them.
#[derive(Clone)]
pub struct FirstLists(Recent<Uuid, ListId>);

impl FirstLists {
    /// Knows none yet.
    pub fn new() -> Self {
        Self(Recent::new(CAPACITY, REMEMBERED))
    }

    /// The user's first list, as the claims on places tell it.
    pub async fn of(&self, unit: &Unit) -> Result<ListId> {
        let user = unit.context().user_id;
        if let Some(known) = self.0.get(&user.0)
            && is_present(unit, known).await?
        {
            return Ok(known);
        }
        let first = unit.scan(list::ORDER, user.0.as_bytes(), 1).await?.pop();
        // The last list cannot be removed, so only who is being forgotten has none: claims go before the keys do.
        let first = first.map(|held| ListId(held.stream_id)).ok_or(Fault::Forgotten)?;
        if !is_present(unit, first).await? {
            let gone = "the lists are being reordered; try again";
            return Err(refusal(axum::http::StatusCode::CONFLICT, "position_taken", None, gone).into());
        }
        self.0.insert(user.0, first);
        Ok(first)
    }

    /// Forgets a user's: the lists have changed.
    pub fn forget(&self, user: UserId) {
        self.0.forget(&user.0);
    }
}

impl Default for FirstLists {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a list is on the board. From here on the unit of work guards it.
pub async fn is_present(unit: &Unit, list: ListId) -> Result<bool> {
    Ok(unit.is::<List>(list.0, |list| list.present().is_some()).await?)
}
