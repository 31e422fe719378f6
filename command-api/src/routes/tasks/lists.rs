//! Lists: the columns of the board.

use axum::response::Response;
use orbit_domain::{
    Color,
    tasks::{
        List, ListName, Task,
        list::{Command, Edit, ORDER},
        task,
    },
};
use orbit_event_store::{Loaded, Mode, Origin, Unit};
use orbit_events::ListId;
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

use super::{SCOPE, bodies::Anchor, place, views::WrittenList};
use crate::{
    error::{Error, Result},
    routes::read::text,
    state::AppState,
    write::{self, Reply, Write, present},
};

/// Tasks that can slip into a list at the very moment at which it is removed: as many as one batch of appends holds.
const STRAGGLERS: i64 = 512;
/// Tasks of a list that are looked at to see whether one stays: one unit of work moves no more of them away.
const TASKS_LOOKED_AT: i64 = 5_001;
/// Lists that are looked at to see whether another one stays: one unit of work removes no more of them.
const LISTS_LOOKED_AT: i64 = 5_002;

/// A new list.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r##"{"name": "Errands", "color": "#1e90ff"}"##)))]
pub struct CreateList {
    /// 1 to 100 characters, unique without regard to case.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "Errands")]
    name: Field<String>,
    /// `#rrggbb`
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^#[0-9a-fA-F]{6}$", example = "#1e90ff")]
    color: Field<String>,
    /// Put it right before this list; at the end, if absent.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    before_id: Field<String>,
    /// Put it right after this list.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    after_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// What is to change of a list: a JSON merge patch (RFC 7396).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"name": "Shopping", "color": null}"#)))]
pub struct EditList {
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

/// Where a list goes: exactly one of the two is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"before_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b40"}"#)))]
pub struct MoveList {
    /// Right before this list.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    before_id: Field<String>,
    /// Right after this list.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    after_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Add a list to the board
#[utoipa::path(post, path = "/api/v1/task-lists", tag = "task lists", operation_id = "create_list",
    request_body = CreateList, responses((status = 201, description = "The list", body = WrittenList)))]
#[tracing::instrument(name = "command.lists.create", skip_all)]
pub async fn create(write: Write, body: JsonBody<CreateList>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    let CreateList { name, color, before_id, after_id, unknown } = body.value;
    faults.unknown(unknown);
    let name = faults.required("name", name, text(ListName::parse));
    let color = faults.optional("color", color, text(Color::parse));
    let anchor = Anchor::read(&mut faults, before_id, after_id);
    let (name, color) = &faults.finish_with(|| Some((name?, color)))?;
    let app = write.app();
    let decide = |unit: Unit| async move {
        let id = ids::new_v7(app.store.clock());
        let slot = place::of_list(&unit, anchor, id).await?;
        let list = unit.create::<List>(id, Command::Create { name: name.clone(), color: color.clone(), slot })?;
        let list = WrittenList::try_from(list)?;
        Ok(Reply::created(&list, format!("/api/v1/task-lists/{id}"))?.version(list.version))
    };
    let answer = write.run(&body.bytes, decide).await;
    app.first_lists.forget(write.user());
    answer
}

/// Change a list
#[utoipa::path(patch, path = "/api/v1/task-lists/{id}", tag = "task lists", operation_id = "edit_list",
    request_body = EditList, params(("id" = uuid::Uuid, Path, description = "The list")),
    responses((status = 200, description = "The list as it is now", body = WrittenList)))]
#[tracing::instrument(name = "command.lists.edit", skip_all)]
pub async fn edit(write: Write, PathId(id): PathId<ListId>, body: JsonBody<EditList>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let name = faults.change("name", body.value.name, text(ListName::parse));
    let color = faults.patch("color", body.value.color, text(Color::parse));
    faults.finish()?;
    let (edit, if_match) = (&Edit { name, color, slot: None }, &write.request.if_match);
    let decide = |unit: Unit| async move {
        present::<List>(&unit, id.0, if_match).await?;
        shown(unit.decide::<List>(id.0, Command::Edit(edit.clone())).await?)
    };
    write.run(&body.bytes, decide).await
}

/// Take a list off the board
///
/// Only when no task stands in it, and never the last one: tasks need a place to stand.
#[utoipa::path(delete, path = "/api/v1/task-lists/{id}", tag = "task lists", operation_id = "delete_list",
    params(("id" = uuid::Uuid, Path, description = "The list")),
    responses((status = 204, description = "It is off the board")))]
#[tracing::instrument(name = "command.lists.delete", skip_all)]
pub async fn delete(write: Write, PathId(id): PathId<ListId>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<List>(&unit, id.0, if_match).await?;
        unit.decide::<List>(id.0, removal(&unit, id).await?).await?;
        Ok(Reply::nothing())
    };
    let answer = write.run(b"", decide).await;
    write.app().first_lists.forget(write.user());
    if answer.is_ok() && !write.request.dry_run {
        write::follow_up("move late tasks", rescue(write.app(), write.origin(), id).await);
    }
    answer
}

/// The command that takes a list off the board, with what there is to know of others: tasks in it that this unit leaves
/// there, and whether another list stays.
pub async fn removal(unit: &Unit, id: ListId) -> Result<Command> {
    let tasks = unit.scan(task::ORDER, id.0.as_bytes(), TASKS_LOOKED_AT).await?;
    let has_tasks = tasks.iter().any(|held| !unit.lets_go(held.stream_id, task::ORDER, &held.key));
    let lists = unit.scan(ORDER, unit.context().user_id.0.as_bytes(), LISTS_LOOKED_AT).await?;
    // Another list must stay: this unit guards it, so that two cannot remove each other's last companion.
    let mut is_last = true;
    for other in lists.into_iter().filter(|held| held.stream_id != id.0) {
        if unit.load::<List>(other.stream_id).await?.is_some_and(|list| list.state.present().is_some()) {
            is_last = false;
            break;
        }
    }
    Ok(Command::Remove { has_tasks, is_last })
}

/// Moves tasks that were written into the list while its removal was being decided: a scan does not guard what is not
/// there yet. Later ones find the list gone.
pub async fn rescue(app: &AppState, origin: Origin, list: ListId) -> Result<()> {
    let decide = |unit: Unit| async move {
        let stragglers = unit.scan(task::ORDER, list.0.as_bytes(), STRAGGLERS).await?;
        for held in stragglers {
            let place = Some(place::anywhere(&unit, app.first_lists.of(&unit).await?));
            let edit = task::Edit { place, ..task::Edit::default() };
            unit.decide::<Task>(held.stream_id, task::Command::Edit(edit)).await?;
        }
        Ok::<_, Error>(())
    };
    app.store.transact(origin, Mode::default(), decide).await?;
    Ok(())
}

/// Move a list
///
/// Right before or right after another one. The server computes the place.
#[utoipa::path(post, path = "/api/v1/task-lists/{id}/move", tag = "task lists", operation_id = "move_list",
    request_body = MoveList, params(("id" = uuid::Uuid, Path, description = "The list")),
    responses((status = 200, description = "The list as it is now", body = WrittenList)))]
#[tracing::instrument(name = "command.lists.move", skip_all)]
pub async fn relocate(write: Write, PathId(id): PathId<ListId>, body: JsonBody<MoveList>) -> Result<Response> {
    write.caller.require(SCOPE)?;
    let mut faults = Faults::new();
    faults.unknown(body.value.unknown);
    let anchor = Anchor::read(&mut faults, body.value.before_id, body.value.after_id);
    if anchor.is_none() && faults.is_empty() {
        faults.malformed::<()>("", "empty", "must name before_id or after_id");
    }
    faults.finish()?;
    let if_match = &write.request.if_match;
    let decide = |unit: Unit| async move {
        present::<List>(&unit, id.0, if_match).await?;
        let slot = Some(place::of_list(&unit, anchor, id.0).await?);
        shown(unit.decide::<List>(id.0, Command::Edit(Edit { slot, ..Edit::default() })).await?)
    };
    let answer = write.run(&body.bytes, decide).await;
    write.app().first_lists.forget(write.user());
    answer
}

fn shown(list: Loaded<List>) -> Result<Reply> {
    let list = WrittenList::try_from(list)?;
    Ok(Reply::ok(&list)?.version(list.version))
}
