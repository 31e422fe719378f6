//! What a write answers: kept for repetitions of the same request, turned into a response here and nowhere else.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use orbit_event_store::Answer;
use orbit_platform::{http::headers, problem::ApiError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Result;

/// What a write answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(view: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_string(view).map_err(ApiError::internal)?;
        Ok(Self { status: StatusCode::OK.as_u16(), location: None, version: None, position: None, body: Some(body) })
    }

    /// 201 with a body and where it is.
    pub fn created(view: &impl Serialize, location: String) -> Result<Self> {
        Ok(Self { status: StatusCode::CREATED.as_u16(), location: Some(location), ..Self::ok(view)? })
    }

    /// 202 with a body: it is done later.
    pub fn accepted(view: &impl Serialize) -> Result<Self> {
        Ok(Self { status: StatusCode::ACCEPTED.as_u16(), ..Self::ok(view)? })
    }

    /// With where it is.
    #[must_use]
    pub fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }

    /// 204.
    pub fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT.as_u16(), location: None, version: None, position: None, body: None }
    }

    /// A status and nothing else: for who answers in other words once the facts are appended.
    pub fn status_only(status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..Self::nothing() }
    }

    /// With the version of what was written.
    #[must_use]
    pub fn version(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// With the position of what was appended by other units of work on the way.
    #[must_use]
    pub fn position(self, position: i64) -> Self {
        Self { position: Some(position), ..self }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as JSON.
    pub fn into_json(self) -> Option<Value> {
        self.body.and_then(|body| serde_json::from_str(&body).ok())
    }
}

/// The answer as a response.
pub fn respond(answer: Answer<Reply>) -> Response {
    if let Some(facts) = answer.preview {
        return json(StatusCode::OK, preview(facts).to_string());
    }
    let reply = answer.answer;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = match reply.body {
        Some(body) => json(status, body),
        None => status.into_response(),
    };
    let all = response.headers_mut();
    all.extend([headers::position(answer.position.max(reply.position.unwrap_or(0)))]);
    if let Some(version) = reply.version {
        all.extend([headers::etag(version)]);
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        all.insert(header::LOCATION, location);
    }
    if answer.replayed {
        all.extend([headers::replayed()]);
    }
    response
}

/// What a dry run answers.
fn preview(facts: Vec<Value>) -> Value {
    json!({ "dry_run": true, "facts": hidden(facts) })
}

/// The facts of a dry run, without what gives access.
pub fn hidden(mut facts: Vec<Value>) -> Vec<Value> {
    facts.iter_mut().for_each(hide);
    facts
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if orbit_events::SECRETS.contains(&key.as_str()) && !value.is_null() {
                    *value = Value::String("[secret]".to_owned());
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn json(status: StatusCode, body: String) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_shows_no_secret() {
        let facts =
            vec![json!({"data": {"settings": {"secret": "s3cr3t", "name": "n"}, "password_hash": "$argon2id$"}})];
        let shown = preview(facts).to_string();
        assert!(
            !shown.contains("s3cr3t") && !shown.contains("argon2id") && shown.contains("\"name\":\"n\""),
            "{shown}"
        );
        assert_eq!(preview(vec![json!({"secret": null})])["facts"][0]["secret"], Value::Null);
    }
}
