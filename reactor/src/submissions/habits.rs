//! What servers were seen to do: whether the one that messages go through keeps copies of them by itself.
//!
//! No fact: nothing was done to anybody's e-mail, and the next message tells anew.

use chrono::{DateTime, Utc};
use orbit_events::ConnectionId;
use sqlx::PgPool;
use uuid::Uuid;

use crate::work::Fault;

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    pool: PgPool,
}

/// An account to send through, with the one where copies lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub connection_id: ConnectionId,
    /// Keyed hash of both, as they are set now: what was seen of others is not true of them.
    pub servers: [u8; 32],
}

impl Habits {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Whether the server kept a copy of the newest message of which that could be told.
    pub async fn keeps_copies(&self, pair: &Pair) -> Result<bool, Fault> {
        let seen = sqlx::query_scalar!(
            "SELECT keeps_copies FROM work.mail_senders WHERE connection_id = $1 AND servers = $2",
            pair.connection_id.0,
            &pair.servers
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("look whether a server keeps copies"))?;
        Ok(seen.unwrap_or(false))
    }

    /// It kept one of this message, or did not. Of a message whose copy is not owed any more, as its user is forgotten,
    /// nothing is noted.
    pub async fn saw(
        &self,
        pair: &Pair,
        submission: Uuid,
        keeps_copies: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        // Whoever forgets a user deletes what is owed first, and so waits for this.
        sqlx::query!(
            "INSERT INTO work.mail_senders (connection_id, user_id, servers, keeps_copies, seen_at)
             SELECT $1, user_id, $3, $4, $5 FROM work.mail_copies WHERE submission_id = $2 FOR SHARE
             ON CONFLICT (connection_id) DO UPDATE
                 SET servers = excluded.servers, keeps_copies = excluded.keeps_copies, seen_at = excluded.seen_at",
            pair.connection_id.0,
            submission,
            &pair.servers,
            keeps_copies,
            now
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("note whether a server keeps copies"))?;
        Ok(())
    }
}
