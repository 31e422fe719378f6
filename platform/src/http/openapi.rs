//! The `OpenAPI` document, completed with what every route has in common and no route writes down.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{CONTENT_TYPE, FieldProblem, Problem};

/// An example that is written as JSON, for `#[schema(example = json!(parsed(r#"…"#)))]`: read when the document is made.
/// Written as Rust within `json!`, each of its fields would be half a kilobyte of code.
///
/// # Panics
///
/// If it is not JSON: the tests of the documents make all of them.
pub fn parsed(example: &str) -> Value {
    serde_json::from_str(example).expect("examples are JSON")
}

/// The methods that a path item may hold.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Statuses, and what they mean in the document.
const PROBLEMS: [(&str, &str); 15] = [
    ("400", "Malformed: the body's shape, a query parameter or a header is not right"),
    ("401", "No valid token"),
    ("403", "The token lacks a scope"),
    ("404", "Absent, or somebody else's"),
    ("405", "The path does not know this method; Allow lists those it knows"),
    ("409", "The present state does not allow it"),
    ("410", "It existed and was removed for good"),
    ("412", "If-Match names another version"),
    ("413", "The body is too large"),
    ("415", "The body is not JSON"),
    ("422", "A rule is broken"),
    ("428", "If-Match is missing"),
    ("429", "Too many requests"),
    ("500", "Something broke on our side"),
    ("503", "Not available right now"),
];

/// Completes the merged document of all routers.
pub(super) fn complete(document: &utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({ "title": "Orbit", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } });
    document["servers"] = json!([{ "url": "/" }]);
    components(&mut document);
    let mut bodies = Vec::new();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method) {
                    complete_operation(path, method, operation);
                    bodies.extend(reference(operation.pointer("/requestBody/content/application~1json/schema")));
                }
            }
        }
    }
    refuse_unknown_fields(&mut document, bodies);
    document
}

fn components(document: &mut Value) {
    let mut schemas = vec![
        (Problem::name().into_owned(), Problem::schema()),
        (FieldProblem::name().into_owned(), FieldProblem::schema()),
    ];
    Problem::schemas(&mut schemas);
    for (name, schema) in schemas {
        document["components"]["schemas"][name] = serde_json::to_value(schema).unwrap_or_default();
    }
    document["components"]["securitySchemes"]["bearer"] = json!({
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "An access token from `POST /api/v1/auth/login`, or an API token (`orb_pat_…`).",
    });
    let headers =
        json!({ "X-Request-Id": { "description": "Quote it when you ask for help", "schema": { "type": "string" } } });
    for (status, description) in PROBLEMS {
        document["components"]["responses"][format!("Problem{status}")] = json!({
            "description": description,
            "headers": headers,
            "content": { CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    // An empty requirement (`security(())` in the route's attribute) says that no token is needed.
    let stated = operation["security"].as_array().cloned();
    let public = stated
        .as_ref()
        .is_some_and(|list| list.is_empty() || list.iter().any(|one| one.as_object().is_some_and(Map::is_empty)));
    if public {
        operation["security"] = json!([]);
    } else if stated.is_none() {
        operation["security"] = json!([{ "bearer": [] }]);
    }
    let writes = !matches!(method, "get" | "head" | "options");
    let body = operation.get("requestBody").is_some();
    if method == "post" && !public {
        add_header(
            operation,
            "Idempotency-Key",
            "Makes repeating the request harmless: the same key and body get the same answer",
            &json!({ "type": "string", "minLength": 1, "maxLength": 255 }),
        );
    }
    if method == "patch" || (method == "delete" && path.contains('{')) {
        add_header(operation, "If-Match", "The ETag of the version that you have seen", &json!({ "type": "string" }));
    }
    if method == "get" && !public {
        let description = "Wait, at most 2 s, until the read model has seen this position";
        add_header(
            operation,
            "Orbit-Min-Position",
            description,
            &json!({ "type": "integer", "format": "int64", "minimum": 0 }),
        );
    }
    if !public {
        let (name, description) = if writes {
            ("Orbit-Position", "The position in the log of what was appended")
        } else {
            ("Orbit-As-Of", "The position up to which this read has seen the log")
        };
        tell_position(operation, name, description);
    }
    let conditional = has_header(operation, "If-Match");
    let possible = |status: &str| match status {
        "401" | "403" => !public,
        "404" => path.contains('{') || writes,
        "409" => writes,
        "410" => writes && path.contains('{'),
        "412" => conditional,
        "413" | "415" => body,
        "422" => body || writes || operation["parameters"].as_array().is_some_and(|list| !list.is_empty()),
        "405" | "428" => false,
        _ => true,
    };
    let statuses: Vec<_> = PROBLEMS.iter().map(|(status, _)| *status).filter(|status| possible(status)).collect();
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for status in statuses {
        let reference = json!({ "$ref": format!("#/components/responses/Problem{status}") });
        responses.entry(status).or_insert_with(|| reference);
    }
    // A route that says in words what a status means there still answers with a problem.
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        if response.get("$ref").is_none() && response.get("content").is_none() {
            response["content"] = json!({ CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } });
        }
    }
}

/// Every successful answer says how far the log was when it was given.
fn tell_position(operation: &mut Value, name: &str, description: &str) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let good =
        responses.iter_mut().filter(|(status, response)| status.starts_with('2') && response.get("$ref").is_none());
    for (_, response) in good {
        if response["headers"].get(name).is_none() {
            response["headers"][name] =
                json!({ "description": description, "schema": { "type": "integer", "format": "int64" } });
        }
    }
}

fn has_header(operation: &Value, name: &str) -> bool {
    let same = |parameter: &Value| {
        parameter["in"] == "header" && parameter["name"].as_str().is_some_and(|given| given.eq_ignore_ascii_case(name))
    };
    operation["parameters"].as_array().is_some_and(|list| list.iter().any(same))
}

fn add_header(operation: &mut Value, name: &str, description: &str, schema: &Value) {
    if has_header(operation, name) {
        return;
    }
    let parameter =
        json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema });
    match operation["parameters"].as_array_mut() {
        Some(list) => list.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
}

/// Bodies know no other fields than theirs: says so in the schemas that bodies refer to, and in those within them.
fn refuse_unknown_fields(document: &mut Value, mut pending: Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    while let Some(name) = pending.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let schema = &mut document["components"]["schemas"][name];
        if let Some(schema) = schema.as_object_mut().filter(|schema| schema.contains_key("properties")) {
            schema.entry("additionalProperties").or_insert(json!(false));
        }
        references(schema, &mut pending);
    }
}

fn reference(schema: Option<&Value>) -> Option<String> {
    schema?["$ref"].as_str()?.strip_prefix("#/components/schemas/").map(ToOwned::to_owned)
}

fn references(value: &Value, found: &mut Vec<String>) {
    found.extend(reference(Some(value)));
    match value {
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        Value::Object(object) => object.values().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
