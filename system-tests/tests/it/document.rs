//! The `OpenAPI` document, as tests walk through it.

use serde_json::Value;

use crate::world::World;

/// One thing that can be done.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub parameters: Vec<Value>,
    pub responses: Value,
    /// The body's schema without references at its top, or null.
    pub body: Value,
    /// The body's example, or null.
    pub example: Value,
    /// Whether it wants a token.
    pub guarded: bool,
}

impl Operation {
    /// The names of the body's fields.
    pub fn fields(&self) -> Vec<String> {
        self.body["properties"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// All operations of the document.
pub fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let body = schema.map(|schema| resolve(document, schema)).unwrap_or_default();
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                parameters: operation["parameters"].as_array().cloned().unwrap_or_default(),
                responses: operation["responses"].clone(),
                example: body["example"].clone(),
                body,
                guarded: operation["security"] != serde_json::json!([]),
            });
        }
    }
    assert!(all.len() >= 50, "only {} operations", all.len());
    all
}

/// What a schema refers to, also behind «null or this».
pub fn resolve(document: &Value, schema: &Value) -> Value {
    let either = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one.get("$ref").is_some()));
    let schema = either.unwrap_or(schema);
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    }
}

#[tokio::test]
async fn each_process_tells_of_all_that_any_of_them_serves() {
    let world = World::new().await;
    let told = orbit_command_api::app::App::description().merge(orbit_query_api::app::App::description()).document();
    let served = world.document().await;
    for part in ["paths", "components"] {
        assert_eq!(told[part], served[part], "{part}");
    }
    world.stop().await;
}
