//! Who reads what: the caller, held to the context's scope, and what the read must have seen. Every route takes one.

use std::marker::PhantomData;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use orbit_events::UserId;
use orbit_platform::{
    auth::{Caller, TokenKind},
    http::{cursor::CursorKey, headers::MinPosition},
    postgres,
    problem::ApiError,
};
use sqlx::{Postgres, pool::PoolConnection};
use uuid::Uuid;

use crate::{
    answer::Snapshot,
    app::{POOL, Reads},
    freshness::Wanted,
};

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
        Ok(Self { reads, caller, whose, min_position, context: PhantomData })
    }
}

impl<C: Context> Reader<C> {
    /// Whose rows may be read.
    pub fn whose(&self) -> Whose {
        self.whose
    }

    /// The login under which the request came; none if it came with an API token.
    pub fn login_id(&self) -> Option<Uuid> {
        match self.caller.token {
            TokenKind::Session => self.caller.sid,
            TokenKind::Api { .. } => None,
        }
    }

    /// The time of the request.
    pub fn now(&self) -> DateTime<Utc> {
        self.reads.clock().now()
    }

    /// The key under which cursors are made.
    pub fn cursors(&self) -> &CursorKey {
        self.reads.cursors()
    }

    /// A connection, for what is asked beside the rows, such as the caller's time zone.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, ApiError> {
        Ok(postgres::acquire(self.reads.pool(), POOL).await?)
    }

    /// Asks the read model, once it has seen `Orbit-Min-Position`. The question may be asked again.
    pub async fn ask<T, F>(
        &self,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        let wanted =
            Wanted { projection: C::PROJECTION, partition: self.whose.partition, min_position: self.min_position };
        self.reads.freshness().read(wanted, |db| question(db, self.whose)).await
    }
}
