//! The one error of handlers: a fault of the log, or an answer; with the one match from faults and rejections to
//! problems.

use std::time::Duration;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use orbit_domain::{Kind, Reject};
use orbit_event_store::{Fault, Refused};
use orbit_platform::problem::{ApiError, FieldProblem, kinds};

use crate::problems;

/// Why a handler does not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// The log says so.
    Fault(Fault),
    /// Everything else: it is an answer already.
    Answer(ApiError),
}

/// What a handler gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The answer that it becomes.
    pub fn into_answer(self) -> ApiError {
        match self {
            Self::Fault(fault) => answer(fault),
            Self::Answer(answer) => answer,
        }
    }

    /// The scope of the claim that another stream holds, if that is what is wrong.
    pub fn taken(&self) -> Option<&str> {
        match self {
            Self::Fault(Fault::Taken { scope }) => Some(scope),
            Self::Fault(_) | Self::Answer(_) => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ApiError> for Error {
    fn from(answer: ApiError) -> Self {
        Self::Answer(answer)
    }
}

impl<R: Reject> From<Refused<R>> for Error {
    fn from(refused: Refused<R>) -> Self {
        match refused {
            Refused::Rejected(rejection) => Self::Answer(rejected(&rejection)),
            Refused::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into_answer().into_response()
    }
}

/// A no of the rules, for clients.
pub fn rejected<R: Reject>(rejection: &R) -> ApiError {
    if rejection.kind() == Kind::Unauthorised {
        return ApiError::unauthorized(rejection.code(), rejection.to_string());
    }
    let pointer = rejection.field().map(|field| format!("/{field}"));
    refusal(problems::status(rejection.kind()), rejection.code(), pointer, rejection.to_string())
}

/// A refusal with a code of a context, which names the field at `pointer`, if it is about one.
pub fn refusal(status: StatusCode, code: &'static str, pointer: Option<String>, detail: impl Into<String>) -> ApiError {
    let detail = detail.into();
    let answer = match problems::find(code) {
        Some(kind) if kind.status == status => ApiError::of(kind, detail.clone()),
        Some(_) | None => ApiError::rejected(status, code, detail.clone()),
    };
    match pointer {
        Some(pointer) => answer.with_field(FieldProblem::new(pointer, code, detail)),
        None => answer,
    }
}

/// A rule over one field of the body, broken: 422.
pub fn broken(code: &'static str, field: &str, detail: impl Into<String>) -> Error {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, code, Some(format!("/{field}")), detail).into()
}

fn answer(fault: Fault) -> ApiError {
    let later = |detail: &str| ApiError::of(&kinds::UNAVAILABLE, detail).with_retry_after(Duration::from_secs(1));
    match fault {
        Fault::Taken { scope } => {
            let taken = orbit_domain::taken(&scope);
            refusal(StatusCode::CONFLICT, taken.code, taken.field.map(|field| format!("/{field}")), taken.detail)
        }
        Fault::KeyReused => ApiError::idempotency_key_reused(),
        Fault::Forgotten => ApiError::gone("the account was erased"),
        Fault::Busy => later("more is being written than can be taken; try again").with_source(fault),
        Fault::Contended(_) => later("others kept changing the same objects; try again").with_source(fault),
        Fault::Database { .. } => ApiError::unavailable("the database").with_source(fault),
        Fault::OutcomeUnknown => {
            let detail = "whether it took place is not known; repeat it with the same Idempotency-Key";
            later(detail).with_source(fault)
        }
        Fault::Corrupt { .. } | Fault::WrongMasterKey => ApiError::internal(fault),
    }
}
