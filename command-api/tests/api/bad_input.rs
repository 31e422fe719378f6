//! Bad input, for every field of every route of the document: absent, null, of another type, empty, too long, with NUL,
//! with half a surrogate pair, too deep; bodies that are too large; unknown fields; ids that are malformed or somebody
//! else's; no token at all. Whatever comes, the answer is a problem that names the field, and never a 5xx (which
//! `Answer::check` asserts).

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::{
    common::{Answer, Api, Call, PASSWORD, Session, id, nobody, titled},
    emails,
};

/// One operation of the document.
struct Route {
    method: Method,
    path: String,
    /// Its body's schema and example.
    body: Option<(Value, Map<String, Value>)>,
    guarded: bool,
    /// Whether its body is a file.
    takes_bytes: bool,
}

fn routes(api: &Api) -> Vec<Route> {
    let mut routes = vec![];
    for (path, item) in api.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let body = schema.map(|schema| {
                let schema = resolve(api, schema);
                let example = schema["example"].as_object().cloned().unwrap_or_else(|| panic!("{path}: no example"));
                (schema, example)
            });
            let guarded = operation["security"] != json!([]);
            let takes_bytes = schema.is_none() && operation.get("requestBody").is_some();
            routes.push(Route { method, path: path.clone(), body, guarded, takes_bytes });
        }
    }
    assert!(routes.len() > 25);
    // What administrators ask for is about projections, which nobody registers here: system-tests, rebuilds.
    routes.retain(|route| !route.path.starts_with("/api/v1/admin/"));
    routes
}

/// A body's schema, also behind `null | body`.
fn resolve(api: &Api, schema: &Value) -> Value {
    let either = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one.get("$ref").is_some()));
    let schema = either.unwrap_or(schema);
    match schema["$ref"].as_str() {
        Some(reference) => api.document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    }
}

impl Route {
    fn call(&self, api: &Api, ada: &Session) -> Call {
        self.call_with(api, ada, "")
    }

    fn call_with(&self, api: &Api, ada: &Session, query: &str) -> Call {
        let path = self.path.replace("{id}", &nobody()).replace("{label_id}", &nobody()) + query;
        let call = api.call(self.method.clone(), &path).key(&format!("{}", uuid::Uuid::from_u128(rand())));
        if self.guarded { call.by(ada) } else { call }
    }

    /// Whether it needs no more than what it is about.
    fn is_verb(&self) -> bool {
        self.method == Method::POST && self.body.is_none() && !self.takes_bytes
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Another number each time: keys of requests that are not to be repetitions of each other.
fn rand() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).into()
}

/// It is a refusal of the request's form or content.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert!([400, 413, 415, 422].contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
}

/// It is a refusal that names the field.
#[track_caller]
fn names(answer: &Answer, field: &str, what: &str) {
    refused(answer, what);
    let pointer = format!("/{field}");
    let named = answer.faults().iter().any(|(named, _)| *named == pointer || named.starts_with(&format!("{pointer}/")));
    assert!(named, "{what}: {}", answer.body);
}

fn with(example: &Map<String, Value>, field: &str, value: Value) -> Value {
    let mut body = example.clone();
    body.insert(field.to_owned(), value);
    Value::Object(body)
}

#[tokio::test]
async fn every_field_of_every_body_is_checked_and_named() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    for route in routes(&api) {
        let Some((schema, example)) = &route.body else { continue };
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, property) in schema["properties"].as_object().unwrap() {
            let send = async |value: Value| route.call(&api, &ada).json(&with(example, field, value)).send().await;
            let what = |case: &str| format!("{} {field} {case}", route.name());
            if required.contains(&field.as_str()) {
                let mut body = example.clone();
                body.remove(field);
                let answer = route.call(&api, &ada).json(&Value::Object(body)).send().await;
                names(&answer, field, &what("absent"));
                names(&send(json!(null)).await, field, &what("null"));
            }
            if !is_boolean(property) {
                names(&send(json!(true)).await, field, &what("a boolean"));
            }
            if !is_object(property) {
                names(&send(json!({"a": 1})).await, field, &what("an object"));
            }
            if !is_number(property) {
                names(&send(json!(5)).await, field, &what("a number"));
            }
            names(&send(json!(["a", 5, null, {}])).await, field, &what("a mixed array"));
            // Whether an empty text is allowed depends on the field; a text of 200,000 characters never is.
            let empty = with(example, field, json!(""));
            let answer = route.call_with(&api, &ada, "?dry_run=true").json(&empty).send().await;
            if answer.status == 422 && answer.code() == "validation_failed" {
                names(&answer, field, &what("empty"));
            }
            if is_text(property) && field != "refresh_token" {
                names(&send(json!("x".repeat(200_000))).await, field, &what("too long"));
                if !field.ends_with("password") || field == "new_password" {
                    names(&send(json!("a\0b")).await, field, &what("NUL"));
                }
            }
            let text = with(example, field, json!("SURROGATE")).to_string();
            for half in ["\\ud800", "\\udc00", "\\ud800\\u0041", "a\\udfffb"] {
                let body = text.replacen("SURROGATE", half, 1);
                let answer = route.call(&api, &ada).raw(body).send().await;
                refused(&answer, &what(half));
            }
            let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
            let body = with(example, field, json!("DEEP")).to_string().replacen("\"DEEP\"", &deep, 1);
            refused(&route.call(&api, &ada).raw(body).send().await, &what("deep"));
            let twice = format!("{{\"{field}\":1,{}", &Value::Object(example.clone()).to_string()[1..]);
            if example.contains_key(field) {
                refused(&route.call(&api, &ada).raw(twice).send().await, &what("twice"));
            }
        }
    }
    assert_eq!(api.types_after(facts).await, [""; 0], "something was appended after all");
    api.stop().await;
}

fn types(property: &Value) -> String {
    property.to_string()
}

fn is_text(property: &Value) -> bool {
    let of = &property["type"];
    of == "string" || of.as_array().is_some_and(|all| all.contains(&json!("string")))
}

fn is_number(property: &Value) -> bool {
    types(property).contains("\"integer\"")
}

fn is_boolean(property: &Value) -> bool {
    types(property).contains("\"boolean\"")
}

fn is_object(property: &Value) -> bool {
    types(property).contains("\"object\"")
}

#[tokio::test]
async fn every_body_is_read_strictly_and_within_its_limit() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    for route in routes(&api) {
        let Some((_, example)) = &route.body else { continue };
        let what = route.name();
        let send = |body: String| route.call(&api, &ada).raw(body).send();
        let answer = send(with(example, "surprise", json!({"x": [1]})).to_string()).await;
        assert_eq!(answer.status, 400, "{what}");
        names(&answer, "surprise", &what);
        for body in ["[]", "null", "5", "\"x\"", "{", "nonsense", "{\"a\":}", "{} {}"] {
            assert_eq!(send(body.to_owned()).await.status, 400, "{what} {body}");
        }
        let large = format!("{{\"surprise\": \"{}\"}}", "x".repeat(1024 * 1024));
        send(large).await.refused(413, "body_too_large");
        let answer = route.call(&api, &ada).raw(&b"{\"a\": \"\xff\"}"[..]).send().await;
        assert_eq!(answer.status, 400, "{what}");
        let body = Value::Object(example.clone()).to_string();
        let text = route.call(&api, &ada);
        let text = text.header("content-type", "text/plain").raw_untyped(body).send().await;
        text.refused(415, "unsupported_media_type");
        let answer = send(String::new()).await;
        assert!(answer.status == 400 || answer.status == 404, "{what}: {}", answer.body);
    }
    api.stop().await;
}

#[tokio::test]
async fn every_guarded_route_wants_a_token_and_every_id_is_one() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    for route in routes(&api) {
        let body = route.body.as_ref().map(|(_, example)| Value::Object(example.clone()));
        let send = async |path: &str, session: Option<&Session>| {
            let call = api.call(route.method.clone(), path).key("k1");
            let call = if let Some(session) = session { call.by(session) } else { call };
            let call = if let Some(body) = &body { call.json(body) } else { call };
            call.send().await
        };
        if !route.guarded {
            continue;
        }
        send(&route.path.replace("{id}", &nobody()), None).await.refused(401, "unauthenticated");
        if !route.path.contains("{id}") {
            continue;
        }
        for bad in ["1", "null", "%00", "%ff", "..", &nobody().replace('-', ""), &format!("%7B{}%7D", nobody())] {
            let path = route.path.replace("{id}", bad).replace("{label_id}", &nobody());
            let answer = send(&path, Some(&ada)).await;
            assert!([404, 405].contains(&answer.status), "{} {bad}: {}", route.name(), answer.body);
        }
        let path = route.path.replace("{id}", &nobody()).replace("{label_id}", &nobody());
        let body = body.as_ref().map(ToString::to_string).unwrap_or_default();
        let answer = send(&path, Some(&ada)).await;
        assert_eq!(answer.status, 404, "{} {body}: {}", route.name(), answer.body);
    }
    api.stop().await;
}

#[tokio::test]
async fn nobody_writes_to_what_is_somebody_elses() {
    let api = Api::new().await;
    let (ada, bob) = (api.register("ada@example.org").await, api.register("bob@example.org").await);
    let made = async |path: &str, body: Value| {
        id(&api.post(path).by(&ada).json(&body).send().await.expect(201).body).to_owned()
    };
    let place = emails::inbox(&api, &ada).await;
    let mail = [emails::email_in(&api, &ada, place).await, emails::email_in(&api, &ada, place).await];
    let mailbox = api.post("/emails/import").by(&ada).header("content-type", "message/rfc822");
    let import = id(&mailbox.raw_untyped("Subject: x\r\n\r\nx".to_owned()).send().await.expect(202).body).to_owned();
    let own = BTreeMap::from([
        ("tasks", made("/tasks", titled("x")).await),
        ("task-lists", made("/task-lists", json!({"name": "x"})).await),
        ("labels", made("/labels", json!({"name": "x"})).await),
        ("tokens", made("/auth/tokens", json!({"name": "x", "scopes": ["admin"]})).await),
        ("devices", ada.sid()),
        (
            "connections",
            made("/connections", json!({"kind": "n8n", "name": "x", "endpoint": "http://n8n.local"})).await,
        ),
        ("emails", mail[0].clone()),
        ("drafts", made("/emails/drafts", json!({"subject": "x"})).await),
        ("thread-decisions", made("/emails/threads/merge", json!({ "email_ids": mail })).await),
        ("submissions", emails::submission(&api, &ada).await),
        ("imports", import),
        ("attachments", id(&emails::upload(&api, &ada, "x.txt", "x").await.body).to_owned()),
    ]);
    let facts = api.facts().await;
    let mut tried = 0;
    for route in routes(&api).into_iter().filter(|route| route.path.contains("{id}")) {
        let collection = route.path.split("/{id}").next().unwrap().rsplit('/').next().unwrap();
        let path = route.path.replace("{id}", &own[collection]).replace("{label_id}", &own["labels"]);
        let call = api.call(route.method.clone(), &path).by(&bob);
        let call = if let Some((_, example)) = &route.body { call.json(&Value::Object(example.clone())) } else { call };
        let answer = call.send().await;
        assert_eq!(answer.status, 404, "{}: {}", route.name(), answer.body);
        tried += 1;
    }
    assert!(tried > 14);
    assert_eq!(api.facts().await, facts);
    api.stop().await;
}

#[tokio::test]
async fn another_method_is_405_and_another_path_404() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let answer = api.call(Method::PUT, "/tasks").by(&ada).send().await.refused(405, "method_not_allowed");
    assert_eq!(answer.text("allow"), "POST");
    api.post("/nowhere").by(&ada).send().await.refused(404, "not_found");
    api.stop().await;
}

#[tokio::test]
async fn a_password_of_any_length_is_compared_or_refused() {
    let api = Api::new().await;
    let login = |password: &str| {
        api.post("/auth/login").json(&json!({"email": "ada@example.org", "password": password})).send()
    };
    login(&"x".repeat(1_025)).await.refused(422, "validation_failed").names(&[("/password", "too_long")]);
    login("a\0b").await.refused(401, "invalid_credentials");
    login(PASSWORD).await.refused(401, "invalid_credentials");
    api.stop().await;
}

#[tokio::test]
async fn a_verb_without_fields_refuses_what_it_does_not_know_and_what_is_too_large() {
    let api = Api::new().await;
    let ada = api.register("ada@example.org").await;
    let facts = api.facts().await;
    let mut verbs = vec![];
    for route in routes(&api).into_iter().filter(Route::is_verb) {
        let unknown = route.call(&api, &ada).json(&json!({"colour": 1})).send().await;
        unknown.refused(400, "invalid_request").names(&[("/colour", "unknown_field")]);
        let large = format!("{{{}}}", " ".repeat(1024 * 1024 - 1));
        route.call(&api, &ada).raw(large).send().await.refused(413, "body_too_large");
        verbs.push(route.path);
    }
    assert_eq!(verbs.len(), 18, "{verbs:?}");
    assert_eq!(api.facts().await, facts);
    api.post("/auth/logout").by(&ada).json(&json!({})).send().await.expect(204);
    api.stop().await;
}
