//! `GET /auth/devices`: where the caller is logged in.

use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Users;
use crate::{
    answer::Snapshot,
    reader::{Reader, Whose},
    routes::fixed::{self, Begin, PageParameters},
};

/// A device on which the user is logged in.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000d1", "device_name": "Laptop", "user_agent": "curl/8.5.0",
    "address": "203.0.113.7", "created_at": "2026-11-22T20:28:00Z", "last_used_at": "2026-11-22T20:28:00Z",
    "expires_at": "2026-12-22T20:28:00Z", "current": true
}"#)))]
#[expect(clippy::struct_field_names, reason = "the product calls it device_name")]
pub struct Device {
    /// Its id: that of the login.
    pub id: Uuid,
    /// What the user calls it.
    pub device_name: Option<String>,
    /// The `User-Agent` with which it logged in.
    pub user_agent: Option<String>,
    /// The address from which it logged in.
    pub address: Option<String>,
    /// When it logged in.
    pub created_at: DateTime<Utc>,
    /// When it logged in or last exchanged its refresh token.
    pub last_used_at: DateTime<Utc>,
    /// When its refresh token stops working.
    pub expires_at: DateTime<Utc>,
    /// Whether this request came from it.
    pub current: bool,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    device_name: Option<String>,
    user_agent: Option<String>,
    address: Option<String>,
    created_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
}

impl Row {
    fn device(self, current: Option<Uuid>) -> Option<Device> {
        Some(Device {
            id: self.id?,
            device_name: self.device_name,
            user_agent: self.user_agent,
            address: self.address,
            created_at: self.created_at?,
            last_used_at: self.last_used_at?,
            expires_at: self.expires_at?,
            current: self.id == current,
        })
    }
}

/// The devices on which the caller is logged in, last used first. Those that logged out or expired are not among them.
#[utoipa::path(
    get, path = "/auth/devices", tag = "auth", operation_id = "list_devices", params(PageParameters),
    responses((status = 200, description = "A page of devices", body = Page<Device>))
)]
pub async fn all(reader: Reader<Users>, query: Query) -> Result<Snapshot<Page<Device>>, ApiError> {
    let (page, begin) = fixed::page(query, "last_used_at", true, reader.cursors())?;
    let (now, begin) = (reader.now(), &begin);
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, now, begin).await }).await?;
    let devices = found.map(|rows| rows.into_iter().filter_map(|row| row.device(reader.login_id())).collect());
    Ok(devices
        .map(|devices| page.page(devices, None, |device: &Device| vec![json!(device.last_used_at), json!(device.id)])))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    now: DateTime<Utc>,
    begin: &Begin<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<Row>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", l.id AS "id?", l.device_name AS "device_name?", l.user_agent AS "user_agent?",
                  l.address AS "address?", l.created_at AS "created_at?", l.last_used_at AS "last_used_at?",
                  l.expires_at AS "expires_at?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT l.id, l.device_name, l.user_agent, l.address, l.created_at, l.last_used_at, l.expires_at
               FROM logins l WHERE l.user_id = $2 AND l.ended_at IS NULL AND l.expires_at > $3
                   AND ($4::timestamptz IS NULL OR (l.last_used_at, l.id) < ($4, $5))
               ORDER BY l.last_used_at DESC, l.id DESC LIMIT $6) l ON true
           ORDER BY l.last_used_at DESC, l.id DESC"#,
        whose.partition,
        whose.user_id,
        now,
        begin.value,
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    Ok(Snapshot { as_of: rows.first().map_or(0, |row| row.as_of), body: rows })
}
