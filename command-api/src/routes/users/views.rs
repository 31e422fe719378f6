//! Accounts, API tokens and connections as writes answer them. Names of fields are those of the query API.

use chrono::{DateTime, Utc};
use orbit_domain::users::{ApiToken, Connection, User, api_token, connection, user};
use orbit_event_store::Loaded;
use orbit_events::{ConnectionId, users as facts};
use orbit_platform::{http::openapi::parsed, problem::ApiError};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// When a user works on one day of the week, in the user's zone.
#[derive(ToSchema)]
#[schema(as = AccountWorkingHours)]
#[expect(dead_code, reason = "only its schema is used: the values are those of the facts")]
pub struct Hours {
    /// 1 is Monday, 7 is Sunday (ISO 8601).
    #[schema(minimum = 1, maximum = 7)]
    weekday: u8,
    /// `HH:MM`
    #[schema(example = "09:00")]
    from: String,
    /// `HH:MM`, after `from`.
    #[schema(example = "17:30")]
    to: String,
}

/// The user after a write.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b42", "email": "ada@example.org", "name": "Ada", "avatar_url": null,
    "time_zone": "Europe/Berlin", "locale": "de-DE", "working_hours": [{"weekday": 1, "from": "09:00", "to": "17:30"}],
    "preferences": {"theme": "dark"}, "erasure_due_at": null, "created_at": "2026-11-22T20:28:00Z",
    "updated_at": "2026-11-22T20:28:00Z", "version": 2
}"#)))]
pub struct WrittenUser {
    /// The user's id.
    pub id: Uuid,
    /// As the user wrote it.
    pub email: String,
    /// What to call the user.
    pub name: String,
    /// An https address.
    pub avatar_url: Option<String>,
    /// IANA zone.
    pub time_zone: String,
    /// BCP 47 tag.
    pub locale: String,
    /// When the user works.
    #[schema(value_type = Vec<Hours>)]
    pub working_hours: Vec<facts::WorkingHours>,
    /// The clients' own.
    pub preferences: Map<String, Value>,
    /// When the account is erased, if that was asked for: it can be taken back until then.
    pub erasure_due_at: Option<DateTime<Utc>>,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<User>> for WrittenUser {
    type Error = ApiError;

    fn try_from(user: Loaded<User>) -> Result<Self, ApiError> {
        let user::State::Present(state) = user.state else { return Err(ApiError::not_found()) };
        let facts::Profile { name, avatar_url, time_zone, locale, working_hours } = state.profile;
        Ok(Self {
            id: user.id,
            email: state.email,
            name,
            avatar_url,
            time_zone,
            locale,
            working_hours,
            preferences: state.preferences,
            erasure_due_at: state.erasure_due_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
            version: user.version,
        })
    }
}

/// A new API token. This is the only time that it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b43", "name": "Backup script", "scopes": ["tasks:read"], "expires_at": null,
    "token": "orb_pat_AZMC1W88ex6cUw1qPB8rSg…", "created_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct IssuedApiToken {
    /// Its id, to revoke it.
    pub id: Uuid,
    /// What the user calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it stops working; never, if `null`.
    pub expires_at: Option<DateTime<Utc>>,
    /// The token itself, for `Authorization: Bearer`. It cannot be shown again.
    pub token: String,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// How often it was written.
    pub version: i64,
}

impl IssuedApiToken {
    /// The token of these facts.
    pub fn new(issued: Loaded<ApiToken>, token: String) -> Result<Self, ApiError> {
        let api_token::State::Issued(state) = issued.state else { return Err(ApiError::not_found()) };
        Ok(Self {
            id: issued.id,
            name: state.name,
            scopes: state.scopes,
            expires_at: state.expires_at,
            token,
            created_at: issued.created_at,
            version: issued.version,
        })
    }
}

/// A connection after a write. Its secret never comes back.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b44", "kind": "imap", "name": "Work mail", "endpoint": "imap.example.org",
    "port": 993, "username": "ada", "has_secret": true, "security": "tls", "address": null, "display_name": null,
    "imap_connection_id": null, "saves_sent": null, "created_at": "2026-11-22T20:28:00Z",
    "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct WrittenConnection {
    /// Its id.
    pub id: Uuid,
    /// `imap`, `smtp`, `caldav` or `n8n`.
    #[schema(value_type = String)]
    pub kind: facts::connection::Kind,
    /// What the user calls it.
    pub name: String,
    /// Host name, or the base URL of a `CalDAV` server or n8n instance.
    pub endpoint: String,
    /// TCP port.
    pub port: Option<u16>,
    /// Whom to log in as.
    pub username: Option<String>,
    /// Whether a password or token is stored.
    pub has_secret: bool,
    /// For IMAP and SMTP: `tls`, `starttls` or `plain`; what is usual at the port, if `null`.
    #[schema(value_type = Option<String>)]
    pub security: Option<facts::connection::Security>,
    /// For SMTP: the address that e-mail is sent from; the user name, if `null`.
    pub address: Option<String>,
    /// For SMTP: the name beside that address.
    pub display_name: Option<String>,
    /// For SMTP: the IMAP connection in whose mailbox lies what was sent.
    #[schema(value_type = Option<Uuid>)]
    pub imap_connection_id: Option<ConnectionId>,
    /// For SMTP: whether the server itself keeps a copy of what is sent through it; not known, if `null`.
    pub saves_sent: Option<bool>,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// How often it was written: the number in its `ETag`.
    pub version: i64,
}

impl TryFrom<Loaded<Connection>> for WrittenConnection {
    type Error = ApiError;

    fn try_from(connection: Loaded<Connection>) -> Result<Self, ApiError> {
        let connection::State::Connected(state) = connection.state else { return Err(ApiError::not_found()) };
        let settings = state.settings;
        Ok(Self {
            id: connection.id,
            kind: state.kind,
            name: settings.name,
            endpoint: settings.endpoint,
            port: settings.port,
            username: settings.username,
            has_secret: settings.secret.is_some(),
            security: settings.security,
            address: settings.address,
            display_name: settings.display_name,
            imap_connection_id: settings.imap_connection_id,
            saves_sent: settings.saves_sent,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            version: connection.version,
        })
    }
}
