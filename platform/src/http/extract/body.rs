//! `JsonBody`: a JSON object of limited size, or a problem that says where it went wrong.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::field::pointer;
use crate::{
    http::layers::BodyLimit,
    problem::{ApiError, FieldProblem, kinds},
};

/// A JSON object. Its bytes are kept too: the same `Idempotency-Key` must come with the same ones.
#[derive(Clone, Debug)]
pub struct JsonBody<T> {
    /// What was read.
    pub value: T,
    /// What was sent.
    pub bytes: Bytes,
}

/// A JSON object that may be left out: no body at all reads like `{}`.
#[derive(Clone, Debug)]
pub struct OptionalJsonBody<T> {
    /// What was read.
    pub value: T,
    /// What was sent; empty if nothing was.
    pub bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        check_media_type(request.headers())?;
        let bytes = read(request, state).await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let media_type = check_media_type(request.headers());
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self { value: parse(b"{}")?, bytes });
        }
        media_type?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let limit = request.extensions().get::<BodyLimit>().map(|limit| limit.0);
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError::body_too_large(limit);
        }
        ApiError::malformed_json("the body ended before it was complete")
    })
}

/// `application/json`, or anything that is JSON by its suffix, such as a merge patch; in UTF-8.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let utf8 = parts.filter_map(|part| part.strip_prefix("charset=")).all(|set| set.trim_matches('"') == "utf-8");
    if json && utf8 { Ok(()) } else { Err(ApiError::unsupported_media_type("application/json")) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let Some(first) = first else {
        return Err(ApiError::malformed_json("the body is empty, a JSON object is expected"));
    };
    if *first != b'{' {
        // A derived `Deserialize` reads an array into a struct too: field by field, which nobody means.
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| malformed(&error, String::new()))?;
        let fault = FieldProblem::new("", "wrong_type", "must be an object");
        return Err(ApiError::of(&kinds::INVALID_REQUEST, "the body must be a JSON object").with_field(fault));
    }
    // Where it went wrong is looked for only if it did: keeping track of the place costs as much as reading.
    serde_json::from_slice(bytes).or_else(|_| parse_in_steps(bytes))
}

/// Reads the same once more, for the place of the fault.
fn parse_in_steps<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = pointer(error.path());
        malformed(error.inner(), place)
    })?;
    deserializer.end().map_err(|error| malformed(&error, String::new()))?;
    Ok(value)
}

/// serde's message may quote what was sent, so its kind is said in our words.
fn malformed(error: &serde_json::Error, pointer: String) -> ApiError {
    let message = error.to_string();
    let (code, what) = if message.starts_with("duplicate field") {
        ("duplicate_field", "a field is given twice")
    } else if message.starts_with("recursion limit") {
        ("too_deep", "it nests deeper than 128 levels")
    } else if message.contains("surrogate") || message.starts_with("unexpected end of hex escape") {
        ("lone_surrogate", "text holds half of a surrogate pair")
    } else if message.starts_with("invalid unicode") {
        ("not_utf8", "text is not UTF-8")
    } else if message.starts_with("number out of range") {
        ("out_of_range", "a number is too large")
    } else if error.is_eof() {
        ("incomplete", "it ends too early")
    } else if error.is_data() {
        ("wrong_type", "a value has the wrong type")
    } else {
        ("syntax", "a character does not belong where it stands")
    };
    let detail = format!("{what}, at line {} column {}", error.line(), error.column());
    let kind = if error.is_data() { &kinds::INVALID_REQUEST } else { &kinds::MALFORMED_JSON };
    ApiError::of(kind, detail).with_field(FieldProblem::new(pointer, code, what))
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::{Body, to_bytes},
        extract::DefaultBodyLimit,
        routing::post,
    };
    use serde::Deserialize;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        http::extract::{Faults, Field, Unknown},
        problem::Problem,
    };

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Body_ {
        title: Field<String>,
        operations: Field<Vec<Field<Operation>>>,
        #[serde(flatten)]
        unknown: Unknown,
    }

    #[derive(Clone, Debug, Default, Deserialize)]
    #[serde(default)]
    struct Operation {
        name: Field<String>,
        #[serde(flatten)]
        unknown: Unknown,
    }

    async fn check(body: JsonBody<Body_>) -> Result<StatusCode, ApiError> {
        let mut faults = Faults::new();
        faults.unknown(body.value.unknown);
        faults.required("title", body.value.title, |title: String| {
            if title.contains('\0') { Err(("nul", "must not hold NUL".to_owned())) } else { Ok(title) }
        });
        let operations = faults.optional("operations", body.value.operations, Faults::any).unwrap_or_default();
        for (at, operation) in operations.into_iter().enumerate() {
            let operation =
                faults.within("/operations", |faults| faults.required(&at.to_string(), operation, Faults::any));
            faults.within(&format!("/operations/{at}"), |faults| {
                let operation = operation?;
                faults.unknown(operation.unknown);
                faults.required("name", operation.name, Faults::any)
            });
        }
        faults.finish()?;
        Ok(StatusCode::CREATED)
    }

    async fn send(media_type: &str, body: impl Into<Body>) -> (u16, Vec<(String, String)>) {
        let app = Router::new()
            .route("/", post(check))
            .route("/optional", post(|_: OptionalJsonBody<Body_>| async { StatusCode::NO_CONTENT }))
            .layer(DefaultBodyLimit::max(1024 * 1024));
        let request = Request::post("/").header(header::CONTENT_TYPE, media_type).body(body.into()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let problem = serde_json::from_slice::<Problem>(&bytes);
        let errors = problem.map(|problem| problem.errors).unwrap_or_default();
        (status, errors.into_iter().map(|field| (field.pointer, field.code)).collect())
    }

    async fn json(body: &str) -> (u16, Vec<(String, String)>) {
        send("application/json", body.to_owned()).await
    }

    fn one(status: u16, pointer: &str, code: &str) -> (u16, Vec<(String, String)>) {
        (status, vec![(pointer.to_owned(), code.to_owned())])
    }

    #[tokio::test]
    async fn a_faultless_body_gets_through() {
        assert_eq!(json(r#"{"title": "Buy milk"}"#).await.0, 201);
        assert_eq!(send("application/merge-patch+json; charset=UTF-8", r#" {"title": "x"} "#).await.0, 201);
    }

    #[tokio::test]
    async fn the_wrong_media_type_is_415() {
        for media_type in ["text/plain", "", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
            assert_eq!(send(media_type, r#"{"title": "x"}"#).await.0, 415, "{media_type}");
        }
    }

    #[tokio::test]
    async fn what_is_no_json_is_400_and_says_where() {
        assert_eq!(json("").await.0, 400);
        assert_eq!(json("{").await, one(400, "", "incomplete"));
        assert_eq!(json(r#"{"title": "x"} x"#).await, one(400, "", "syntax"));
        assert_eq!(json(r#"{"title": "\ud800"}"#).await, one(400, "/title", "lone_surrogate"));
        assert_eq!(json(r#"{"title": "\ud800\ud800"}"#).await, one(400, "/title", "lone_surrogate"));
        assert_eq!(json(r#"{"title": "\udc00x"}"#).await, one(400, "/title", "lone_surrogate"));
        assert_eq!(json(r#"{"title": 1e999}"#).await, one(400, "/title", "out_of_range"));
        assert_eq!(json(r#"{"title": "a", "title": "b"}"#).await.0, 400);
        assert_eq!(send("application/json", &b"{\"title\": \"\xff\"}"[..]).await, one(400, "/title", "not_utf8"));
    }

    #[tokio::test]
    async fn what_is_no_object_is_400() {
        for body in ["[]", "null", "5", "\"text\"", r#"["x"]"#] {
            assert_eq!(json(body).await, one(400, "", "wrong_type"), "{body}");
        }
        assert_eq!(json("nonsense").await.0, 400);
    }

    #[tokio::test]
    async fn deep_json_is_400_wherever_it_stands() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [format!(r#"{{"title": {deep}}}"#), format!(r#"{{"other": {deep}}}"#)] {
            let (status, errors) = json(&body).await;
            assert_eq!((status, errors[0].1.as_str()), (400, "too_deep"));
        }
        assert_eq!(json(&deep).await, one(400, "", "wrong_type"));
    }

    #[tokio::test]
    async fn a_byte_over_the_limit_is_413() {
        let frame = r#"{"title": ""}"#.len();
        let body = |size: usize| format!(r#"{{"title": "{}"}}"#, "x".repeat(size - frame));
        assert_eq!(json(&body(1024 * 1024)).await.0, 201);
        assert_eq!(json(&body(1024 * 1024 + 1)).await.0, 413);
    }

    #[tokio::test]
    async fn all_faulty_fields_are_named_at_once() {
        let (status, errors) =
            json(r#"{"title": "\u0000", "extra": 1, "operations": [{"name": 1}, 7, {"nam": "x"}]}"#).await;
        let expected = [
            ("/extra", "unknown_field"),
            ("/title", "nul"),
            ("/operations/0/name", "wrong_type"),
            ("/operations/1", "wrong_type"),
            ("/operations/2/nam", "unknown_field"),
            ("/operations/2/name", "missing"),
        ];
        assert_eq!(status, 400);
        assert_eq!(errors, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
        assert_eq!(json(r#"{"title": "\u0000"}"#).await, one(422, "/title", "nul"));
    }

    #[tokio::test]
    async fn an_optional_body_may_be_left_out() {
        let app = Router::new()
            .route("/", post(|body: OptionalJsonBody<Body_>| async move { body.value.title.is_present().to_string() }));
        let answer = async |request: Request| {
            let response = app.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            (status, to_bytes(response.into_body(), usize::MAX).await.unwrap())
        };
        assert_eq!(answer(Request::post("/").body(Body::empty()).unwrap()).await, (200, "false".into()));
        let sent =
            Request::post("/").header(header::CONTENT_TYPE, "application/json").body(Body::from(r#"{"title":1}"#));
        assert_eq!(answer(sent.unwrap()).await, (200, "true".into()));
        let untyped = Request::post("/").body(Body::from("{}")).unwrap();
        assert_eq!(answer(untyped).await.0, 415);
    }
}
