//! Rows of `api_tokens`.

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    users::api_token::{self, Revoked},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// An API token, without its secret.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    name: String,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = api_token::Event;

    fn pick(event: &Event) -> Option<&api_token::Event> {
        if let Event::ApiToken(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, user_id, name, scopes, expires_at, revoked_at, created_at, updated_at, version
             FROM api_tokens WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read API tokens"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &api_token::Event, envelope: &Envelope) -> Option<Self> {
        let at = envelope.recorded_at;
        let row = match event {
            api_token::Event::Issued(issued) => Self {
                id: envelope.stream_id,
                user_id: envelope.user_id.0,
                name: issued.name.clone(),
                scopes: issued.scopes.clone(),
                expires_at: issued.expires_at,
                revoked_at: None,
                created_at: at,
                updated_at: at,
                version: envelope.version,
            },
            api_token::Event::Revoked(Revoked {}) => Self { revoked_at: Some(at), ..row? },
        };
        Some(Self { updated_at: at, version: envelope.version, ..row })
    }
}

/// Writes API tokens that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    // An array of arrays would have to be rectangular, so each row's scopes travel as JSON.
    sqlx::query!(
        "INSERT INTO api_tokens AS a (id, user_id, name, scopes, expires_at, revoked_at, created_at, updated_at, version)
         SELECT r.id, r.user_id, r.name, ARRAY(SELECT jsonb_array_elements_text(r.scopes)), r.expires_at, r.revoked_at,
                r.created_at, r.updated_at, r.version
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::timestamptz[],
                     $7::timestamptz[], $8::timestamptz[], $9::bigint[])
              AS r (id, user_id, name, scopes, expires_at, revoked_at, created_at, updated_at, version)
         ON CONFLICT (id) DO UPDATE
             SET revoked_at = excluded.revoked_at, updated_at = excluded.updated_at, version = excluded.version
             WHERE a.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| &*r.name) as &[&str],
        &column(rows, |r| serde_json::Value::from(r.scopes.clone())),
        &column(rows, |r| r.expires_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.revoked_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write API tokens"))?;
    Ok(())
}
