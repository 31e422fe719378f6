//! `GET /auth/me`: the caller's account.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{PgConnection, types::Json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Users;
use crate::{
    answer::{IfNoneMatch, Snapshot},
    past::About,
    reader::{Reader, Whose},
};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-000000000001", "email": "ada@example.org", "name": "Ada", "avatar_url": null,
    "time_zone": "Europe/Berlin", "locale": "de-DE", "working_hours": [{"weekday": 1, "from": "09:00", "to": "17:00"}],
    "preferences": {"theme": "dark"}, "erasure_due_at": null, "created_at": "2026-11-22T20:28:00Z", "updated_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct Account {
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
    pub working_hours: Box<RawValue>,
    /// A JSON object, the clients' own.
    #[schema(value_type = Object)]
    pub preferences: Box<RawValue>,
    /// When the account is erased, if that was asked for: it can be taken back until then.
    pub erasure_due_at: Option<DateTime<Utc>>,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

/// When a user works on one day of the week, in the user's zone.
#[derive(ToSchema)]
#[schema(as = AccountWorkingHours, example = json!(parsed(r#"{"weekday": 1, "from": "09:00", "to": "17:00"}"#)))]
#[expect(dead_code, reason = "it documents what is in the JSON that the row carries")]
pub struct Hours {
    /// 1 is Monday, 7 is Sunday.
    #[schema(minimum = 1, maximum = 7)]
    weekday: u8,
    /// `HH:MM`
    from: String,
    /// `HH:MM`, after `from`.
    to: String,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    email: Option<String>,
    name: Option<String>,
    avatar_url: Option<String>,
    time_zone: Option<String>,
    locale: Option<String>,
    working_hours: Option<Json<Box<RawValue>>>,
    preferences: Option<Json<Box<RawValue>>>,
    erasure_due_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn account(self) -> Option<Account> {
        Some(Account {
            id: self.id?,
            email: self.email?,
            name: self.name?,
            avatar_url: self.avatar_url,
            time_zone: self.time_zone?,
            locale: self.locale?,
            working_hours: self.working_hours?.0,
            preferences: self.preferences?.0,
            erasure_due_at: self.erasure_due_at,
            created_at: self.created_at?,
            updated_at: self.updated_at?,
            version: self.version?,
        })
    }
}

/// The caller's account.
#[utoipa::path(
    get, path = "/auth/me", tag = "auth", operation_id = "get_me",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The account", body = Account, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
        (status = 404, description = "The account is not in the read model yet: read with Orbit-Min-Position"),
    )
)]
pub async fn get(reader: Reader<Users>, known: IfNoneMatch, query: Query) -> Result<Response, ApiError> {
    query.finish()?;
    let account =
        reader.about(About::Caller).ask(|mut db, whose| async move { find(&mut db, whose).await }).await?.found()?;
    let version = account.body.version;
    Ok(account.unless_known(version, &known))
}

async fn find(db: &mut PgConnection, whose: Whose) -> sqlx::Result<Snapshot<Option<Account>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", u.id AS "id?", u.email AS "email?", u.name AS "name?", u.avatar_url AS "avatar_url?",
                  u.time_zone AS "time_zone?", u.locale AS "locale?",
                  u.working_hours AS "working_hours?: Json<Box<RawValue>>",
                  u.preferences AS "preferences?: Json<Box<RawValue>>",
                  u.erasure_due_at AS "erasure_due_at?",
                  u.created_at AS "created_at?", u.updated_at AS "updated_at?", u.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN users u ON u.id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.account() })
}
