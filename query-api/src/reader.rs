//! Who reads what: the caller, held to the context's scope, and what the read must have seen. Every route takes one.

use std::{marker::PhantomData, time::Instant};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use orbit_event_store::exports::Exports;
use orbit_events::UserId;
use orbit_platform::{
    auth::{Caller, TokenKind},
    http::{cursor::CursorKey, headers::MinPosition},
    problem::ApiError,
};
use sqlx::{Postgres, pool::PoolConnection};
use uuid::Uuid;

use crate::{answer::Snapshot, app::Reads, freshness::Wanted};

/// What all reads of one context have in common.
pub trait Context: Send + Sync + 'static {
    /// The projection whose tables it reads.
    const PROJECTION: &'static str;
    /// The scope that an API token needs.
    const SCOPE: &'static str;
}

/// Whose rows a question is about. Every SQL function takes it, as its first two parameters.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// The caller's partition: which checkpoint tells how fresh the rows are.
    pub partition: i16,
    /// The caller.
    pub user_id: Uuid,
}

/// A caller who may read context `C`. An extractor: 401, 403, or 400 for a malformed `Orbit-Min-Position`.
#[derive(Debug)]
pub struct Reader<C> {
    reads: Reads,
    caller: Caller,
    whose: Whose,
    min_position: Option<i64>,
    begun: Instant,
    context: PhantomData<fn() -> C>,
}

impl<C: Context, S> FromRequestParts<S> for Reader<C>
where
    S: Send + Sync,
    Reads: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let reads = Reads::from_ref(state);
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require(C::SCOPE)?;
        reads.sessions().check(reads.pool(), &caller).await?;
        let MinPosition(min_position) = MinPosition::from_request_parts(parts, state).await?;
        let partition = reads.freshness().partition(UserId(caller.user_id));
        let whose = Whose { partition, user_id: caller.user_id };
        Ok(Self { reads, caller, whose, min_position, begun: Instant::now(), context: PhantomData })
    }
}

impl<C: Context> Reader<C> {
    /// The login under which the request came; none if it came with an API token.
    pub fn login_id(&self) -> Option<Uuid> {
        match self.caller.token {
            TokenKind::Session => self.caller.sid,
            TokenKind::Api { .. } => None,
        }
    }

    /// Archives; only for who is logged in on a device (403 otherwise).
    pub fn exports(&self) -> Result<(&Exports, Uuid), ApiError> {
        self.caller.require_session()?;
        Ok((self.reads.exports(), self.whose.user_id))
    }

    /// The time of the request.
    pub fn now(&self) -> DateTime<Utc> {
        self.reads.clock().now()
    }

    /// The key under which cursors are made.
    pub fn cursors(&self) -> &CursorKey {
        self.reads.cursors()
    }

    /// Asks the read model, once it has seen `Orbit-Min-Position`. The question may be asked again.
    pub async fn ask<T, F>(
        &self,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        self.read(self.wanted(C::PROJECTION), question).await
    }

    /// Asks the read model of another context for what the answer depends on, such as the caller's time zone: it too must
    /// have seen `Orbit-Min-Position`. All that one request waits for shares the same two seconds.
    pub async fn ask_of<Other: Context, T, F>(
        &self,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        self.read(self.wanted(Other::PROJECTION), question).await
    }

    /// Asks the read model once more for a long answer, which must not go back behind what it has begun with.
    pub async fn ask_from<T, F>(
        &self,
        position: i64,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        let wanted = self.wanted(C::PROJECTION);
        // The answer began long ago: this question has a patience of its own.
        self.read(Wanted { min_position: Some(position), begun: Instant::now(), ..wanted }, question).await
    }

    fn wanted(&self, projection: &'static str) -> Wanted {
        let (partition, min_position) = (self.whose.partition, self.min_position);
        Wanted { projection, partition, min_position, begun: self.begun }
    }

    async fn read<T, F>(
        &self,
        wanted: Wanted,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        self.reads.freshness().read(wanted, |db| question(db, self.whose)).await
    }
}
