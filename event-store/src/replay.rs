//! Replay: the log read again in its order, all of it or what somebody asks for, a page at a time.

use chrono::{DateTime, Utc};
use orbit_domain::Claim;
use orbit_events::UserId;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{Fault, Log, Stored, Vault, claims};

/// Which facts a replay is about: all conditions that are given hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Those of this user.
    pub user: Option<UserId>,
    /// Those of this stream.
    pub entity: Option<Uuid>,
    /// Those of this category, `tasks`.
    pub category: Option<String>,
    /// Those of this wire type, `tasks.created`.
    pub wire_type: Option<String>,
    /// Those of this kind of actor: `user`, `agent`, `system` or `integration`.
    pub actor: Option<String>,
    /// Those recorded at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Those recorded at this time or earlier.
    pub until: Option<DateTime<Utc>>,
}

impl Log {
    /// Facts with `after < position <= upto`, in order, at most `limit`. By user or entity it reads an index and no more
    /// than is asked for; everything else it looks through in the order of positions.
    pub async fn replay(&self, which: &Which, after: i64, upto: i64, limit: i64) -> Result<Vec<Stored>, Fault> {
        let mut sql = which.statement(after, upto, limit);
        let read = sql.build_query_as::<Stored>().fetch_all(self.pool()).await;
        read.map_err(Fault::database("replay the log"))
    }

    /// The stream that holds a claim, for processes that only read; those that write ask the event store.
    pub async fn holder(&self, vault: &Vault, claim: &Claim) -> Result<Option<Uuid>, Fault> {
        claims::holder(self.pool(), claim, vault).await
    }
}

impl Which {
    /// Only the conditions that are given are in the text: one that reads "or nothing was given" would keep the database
    /// from its indexes.
    fn statement(&self, after: i64, upto: i64, limit: i64) -> QueryBuilder<Postgres> {
        let mut sql = QueryBuilder::new("SELECT ");
        sql.push(Stored::COLUMNS).push(" FROM log.events e WHERE e.position > ").push_bind(after);
        sql.push(" AND e.position <= ").push_bind(upto);
        if let Some(user) = self.user {
            sql.push(" AND e.user_id = ").push_bind(user.0);
        }
        if let Some(entity) = self.entity {
            sql.push(" AND e.stream_id = ").push_bind(entity);
        }
        let texts = [
            (" AND e.category = ", &self.category),
            (" AND e.type = ", &self.wire_type),
            (" AND e.metadata -> 'actor' ->> 'type' = ", &self.actor),
        ];
        for (condition, text) in texts {
            if let Some(text) = text {
                sql.push(condition).push_bind(text.clone());
            }
        }
        for (condition, at) in [(" AND e.recorded_at >= ", self.since), (" AND e.recorded_at <= ", self.until)] {
            if let Some(at) = at {
                sql.push(condition).push_bind(at);
            }
        }
        sql.push(" ORDER BY e.position LIMIT ").push_bind(limit);
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_in_the_statement_and_every_value_is_bound() {
        let all = Which::default().statement(0, 9, 5).into_string();
        assert!(
            all.ends_with("FROM log.events e WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3")
        );
        let which = Which {
            user: Some(UserId(Uuid::nil())),
            entity: Some(Uuid::nil()),
            category: Some("'; --".to_owned()),
            wire_type: Some("tasks.created".to_owned()),
            actor: Some("user".to_owned()),
            since: Some(DateTime::UNIX_EPOCH),
            until: Some(DateTime::UNIX_EPOCH),
        };
        let some = which.statement(0, 9, 5).into_string();
        assert!(
            some.contains("LIMIT $10") && !some.contains('\''.to_string().repeat(2).as_str()) && !some.contains("--")
        );
    }
}
