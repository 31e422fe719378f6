//! Rows of `users`.

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    users::{
        Profile,
        user::{self, Erased, ErasureCancelled},
    },
};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// An account.
pub(super) struct Row {
    id: Uuid,
    email: String,
    name: String,
    avatar_url: Option<String>,
    time_zone: String,
    locale: String,
    working_hours: Value,
    preferences: Value,
    erasure_due_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = user::Event;

    fn pick(event: &Event) -> Option<&user::Event> {
        if let Event::User(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, email, name, avatar_url, time_zone, locale, working_hours, preferences, erasure_due_at,
                    created_at, updated_at, version
             FROM users WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read users"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &user::Event, envelope: &Envelope) -> Option<Self> {
        let mut row = match event {
            user::Event::Registered(registered) => Self {
                id: envelope.stream_id,
                email: registered.email.clone(),
                name: String::new(),
                avatar_url: None,
                time_zone: String::new(),
                locale: String::new(),
                working_hours: Value::Null,
                preferences: Value::Object(serde_json::Map::new()),
                erasure_due_at: None,
                created_at: envelope.recorded_at,
                updated_at: envelope.recorded_at,
                version: envelope.version,
            }
            .with(&registered.profile),
            user::Event::ProfileChanged(changed) => row?.with(&changed.profile),
            user::Event::PreferencesChanged(changed) => Self { preferences: changed.preferences.clone(), ..row? },
            user::Event::PasswordChanged(_) => row?,
            user::Event::ErasureRequested(requested) => Self { erasure_due_at: Some(requested.due_at), ..row? },
            user::Event::ErasureCancelled(ErasureCancelled {}) => Self { erasure_due_at: None, ..row? },
            user::Event::Erased(Erased {}) => return None,
        };
        row.updated_at = envelope.recorded_at;
        row.version = envelope.version;
        Some(row)
    }
}

impl Row {
    fn with(self, profile: &Profile) -> Self {
        Self {
            name: profile.name.clone(),
            avatar_url: profile.avatar_url.clone(),
            time_zone: profile.time_zone.clone(),
            locale: profile.locale.clone(),
            working_hours: serde_json::to_value(&profile.working_hours)
                .expect("weekdays and times are plain data, which always serialise"),
            ..self
        }
    }
}

/// Writes users that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO users AS u (id, email, name, avatar_url, time_zone, locale, working_hours, preferences,
                                 erasure_due_at, created_at, updated_at, version)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[],
                              $8::jsonb[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET email = excluded.email, name = excluded.name, avatar_url = excluded.avatar_url,
                 time_zone = excluded.time_zone, locale = excluded.locale, working_hours = excluded.working_hours,
                 preferences = excluded.preferences, erasure_due_at = excluded.erasure_due_at, updated_at = excluded.updated_at, version = excluded.version
             WHERE u.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| &*r.email) as &[&str],
        &column(rows, |r| &*r.name) as &[&str],
        &column(rows, |r| r.avatar_url.as_deref()) as &[Option<&str>],
        &column(rows, |r| &*r.time_zone) as &[&str],
        &column(rows, |r| &*r.locale) as &[&str],
        &column(rows, |r| r.working_hours.clone()),
        &column(rows, |r| r.preferences.clone()),
        &column(rows, |r| r.erasure_due_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write users"))?;
    Ok(())
}
