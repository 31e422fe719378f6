//! Rows of `connections`: accounts elsewhere, and how their synchronisation fares.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    users::connection::{self, Disconnected, Kind, Security, Settings},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    projection::ApplyFault,
    projections::rows::{self, column},
};

/// A connection, without its secret.
pub(super) struct Row {
    id: Uuid,
    user_id: Uuid,
    kind: Cow<'static, str>,
    name: String,
    endpoint: String,
    port: Option<i32>,
    username: Option<String>,
    has_secret: bool,
    sync_state: Cow<'static, str>,
    synced_items: i64,
    last_synced_at: Option<DateTime<Utc>>,
    last_failed_at: Option<DateTime<Utc>>,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    security: Option<String>,
    address: Option<String>,
    display_name: Option<String>,
    imap_connection_id: Option<Uuid>,
    saves_sent: Option<bool>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl rows::Row for Row {
    type Event = connection::Event;

    fn pick(event: &Event) -> Option<&connection::Event> {
        if let Event::Connection(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            "SELECT id, user_id, kind, name, endpoint, port, username, has_secret, sync_state, synced_items,
                    last_synced_at, last_failed_at, failure_code, failure_detail, security, address, display_name,
                    imap_connection_id, saves_sent, created_at, updated_at, version
             FROM connections WHERE id = ANY($1)",
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read connections"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &connection::Event, envelope: &Envelope) -> Option<Self> {
        let at = envelope.recorded_at;
        let row = match event {
            connection::Event::Connected(connected) => Self::new(connected.kind, envelope).with(&connected.settings),
            connection::Event::SettingsChanged(changed) => row?.with(&changed.settings),
            connection::Event::SyncProgressed(progressed) => {
                let row = row?;
                let items = i64::try_from(progressed.items).unwrap_or(i64::MAX);
                Self {
                    sync_state: Cow::Borrowed("ok"),
                    synced_items: row.synced_items.saturating_add(items),
                    last_synced_at: Some(at),
                    failure_code: None,
                    failure_detail: None,
                    ..row
                }
            }
            connection::Event::SyncFailed(failed) => Self {
                sync_state: Cow::Borrowed("failed"),
                last_failed_at: Some(at),
                failure_code: Some(failed.code.clone()),
                failure_detail: Some(failed.detail.clone()),
                ..row?
            },
            connection::Event::Disconnected(Disconnected {}) => return None,
        };
        Some(Self { updated_at: at, version: envelope.version, ..row })
    }
}

impl Row {
    fn new(kind: Kind, envelope: &Envelope) -> Self {
        Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            kind: Cow::Borrowed(kind_name(kind)),
            name: String::new(),
            endpoint: String::new(),
            port: None,
            username: None,
            has_secret: false,
            sync_state: Cow::Borrowed("never"),
            synced_items: 0,
            last_synced_at: None,
            last_failed_at: None,
            failure_code: None,
            failure_detail: None,
            security: None,
            address: None,
            display_name: None,
            imap_connection_id: None,
            saves_sent: None,
            created_at: envelope.recorded_at,
            updated_at: envelope.recorded_at,
            version: envelope.version,
        }
    }

    fn with(self, settings: &Settings) -> Self {
        Self {
            name: settings.name.clone(),
            endpoint: settings.endpoint.clone(),
            port: settings.port.map(i32::from),
            username: settings.username.clone(),
            has_secret: settings.secret.is_some(),
            security: settings.security.map(|security| security_name(security).to_owned()),
            address: settings.address.clone(),
            display_name: settings.display_name.clone(),
            imap_connection_id: settings.imap_connection_id.map(Uuid::from),
            saves_sent: settings.saves_sent,
            ..self
        }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Imap => "imap",
        Kind::Smtp => "smtp",
        Kind::Caldav => "caldav",
        Kind::N8n => "n8n",
    }
}

fn security_name(security: Security) -> &'static str {
    match security {
        Security::Tls => "tls",
        Security::Starttls => "starttls",
        Security::Plain => "plain",
    }
}

/// Writes connections that are new or changed.
pub(super) async fn store(connection: &mut PgConnection, rows: &[Row]) -> Result<(), ApplyFault> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO connections AS c (id, user_id, kind, name, endpoint, port, username, has_secret, sync_state,
                                       synced_items, last_synced_at, last_failed_at, failure_code, failure_detail,
                                       created_at, updated_at, version, security, address, display_name,
                                       imap_connection_id, saves_sent)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[],
                              $8::boolean[], $9::text[], $10::bigint[], $11::timestamptz[], $12::timestamptz[],
                              $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[], $17::bigint[],
                              $18::text[], $19::text[], $20::text[], $21::uuid[], $22::boolean[])
         ON CONFLICT (id) DO UPDATE
             SET name = excluded.name, endpoint = excluded.endpoint, port = excluded.port, username = excluded.username,
                 has_secret = excluded.has_secret, sync_state = excluded.sync_state,
                 synced_items = excluded.synced_items, last_synced_at = excluded.last_synced_at,
                 last_failed_at = excluded.last_failed_at, failure_code = excluded.failure_code,
                 failure_detail = excluded.failure_detail, security = excluded.security, address = excluded.address,
                 display_name = excluded.display_name, imap_connection_id = excluded.imap_connection_id,
                 saves_sent = excluded.saves_sent, updated_at = excluded.updated_at, version = excluded.version
             WHERE c.version < excluded.version",
        &column(rows, |r| r.id),
        &column(rows, |r| r.user_id),
        &column(rows, |r| &*r.kind) as &[&str],
        &column(rows, |r| &*r.name) as &[&str],
        &column(rows, |r| &*r.endpoint) as &[&str],
        &column(rows, |r| r.port) as &[Option<i32>],
        &column(rows, |r| r.username.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.has_secret),
        &column(rows, |r| &*r.sync_state) as &[&str],
        &column(rows, |r| r.synced_items),
        &column(rows, |r| r.last_synced_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.last_failed_at) as &[Option<DateTime<Utc>>],
        &column(rows, |r| r.failure_code.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.failure_detail.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.created_at),
        &column(rows, |r| r.updated_at),
        &column(rows, |r| r.version),
        &column(rows, |r| r.security.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.address.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.display_name.as_deref()) as &[Option<&str>],
        &column(rows, |r| r.imap_connection_id) as &[Option<Uuid>],
        &column(rows, |r| r.saves_sent) as &[Option<bool>],
    )
    .execute(connection)
    .await
    .map_err(ApplyFault::database("write connections"))?;
    Ok(())
}
