//! Every error answer: RFC 9457 `application/problem+json`, and the pages that explain them.
//!
//! A handler returns [`ApiError`]; the request's id and path are filled in on the way out (`http::serve_layers`), the
//! cause of a 5xx is logged there and then, once, and never shown.

mod error;
pub mod kinds;
mod pages;

use crate::http::openapi::parsed;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use error::ApiError;
pub(crate) use error::render;
pub use pages::{Registry, router};

/// The media type of every error.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A kind of problem: what all problems with one code have in common. Contexts list theirs in static slices.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// Stable and `snake_case`; the end of the `type`.
    pub code: &'static str,
    /// The status it is answered with.
    pub status: StatusCode,
    /// A short sentence for people, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what a caller does about it: the text of its page.
    pub explanation: &'static str,
}

/// An error answer (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{
    "type": "/problems/validation_failed", "title": "A rule for a field is broken", "status": 422,
    "detail": "1 field is not right", "instance": "/api/v1/tasks", "code": "validation_failed",
    "request_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a",
    "errors": [{"pointer": "/title", "code": "too_long", "detail": "at most 500 characters"}]
}"#)))]
pub struct Problem {
    /// The page that explains this kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence in words.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// The kind for programs: the end of `type`.
    pub code: String,
    /// The same as in `X-Request-Id`: quote it when you ask for help.
    pub request_id: String,
    /// Every faulty field at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"pointer": "/title", "code": "too_long", "detail": "at most 500 characters"}"#)))]
pub struct FieldProblem {
    /// A JSON pointer into the body (`/operations/3/title`; empty for the body itself), `?name` for a query parameter,
    /// or a header's name.
    pub pointer: String,
    /// The fault for programs.
    pub code: String,
    /// The fault in words.
    pub detail: String,
    /// Of which object the field is, where a problem is about several: its type and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub entity: Option<Value>,
    /// Where two values stand against each other: the one that was to be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// The one that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
}

impl FieldProblem {
    /// A fault of the field at `pointer`.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, code, detail) = (pointer.into(), code.into(), detail.into());
        Self { pointer, code, detail, entity: None, expected: None, actual: None }
    }

    /// Of this object.
    #[must_use]
    pub fn of(self, entity: Value) -> Self {
        Self { entity: Some(entity), ..self }
    }

    /// Two values stand against each other.
    #[must_use]
    pub fn between(self, expected: Value, actual: Value) -> Self {
        Self { expected: Some(expected), actual: Some(actual), ..self }
    }
}
