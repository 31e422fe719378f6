//! What a read answers: a body, and how far the log was folded in the snapshot that it comes from.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use orbit_platform::{http::headers, problem::ApiError};
use serde::Serialize;

/// Something read together with the checkpoint of its projection, in one statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<T> {
    /// Everything up to this position is in `body`, and nothing after it: `Orbit-As-Of`.
    pub as_of: i64,
    /// What was read.
    pub body: T,
}

impl<T> Snapshot<T> {
    /// The same moment, another shape.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Snapshot<U> {
        Snapshot { as_of: self.as_of, body: make(self.body) }
    }
}

impl<T> Snapshot<Option<T>> {
    /// 404 if there is nothing; that answer too says as of when.
    pub fn found(self) -> Result<Snapshot<T>, ApiError> {
        let Self { as_of, body } = self;
        let (name, value) = headers::as_of(as_of);
        let missing = || ApiError::not_found().with_header(name, value.to_str().unwrap_or_default());
        body.map(|body| Snapshot { as_of, body }).ok_or_else(missing)
    }
}

impl<T: Serialize> Snapshot<T> {
    /// The answer with an `ETag`.
    pub fn tagged(self, version: i64) -> Response {
        ([headers::etag(version)], self).into_response()
    }

    /// The answer with an `ETag`, or 304 if the client has this version. Only for what changes with its own stream
    /// alone: a version says nothing of other streams.
    pub fn unless_known(self, version: i64, known: &IfNoneMatch) -> Response {
        if known.0.contains(&version) {
            return (StatusCode::NOT_MODIFIED, [headers::etag(version), headers::as_of(self.as_of)]).into_response();
        }
        self.tagged(version)
    }
}

impl<T: Serialize> IntoResponse for Snapshot<T> {
    fn into_response(self) -> Response {
        ([headers::as_of(self.as_of)], Json(self.body)).into_response()
    }
}

/// The versions that the client has, from `If-None-Match`. What cannot be read matches nothing (RFC 9110, 13.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let values = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(values.flat_map(|value| value.split(',').take(20)).filter_map(version).collect()))
    }
}

/// The version in an entity tag, which a proxy may have weakened.
fn version(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_strong_and_weak_tags_and_from_nothing_else() {
        assert_eq!(version(" \"7\""), Some(7));
        assert_eq!(version("W/\"7\""), Some(7));
        for other in ["7", "\"seven\"", "*", "", "\""] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn an_absent_object_is_404_and_says_as_of_when() {
        let response = Snapshot::<Option<()>> { as_of: 7, body: None }.found().unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["orbit-as-of"], "7");
    }
}
