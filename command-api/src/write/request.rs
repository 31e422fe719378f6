//! What a write says beside its body: idempotency key, `If-Match`, `dry_run`, request id.

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use orbit_domain::Context;
use orbit_event_store::{Idempotency, Keep, Mode, Origin, Vault};
use orbit_events::{Actor, Metadata, UserId};
use orbit_platform::{
    http::{
        headers::{IdempotencyKey, IfMatch},
        layers::RequestId,
        query::Query,
    },
    ids,
    problem::ApiError,
    telemetry::trace,
};
use uuid::Uuid;

use super::fingerprint::fingerprint;
use crate::{error::Error, state::AppState};

/// Query parameters of one route, beside `dry_run`.
pub trait Parameters: Sized + Send {
    /// Reads them; faults are noted in the query.
    fn read(query: &mut Query) -> Self;
}

impl Parameters for () {
    fn read(_: &mut Query) -> Self {}
}

/// A write, whoever sent it.
pub struct WriteRequest<P = ()> {
    /// The version that the write is about.
    pub if_match: IfMatch,
    /// Decide and show, append nothing.
    pub dry_run: bool,
    /// The parameters of the route.
    pub parameters: P,
    key: Option<String>,
    /// Method, path and query; empty without a key, since nobody asks then.
    target: String,
    request_id: RequestId,
}

impl<P: Parameters> FromRequestParts<AppState> for WriteRequest<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Error> {
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(parts, app).await?;
        let if_match = IfMatch::from_request_parts(parts, app).await?;
        let mut query = Query::from_request_parts(parts, app).await?;
        let dry_run = query.dry_run();
        let parameters = P::read(&mut query);
        query.finish()?;
        let target = if key.is_some() { target(parts) } else { String::new() };
        let request_id = parts.extensions.get::<RequestId>().cloned();
        let request_id = request_id.unwrap_or_else(|| RequestId(ids::new_event_id().to_string().into()));
        Ok(Self { if_match, dry_run, parameters, key, target, request_id })
    }
}

fn target(parts: &Parts) -> String {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    let path_and_query = uri.path_and_query().map_or_else(|| uri.path(), |target| target.as_str());
    format!("{} {path_and_query}", parts.method)
}

/// Our own request ids are ids already; of a client's own one is made that is always the same.
fn correlation(RequestId(text): &RequestId) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()))
}

impl<P> WriteRequest<P> {
    /// Where the command comes from.
    pub fn origin(&self, user: UserId, session: Option<Uuid>, now: DateTime<Utc>) -> Origin {
        let actor = Actor::User;
        Origin {
            context: Context { now, user_id: user, actor },
            metadata: Metadata {
                actor,
                correlation_id: correlation(&self.request_id),
                causation_id: None,
                session_id: session,
                traceparent: trace::current_traceparent(),
            },
        }
    }

    /// How it is to be carried out. `scope` is whose idempotency key it is; a dry run uses none up.
    pub fn mode(&self, vault: &Vault, scope: Uuid, body: &[u8]) -> Mode {
        self.mode_kept(vault, scope, body, Keep::Day)
    }

    /// The same, and the answer is kept as long as is said.
    pub fn mode_kept(&self, vault: &Vault, scope: Uuid, body: &[u8], keep: Keep) -> Mode {
        let key = self.key.as_ref().filter(|_| !self.dry_run);
        let idempotency = key.map(|key| Idempotency {
            scope,
            key: key.clone(),
            fingerprint: fingerprint(vault, &self.target, body),
            keep,
        });
        Mode { idempotency, dry_run: self.dry_run }
    }

    /// How one operation of a batch, or one group of them, is to be carried out: under a key of its own, made of the batch's. A key that a
    /// client sends has no line break in it, so they never meet.
    pub fn part_mode(&self, vault: &Vault, scope: Uuid, index: usize, part: &[u8]) -> Mode {
        let key = self.key.as_ref().filter(|_| !self.dry_run);
        let idempotency = key.map(|key| Idempotency {
            scope,
            key: format!("{key}\n{index}"),
            fingerprint: fingerprint(vault, &self.target, part),
            keep: Keep::Day,
        });
        Mode { idempotency, dry_run: self.dry_run }
    }

    /// What the client quotes when it asks for help.
    pub fn request_id(&self) -> String {
        self.request_id.0.to_string()
    }

    /// Whether it may be a repetition.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Refuses (400) a request without an idempotency key.
    pub fn require_key(&self) -> Result<(), ApiError> {
        self.key.as_ref().map(|_| ()).ok_or_else(ApiError::idempotency_key_required)
    }
}
