//! Reading the log as it was: which position a moment is, and one user's facts up to it.

use chrono::{DateTime, Utc};
use orbit_events::Metadata;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Fault, Log, Page, Stored, stored::Row};

/// Which of a user's facts are to be read, in the order of their positions.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Whose.
    pub user_id: Uuid,
    /// Of these categories or types; `None` of every one.
    pub kinds: Option<Kinds>,
    /// Of these streams; `None` of every one.
    pub streams: Option<&'a [Uuid]>,
    /// After this position.
    pub after: i64,
    /// Up to and including this one.
    pub upto: i64,
}

/// Categories, and wire types of others.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    /// Every fact of these categories.
    pub categories: &'static [&'static str],
    /// Facts of these types, whatever their category.
    pub types: &'static [&'static str],
}

/// How the log stands towards a user who asks for the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The position of the newest fact of anybody's.
    pub head: i64,
    /// Whether the user has asked to be forgotten.
    pub erased: bool,
}

impl Kinds {
    fn columns(self) -> (Vec<String>, Vec<String>) {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        (own(self.categories), own(self.types))
    }
}

impl Log {
    /// How far the log is, and whether this user has been erased.
    pub async fn standing(&self, user_id: Uuid) -> Result<Standing, Fault> {
        sqlx::query_as!(
            Standing,
            r#"SELECT h.position AS head,
                      EXISTS (SELECT FROM log.events e WHERE e.stream_id = $1 AND e.type = 'users.erased') AS "erased!"
               FROM log.head h LIMIT 1"#,
            user_id
        )
        .fetch_one(self.pool())
        .await
        .map_err(Fault::database("read how the log stands"))
    }

    /// When the fact at this position was recorded, or the first one after it if there is none (at 0).
    pub async fn recorded_at(&self, position: i64) -> Result<Option<DateTime<Utc>>, Fault> {
        sqlx::query_scalar!(
            "SELECT recorded_at FROM log.events WHERE position >= $1 ORDER BY position LIMIT 1",
            position
        )
        .fetch_optional(self.pool())
        .await
        .map_err(Fault::database("read when a fact was recorded"))
    }

    /// The user's newest fact that was recorded at this time or before; 0 if there is none. Walks back from the newest, so
    /// the recent past is found at once.
    pub async fn position_at(&self, user_id: Uuid, at: DateTime<Utc>) -> Result<i64, Fault> {
        let found = sqlx::query_scalar!(
            "SELECT position FROM log.events WHERE user_id = $1 AND recorded_at <= $2 ORDER BY position DESC LIMIT 1",
            user_id,
            at
        );
        let found = found.fetch_optional(self.pool()).await.map_err(Fault::database("find a moment in the log"))?;
        Ok(found.unwrap_or(0))
    }

    /// The stream of a user's fact.
    pub async fn stream_of(&self, user_id: Uuid, event_id: Uuid) -> Result<Option<Uuid>, Fault> {
        // Facts have no index by id; those of one user have one.
        sqlx::query_scalar!(
            "SELECT stream_id FROM log.events WHERE user_id = $1 AND event_id = $2 ORDER BY position LIMIT 1",
            user_id,
            event_id
        )
        .fetch_optional(self.pool())
        .await
        .map_err(Fault::database("find a fact of a user"))
    }

    /// How many facts are selected, counted up to `most`.
    pub async fn count(&self, selection: Selection<'_>, most: i64) -> Result<i64, Fault> {
        let (categories, types) = selection.kinds.map(Kinds::columns).unzip();
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (
                   SELECT FROM log.events WHERE user_id = $1 AND position > $2 AND position <= $3
                       AND ($4::text[] IS NULL OR category = ANY($4) OR type = ANY($5))
                       AND ($6::uuid[] IS NULL OR stream_id = ANY($6)) LIMIT $7) f"#,
            selection.user_id,
            selection.after,
            selection.upto,
            categories.as_deref(),
            types.as_deref(),
            selection.streams,
            most
        )
        .fetch_one(self.pool())
        .await
        .map_err(Fault::database("count a user's facts"))
    }

    /// A page of the facts that are selected.
    pub async fn of_user(&self, selection: Selection<'_>, page: Page) -> Result<Vec<Stored>, Fault> {
        let rows = match selection.streams {
            Some(streams) => self.of_streams(selection, streams, page).await?,
            None => self.of_all_streams(selection, page).await?,
        };
        Ok(rows.into_iter().map(Stored::from).collect())
    }

    async fn of_all_streams(&self, selection: Selection<'_>, page: Page) -> Result<Vec<Row>, Fault> {
        let (categories, types) = selection.kinds.map(Kinds::columns).unzip();
        sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM (SELECT *, sum(octet_length(data)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
                                - octet_length(data) AS ahead
                     FROM (SELECT * FROM log.events
                           WHERE user_id = $1 AND position > $2 AND position <= $3
                             AND ($4::text[] IS NULL OR category = ANY($4) OR type = ANY($5))
                           ORDER BY position LIMIT $6) AS page) AS sized
               WHERE ahead < $7 ORDER BY position"#,
            selection.user_id,
            selection.after,
            selection.upto,
            categories.as_deref(),
            types.as_deref(),
            page.facts,
            page.bytes
        )
        .fetch_all(self.pool())
        .await
        .map_err(Fault::database("read a user's facts"))
    }

    /// By the index of streams. A stream is one user's; that it is this one's is asked all the same.
    async fn of_streams(&self, selection: Selection<'_>, streams: &[Uuid], page: Page) -> Result<Vec<Row>, Fault> {
        let (categories, types) = selection.kinds.map(Kinds::columns).unzip();
        sqlx::query_as!(
            Row,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, data, metadata AS "metadata: Json<Metadata>", recorded_at
               FROM (SELECT *, sum(octet_length(data)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
                                - octet_length(data) AS ahead
                     FROM (SELECT * FROM log.events
                           WHERE stream_id = ANY($6) AND user_id = $1 AND position > $2 AND position <= $3
                             AND ($4::text[] IS NULL OR category = ANY($4) OR type = ANY($5))
                           ORDER BY position LIMIT $7) AS page) AS sized
               WHERE ahead < $8 ORDER BY position"#,
            selection.user_id,
            selection.after,
            selection.upto,
            categories.as_deref(),
            types.as_deref(),
            streams,
            page.facts,
            page.bytes
        )
        .fetch_all(self.pool())
        .await
        .map_err(Fault::database("read some of a user's streams"))
    }
}
