//! What every answer has in common: an id, a trace, metrics, limits, headers, and errors as problems.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, OriginalUri, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower_http::cors::{AllowOrigin, Any as AnyOrigin, CorsLayer};
use tracing::{Instrument, Span, field::Empty};

use super::{address::ClientAddress, headers};
use crate::{
    config::HttpArgs,
    ids,
    problem::{ApiError, Problem, render},
    telemetry::trace::{ContinueTrace, TRACEPARENT},
};

/// The id of the request, in its extensions and on its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// The most bytes that a body may have here, for the message of the 413.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimit(pub usize);

#[derive(Clone, Debug)]
struct Edge {
    timeout: Duration,
    /// Routes that may take longer, and how long.
    long: &'static [&'static str],
    long_timeout: Duration,
    body_limit: usize,
    trusted_proxies: usize,
}

/// Puts everything around a router that every answer has in common. To be called last, once per server.
///
/// From the outside in: request id, client address, trace, metrics, panic → 500, timeout → 503, security headers and
/// problems completed; CORS; body limit; the routes; 404 and 405 as problems.
pub fn serve_layers(router: Router, args: &HttpArgs) -> Router {
    serve_layers_with(router, args, &[])
}

/// The same; the routes at these paths may take as long as an upload does.
pub fn serve_layers_with(router: Router, args: &HttpArgs, long: &'static [&'static str]) -> Router {
    let edge = Edge {
        timeout: args.request_timeout(),
        long,
        long_timeout: args.upload_timeout(),
        body_limit: args.body_limit,
        trusted_proxies: args.trusted_proxies,
    };
    let router = router.fallback(|| async { ApiError::not_found() }).layer(DefaultBodyLimit::max(args.body_limit));
    let router = match cors(&args.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.layer(from_fn_with_state(edge, envelope))
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<_> = origins.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty()).collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            headers::IDEMPOTENCY_KEY.clone(),
            headers::LAST_EVENT_ID.clone(),
            headers::ORBIT_MIN_POSITION.clone(),
            headers::X_REQUEST_ID.clone(),
            HeaderName::from_static(TRACEPARENT),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            headers::ORBIT_POSITION.clone(),
            headers::ORBIT_AS_OF.clone(),
            headers::IDEMPOTENT_REPLAYED.clone(),
            headers::X_REQUEST_ID.clone(),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
        ])
        .max_age(Duration::from_hours(1));
    Some(if origins.contains(&"*") {
        layer.allow_origin(AnyOrigin)
    } else {
        layer.allow_origin(AllowOrigin::list(
            origins.into_iter().filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ))
    })
}

async fn envelope(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let address = ClientAddress::of(&request, edge.trusted_proxies);
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let path = request.extensions().get::<OriginalUri>().map_or(request.uri(), |uri| &uri.0).path().to_owned();
    let span = span(&request, method, &route, &id);
    let extensions = request.extensions_mut();
    extensions.insert(id.clone());
    extensions.insert(address);
    extensions.insert(BodyLimit(edge.body_limit));

    let timeout = if edge.long.contains(&route.as_str()) { edge.long_timeout } else { edge.timeout };
    let answered = AssertUnwindSafe(tokio::time::timeout(timeout, next.run(request))).catch_unwind();
    let mut response = answer(answered.instrument(span.clone()).await, &span);
    complete(&mut response, &id, &path);
    record(&span, method, route, response.status(), begun.elapsed());
    response
}

fn span(request: &Request, method: &'static str, route: &str, id: &RequestId) -> Span {
    let span = tracing::info_span!(
        "http.request", otel.name = %format_args!("{method} {route}"), otel.kind = "server",
        method, route, request_id = %id.0, status = Empty,
    );
    if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
        span.set_parent_from(parent);
    }
    span
}

/// The answer of the routes, or what stands for one that never came.
fn answer(
    outcome: Result<Result<Response, tokio::time::error::Elapsed>, Box<dyn Any + Send>>,
    span: &Span,
) -> Response {
    match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => span.in_scope(|| ApiError::timeout().with_source("the request was given up").into_response()),
        // The panic hook has logged place and message.
        Err(_) => span.in_scope(|| ApiError::internal("the handler panicked").into_response()),
    }
}

/// An id that came along is kept if it is harmless in a log.
fn request_id(headers: &HeaderMap) -> RequestId {
    let harmless = |text: &&str| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(&headers::X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(harmless);
    RequestId(given.map_or_else(|| ids::new_event_id().to_string().into(), Into::into))
}

/// Methods as labels: a stranger's own methods must not make metrics without end.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Fills in what only the outside knows, and turns whatever else is an error (axum's own 404, 405, 413 …) into a problem.
fn complete(response: &mut Response, id: &RequestId, path: &str) {
    let problem = response.extensions_mut().remove::<Arc<Problem>>();
    let bare = problem.is_none() && is_bare_error(response);
    let problem = problem.map(Arc::unwrap_or_clone).or_else(|| bare.then(|| standard(response).to_problem()));
    if let Some(mut problem) = problem {
        path.clone_into(&mut problem.instance);
        problem.request_id = id.0.to_string();
        let rendered = render(&problem);
        let (parts, body) = rendered.into_parts();
        *response.body_mut() = body;
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().extend(parts.headers);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(headers::X_REQUEST_ID.clone(), id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Answers are somebody's: no cache keeps them unless a route says so.
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// An error that nobody wrote: no body, or plain text.
fn is_bare_error(response: &Response) -> bool {
    let status = response.status();
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    (status.is_client_error() || status.is_server_error())
        && media_type.is_none_or(|text| text.starts_with("text/plain"))
}

/// The problem that stands for a bare status. Its headers, such as `Allow`, are already on the response.
fn standard(response: &Response) -> ApiError {
    match response.status() {
        StatusCode::NOT_FOUND => ApiError::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allow = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok());
            ApiError::method_not_allowed(allow.unwrap_or_default())
        }
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::body_too_large(None),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::unsupported_media_type("application/json"),
        status if status.is_server_error() => ApiError::internal("a bare status"),
        status => ApiError::standard(status),
    }
}

fn record(span: &Span, method: &'static str, route: String, status: StatusCode, took: Duration) {
    span.record("status", status.as_u16());
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.as_str().to_owned())];
    metrics::histogram!("orbit_http_request_seconds", &labels).record(took);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), took_ms = took.as_millis(), "answered"));
}

#[cfg(test)]
#[path = "layers_tests.rs"]
pub(in crate::http) mod tests;
