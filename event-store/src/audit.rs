//! The log looked over as a whole, for `orbit doctor`: what must hold (invariants 1 and 5) and what it takes.

use crate::{Fault, Log};

/// What a look over the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How many facts there are.
    pub events: i64,
    /// The highest position; 0 if there are no facts. Invariant 1: equal to `events` and to the head's position.
    pub newest: i64,
    /// Whether the trigger that refuses changes of facts is there and fires (invariant 5).
    pub guarded: bool,
    /// Roles of the processes that the database lacks.
    pub missing_roles: Vec<String>,
}

impl Log {
    /// Looks over the whole log. Counting reads all of an index: seconds for tens of millions of facts.
    pub async fn audit(&self) -> Result<Audit, Fault> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "events!", coalesce(max(position), 0) AS "newest!",
                      EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'log.events'::regclass
                              AND tgname = 'events_are_never_changed' AND tgenabled IN ('O', 'A')) AS "guarded!",
                      ARRAY(SELECT wanted FROM unnest(ARRAY['orbit_command', 'orbit_projector', 'orbit_query']) AS wanted
                            WHERE wanted NOT IN (SELECT rolname FROM pg_roles) ORDER BY wanted) AS "missing_roles!"
               FROM log.events"#
        )
        .fetch_one(self.pool())
        .await
        .map_err(Fault::database("look over the log"))?;
        Ok(Audit { events: row.events, newest: row.newest, guarded: row.guarded, missing_roles: row.missing_roles })
    }
}
