//! How an aggregate becomes again what its fields were: the one thing that a context says about undo, beside which of
//! its facts can be taken back (`Aggregate::reversal`).

use axum::http::StatusCode;
use orbit_domain::{Aggregate, Fields, Reject};
use orbit_event_store::{Fault, Loaded, Refused, Unit};
use orbit_platform::problem::{ApiError, FieldProblem};
use serde_json::{Value, json};

use crate::{error::Error, state::AppState};

/// An aggregate that undo and revert can be asked about.
pub trait SetBack: Aggregate {
    /// What changing it takes of an API token.
    const SCOPE: &'static str;

    /// Decides what gives it these fields, and no fields what makes an end of it. The default is for aggregates of which
    /// no fact can be taken back.
    fn set_back(
        _app: &AppState,
        _unit: &Unit,
        _now: Loaded<Self>,
        _fields: &Fields,
    ) -> impl Future<Output = Result<(), Stopped>> + Send
    where
        Self: Sized,
    {
        async { Err(ApiError::internal("an aggregate without facts that can be taken back").into()) }
    }
}

/// Why an aggregate does not become what it was.
#[derive(Debug)]
pub enum Stopped {
    /// Something stands in the way, perhaps only until another object has become what it was.
    InTheWay(FieldProblem),
    /// Everything else.
    Error(Error),
}

impl Stopped {
    /// A rule stands in the way of a field.
    pub fn by(code: &str, field: &str, detail: impl Into<String>, expected: Value, actual: Value) -> Self {
        Self::InTheWay(FieldProblem::new(format!("/{field}"), code, detail).between(expected, actual))
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Error(fault.into())
    }
}

impl From<ApiError> for Stopped {
    fn from(answer: ApiError) -> Self {
        Self::Error(answer.into())
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        match error {
            // What is asked of others on the way and is no more is in the way; what is wrong with the server is not.
            Error::Answer(answer) if matches!(answer.status(), StatusCode::CONFLICT | StatusCode::GONE) => {
                let problem = answer.to_problem();
                let first = problem.errors.into_iter().next();
                Self::InTheWay(first.unwrap_or_else(|| FieldProblem::new("", problem.code, problem.detail)))
            }
            error => Self::Error(error),
        }
    }
}

impl<R: Reject> From<Refused<R>> for Stopped {
    fn from(refused: Refused<R>) -> Self {
        match refused {
            Refused::Fault(fault) => fault.into(),
            Refused::Rejected(rejection) => {
                let pointer = rejection.field().map(|field| format!("/{field}")).unwrap_or_default();
                Self::InTheWay(FieldProblem::new(pointer, rejection.code(), rejection.to_string()))
            }
        }
    }
}

/// The values that stand against each other, where whoever stopped did not say: what the field would become, and what it
/// is now.
pub fn with_values(problem: FieldProblem, wanted: &Fields, now: &Fields) -> FieldProblem {
    if problem.expected.is_some() {
        return problem;
    }
    let field = problem.pointer.trim_start_matches('/').to_owned();
    let value = |fields: &Fields| fields.get(field.as_str()).cloned().unwrap_or_default();
    if field.is_empty() {
        // About the whole object: whether it is there.
        return problem.between(json!(!wanted.is_empty()), json!(!now.is_empty()));
    }
    problem.between(value(wanted), value(now))
}
