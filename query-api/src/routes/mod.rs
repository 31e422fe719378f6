//! Every route that reads, by context; and what their questions have in common.

pub mod activities;
pub mod admin;
mod audit;
pub mod checkpoints;
mod conditions;
pub mod emails;
mod filters;
mod fixed;
pub mod history;
mod mailboxes;
pub mod tasks;
pub mod users;
mod words;

use utoipa::openapi::{
    KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Required, SchemaFormat,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::Type,
};
use utoipa_axum::router::OpenApiRouter;

use crate::{app::Reads, reader::Context};

/// All routes.
pub fn routes() -> OpenApiRouter<Reads> {
    // One line per context.
    let contexts = OpenApiRouter::new().merge(users::router()).merge(tasks::router()).merge(activities::router());
    in_the_past(contexts.merge(emails::router()))
        // Bytes that never change are the same at any time, too.
        .merge(emails::content_router())
        // What the log itself answers is the same at any time.
        .merge(history::router())
        .merge(audit::router())
        .merge(admin::router())
}

/// These routes, whose document says that each can be asked as of a moment. What [`crate::reader::Reader`] answers can.
fn in_the_past(mut router: OpenApiRouter<Reads>) -> OpenApiRouter<Reads> {
    for item in router.get_openapi_mut().paths.paths.values_mut() {
        if let Some(operation) = &mut item.get {
            operation.parameters.get_or_insert_default().push(RefOr::T(as_of()));
        }
    }
    router
}

fn as_of() -> Parameter {
    let kind = |kind, format| ObjectBuilder::new().schema_type(kind).format(Some(SchemaFormat::KnownFormat(format)));
    let position = kind(Type::Integer, KnownFormat::Int64).minimum(Some(0));
    let time = kind(Type::String, KnownFormat::DateTime);
    ParameterBuilder::new()
        .name("as_of")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(
            "Answer as of this moment: a position of the log, or a time in RFC 3339. Counts as a search in the rate limit",
        ))
        .schema(Some(OneOfBuilder::new().item(position).item(time)))
        .build()
}

/// The projections whose checkpoints are waited for.
pub const PROJECTIONS: [&str; 4] = [
    // One line per context.
    <users::Users as Context>::PROJECTION,
    <tasks::Tasks as Context>::PROJECTION,
    <activities::Activities as Context>::PROJECTION,
    <emails::Emails as Context>::PROJECTION,
];
