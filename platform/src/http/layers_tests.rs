//! Tests of what every answer has in common, over a router.

use axum::{
    body::{Body, Bytes, to_bytes},
    routing::{get, post},
};
use clap::{Args, FromArgMatches};
use tower::ServiceExt;

use super::*;
use crate::http::extract::JsonBody;

pub(in crate::http) fn args(flags: &[&str]) -> HttpArgs {
    let command = HttpArgs::augment_args(clap::Command::new("test"));
    let matches = command.get_matches_from([&["test"], flags].concat());
    HttpArgs::from_arg_matches(&matches).unwrap()
}

fn app(flags: &[&str]) -> Router {
    let routes = Router::new()
        .route("/things/{id}", get(|| async { "a thing" }).delete(|| async { StatusCode::NO_CONTENT }))
        .route("/panics", get(panics))
        .route("/sleeps", get(|| async { std::future::pending::<()>().await }))
        .route("/dawdles/{id}", get(|| async { tokio::time::sleep(Duration::from_millis(1_500)).await }))
        .route("/json", post(|_: JsonBody<serde_json::Value>| async {}))
        .route("/bytes", post(|_: Bytes| async {}))
        .route("/breaks", get(|| async { ApiError::internal("secret cause") }))
        .route("/query", get(|_: axum::extract::Query<Vec<(String, u8)>>| async {}));
    serve_layers_with(Router::new().nest("/api/v1", routes), &args(flags), &["/api/v1/dawdles/{id}"])
}

async fn panics() -> StatusCode {
    panic!("by intent")
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn problem(&self) -> Problem {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn send(app: Router, request: Request) -> Answer {
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn ask(method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    send(app(&["--request-timeout-s", "1"]), request).await
}

#[tokio::test]
async fn every_answer_carries_an_id_and_careful_headers() {
    for path in ["/api/v1/things/1", "/nowhere", "/api/v1/panics", "/api/v1/breaks"] {
        let answer = ask("GET", path).await;
        assert_eq!(answer.headers["x-request-id"].len(), 36, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_harmless_request_id_is_kept_and_another_replaced() {
    let with_id = async |id: &str| {
        let request = Request::get("/nowhere").header("x-request-id", id).body(Body::empty()).unwrap();
        let answer = send(app(&[]), request).await;
        let shown = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(answer.problem().request_id, shown);
        shown
    };
    assert_eq!(with_id("abc-123.x_y").await, "abc-123.x_y");
    for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
        assert_eq!(with_id(bad).await.len(), 36, "{bad}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_problem() {
    for path in ["/nowhere", "/api/v1/nowhere", "/api/v1/things/1/2", "/%ff", "/api/v1/%00"] {
        let problem = ask("GET", path).await.problem();
        assert_eq!((problem.status, problem.code.as_str(), problem.instance.as_str()), (404, "not_found", path));
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_lists_the_right_ones() {
    let answer = ask("PATCH", "/api/v1/things/1").await;
    assert_eq!(answer.status, 405);
    let allow = answer.headers[header::ALLOW].to_str().unwrap();
    assert!(allow.contains("GET") && allow.contains("DELETE") && allow.contains("HEAD"), "{allow}");
    assert_eq!(answer.problem().code, "method_not_allowed");
    assert_eq!(ask("BREW", "/api/v1/things/1").await.status, 405);
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let answer = ask("HEAD", "/api/v1/things/1").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_panic_and_a_broken_handler_are_500s_that_show_nothing() {
    for path in ["/api/v1/panics", "/api/v1/breaks"] {
        let answer = ask("GET", path).await;
        assert_eq!(answer.problem().code, "internal_error");
        assert_eq!(answer.problem().instance, path);
        assert!(!answer.body.contains("intent") && !answer.body.contains("secret"), "{}", answer.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let answer = ask("GET", "/api/v1/sleeps").await;
    assert_eq!((answer.status, answer.problem().code.as_str()), (503, "timeout"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
}

#[tokio::test(start_paused = true)]
async fn where_files_are_sent_a_request_may_take_as_long_as_an_upload() {
    let take = async |flags: &[&str]| {
        let request = Request::get("/api/v1/dawdles/1").body(Body::empty()).unwrap();
        send(app(flags), request).await.status
    };
    assert_eq!(take(&["--request-timeout-s", "1"]).await, 200);
    assert_eq!(take(&["--request-timeout-s", "1", "--upload-timeout-s", "1"]).await, 503);
}

#[tokio::test]
async fn the_rejections_of_axum_never_leak_as_text() {
    let post = async |path: &str, size: usize| {
        let body = Body::from("x".repeat(size));
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json").body(body).unwrap();
        send(app(&[]), request).await.problem().code
    };
    assert_eq!(post("/api/v1/bytes", 1024 * 1024 + 1).await, "body_too_large");
    assert_eq!(post("/api/v1/json", 1024 * 1024 + 1).await, "body_too_large");
    assert_eq!(post("/api/v1/json", 5).await, "malformed_json");
    assert_eq!(ask("GET", "/api/v1/query?a=word").await.problem().status, 400);
}

#[tokio::test]
async fn browsers_may_call_from_the_origins_that_are_set() {
    let preflight = async |flags: &[&str], origin: &str| {
        let request = Request::builder()
            .method("OPTIONS")
            .uri("/api/v1/json")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .body(Body::empty())
            .unwrap();
        let answer = send(app(flags), request).await;
        answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
    };
    let set = ["--cors-origins", "https://app.example,https://other.example"];
    assert_eq!(preflight(&set, "https://app.example").await.as_deref(), Some("https://app.example"));
    assert_eq!(preflight(&set, "https://evil.example").await, None);
    assert_eq!(preflight(&["--cors-origins", "*"], "https://any.example").await.as_deref(), Some("*"));
    assert_eq!(preflight(&[], "https://app.example").await, None);
}

#[tokio::test]
async fn requests_are_measured_by_route_and_not_by_path() {
    let recorder = crate::telemetry::metrics::recorder();
    let handle = recorder.handle();
    let guard = metrics::set_default_local_recorder(&recorder);
    ask("GET", "/api/v1/things/1").await;
    ask("GET", "/api/v1/things/2").await;
    ask("BREW", "/nowhere").await;
    drop(guard);
    let text = handle.render();
    let line = "orbit_http_request_seconds_count{method=\"GET\",route=\"/api/v1/things/{id}\",status=\"200\"} 2";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("method=\"other\",route=\"(none)\",status=\"404\""), "{text}");
}
