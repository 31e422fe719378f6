//! How lists, tasks and labels become again what they were, by the rules of today: who took a place meanwhile keeps it,
//! and a list or a parent that is gone is in the way.

use orbit_domain::{
    Claim, Fields, Reject,
    tasks::{
        Label, List, Task, label, list,
        order::Slot,
        task::{self, Present, Rejection, SetBack as Asked},
        tree::Lineage,
    },
};
use orbit_event_store::{Loaded, Mode, Origin, Unit};
use orbit_events::{ListId, TaskId};
use orbit_platform::{http::headers::IfMatch, problem::ApiError};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    SCOPE,
    first_list::is_present,
    lists,
    operation::{self, is_in_use, way_back},
    place::{self, jitter},
    trash,
    tree::{descendants, height, lineage},
};
use crate::{
    error::{Error, Result, rejected},
    routes::history::set_back::{SetBack, Stopped},
    state::AppState,
    write,
};

/// How often late sub-tasks are looked for: each time fewer can come, since what they would be part of is in the trash.
const PASSES: u32 = 3;

impl SetBack for Task {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(app: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        let id = TaskId(now.id);
        let task = now.state.present().ok_or_else(ApiError::not_found)?;
        if fields.is_empty() {
            operation::delete(unit, id, &IfMatch::Absent).await?;
            return Ok(());
        }
        let mut to = Present::from_fields(fields).map_err(ApiError::internal)?;
        let comes_back = match (task.deleted_at, to.deleted_at) {
            // It may have gone with what it is part of, at another moment.
            (Some(_), Some(_)) if Present { deleted_at: task.deleted_at, ..to.clone() } == *task => return Ok(()),
            (Some(at), Some(_)) => {
                let trashed = Rejection::Deleted;
                return Err(Stopped::by(trashed.code(), "deleted_at", trashed.to_string(), Value::Null, json!(at)));
            }
            (Some(_), None) => true,
            (None, _) => false,
        };
        // What went into the trash with it is told by its `deleted`, which has to be its newest fact.
        let below = if comes_back { trash::deleted_with(app.store.log(), unit, &now).await? } else { vec![] };
        if comes_back || (task.list_id, &task.position) != (to.list_id, &to.position) {
            stand(unit, id, &mut to).await?;
        }
        labels_are_in_use(unit, task, &to).await?;
        let lineage = match to.parent_id.filter(|parent| comes_back || task.parent_id != Some(*parent)) {
            Some(parent) => Some(parentage(unit, id, parent).await?),
            None => None,
        };
        let goes = to.deleted_at.is_some();
        unit.decide::<Self>(id.0, task::Command::SetBack(Box::new(Asked { to, lineage }))).await?;
        for id in below {
            if let Some(task) = unit.load::<Self>(id.0).await? {
                let restore = way_back(app, unit, &task).await?;
                unit.decide::<Self>(id.0, task::Command::Restore(restore)).await?;
            }
        }
        if goes {
            operation::delete_below(unit, id).await?;
        }
        Ok(())
    }
}

/// The list has to be there. The place is the old one, if nobody has taken it; otherwise the end of the list.
async fn stand(unit: &Unit, id: TaskId, to: &mut Present) -> Result<(), Stopped> {
    if !is_present(unit, to.list_id).await? {
        let gone = list::Rejection::Removed;
        return Err(Stopped::by(gone.code(), "list_id", gone.to_string(), json!(to.list_id), Value::Null));
    }
    let old = Claim::ordered(task::ORDER, &[to.list_id.0.as_bytes(), to.position.as_bytes()]);
    if unit.holder_then(&old).await?.is_some_and(|holder| holder != id.0) {
        let place = place::behind(unit, to.list_id, &to.position)?;
        place.slot.position().clone_into(&mut to.position);
    }
    Ok(())
}

/// A parent in the trash, in a circle or too deep is in the way.
async fn parentage(unit: &Unit, id: TaskId, parent: TaskId) -> Result<Lineage, Stopped> {
    let lineage = lineage(unit, id, parent, height(unit, id).await?).await?;
    match lineage.check() {
        Ok(_) => Ok(lineage),
        Err(no) => Err(Stopped::by(no.code(), "parent_id", no.to_string(), json!(parent), Value::Null)),
    }
}

async fn labels_are_in_use(unit: &Unit, task: &Present, to: &Present) -> Result<(), Stopped> {
    for label in to.labels.iter().filter(|label| !task.labels.contains(label)) {
        if !is_in_use(unit, *label).await? {
            let gone = label::Rejection::Removed;
            return Err(Stopped::by(gone.code(), "labels", gone.to_string(), json!(to.labels), json!(task.labels)));
        }
    }
    Ok(())
}

impl SetBack for List {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(_: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        if fields.is_empty() {
            let command = lists::removal(unit, ListId(now.id)).await?;
            unit.decide::<Self>(now.id, command).await?;
            return Ok(());
        }
        let mut to = list::Present::from_fields(fields).map_err(ApiError::internal)?;
        let context = unit.context();
        let old = Claim::ordered(list::ORDER, &[context.user_id.0.as_bytes(), to.position.as_bytes()]);
        if unit.holder_then(&old).await?.is_some_and(|holder| holder != now.id) {
            let slot = Slot::between(Some(&to.position), None, context.now, jitter());
            slot.map_err(|rejection| rejected(&rejection))?.position().clone_into(&mut to.position);
        }
        unit.decide::<Self>(now.id, list::Command::SetBack { to, created_at: now.created_at }).await?;
        Ok(())
    }
}

impl SetBack for Label {
    const SCOPE: &'static str = SCOPE;

    async fn set_back(_: &AppState, unit: &Unit, now: Loaded<Self>, fields: &Fields) -> Result<(), Stopped> {
        let command = if fields.is_empty() {
            label::Command::Remove
        } else {
            label::Command::SetBack(label::Present::from_fields(fields).map_err(ApiError::internal)?)
        };
        unit.decide::<Self>(now.id, command).await?;
        Ok(())
    }
}

/// What routes of this context do after their own facts: lists may have changed their order, and what came at the very
/// moment into a list that went, or below a task that went, follows.
pub async fn follow_up(app: &AppState, origin: &Origin, appended: &[(String, Uuid)]) {
    if appended.iter().any(|(wire_type, _)| wire_type.starts_with("lists.")) {
        app.first_lists.forget(origin.context.user_id);
    }
    let those =
        |wanted: &'static str| appended.iter().filter(move |(wire_type, _)| wire_type == wanted).map(|(_, id)| *id);
    for list in those("lists.removed") {
        write::follow_up("move late tasks", lists::rescue(app, origin.clone(), ListId(list)).await);
    }
    let gone: Vec<Uuid> = those("tasks.deleted").collect();
    if !gone.is_empty() {
        write::follow_up("delete late sub-tasks", delete_late(app, origin, &gone).await);
    }
}

async fn delete_late(app: &AppState, origin: &Origin, gone: &[Uuid]) -> Result<()> {
    for _ in 0..PASSES {
        let decide = |unit: Unit| async move {
            let mut late = 0;
            for id in unit.begun(task::CHILD, gone).await? {
                let in_trash = |task: &Loaded<Task>| task.state.present().is_some_and(|task| task.deleted_at.is_some());
                if unit.load::<Task>(id).await?.is_none_or(|task| !in_trash(&task)) {
                    continue;
                }
                for (child, _) in descendants(&unit, TaskId(id)).await? {
                    unit.decide::<Task>(child.0, task::Command::Delete).await?;
                    late += 1;
                }
            }
            Ok::<_, Error>(late)
        };
        if app.store.transact(origin.clone(), Mode::default(), decide).await?.answer == 0 {
            break;
        }
    }
    Ok(())
}
