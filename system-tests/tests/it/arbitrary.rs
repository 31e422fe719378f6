//! Sends anything to every operation of the document: bodies, parameters, headers, ids, tokens. Whatever comes, the
//! answer is one that the document has: never a 5xx, never a panic, and what is refused is refused as a problem (which
//! every answer is looked at for, see `world::Answer`).
//!
//! The seed is fixed, so that a run can be repeated; `ORBIT_TEST_SEED=7` tries another one.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonschema::Validator;
use orbit_platform::{
    clock::Clock,
    config::{Secret, generate_signing_key},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    document::{Operation, operations},
    two_users::bring_email,
    world::{Answer, Session, World},
};

/// Requests to each operation.
const EACH: usize = 10;

/// What a request's body is to be.
#[derive(Clone, Debug)]
enum Body {
    /// The document's example.
    Example,
    /// The example with another value in one of its fields: the n-th, counted round.
    Field(usize, Value),
    /// The example without its n-th field.
    Without(usize),
    /// The example and a field that nobody knows.
    Unknown(String, Value),
    /// Any JSON at all.
    Any(Value),
    /// Bytes.
    Raw(Vec<u8>),
}

/// What a request's token is to be.
#[derive(Clone, Copy, Debug)]
enum Token {
    Good,
    Absent,
    Garbage,
    AlgNone,
    OtherKey,
    OtherAudience,
    OtherIssuer,
    Expired,
}

/// What is put into the path.
#[derive(Clone, Debug)]
enum Id {
    Own,
    Theirs,
    Malformed(String),
}

#[derive(Clone, Debug)]
struct Case {
    body: Body,
    token: Token,
    id: Id,
    /// A value for the n-th query parameter, counted round.
    query: Option<(usize, String)>,
    unknown_parameter: bool,
    header: Option<(&'static str, String)>,
}

/// Texts that have broken things before.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,12}",
        1 => Just(String::new()),
        1 => Just("a\0b".to_owned()),
        1 => Just("\u{202e}\u{feff}\u{10ffff}".to_owned()),
        1 => Just("'; DROP TABLE log.events; --".to_owned()),
        1 => Just("%00%ff%zz".to_owned()),
        1 => Just("9999-99-99".to_owned()),
        1 => Just("9223372036854775808".to_owned()),
        1 => Just("x".repeat(70_000)),
        1 => any::<u128>().prop_map(|id| Uuid::from_u128(id).to_string()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => Just(json!(1e308)),
        1 => Just(json!(u64::MAX)),
        4 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn raw() -> impl Strategy<Value = Vec<u8>> {
    let half =
        |escape: &str| format!("{{\"title\": \"{escape}\", \"name\": \"{escape}\", \"{escape}\": 1}}").into_bytes();
    prop_oneof![
        Just(half("\\ud800")),
        Just(half("a\\udfffb")),
        Just(b"{\"title\": \"\xff\xfe\"}".to_vec()),
        Just(format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes()),
        Just(format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)).into_bytes()),
        Just(b"{\"title\": \"x\", \"title\": \"y\"}".to_vec()),
        Just(b"{\"title\": 1e999999}".to_vec()),
        Just(b"{} {}".to_vec()),
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..64),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let body = prop_oneof![
        4 => Just(Body::Example),
        6 => (any::<usize>(), value()).prop_map(|(at, value)| Body::Field(at, value)),
        1 => any::<usize>().prop_map(Body::Without),
        1 => (text(), value()).prop_map(|(name, value)| Body::Unknown(name, value)),
        2 => value().prop_map(Body::Any),
        3 => raw().prop_map(Body::Raw),
    ];
    let token = prop_oneof![
        28 => Just(Token::Good),
        1 => Just(Token::Absent),
        1 => Just(Token::Garbage),
        1 => Just(Token::AlgNone),
        1 => Just(Token::OtherKey),
        1 => Just(Token::OtherAudience),
        1 => Just(Token::OtherIssuer),
        1 => Just(Token::Expired),
    ];
    let id = prop_oneof![6 => Just(Id::Own), 1 => Just(Id::Theirs), 1 => text().prop_map(Id::Malformed)];
    // HTTP itself allows no more than this in a header.
    let visible = || prop_oneof!["[ -~]{0,20}", Just("x".repeat(300)), Just("-1".to_owned()), Just("\"7\"".to_owned())];
    let names =
        prop::sample::select(vec!["if-match", "idempotency-key", "orbit-min-position", "accept", "traceparent"]);
    let header = prop::option::weighted(0.25, (names, visible()));
    let query = prop::option::weighted(0.25, (any::<usize>(), text()));
    (body, token, id, query, prop::bool::weighted(0.05), header).prop_map(
        |(body, token, id, query, unknown_parameter, header)| Case {
            body,
            token,
            id,
            query,
            unknown_parameter,
            header,
        },
    )
}

/// The body's bytes, or none if the operation takes none.
fn bytes(operation: &Operation, body: &Body) -> Option<Vec<u8>> {
    let mut example: Map<String, Value> = operation.example.as_object().cloned().unwrap_or_default();
    let fields = operation.fields();
    let name = |at: &usize| (!fields.is_empty()).then(|| fields[at % fields.len()].clone());
    if operation.body.is_null() {
        return matches!(body, Body::Raw(_))
            .then(|| b"{\"surprise\": 1}".to_vec())
            .filter(|_| operation.method != "GET");
    }
    let value = match body {
        Body::Raw(bytes) => return Some(bytes.clone()),
        Body::Any(value) => value.clone(),
        Body::Example => Value::Object(example),
        Body::Field(at, value) => {
            example.extend(name(at).map(|name| (name, value.clone())));
            Value::Object(example)
        }
        Body::Without(at) => {
            name(at).and_then(|name| example.remove(&name));
            Value::Object(example)
        }
        Body::Unknown(name, value) => {
            example.insert(format!("surprise_{name}"), value.clone());
            Value::Object(example)
        }
    };
    Some(value.to_string().into_bytes())
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Ada, whose objects are asked for, and Bob, whose are not to be found.
struct People {
    ada: Session,
    own: BTreeMap<String, Uuid>,
    theirs: BTreeMap<String, Uuid>,
}

impl People {
    async fn new(world: &World, round: usize) -> Self {
        let (ada, bob) = (world.register(&format!("ada{round}")).await, world.register(&format!("bob{round}")).await);
        let (own, theirs) = (belongings(world, &ada).await, belongings(world, &bob).await);
        Self { ada, own, theirs }
    }

    /// Asked of the writing side, which knows at once.
    async fn are_logged_in(&self, world: &World) -> bool {
        let probe = world.call("PATCH", "/auth/me?dry_run=true").by(&self.ada).json(&json!({})).send().await;
        probe.status == 200
    }

    fn token(&self, world: &World, token: Token) -> Option<String> {
        Some(match token {
            Token::Absent => return None,
            Token::Good => self.ada.access.clone(),
            Token::Garbage => "orb_pat_~~~.{}".to_owned(),
            Token::AlgNone => {
                let claims = self.ada.access.split('.').nth(1).unwrap();
                format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#))
            }
            Token::OtherKey => {
                world.forged(&self.ada, |auth| auth.signing_key = Some(Secret::new(generate_signing_key())))
            }
            Token::OtherAudience => {
                world.forged(&self.ada, |auth| "somebody-else".clone_into(&mut auth.token_audience))
            }
            Token::OtherIssuer => {
                world.forged(&self.ada, |auth| "https://evil.example".clone_into(&mut auth.token_issuer))
            }
            Token::Expired => world.token_at(&self.ada, Clock::system().now() - TimeDelta::hours(1)),
        })
    }
}

/// One of everything, by the collection in whose paths its id stands.
async fn belongings(world: &World, of: &Session) -> BTreeMap<String, Uuid> {
    let make = async |path: &str, body: Value| world.post(path).by(of).json(&body).send().await.expect(201).id();
    let mut all = BTreeMap::new();
    for (collection, path, body) in [
        ("labels", "/labels", json!({"name": "mine"})),
        ("task-lists", "/task-lists", json!({"name": "mine"})),
        ("tasks", "/tasks", json!({"title": "mine"})),
        ("tokens", "/auth/tokens", json!({"name": "mine", "scopes": ["tasks:read"]})),
        ("connections", "/connections", json!({"kind": "n8n", "name": "mine", "endpoint": "http://n8n.local"})),
    ] {
        all.insert(collection.to_owned(), make(path, body).await);
    }
    all.extend(world.begin_mail(of).await.map(|(collection, id)| (collection.to_owned(), id)));
    let (import, email) = bring_email(world, of).await;
    // A thread is known by each of its e-mails.
    all.extend([("imports", import), ("emails", email), ("threads", email)].map(|(name, id)| (name.to_owned(), id)));
    all.insert("parts".to_owned(), Uuid::nil());
    let export = world.post("/auth/me/export").by(of).send().await.expect(202).id();
    all.insert("exports".to_owned(), export);
    all.insert("devices".to_owned(), of.login());
    all.insert("activities".to_owned(), Uuid::nil());
    all.insert("history".to_owned(), Uuid::nil());
    // Not anybody's: administrators name them.
    all.insert("projections".to_owned(), Uuid::nil());
    all.insert("rebuilds".to_owned(), Uuid::nil());
    all
}

async fn send(world: &World, people: &People, operation: &Operation, case: &Case) -> Answer {
    let mut parts: Vec<String> = Vec::new();
    for part in operation.path.split('/') {
        let collection = parts.last().cloned().unwrap_or_default();
        parts.push(match (&case.id, part.starts_with('{')) {
            (_, false) => part.to_owned(),
            (Id::Own, true) => people.own[&collection].to_string(),
            (Id::Theirs, true) => people.theirs[&collection].to_string(),
            // An empty one would be another path.
            (Id::Malformed(text), true) => format!("~{}", encoded(&text.chars().take(200).collect::<String>())),
        });
    }
    let mut query = Vec::new();
    let known: Vec<_> = operation.parameters.iter().filter(|one| one["in"] == "query").collect();
    if let Some((at, text)) = case.query.as_ref().filter(|_| !known.is_empty()) {
        let name = known[at % known.len()]["name"].as_str().unwrap();
        // The whole line is a header, and headers have their limit.
        query.push(format!("{}={}", encoded(name), encoded(&text.chars().take(2_000).collect::<String>())));
    }
    if case.unknown_parameter {
        query.push("surprise=1".to_owned());
    }
    let question = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let mut call = world.call(&operation.method, &format!("{}{question}", parts.join("/")));
    if let Some(token) = people.token(world, case.token).filter(|_| operation.guarded) {
        call = call.bearer(&token);
    }
    if let Some((name, value)) = &case.header {
        call = call.header(name, value);
    }
    match bytes(operation, &case.body) {
        Some(bytes) => call.raw(bytes).send().await,
        None => call.send().await,
    }
}

/// The schemas of answers, read once.
struct Schemas {
    document: Value,
    known: BTreeMap<String, Validator>,
}

impl Schemas {
    /// Holds an answer to what the document says of its operation.
    fn check(&mut self, operation: &Operation, answer: &Answer) {
        let what = operation.name();
        let status = answer.status.to_string();
        let stated = &operation.responses[&status];
        assert!(stated.is_object(), "{what} does not say that it may answer {status}: {answer:?}");
        let response = match stated["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
            None => stated.clone(),
        };
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.body, "", "{what} says that {status} has no body");
            return;
        };
        let media = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let stated = content.get(media).unwrap_or_else(|| panic!("{what} {status} does not say {media}: {answer:?}"));
        let document = &self.document;
        let validator = self.known.entry(format!("{what} {status}")).or_insert_with(|| {
            let mut schema = stated["schema"].as_object().cloned().unwrap_or_default();
            schema.insert("components".to_owned(), document["components"].clone());
            jsonschema::draft202012::new(&Value::Object(schema)).unwrap()
        });
        // What is no JSON, such as an export line by line or the beginning of a stream, is a text.
        let body =
            if media.ends_with("json") && !media.ends_with("ndjson") { answer.json() } else { json!(answer.body) };
        let faults: Vec<_> =
            validator.iter_errors(&body).map(|fault| format!("{} at {}", fault, fault.instance_path())).collect();
        assert!(faults.is_empty(), "{what} {status}: {faults:?}: {answer:?}");
    }
}

fn runner(seed: u8) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

#[tokio::test]
async fn every_operation_answers_anything_as_the_document_says() {
    let world = World::new().await;
    let document = world.document().await;
    let all = operations(&document);
    let mut schemas = Schemas { document, known: BTreeMap::new() };
    let seed: u8 = std::env::var("ORBIT_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(42);
    println!("ORBIT_TEST_SEED={seed}");
    let (mut runner, cases) = (runner(seed), case());
    let mut people = People::new(&world, 0).await;
    let mut counts = BTreeMap::<u16, usize>::new();
    for (round, operation) in all.iter().enumerate() {
        for _ in 0..EACH {
            let case = cases.new_tree(&mut runner).unwrap().current();
            let answer = send(&world, &people, operation, &case).await;
            let waited = matches!(case.header, Some(("orbit-min-position", _)));
            assert!(answer.status != 503 || waited, "{answer:?}");
            if operation.guarded && !matches!(case.token, Token::Good) {
                assert_eq!(answer.status, 401, "{:?}: {answer:?}", case.token);
            }
            schemas.check(operation, &answer);
            *counts.entry(answer.status).or_default() += 1;
            // Some requests log out, or erase: then others come.
            if operation.path.contains("/auth/") && !people.are_logged_in(&world).await {
                people = People::new(&world, round * EACH + counts.values().sum::<usize>()).await;
            }
        }
    }
    // It was no monologue: each kind of answer came up.
    for status in [200, 201, 204, 400, 401, 404, 422] {
        assert!(counts.contains_key(&status), "no {status} among {counts:?}");
    }
    // A task that panicked ends its process, and this says so.
    world.stop().await;
}

#[tokio::test]
async fn no_operation_reads_a_body_of_more_than_a_mebibyte() {
    let world = World::new().await;
    let ada = world.register("ada").await;
    let mut document = operations(&world.document().await);
    document.retain(|operation| !operation.body.is_null());
    assert!(document.len() >= 15, "only {} operations take bodies", document.len());
    for operation in document {
        let path =
            operation.path.replace("{id}", &Uuid::nil().to_string()).replace("{label_id}", &Uuid::nil().to_string());
        let body = format!("{{\"title\": \"{}\"}}", "x".repeat(1024 * 1024 - 12));
        assert_eq!(body.len(), 1024 * 1024 + 1);
        world.call(&operation.method, &path).by(&ada).raw(body).send().await.refused(413, "body_too_large");
    }
    world.stop().await;
}
