//! `ApiError`: what a handler returns when it cannot do what was asked.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{CONTENT_TYPE, FieldProblem, Problem, ProblemKind, kinds};

/// An answer that is an error.
///
/// Made by the constructors below, completed by the builders, turned into a response by axum.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    headers: HeaderMap,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A problem of a kind: for contexts' own kinds. `detail` says what happened this time.
    pub fn of(kind: &ProblemKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status: kind.status,
            code: kind.code,
            title: kind.title,
            detail: detail.into(),
            errors: Vec::new(),
            headers: HeaderMap::new(),
            source: None,
        }))
    }

    /// A domain's rejection: its own code, under the title that all problems of that status share.
    pub fn rejected(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let mut error = Self::of(kind_of(status), detail);
        error.0.code = code;
        error.0.status = status;
        error
    }

    /// What stands for a bare status that nobody explained.
    pub(crate) fn standard(status: StatusCode) -> Self {
        let kind = kind_of(status);
        let mut error = Self::of(kind, kind.title);
        error.0.status = status;
        error
    }

    /// 400: the body cannot be read as JSON.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::of(&kinds::MALFORMED_JSON, detail)
    }

    /// 400: a header cannot be read.
    pub fn invalid_header(name: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::of(&kinds::INVALID_HEADER, format!("{name}: {detail}"))
            .with_field(FieldProblem::new(name, "invalid", detail))
    }

    /// 400: the request needs an `Idempotency-Key`.
    pub fn idempotency_key_required() -> Self {
        Self::of(&kinds::IDEMPOTENCY_KEY_REQUIRED, "send an Idempotency-Key with this request")
    }

    /// 401: no token.
    pub fn unauthenticated() -> Self {
        Self::of(&kinds::UNAUTHENTICATED, "send a token as Authorization: Bearer").challenge(None)
    }

    /// 401: a token that is not valid. Why exactly is nobody's business.
    pub fn invalid_token() -> Self {
        Self::of(&kinds::INVALID_TOKEN, "the token is not valid").challenge(Some("invalid_token"))
    }

    /// 401: a token that was valid.
    pub fn token_expired() -> Self {
        Self::of(&kinds::TOKEN_EXPIRED, "the token has expired").challenge(Some("invalid_token"))
    }

    /// 401: anything else that proves nothing, such as a wrong password.
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        let mut error = Self::of(&kinds::UNAUTHENTICATED, detail).challenge(None);
        error.0.code = code;
        error
    }

    fn challenge(self, error: Option<&'static str>) -> Self {
        let value = match error {
            Some(error) => format!("Bearer realm=\"orbit\", error=\"{error}\""),
            None => "Bearer realm=\"orbit\"".to_owned(),
        };
        self.with_header(header::WWW_AUTHENTICATE, value)
    }

    /// 403: an API token without the scope that this takes.
    pub fn missing_scope(scope: &str) -> Self {
        Self::of(&kinds::MISSING_SCOPE, format!("the API token needs the scope {scope}")).with_header(
            header::WWW_AUTHENTICATE,
            format!("Bearer realm=\"orbit\", error=\"insufficient_scope\", scope=\"{scope}\""),
        )
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(&kinds::FORBIDDEN, detail)
    }

    /// 404: absent, or somebody else's.
    pub fn not_found() -> Self {
        Self::of(&kinds::NOT_FOUND, "there is nothing at this path")
    }

    /// 405. `allow` lists the methods that exist.
    pub fn method_not_allowed(allow: &str) -> Self {
        Self::of(&kinds::METHOD_NOT_ALLOWED, format!("allowed are: {allow}")).with_header(header::ALLOW, allow)
    }

    /// 409: the present state does not allow it.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::rejected(StatusCode::CONFLICT, code, detail)
    }

    /// 410: was here, is no more.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::of(&kinds::GONE, detail)
    }

    /// 412: `If-Match` names another version.
    pub fn precondition_failed(current: i64) -> Self {
        Self::of(&kinds::PRECONDITION_FAILED, format!("the present version is \"{current}\""))
            .with_header(header::ETAG, format!("\"{current}\""))
    }

    /// 413: more bytes than `limit`.
    pub fn body_too_large(limit: Option<usize>) -> Self {
        let detail = limit.map_or_else(|| "the body is too large".to_owned(), |limit| format!("at most {limit} bytes"));
        Self::of(&kinds::BODY_TOO_LARGE, detail)
    }

    /// 415: not the media type that is expected.
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::of(&kinds::UNSUPPORTED_MEDIA_TYPE, format!("Content-Type must be {expected}"))
    }

    /// 422: a rule is broken.
    pub fn rule_broken(code: &'static str, detail: impl Into<String>) -> Self {
        Self::rejected(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422: the key was used for another body.
    pub fn idempotency_key_reused() -> Self {
        Self::of(&kinds::IDEMPOTENCY_KEY_REUSED, "this Idempotency-Key was sent with another request")
    }

    /// 428: the request must name the version it is about.
    pub fn precondition_required() -> Self {
        Self::of(&kinds::PRECONDITION_REQUIRED, "send the ETag that you have seen as If-Match")
    }

    /// 429: too often.
    pub fn rate_limited(retry_after: Duration) -> Self {
        Self::of(&kinds::RATE_LIMITED, "too many requests").with_retry_after(retry_after)
    }

    /// 500. The cause is logged and never shown.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::of(&kinds::INTERNAL_ERROR, "it has been logged under this request_id").with_source(source)
    }

    /// 501: a setting is missing.
    pub fn not_configured(setting: &str) -> Self {
        Self::of(&kinds::NOT_CONFIGURED, format!("the setting {setting} is not given"))
    }

    /// 503: `what` (such as "the database") does not answer.
    pub fn unavailable(what: &str) -> Self {
        Self::of(&kinds::UNAVAILABLE, format!("{what} does not answer")).with_retry_after(Duration::from_secs(2))
    }

    /// 503: given up.
    pub fn timeout() -> Self {
        Self::of(&kinds::TIMEOUT, "the request took too long and was given up").with_retry_after(Duration::from_secs(2))
    }

    /// 503: the read model is at `at`, not yet at `wanted`.
    pub fn projection_lag(wanted: i64, at: i64) -> Self {
        Self::of(&kinds::PROJECTION_LAG, format!("the read model is at {at}, not yet at {wanted}"))
            .with_retry_after(Duration::from_secs(1))
    }

    /// 503: the log is sealed up to `at`, not yet up to `wanted`.
    pub fn not_sealed(wanted: i64, at: i64) -> Self {
        Self::of(&kinds::NOT_SEALED, format!("the log is sealed up to {at}, not yet up to {wanted}"))
            .with_retry_after(Duration::from_secs(1))
    }

    /// Adds a faulty field.
    #[must_use]
    pub fn with_field(mut self, field: FieldProblem) -> Self {
        self.0.errors.push(field);
        self
    }

    /// Adds faulty fields.
    #[must_use]
    pub fn with_fields(mut self, fields: impl IntoIterator<Item = FieldProblem>) -> Self {
        self.0.errors.extend(fields);
        self
    }

    /// Adds a header to the answer. A value that cannot be one is left out.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.0.headers.insert(name, value);
        }
        self
    }

    /// Says when to try again, in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_millis().div_ceil(1000).max(1);
        self.with_header(header::RETRY_AFTER, seconds.to_string())
    }

    /// Remembers the cause for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code it is answered with.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The fields that it names.
    pub fn fields(&self) -> &[FieldProblem] {
        &self.0.errors
    }

    /// The body of the answer, as far as it is known here: without path and request id. For answers inside an answer,
    /// such as the outcome of one operation of a batch.
    pub fn to_problem(&self) -> Problem {
        Problem {
            kind: format!("/problems/{}", self.0.code),
            title: self.0.title.to_owned(),
            status: self.0.status.as_u16(),
            detail: self.0.detail.clone(),
            instance: String::new(),
            code: self.0.code.to_owned(),
            request_id: String::new(),
            errors: self.0.errors.clone(),
        }
    }

    /// Logs the cause of a 5xx, once: the chain of errors on one line, under the span of the request.
    fn log(&self) {
        let Some(source) = &self.0.source else {
            if self.0.status == StatusCode::INTERNAL_SERVER_ERROR {
                tracing::error!(code = self.0.code, "a request failed");
            }
            return;
        };
        let chain = Chain(source.as_ref());
        if self.0.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(code = self.0.code, error = %chain, "a request failed");
        } else {
            tracing::warn!(code = self.0.code, error = %chain, "a request could not be served");
        }
    }
}

/// The kind whose title a rejection of that status shows.
fn kind_of(status: StatusCode) -> &'static ProblemKind {
    match status {
        StatusCode::BAD_REQUEST => &kinds::INVALID_REQUEST,
        StatusCode::UNAUTHORIZED => &kinds::UNAUTHENTICATED,
        StatusCode::FORBIDDEN => &kinds::FORBIDDEN,
        StatusCode::NOT_FOUND => &kinds::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => &kinds::METHOD_NOT_ALLOWED,
        StatusCode::CONFLICT => &kinds::CONFLICT,
        StatusCode::GONE => &kinds::GONE,
        StatusCode::PRECONDITION_FAILED => &kinds::PRECONDITION_FAILED,
        StatusCode::PAYLOAD_TOO_LARGE => &kinds::BODY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => &kinds::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::PRECONDITION_REQUIRED => &kinds::PRECONDITION_REQUIRED,
        StatusCode::TOO_MANY_REQUESTS => &kinds::RATE_LIMITED,
        StatusCode::NOT_IMPLEMENTED => &kinds::NOT_CONFIGURED,
        StatusCode::SERVICE_UNAVAILABLE => &kinds::UNAVAILABLE,
        status if status.is_client_error() => &kinds::RULE_BROKEN,
        _ => &kinds::INTERNAL_ERROR,
    }
}

/// An error and its sources on one line.
struct Chain<'a>(&'a (dyn Error + Send + Sync));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let problem = self.to_problem();
        let mut response = render(&problem);
        response.headers_mut().extend(self.0.headers);
        // For the layer that fills in path and request id.
        response.extensions_mut().insert(Arc::new(problem));
        response
    }
}

/// A problem as a response.
pub(crate) fn render(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// How SQLSTATEs begin of which nobody here is the cause, and which a later attempt need not meet. 08: the connection,
/// 40: given up for the sake of another transaction or of a replica's replay, 53: resources, 57P: the server stops or
/// starts, 57014: the statement took too long and was cancelled.
const PASSING: [&str; 5] = ["08", "40", "53", "57P", "57014"];

impl From<sqlx::Error> for ApiError {
    /// A database that does not answer, or not this time, is 503, everything else a bug and 500.
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let passing = code.is_some_and(|code| PASSING.iter().any(|class| code.starts_with(class)));
        match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                Self::unavailable("the database").with_source(error)
            }
            sqlx::Error::Database(_) if passing => Self::unavailable("the database").with_source(error),
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scope_names_the_scope_in_words_and_in_the_challenge() {
        let response = ApiError::missing_scope("tasks:write").into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert_eq!(challenge, "Bearer realm=\"orbit\", error=\"insufficient_scope\", scope=\"tasks:write\"");
    }

    #[test]
    fn an_internal_error_shows_nothing_of_its_cause() {
        let error = ApiError::internal("relation \"log.events\" does not exist");
        let body = serde_json::to_string(&error.to_problem()).unwrap();
        assert!(!body.contains("relation"), "{body}");
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_rejection_keeps_its_code_under_the_title_of_its_status() {
        let problem = ApiError::conflict("list_not_empty", "the list holds tasks").to_problem();
        assert_eq!(problem.kind, "/problems/list_not_empty");
        assert_eq!(problem.title, kinds::CONFLICT.title);
        assert_eq!(problem.status, 409);
    }

    #[test]
    fn waiting_times_are_whole_seconds_and_never_none() {
        let after = |ms| {
            let response = ApiError::rate_limited(Duration::from_millis(ms)).into_response();
            response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
        };
        assert_eq!((after(0), after(1000), after(1001)), ("1".into(), "1".into(), "2".into()));
    }

    #[test]
    fn a_database_that_is_away_is_503_and_a_wrong_query_500() {
        assert_eq!(ApiError::from(sqlx::Error::PoolTimedOut).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ApiError::from(sqlx::Error::RowNotFound).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// A refusal of the database with this SQLSTATE.
    #[derive(Debug)]
    struct Refused(&'static str);

    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Refused {}

    impl sqlx::error::DatabaseError for Refused {
        fn message(&self) -> &str {
            self.0
        }
        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }
        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    #[test]
    fn what_the_database_may_manage_the_next_time_is_503_and_says_when() {
        let answer = |code| ApiError::from(sqlx::Error::Database(Box::new(Refused(code)))).into_response();
        // A standby's conflict with its replay, a deadlock, a statement that was cancelled, no connection left.
        for code in ["40001", "40P01", "57014", "57P01", "08006", "53300"] {
            let response = answer(code);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{code}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "2", "{code}");
        }
        for code in ["42P01", "23505", "57000"] {
            assert_eq!(answer(code).status(), StatusCode::INTERNAL_SERVER_ERROR, "{code}");
        }
    }
}
