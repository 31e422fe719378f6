//! What all writes have in common, in the `OpenAPI` document: dry runs, versions, repetitions. Routes do not write it down.

use orbit_platform::http::{headers, openapi::parsed};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Content, Header, HttpMethod, Object, OneOf, OpenApi, Ref, RefOr, Required, Response, Schema, Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::ObjectBuilder,
    },
};

/// What a dry run answers.
#[derive(ToSchema)]
#[schema(example = json!(parsed(r##"{"dry_run": true, "facts": [{
    "type": "labels.created", "version": 1, "entity": {"type": "label", "id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b41"},
    "data": {"name": "urgent", "color": "#d62728"}
}]}"##)))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct DryRun {
    /// `true`
    dry_run: bool,
    /// The facts that would be appended, without secrets.
    #[schema(value_type = Vec<Object>)]
    facts: Vec<()>,
}

/// Completes the document of a router of writes.
pub fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.schemas.insert(DryRun::name().into_owned(), DryRun::schema());
    let versioned: Vec<String> =
        components.schemas.iter().filter(|(_, schema)| has_version(schema)).map(|(name, _)| name.clone()).collect();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            parameters(operation, path, &method);
            responses(operation, &versioned);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

fn parameters(operation: &mut Operation, path: &str, method: &HttpMethod) {
    add(
        operation,
        "dry_run",
        ParameterIn::Query,
        Type::Boolean,
        "Check everything, answer with the facts that would be appended, and append nothing",
    );
    if *method == HttpMethod::Post {
        let description = "Makes repeating the request harmless: the same key and body get the same answer";
        add(operation, "Idempotency-Key", ParameterIn::Header, Type::String, description);
    }
    if path.contains("{id}") {
        add(operation, "If-Match", ParameterIn::Header, Type::String, "The ETag of the version that you have seen");
    }
}

fn add(operation: &mut Operation, name: &str, place: ParameterIn, kind: Type, description: &str) {
    let known = operation.parameters.get_or_insert_default();
    let same = |known: &RefOr<Parameter>| matches!(known, RefOr::T(known) if known.name == name);
    if known.iter().any(same) {
        return;
    }
    let schema = ObjectBuilder::new().schema_type(kind).build();
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema));
    known.push(RefOr::T(parameter.build()));
}

fn responses(operation: &mut Operation, versioned: &[String]) {
    let dry_run = || RefOr::Ref(Ref::from_schema_name(DryRun::name().into_owned()));
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if !status.starts_with('2') {
            continue;
        }
        describe(
            response,
            headers::ORBIT_POSITION.as_str(),
            Type::Integer,
            "The position in the log of what was appended",
        );
        describe(
            response,
            headers::IDEMPOTENT_REPLAYED.as_str(),
            Type::String,
            "`true` on the stored answer of an earlier request",
        );
        if status == "201" {
            describe(response, "Location", Type::String, "Where it is");
        }
        let content = response.content.get_mut("application/json");
        let Some(RefOr::T(content)) = content else { continue };
        let version = content.schema.as_ref().is_some_and(|schema| refers(schema, versioned));
        if status == "200"
            && let Some(schema) = content.schema.take()
        {
            let either = OneOf { items: vec![schema, dry_run()], ..OneOf::default() };
            content.schema = Some(RefOr::T(Schema::OneOf(either)));
        }
        if version {
            describe(response, "ETag", Type::String, "The version, in quotes");
        }
    }
    let all = &mut operation.responses.responses;
    if !all.contains_key("200") {
        let mut response = Response::new("On a dry run: the facts that would be appended");
        response.content.insert("application/json".to_owned(), RefOr::T(Content::new(Some(dry_run()))));
        all.insert("200".to_owned(), RefOr::T(response));
    }
}

fn describe(response: &mut Response, name: &str, kind: Type, description: &str) {
    let mut header = Header::new(Object::with_type(kind));
    header.description = Some(description.to_owned());
    response.headers.entry(name.to_owned()).or_insert(RefOr::T(header));
}

fn refers(schema: &RefOr<Schema>, names: &[String]) -> bool {
    let RefOr::Ref(reference) = schema else { return false };
    names.iter().any(|name| reference.ref_location.ends_with(&format!("/{name}")))
}

fn has_version(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.properties.contains_key("version"))
}
