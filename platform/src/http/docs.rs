//! `/openapi.json`, `/docs` with everything it needs embedded, `/problems`, and `/.well-known/jwks.json`.

use std::sync::LazyLock;

use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::openapi::complete;
use crate::{
    auth::Jwks,
    problem::{self, ProblemKind, Registry},
};

/// The page's script, as the crate embeds it.
static SCRIPT: LazyLock<Bytes> =
    LazyLock::new(|| scalar_api_reference::get_asset("scalar.js").unwrap_or_default().into());

/// Starts the script; in a file of its own, so that the page needs no inline script. Nothing is loaded from elsewhere.
const START: &str = "Scalar.createApiReference('#app', {
  url: '/openapi.json', withDefaultFonts: false, telemetry: false, hideClientButton: true, agent: { disabled: true },
})
";

const PAGE: &str = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Orbit API</title>
<meta name=viewport content='width=device-width, initial-scale=1'></head>
<body><div id=app></div><script src='/docs/scalar.js'></script><script src='/docs/start.js'></script></body></html>";

/// The script makes styles and functions as it goes; all it may load comes from here.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'";

/// What a process tells about the API: the routes, and the kinds of problem that they answer with.
///
/// Not only its own: behind a proxy the process that is asked about a route is seldom the one that serves it, so each of
/// several tells of all.
#[derive(Clone)]
pub struct Description {
    openapi: OpenApi,
    problems: Vec<&'static ProblemKind>,
}

impl Description {
    /// Of one part of the API: the document of its routers, and its own kinds of problem.
    pub fn new(openapi: OpenApi, problems: impl IntoIterator<Item = &'static ProblemKind>) -> Self {
        Self { openapi, problems: problems.into_iter().collect() }
    }

    /// Of both parts.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.openapi.merge(other.openapi);
        self.problems.extend(other.problems);
        self
    }

    /// What `/openapi.json` shows.
    pub fn document(&self) -> Value {
        document(&self.openapi)
    }

    /// `/openapi.json`, `/docs` and `/problems`, at the root.
    pub fn router(&self) -> Router {
        router(&self.openapi).merge(problem::router(Registry::new(self.problems.iter().copied())))
    }
}

/// The finished document of a server: that of its merged routers, with the security scheme, the problems and the headers
/// that all routes have in common. What `/openapi.json` shows and what tests compare answers with.
pub fn document(openapi: &OpenApi) -> Value {
    complete(openapi)
}

/// `/openapi.json` and `/docs`, at the root.
pub fn router(openapi: &OpenApi) -> Router {
    let document = Bytes::from(complete(openapi).to_string());
    let json = move || {
        let document = document.clone();
        async move { typed("application/json", document) }
    };
    Router::new()
        .route("/openapi.json", get(json))
        .route("/docs", get(page))
        .route("/docs/scalar.js", get(|| async { script(SCRIPT.clone()) }))
        .route("/docs/start.js", get(|| async { script(Bytes::from_static(START.as_bytes())) }))
}

/// `/.well-known/jwks.json`, at the root.
pub fn jwks_router(jwks: &Jwks) -> Router {
    let keys = jwks.to_json();
    let show = move || {
        let keys = keys.clone();
        async move { ([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys)) }
    };
    Router::new().route("/.well-known/jwks.json", get(show))
}

async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()
}

fn script(text: Bytes) -> Response {
    let mut response = typed("text/javascript; charset=utf-8", text);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}

fn typed(media_type: &'static str, body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

#[cfg(test)]
#[path = "docs_tests.rs"]
mod tests;
