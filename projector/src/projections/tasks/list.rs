//! Rows of `task_lists`.

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    tasks::list::{self, Removed},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// A list.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    name: String,
    color: Option<String>,
    position: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = list::Event;

    fn pick(event: &Event) -> Option<&list::Event> {
        if let Event::List(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, user_id, name, color, position, created_at, updated_at, version
             FROM task_lists WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read lists"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &list::Event, envelope: &Envelope) -> Option<Self> {
        let mut row = match event {
            list::Event::Created(created) => Self {
                id: envelope.stream_id,
                user_id: envelope.user_id.0,
                name: created.name.clone(),
                color: created.color.clone(),
                position: created.position.clone(),
                created_at: envelope.recorded_at,
                updated_at: envelope.recorded_at,
                version: envelope.version,
            },
            list::Event::Renamed(renamed) => Self { name: renamed.name.clone(), ..row? },
            list::Event::Recoloured(recoloured) => Self { color: recoloured.color.clone(), ..row? },
            list::Event::Moved(moved) => Self { position: moved.position.clone(), ..row? },
            list::Event::Removed(Removed {}) => return None,
            list::Event::Restored(restored) => Self {
                id: envelope.stream_id,
                user_id: envelope.user_id.0,
                name: restored.name.clone(),
                color: restored.color.clone(),
                position: restored.position.clone(),
                created_at: restored.created_at,
                updated_at: envelope.recorded_at,
                version: envelope.version,
            },
        };
        row.updated_at = envelope.recorded_at;
        row.version = envelope.version;
        Some(row)
    }
}

/// Writes lists that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO task_lists AS l (id, user_id, name, color, position, created_at, updated_at, version)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                              $7::timestamptz[], $8::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET name = excluded.name, color = excluded.color, position = excluded.position,
                 updated_at = excluded.updated_at, version = excluded.version
             WHERE l.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| &*r.name) as &[&str],
        &column(rows, |r| r.color.as_deref()) as &[Option<&str>],
        &column(rows, |r| &*r.position) as &[&str],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write lists"))?;
    Ok(())
}
