//! API tokens: issue, revoke. Only the user themselves may, logged in on a device.

use axum::{http::StatusCode, response::Response};
use chrono::{DateTime, Utc};
use orbit_domain::{
    Secret,
    users::{
        ApiToken, Scopes, TokenName,
        api_token::{Command, USER},
    },
};
use orbit_event_store::Unit;
use orbit_events::ApiTokenId;
use orbit_platform::{
    auth::{API_TOKEN_PREFIX, OpaqueToken},
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
        path::PathId,
    },
    ids,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::views::IssuedApiToken;
use crate::{
    error::{Result, refusal},
    routes::read::{self, at_most, text},
    write::{Reply, Write, present},
};

/// Most API tokens of a user that are not revoked.
pub const MAX_TOKENS: i64 = 100;
/// Most entries of `scopes`, doubles included.
const MAX_SCOPES: usize = 50;

/// A new API token.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"name": "Backup script", "scopes": ["tasks:read"], "expires_at": "2027-11-22T00:00:00Z"}"#)))]
pub struct IssueToken {
    /// 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "Backup script")]
    name: Field<String>,
    /// What it may do: `tasks:read`, `tasks:write`, `activities:read`, `users:read`, `users:write`, `history:read`,
    /// `email:send`, `agent:run`, `admin`.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required, min_items = 1, max_items = 50)]
    scopes: Field<Vec<Field<String>>>,
    /// When it stops working; never, if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Field<DateTime<Utc>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Issue an API token
///
/// For programs. It is shown this once. Not for API tokens.
#[utoipa::path(post, path = "/api/v1/auth/tokens", tag = "auth", operation_id = "issue_token", request_body = IssueToken,
    responses((status = 201, description = "The token", body = IssuedApiToken)))]
#[tracing::instrument(name = "command.api_tokens.issue", skip_all)]
pub async fn issue(write: Write, body: JsonBody<IssueToken>) -> Result<Response> {
    write.caller.require_session()?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let name = faults.required("name", body.value.name, text(TokenName::parse));
    let named = faults.required("scopes", body.value.scopes, at_most(MAX_SCOPES));
    let scopes = named.and_then(|scopes| read_scopes(&mut faults, scopes));
    let expires_at = faults.optional("expires_at", body.value.expires_at, Faults::any);
    let (name, scopes) = &faults.finish_with(|| Some((name?, scopes?)))?;
    let token = &OpaqueToken::new(API_TOKEN_PREFIX, ids::new_v7(write.app().store.clock()));
    let decide = |unit: Unit| async move {
        let active = unit.scan(USER, unit.context().user_id.0.as_bytes(), MAX_TOKENS).await?;
        if i64::try_from(active.len()).is_ok_and(|count| count >= MAX_TOKENS) {
            let detail = format!("a user has at most {MAX_TOKENS} API tokens");
            return Err(refusal(StatusCode::CONFLICT, "too_many_api_tokens", None, detail).into());
        }
        let command = Command::Issue {
            name: name.clone(),
            secret_hash: Secret::new(token.hash()),
            scopes: scopes.clone(),
            expires_at,
        };
        let issued = IssuedApiToken::new(unit.create::<ApiToken>(token.id(), command)?, token.expose())?;
        Ok(Reply::created(&issued, format!("/api/v1/auth/tokens/{}", issued.id))?.version(issued.version))
    };
    write.run(&body.bytes, decide).await
}

/// Revoke an API token
///
/// It stops working at once. Not for API tokens.
#[utoipa::path(delete, path = "/api/v1/auth/tokens/{id}", tag = "auth", operation_id = "revoke_token",
    params(("id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 204, description = "It is revoked")))]
#[tracing::instrument(name = "command.api_tokens.revoke", skip_all)]
pub async fn revoke(write: Write, PathId(id): PathId<ApiTokenId>) -> Result<Response> {
    write.caller.require_session()?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<ApiToken>(&unit, id.0, if_match).await?;
        unit.decide::<ApiToken>(id.0, Command::Revoke).await?;
        Ok(Reply::nothing())
    };
    write.run(b"", decide).await
}

fn read_scopes(faults: &mut Faults, scopes: Vec<Field<String>>) -> Option<Scopes> {
    let scopes = read::each(faults, "scopes", scopes, Faults::any)?;
    match Scopes::parse(&scopes) {
        Ok(scopes) => Some(scopes),
        Err(wrong) => {
            for (index, invalid) in wrong {
                let (prefix, name) = match index {
                    Some(index) => ("/scopes", index.to_string()),
                    None => ("", "scopes".to_owned()),
                };
                faults.within(prefix, |faults| faults.broken::<()>(&name, invalid.code, invalid.detail));
            }
            None
        }
    }
}
