//! `/problems` and `/problems/{code}`: what each code means, for people (HTML) and programs (JSON).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{ApiError, ProblemKind, kinds};
use crate::http::path::Path;

/// Every kind of problem that a server answers with: the platform's and its contexts'.
#[derive(Clone, Debug)]
pub struct Registry(Arc<BTreeMap<&'static str, Entry>>);

#[derive(Debug)]
struct Entry {
    status: u16,
    title: &'static str,
    explanation: &'static str,
}

impl Registry {
    /// The platform's kinds and those of `contexts`.
    pub fn new<'a>(contexts: impl IntoIterator<Item = &'a ProblemKind>) -> Self {
        let platform = kinds::ALL.iter().copied().map(entry);
        Self(Arc::new(platform.chain(contexts.into_iter().map(entry)).collect()))
    }

    /// Whether a code has a page.
    pub fn contains(&self, code: &str) -> bool {
        self.0.contains_key(code)
    }
}

fn entry(kind: &ProblemKind) -> (&'static str, Entry) {
    (kind.code, Entry { status: kind.status.as_u16(), title: kind.title, explanation: kind.explanation })
}

/// The pages of a registry, at the root: `/problems`, `/problems/{code}`.
pub fn router(registry: Registry) -> Router {
    Router::new().route("/problems", get(list)).route("/problems/{code}", get(show)).with_state(registry)
}

async fn list(State(registry): State<Registry>, headers: HeaderMap) -> Response {
    if wants_html(&headers) {
        let items = registry.0.iter().map(|(code, entry)| {
            format!("<li><a href=\"/problems/{code}\"><code>{code}</code></a> {} {}</li>", entry.status, entry.title)
        });
        return page("Problems", &format!("<ul>{}</ul>", items.collect::<String>()));
    }
    let data: Vec<_> = registry.0.iter().map(|(code, entry)| body(code, entry)).collect();
    Json(json!({ "data": data, "next_cursor": null, "has_more": false })).into_response()
}

async fn show(
    State(registry): State<Registry>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (code, entry) = registry.0.get_key_value(code.as_str()).ok_or_else(ApiError::not_found)?;
    if wants_html(&headers) {
        let text = format!("<p><code>{code}</code> · status {}</p><p>{}</p>", entry.status, entry.explanation);
        return Ok(page(entry.title, &text));
    }
    Ok(Json(body(code, entry)).into_response())
}

fn body(code: &str, entry: &Entry) -> Value {
    json!({
        "type": format!("/problems/{code}"), "code": code, "status": entry.status,
        "title": entry.title, "explanation": entry.explanation,
    })
}

/// All of it is written here, nothing comes from a request: there is nothing to escape.
fn page(title: &str, text: &str) -> Response {
    let style = "body{font:16px/1.5 system-ui;max-width:42rem;margin:3rem auto;padding:0 1rem}";
    Html(format!("<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{style}</style><h1>{title}</h1>{text}"))
        .into_response()
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
        http::StatusCode,
    };
    use tower::ServiceExt;

    use super::*;

    static ARCHIVED: ProblemKind = ProblemKind {
        code: "thing_archived",
        status: StatusCode::CONFLICT,
        title: "The thing is archived",
        explanation: "Restore it first.",
    };

    async fn get(path: &str, accept: &str) -> (u16, String) {
        let registry = Registry::new([&ARCHIVED]);
        assert!(
            registry.contains("thing_archived") && registry.contains("not_found") && !registry.contains("nonsense")
        );
        let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        let response = router(registry).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_code_has_a_page_for_people_and_one_for_programs() {
        for kind in kinds::ALL.iter().copied().chain([&ARCHIVED]) {
            let path = format!("/problems/{}", kind.code);
            let (status, page) = get(&path, "text/html,*/*").await;
            assert!(status == 200 && page.contains(kind.explanation), "{page}");
            let body: Value = serde_json::from_str(&get(&path, "*/*").await.1).unwrap();
            assert_eq!((&body["type"], &body["title"]), (&json!(path), &json!(kind.title)));
        }
        assert_eq!(get("/problems/nonsense", "*/*").await.0, 404);
    }

    #[tokio::test]
    async fn the_list_names_them_all() {
        let body: Value = serde_json::from_str(&get("/problems", "application/json").await.1).unwrap();
        assert_eq!(body["data"].as_array().unwrap().len(), kinds::ALL.len() + 1);
        assert!(get("/problems", "text/html").await.1.contains("/problems/thing_archived"));
    }
}
