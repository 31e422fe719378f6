//! Tests of the document and its pages.

use crate::http::openapi::parsed;
use axum::{
    body::{Body, to_bytes},
    extract::Request,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::ServiceExt;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::*;
use crate::http::{
    extract::{Field, JsonBody, Unknown},
    page::Page,
    path::PathId,
};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"title": "Buy milk"}"#)))]
struct RenameThing {
    /// The new title.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 500)]
    title: Field<String>,
    /// Parts of it.
    #[serde(default)]
    #[schema(value_type = Vec<Part>)]
    parts: Field<Vec<Part>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
struct Part {
    #[serde(default)]
    #[schema(value_type = String)]
    name: Field<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Thing {
    title: String,
}

#[utoipa::path(patch, path = "/things/{id}", params(("id" = String, Path)), request_body = RenameThing,
    responses((status = 200, body = Thing), (status = 409, description = "the thing is archived")))]
async fn rename(PathId(id): PathId, body: JsonBody<RenameThing>) {
    let RenameThing { title, parts, unknown } = body.value;
    assert!(!matches!(parts, Field::Value(parts) if parts.iter().any(|part| !part.name.is_present())));
    drop((id, title, unknown));
}

#[utoipa::path(get, path = "/things", responses((status = 200, body = Page<Thing>)))]
async fn list() {}

#[utoipa::path(post, path = "/login", security(()), responses((status = 200, body = Thing)))]
async fn login() {}

fn routes() -> (Router, OpenApi) {
    let router = OpenApiRouter::<()>::new().routes(routes!(rename)).routes(routes!(list)).routes(routes!(login));
    OpenApiRouter::new().nest("/api/v1", router).split_for_parts()
}

#[test]
fn the_document_says_what_all_routes_have_in_common() {
    let (_, openapi) = routes();
    let document = document(&openapi);
    assert_eq!(document["openapi"], "3.1.0");
    let rename = &document["paths"]["/api/v1/things/{id}"]["patch"];
    let mut statuses: Vec<_> = rename["responses"].as_object().unwrap().keys().map(String::as_str).collect();
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        ["200", "400", "401", "403", "404", "409", "410", "412", "413", "415", "422", "429", "500", "503"]
    );
    assert_eq!(rename["responses"]["404"]["$ref"], "#/components/responses/Problem404");
    let schema = &rename["responses"]["409"]["content"]["application/problem+json"]["schema"]["$ref"];
    assert_eq!(
        (schema, &rename["responses"]["409"]["description"]),
        (&json!("#/components/schemas/Problem"), &json!("the thing is archived"))
    );
    assert!(rename["responses"]["200"]["headers"]["Orbit-Position"].is_object());
    let list = &document["paths"]["/api/v1/things"]["get"];
    assert!(list["responses"]["200"]["headers"]["Orbit-As-Of"].is_object());
    assert_eq!(list["parameters"][0]["name"], "Orbit-Min-Position");
    assert_eq!(rename["security"], json!([{ "bearer": [] }]));
    assert_eq!(document["paths"]["/api/v1/login"]["post"]["security"], json!([]));
    assert!(document["components"]["schemas"]["Problem"]["properties"]["errors"].is_object());
    assert!(document["components"]["schemas"]["FieldProblem"].is_object());
}

#[test]
fn bodies_refuse_unknown_fields_in_the_document_too_and_say_what_is_required() {
    let (_, openapi) = routes();
    let document = document(&openapi);
    let body = &document["components"]["schemas"]["RenameThing"];
    assert_eq!(body["additionalProperties"], false, "{body}");
    assert_eq!(body["required"], json!(["title"]), "{body}");
    assert_eq!(body["properties"]["title"]["type"], "string");
    assert!(body["properties"].get("unknown").is_none() && body.get("allOf").is_none(), "{body}");
    assert_eq!(document["components"]["schemas"]["Part"]["additionalProperties"], false);
    assert!(document["components"]["schemas"]["Thing"].get("additionalProperties").is_none());
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            found.push(reference.to_owned());
        }
        match value {
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            Value::Object(object) => object.values().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let (_, openapi) = routes();
    let document = document(&openapi);
    let mut found = Vec::new();
    walk(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere() {
    let (_, openapi) = routes();
    let app = router(&openapi);
    let get = async |path: &str| {
        let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        to_bytes(response.into_body(), usize::MAX).await.unwrap()
    };
    let page = String::from_utf8(get("/docs").await.to_vec()).unwrap();
    assert!(!page.contains("http"), "{page}");
    for path in page.split("src='").skip(1).map(|rest| rest.split('\'').next().unwrap()) {
        assert!(!get(path).await.is_empty(), "{path}");
    }
    assert!(get("/docs/scalar.js").await.len() > 1_000_000);
    let document: Value = serde_json::from_slice(&get("/openapi.json").await).unwrap();
    assert!(document["paths"]["/api/v1/things"]["get"].is_object());
}
