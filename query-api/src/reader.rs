//! Who reads what: the caller, held to the context's scope, and what the read must have seen. Every route takes one.

use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use chrono::{DateTime, Utc};
use orbit_event_store::exports::Exports;
use orbit_events::UserId;
use orbit_platform::{
    auth::{Caller, TokenKind},
    http::{
        cursor::CursorKey,
        headers::MinPosition,
        query::{Query, ReadsThePast},
    },
    postgres::{self, Pool},
    problem::ApiError,
};
use sqlx::{Postgres, pool::PoolConnection};
use uuid::Uuid;

use crate::{
    answer::Snapshot,
    app::{POOL, Reads},
    freshness::{PATIENCE, Wanted},
    past::{About, Moment},
};

/// What all reads of one context have in common.
pub trait Context: Send + Sync + 'static {
    /// The projection whose tables it reads.
    const PROJECTION: &'static str;
    /// The scope that an API token needs.
    const SCOPE: &'static str;
    /// Whether its questions can be asked as of a moment: those to the log itself are the same at any time.
    const READS_THE_PAST: bool = true;
}

/// Whose rows a question is about. Every SQL function takes it, as its first two parameters.
#[derive(Clone, Copy, Debug)]
pub struct Whose {
    /// The caller's partition: which checkpoint tells how fresh the rows are.
    pub partition: i16,
    /// The caller.
    pub user_id: Uuid,
}

/// A caller who may read context `C`, now or as of a moment (`as_of`). An extractor: 401, 403, or 400 for a malformed
/// `Orbit-Min-Position` or a moment that never was. It stands before `Query` among a handler's arguments, which then
/// knows `as_of`, names it if it is malformed, and binds cursors to it.
#[derive(Debug)]
pub struct Reader<C> {
    reads: Reads,
    caller: Caller,
    whose: Whose,
    min_position: Option<i64>,
    begun: Instant,
    /// The moment that is asked for, if it is not the present.
    moment: Option<Moment>,
    about: About,
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
        let begun = Instant::now();
        let asked = if C::READS_THE_PAST {
            parts.extensions.insert(ReadsThePast);
            // A malformed one is the handler's to refuse, beside all else that is wrong with its parameters.
            Query::parse("", parts.uri.query().unwrap_or_default()).as_of()
        } else {
            None
        };
        let moment = match asked {
            Some(asked) => {
                let now = reads.clock().now();
                Some(reads.past().moment(caller.user_id, asked, min_position, now).await?)
            }
            None => None,
        };
        let about = About::Everything;
        Ok(Self { reads, caller, whose, min_position, begun, moment, about, context: PhantomData })
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

    /// Whose rows are read.
    pub fn whose(&self) -> Whose {
        self.whose
    }

    /// What all requests share.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// When the caller's token stops working, if it does.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.caller.expires_at
    }

    /// Looks again whether the caller may read, for answers that go on for long: 401 once the login has ended, or the API
    /// token was revoked.
    pub async fn check_again(&self) -> Result<(), ApiError> {
        match self.caller.token {
            TokenKind::Session => self.reads.sessions().check(self.reads.pool(), &self.caller).await,
            TokenKind::Api { id } => self.reads.api_tokens().check(id).await,
        }
    }

    /// Archives; only for who is logged in on a device (403 otherwise).
    pub fn exports(&self) -> Result<(&Exports, Uuid), ApiError> {
        self.caller.require_session()?;
        Ok((self.reads.exports(), self.whose.user_id))
    }

    /// What time it is for this read: that of the request, or of the moment that it asks for.
    pub fn now(&self) -> DateTime<Utc> {
        self.moment.map_or_else(|| self.reads.clock().now(), |moment| moment.at)
    }

    /// Whether it asks for the past, where each question costs what it is about, however little it wants of it.
    pub fn is_past(&self) -> bool {
        self.moment.is_some()
    }

    /// The same, with what its questions are about: without, the past folds everything for them. What the answer depends
    /// on must be in it; a test holds this against folding everything.
    pub fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// The key under which cursors are made.
    pub fn cursors(&self) -> &CursorKey {
        self.reads.cursors()
    }

    /// The caller.
    pub fn user_id(&self) -> Uuid {
        self.whose.user_id
    }

    /// A connection for a question to the log itself, which no projection has to reach first.
    pub async fn log(&self) -> Result<PoolConnection<Postgres>, ApiError> {
        Ok(postgres::acquire(self.pool(), POOL).await?)
    }

    /// Where the log is read.
    pub fn pool(&self) -> &Pool {
        self.reads.pool()
    }

    /// `Orbit-Min-Position`
    pub fn min_position(&self) -> Option<i64> {
        self.min_position
    }

    /// How much longer the request may wait for what it needs.
    pub fn patience_left(&self) -> Duration {
        PATIENCE.saturating_sub(self.begun.elapsed())
    }

    /// Asks the read model, once it has seen `Orbit-Min-Position`. The question may be asked again.
    pub async fn ask<T, F>(
        &self,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        self.read(self.wanted(C::PROJECTION), self.about, question).await
    }

    /// Asks the read model of another context for what the answer depends on, such as the caller's time zone: it too must
    /// have seen `Orbit-Min-Position`. All that one request waits for shares the same two seconds.
    pub async fn ask_of<Other: Context, T, F>(
        &self,
        about: About,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        self.read(self.wanted(Other::PROJECTION), about, question).await
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
        let wanted = Wanted { min_position: Some(position), begun: Instant::now(), ..wanted };
        self.read(wanted, self.about, question).await
    }

    fn wanted(&self, projection: &'static str) -> Wanted {
        let (partition, min_position) = (self.whose.partition, self.min_position);
        Wanted { projection, partition, min_position, begun: self.begun }
    }

    async fn read<T, F>(
        &self,
        wanted: Wanted,
        about: About,
        question: impl Fn(PoolConnection<Postgres>, Whose) -> F,
    ) -> Result<Snapshot<T>, ApiError>
    where
        F: Future<Output = sqlx::Result<Snapshot<T>>>,
    {
        let question = |db| question(db, self.whose);
        match self.moment {
            Some(moment) => {
                self.reads.past().fold(moment, wanted.projection, self.whose, about).await?.ask(question).await
            }
            None => self.reads.freshness().read(wanted, question).await,
        }
    }
}
