//! Labels of tasks.

use axum::response::Response;
use orbit_domain::{
    Color,
    tasks::{
        Label, LabelName,
        label::{Command, Edit},
    },
};
use orbit_event_store::Unit;
use orbit_events::LabelId;
use orbit_platform::{
    http::{
        extract::{Faults, Field, JsonBody, Unknown},
        openapi::parsed,
        path::PathId,
    },
    ids,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SCOPE, views::WrittenLabel};
use crate::{
    error::Result,
    routes::read::text,
    write::{Reply, Write, present},
};

/// A new label.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r##"{"name": "urgent", "color": "#d62728"}"##)))]
pub struct CreateLabel {
    /// 1 to 100 characters, unique without regard to case.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "urgent")]
    name: Field<String>,
    /// `#rrggbb`
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^#[0-9a-fA-F]{6}$", example = "#d62728")]
    color: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// What is to change of a label: a JSON merge patch (RFC 7396).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"name": "very urgent"}"#)))]
pub struct EditLabel {
    /// 1 to 100 characters, unique without regard to case.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    name: Field<String>,
    /// `#rrggbb`; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^#[0-9a-fA-F]{6}$")]
    color: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Make a label
#[utoipa::path(post, path = "/api/v1/labels", tag = "labels", operation_id = "create_label", request_body = CreateLabel,
    responses((status = 201, description = "The label", body = WrittenLabel)))]
#[tracing::instrument(name = "command.labels.create", skip_all)]
pub async fn create(write: Write, body: JsonBody<CreateLabel>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let name = faults.required("name", body.value.name, text(LabelName::parse));
    let color = faults.optional("color", body.value.color, text(Color::parse));
    let (name, color) = &faults.finish_with(|| Some((name?, color)))?;
    let app = write.app();
    let decide = |unit: Unit| async move {
        let id = ids::new_v7(app.store.clock());
        let label = unit.create::<Label>(id, Command::Create { name: name.clone(), color: color.clone() })?;
        let label = WrittenLabel::try_from(label)?;
        Ok(Reply::created(&label, format!("/api/v1/labels/{id}"))?.version(label.version))
    };
    write.run(&body.bytes, decide).await
}

/// Change a label
#[utoipa::path(patch, path = "/api/v1/labels/{id}", tag = "labels", operation_id = "edit_label", request_body = EditLabel,
    params(("id" = uuid::Uuid, Path, description = "The label")),
    responses((status = 200, description = "The label as it is now", body = WrittenLabel)))]
#[tracing::instrument(name = "command.labels.edit", skip_all)]
pub async fn edit(write: Write, PathId(id): PathId<LabelId>, body: JsonBody<EditLabel>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let name = faults.change("name", body.value.name, text(LabelName::parse));
    let color = faults.patch("color", body.value.color, text(Color::parse));
    faults.finish()?;
    let (edit, if_match) = (&Edit { name, color }, &write.request.if_match);
    let decide = |unit: Unit| async move {
        present::<Label>(&unit, id.0, if_match).await?;
        let label = unit.decide::<Label>(id.0, Command::Edit(edit.clone())).await?;
        let label = WrittenLabel::try_from(label)?;
        Ok(Reply::ok(&label)?.version(label.version))
    };
    write.run(&body.bytes, decide).await
}

/// Remove a label
///
/// From all tasks too.
#[utoipa::path(delete, path = "/api/v1/labels/{id}", tag = "labels", operation_id = "delete_label",
    params(("id" = uuid::Uuid, Path, description = "The label")),
    responses((status = 204, description = "It is gone")))]
#[tracing::instrument(name = "command.labels.delete", skip_all)]
pub async fn delete(write: Write, PathId(id): PathId<LabelId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<Label>(&unit, id.0, if_match).await?;
        unit.decide::<Label>(id.0, Command::Remove).await?;
        Ok(Reply::nothing())
    };
    write.run(b"", decide).await
}
