//! Rows of `logins`: a user's devices.

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    users::login::{self, Reason, RefreshReuseDetected},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// A device.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    device_name: Option<String>,
    user_agent: Option<String>,
    address: Option<String>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    end_reason: Option<String>,
    version: i64,
}

impl rows::Row for Row {
    type Event = login::Event;

    fn pick(event: &Event) -> Option<&login::Event> {
        if let Event::Login(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, user_id, device_name, user_agent, address, created_at, last_used_at, expires_at, ended_at,
                    end_reason, version
             FROM logins WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read devices"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &login::Event, envelope: &Envelope) -> Option<Self> {
        let at = envelope.recorded_at;
        let row = match event {
            login::Event::LoggedIn(logged_in) => Self {
                id: envelope.stream_id,
                user_id: envelope.user_id.0,
                device_name: logged_in.device_name.clone(),
                user_agent: logged_in.user_agent.clone(),
                address: logged_in.address.clone(),
                created_at: at,
                last_used_at: at,
                expires_at: logged_in.expires_at,
                ended_at: None,
                end_reason: None,
                version: envelope.version,
            },
            login::Event::Refreshed(refreshed) => Self { expires_at: refreshed.expires_at, last_used_at: at, ..row? },
            login::Event::RefreshReuseDetected(RefreshReuseDetected {}) => row?,
            login::Event::LoggedOut(logged_out) => {
                Self { ended_at: Some(at), end_reason: Some(reason(logged_out.reason).to_owned()), ..row? }
            }
        };
        Some(Self { version: envelope.version, ..row })
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::LoggedOut => "logged_out",
        Reason::LoggedOutEverywhere => "logged_out_everywhere",
        Reason::PasswordChanged => "password_changed",
        Reason::RefreshReuse => "refresh_reuse",
        Reason::AccountErased => "account_erased",
    }
}

/// Writes devices that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO logins AS l (id, user_id, device_name, user_agent, address, created_at, last_used_at, expires_at,
                                  ended_at, end_reason, version)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
                              $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::bigint[])
         ON CONFLICT (id) DO UPDATE
             SET last_used_at = excluded.last_used_at, expires_at = excluded.expires_at, ended_at = excluded.ended_at,
                 end_reason = excluded.end_reason, version = excluded.version
             WHERE l.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| r.device_name.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.user_agent.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.address.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.last_used_at),
        &column(rows, |r| r.expires_at),
        &column(rows, |r| r.ended_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.end_reason.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.version),
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write devices"))?;
    Ok(())
}
