//! The way of every write: headers and query in, a unit of work, headers and body out.
//!
//! A handler takes a [`Write`] (or a [`WriteRequest`], where nobody is logged in yet) and gives [`Write::run`] what to
//! decide. Idempotency keys, `If-Match`, dry runs, positions, versions, scopes and ended logins are dealt with here,
//! the same for every route of every context.

pub mod docs;
mod fingerprint;
mod reply;
mod request;

use axum::{extract::FromRequestParts, http::request::Parts, response::Response};
use futures_util::future::BoxFuture;
use orbit_domain::Aggregate;
use orbit_event_store::{Answer, Fault, Keep, Loaded, Mode, Origin, Unit};
use orbit_events::UserId;
use orbit_platform::{
    auth::{Caller, TokenKind},
    http::headers::IfMatch,
    problem::ApiError,
};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    routes,
    state::AppState,
};

pub use reply::{Reply, hidden};
pub use request::{Parameters, WriteRequest};

/// How often a place that somebody else just took is chosen anew.
const PLACES: u32 = 5;

/// A write of somebody who is logged in or has an API token. `P` are the query parameters beside `dry_run`.
pub struct Write<P = ()> {
    /// What the request says beside its body.
    pub request: WriteRequest<P>,
    /// Who sent it.
    pub caller: Caller,
    app: AppState,
}

impl<P: Parameters> FromRequestParts<AppState> for Write<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        app.sessions.check(&app.store, &caller).await?;
        let request = WriteRequest::from_request_parts(parts, app).await?;
        Ok(Self { request, caller, app: app.clone() })
    }
}

impl<P> Write<P> {
    /// What every handler has at hand.
    pub fn app(&self) -> &AppState {
        &self.app
    }

    /// Whose data it is about.
    pub fn user(&self) -> UserId {
        UserId(self.caller.user_id)
    }

    /// Where the command comes from.
    pub fn origin(&self) -> Origin {
        let session = match self.caller.token {
            TokenKind::Session => self.caller.sid,
            TokenKind::Api { id } => Some(id),
        };
        self.request.origin(self.user(), session, self.app.store.clock().now())
    }

    /// How it is to be carried out; `body` is what was sent.
    pub fn mode(&self, body: &[u8]) -> Mode {
        self.request.mode(self.app.store.vault(), self.caller.user_id, body)
    }

    /// Decides, appends, answers.
    pub async fn run<F>(&self, body: &[u8], decide: impl FnMut(Unit) -> F + Send) -> Result<Response>
    where
        F: Future<Output = Result<Reply>> + Send,
    {
        let answer = transact(&self.app, self.origin(), self.mode(body), decide).await?;
        Ok(reply::respond(answer))
    }

    /// The same for what must never happen twice: its answer is kept for a week.
    pub async fn run_once<F>(&self, body: &[u8], decide: impl FnMut(Unit) -> F + Send) -> Result<Response>
    where
        F: Future<Output = Result<Reply>> + Send,
    {
        let mode = self.request.mode_kept(self.app.store.vault(), self.caller.user_id, body, Keep::Week);
        let answer = transact(&self.app, self.origin(), mode, decide).await?;
        Ok(reply::respond(answer))
    }
}

impl<P: Sync> Write<P> {
    /// The answer that the same request was given before, if it was: for routes whose checks would fail once it took
    /// effect. Others need not ask, [`run`](Self::run) does.
    pub async fn earlier(&self, body: &[u8]) -> Result<Option<Response>> {
        Ok(self.given(self.mode(body)).await?.map(reply::respond))
    }

    /// The answer that is kept under an idempotency key, if there is one.
    pub async fn given(&self, mode: Mode) -> Result<Option<Answer<Reply>>> {
        enum Earlier {
            None,
            Fault(Fault),
        }
        impl From<Fault> for Earlier {
            fn from(fault: Fault) -> Self {
                Self::Fault(fault)
            }
        }
        if mode.idempotency.is_none() {
            return Ok(None);
        }
        let nothing = |_: Unit| async { Err::<Reply, _>(Earlier::None) };
        match self.app.store.transact(self.origin(), mode, nothing).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Earlier::None) => Ok(None),
            Err(Earlier::Fault(fault)) => Err(fault.into()),
        }
    }
}

/// The answer as a response.
pub fn respond(answer: Answer<Reply>) -> Response {
    reply::respond(answer)
}

/// Notes that what follows a write went wrong. The write is in the log by then, so its answer stays what it is.
pub fn follow_up(what: &'static str, outcome: Result<()>) {
    match outcome {
        Ok(()) => {}
        Err(Error::Fault(fault)) => {
            tracing::warn!(error = &fault as &dyn std::error::Error, what, "what follows a write was not done");
        }
        Err(Error::Answer(answer)) => tracing::warn!(code = answer.code(), what, "what follows a write was refused"),
    }
}

/// Decides and appends; chooses another place when the one that was chosen between two neighbours has just been taken.
pub async fn transact<'d, F>(
    app: &AppState,
    origin: Origin,
    mode: Mode,
    mut decide: impl FnMut(Unit) -> F + Send,
) -> Result<Answer<Reply>>
where
    F: Future<Output = Result<Reply>> + Send + 'd,
{
    transact_any(app, origin, mode, &mut |unit| Box::pin(decide(unit))).await
}

/// The same for whatever decides: compiled once, not for each route.
async fn transact_any<'d>(
    app: &AppState,
    origin: Origin,
    mode: Mode,
    decide: &mut (dyn FnMut(Unit) -> BoxFuture<'d, Result<Reply>> + Send),
) -> Result<Answer<Reply>> {
    for _ in 1..PLACES {
        match app.store.transact(origin.clone(), mode.clone(), &mut *decide).await {
            Err(error) if error.taken().is_some_and(routes::is_place) => {}
            decided => return decided,
        }
    }
    app.store.transact(origin, mode, decide).await
}

/// An object of the user's, in the version that `If-Match` asks for: 404 or 412 otherwise.
pub async fn present<A: Aggregate>(unit: &Unit, id: Uuid, if_match: &IfMatch) -> Result<Loaded<A>> {
    let loaded = unit.load::<A>(id).await?.ok_or_else(ApiError::not_found)?;
    if_match.check(loaded.version)?;
    Ok(loaded)
}
