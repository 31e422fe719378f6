//! `GET /auth/tokens` and `/auth/tokens/{id}`: the caller's API tokens, never their secrets.

use axum::response::Response;
use chrono::{DateTime, Utc};
use orbit_platform::{
    http::{openapi::parsed, page::Page, path::PathId, query::Query},
    problem::ApiError,
};
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Users;
use crate::{
    answer::{IfNoneMatch, Snapshot},
    past::About,
    reader::{Reader, Whose},
    routes::fixed::{self, Begin, PageParameters},
};

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000e1", "name": "backup script", "scopes": ["tasks:read"],
    "expires_at": null, "revoked_at": null, "created_at": "2026-11-22T20:28:00Z", "version": 1
}"#)))]
pub struct ApiToken {
    /// Its id.
    pub id: Uuid,
    /// What the user calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it stops working; never, if null.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked; null while it works.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// Grows with every change: the `ETag`.
    pub version: i64,
}

struct Row {
    as_of: i64,
    id: Option<Uuid>,
    name: Option<String>,
    scopes: Option<Vec<String>>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    created_at: Option<DateTime<Utc>>,
    version: Option<i64>,
}

impl Row {
    fn token(self) -> Option<ApiToken> {
        Some(ApiToken {
            id: self.id?,
            name: self.name?,
            scopes: self.scopes?,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            created_at: self.created_at?,
            version: self.version?,
        })
    }
}

/// The caller's API tokens, oldest first.
#[utoipa::path(
    get, path = "/auth/tokens", tag = "auth", operation_id = "list_api_tokens",
    params(
        ("revoked" = Option<bool>, Query, description = "`true`: also those that were revoked"),
        PageParameters,
    ),
    responses((status = 200, description = "A page of tokens", body = Page<ApiToken>))
)]
pub async fn all(reader: Reader<Users>, mut query: Query) -> Result<Snapshot<Page<ApiToken>>, ApiError> {
    let revoked = query.flag("revoked");
    let (page, begin) = fixed::page(query, "created_at", false, reader.cursors())?;
    let begin = &begin;
    let found = reader.ask(|mut db, whose| async move { list(&mut db, whose, revoked, begin).await }).await?;
    Ok(found.map(|tokens| page.page(tokens, None, |token| vec![json!(token.created_at), json!(token.id)])))
}

/// One API token.
#[utoipa::path(
    get, path = "/auth/tokens/{id}", tag = "auth", operation_id = "get_api_token",
    params(("id" = Uuid, Path, description = "The token"), ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has")),
    responses(
        (status = 200, description = "The token", body = ApiToken, headers(("ETag" = String, description = "Its version"))),
        (status = 304, description = "The client has this version"),
    )
)]
pub async fn get(
    reader: Reader<Users>,
    PathId(id): PathId,
    known: IfNoneMatch,
    query: Query,
) -> Result<Response, ApiError> {
    query.finish()?;
    let token = reader
        .about(About::Itself(id))
        .ask(|mut db, whose| async move { find(&mut db, whose, id).await })
        .await?
        .found()?;
    let version = token.body.version;
    Ok(token.unless_known(version, &known))
}

async fn list(
    db: &mut PgConnection,
    whose: Whose,
    revoked: bool,
    begin: &Begin<DateTime<Utc>>,
) -> sqlx::Result<Snapshot<Vec<ApiToken>>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", a.id AS "id?", a.name AS "name?", a.scopes AS "scopes?",
                  a.expires_at AS "expires_at?", a.revoked_at AS "revoked_at?", a.created_at AS "created_at?",
                  a.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN LATERAL (
               SELECT a.id, a.name, a.scopes, a.expires_at, a.revoked_at, a.created_at, a.version FROM api_tokens a
               WHERE a.user_id = $2 AND ($3 OR a.revoked_at IS NULL)
                   AND ($4::timestamptz IS NULL OR (a.created_at, a.id) > ($4, $5))
               ORDER BY a.created_at, a.id LIMIT $6) a ON true
           ORDER BY a.created_at, a.id"#,
        whose.partition,
        whose.user_id,
        revoked,
        begin.value,
        begin.id,
        begin.fetch
    );
    let rows = rows.fetch_all(db).await?;
    let as_of = rows.first().map_or(0, |row| row.as_of);
    Ok(Snapshot { as_of, body: rows.into_iter().filter_map(Row::token).collect() })
}

async fn find(db: &mut PgConnection, whose: Whose, id: Uuid) -> sqlx::Result<Snapshot<Option<ApiToken>>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.as_of AS "as_of!", a.id AS "id?", a.name AS "name?", a.scopes AS "scopes?",
                  a.expires_at AS "expires_at?", a.revoked_at AS "revoked_at?", a.created_at AS "created_at?",
                  a.version AS "version?"
           FROM (SELECT coalesce((SELECT k.position FROM checkpoints k
                                  WHERE k.projection = 'users' AND k.partition = $1), 0) AS as_of) c
           LEFT JOIN api_tokens a ON a.id = $3 AND a.user_id = $2 LIMIT 1"#,
        whose.partition,
        whose.user_id,
        id
    );
    let row = row.fetch_one(db).await?;
    Ok(Snapshot { as_of: row.as_of, body: row.token() })
}
