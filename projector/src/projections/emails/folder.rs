//! Rows of `email_folders`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    emails::folder::{self, Observed, Removed},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::email::role_name;
use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// A folder.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    connection_id: Option<Uuid>,
    path: String,
    name: String,
    role: Cow<'static, str>,
    delimiter: Option<String>,
    uid_validity: Option<i64>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = folder::Event;

    fn pick(event: &Event) -> Option<&folder::Event> {
        if let Event::Folder(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, user_id, connection_id, path, name, role, delimiter, uid_validity, created_at, updated_at, version
             FROM email_folders WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read folders"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &folder::Event, envelope: &Envelope) -> Option<Self> {
        let row = match event {
            folder::Event::Observed(seen) => Self::observed(row.as_ref(), seen, envelope),
            folder::Event::ResetObserved(reset) => Self { uid_validity: Some(i64::from(reset.uid_validity)), ..row? },
            folder::Event::Removed(Removed {}) => return None,
        };
        Some(Self { updated_at: envelope.recorded_at, version: envelope.version, ..row })
    }
}

impl Row {
    /// It is this now; how the server numbers stays as it was.
    fn observed(before: Option<&Self>, seen: &Observed, envelope: &Envelope) -> Self {
        Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            connection_id: seen.connection_id.map(Uuid::from),
            path: seen.path.clone(),
            name: seen.name.clone(),
            role: Cow::Borrowed(role_name(seen.role)),
            delimiter: seen.delimiter.clone(),
            uid_validity: before.and_then(|row| row.uid_validity),
            created_at: before.map_or(envelope.recorded_at, |row| row.created_at),
            updated_at: envelope.recorded_at,
            version: envelope.version,
        }
    }
}

/// Writes folders that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO email_folders AS f (id, user_id, connection_id, path, name, role, delimiter, uid_validity,
                                         created_at, updated_at, version)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                              $8::bigint[], $9::timestamptz[], $10::timestamptz[], $11::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET connection_id = excluded.connection_id, path = excluded.path, name = excluded.name,
                 role = excluded.role, delimiter = excluded.delimiter, uid_validity = excluded.uid_validity,
                 updated_at = excluded.updated_at, version = excluded.version
             WHERE f.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| r.connection_id) as &[Option<Uuid>],
        &column(rows, |r| &*r.path) as &[&str],
        &column(rows, |r| &*r.name) as &[&str],
        &column(rows, |r| &*r.role) as &[&str],
        &column(rows, |r| r.delimiter.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.uid_validity) as &[Option<i64>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write folders"))?;
    Ok(())
}
