//! What can be done to a task: one operation per verb, decided within a unit of work, alone or as part of a batch.

use axum::http::StatusCode;
use orbit_domain::{
    Claim,
    tasks::{
        Label, Reason, Task,
        task::{Command, Create, Edit, MAX_LABELS, ORDER, Place, Present, Restore},
    },
};
use orbit_event_store::{Loaded, Mode, Origin, Unit};
use orbit_events::{LabelId, TaskId, tasks::Status};
use orbit_platform::{http::headers::IfMatch, ids};

use super::{
    bodies::{Children, NewTask, Target, TaskChanges},
    first_list::is_present,
    place, trash,
    tree::{descendants, height, lineage},
    views::WrittenTask,
};
use crate::{
    error::{Error, Result, refusal, rejected},
    state::AppState,
    write::{self, Reply, present},
};

/// How often late sub-tasks are looked for: each time fewer can come, since what they would be part of is in the trash.
const PASSES: u32 = 3;

/// What is to be done to a task.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Write it down.
    Create(Box<NewTask>),
    /// Change some of it.
    Edit(TaskId, Box<TaskChanges>),
    /// It was done.
    Complete(TaskId, Children),
    /// It is to be done again.
    Reopen(TaskId),
    /// It was turned down.
    Dismiss(TaskId, Option<Reason>),
    /// It goes somewhere else.
    Move(TaskId, Target),
    /// Into the trash, with all its sub-tasks.
    Delete(TaskId),
    /// Out of the trash, with the sub-tasks that went with it.
    Restore(TaskId),
    /// Put a label on it.
    Label(TaskId, LabelId),
    /// Take a label off it.
    Unlabel(TaskId, LabelId),
}

impl Operation {
    /// Decides it.
    pub async fn decide(&self, app: &AppState, unit: &Unit, if_match: &IfMatch) -> Result<Reply> {
        match self {
            Self::Create(new) => create(app, unit, new).await,
            Self::Edit(id, changes) => edit(unit, *id, changes, if_match).await,
            Self::Complete(id, children) => complete(unit, *id, *children, if_match).await,
            Self::Reopen(id) => simple(unit, *id, Command::Reopen, if_match).await,
            Self::Dismiss(id, reason) => simple(unit, *id, Command::Dismiss { reason: reason.clone() }, if_match).await,
            Self::Move(id, target) => relocate(unit, *id, *target, if_match).await,
            Self::Delete(id) => delete(unit, *id, if_match).await,
            Self::Restore(id) => restore(app, unit, *id, if_match).await,
            Self::Label(id, label) => put_on(unit, *id, *label, if_match).await,
            Self::Unlabel(id, label) => {
                simple(unit, *id, Command::Unlabel(*label), if_match).await?;
                Ok(Reply::nothing())
            }
        }
    }

    /// What is left to do once it is in the log. `origin` is the one that it was decided with.
    pub async fn follow_up(&self, app: &AppState, origin: Origin) {
        if let Self::Delete(id) = self {
            write::follow_up("delete late sub-tasks", delete_late(app, origin, *id).await);
        }
    }
}

/// Puts sub-tasks into the trash that came while the deletion of what is above them was being decided: a scan does not
/// guard what is not there yet. Later ones find their parent in the trash. From the deletion's own origin, so that they
/// come back with it.
async fn delete_late(app: &AppState, origin: Origin, id: TaskId) -> Result<()> {
    for _ in 0..PASSES {
        let decide = |unit: Unit| async move {
            let in_trash = |task: &Loaded<Task>| task.state.present().is_some_and(|task| task.deleted_at.is_some());
            let Some(task) = unit.load::<Task>(id.0).await?.filter(in_trash) else { return Ok(0) };
            let gone = trash::deleted_with(app.store.log(), &unit, &task).await?;
            let mut late = 0;
            for above in std::iter::once(id).chain(gone) {
                for (below, _) in descendants(&unit, above).await? {
                    unit.decide::<Task>(below.0, Command::Delete).await?;
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

async fn create(app: &AppState, unit: &Unit, new: &NewTask) -> Result<Reply> {
    let id = ids::new_v7(app.store.clock());
    let place = match (new.list_id, new.anchor) {
        (None, None) => place::anywhere(unit, app.first_lists.of(unit).await?),
        (list_id, anchor) => place::of_task(unit, Target { list_id, anchor }, id, None).await?,
    };
    let lineage = match new.parent_id {
        Some(parent) => Some(lineage(unit, TaskId(id), parent, 0).await?),
        None => None,
    };
    labels_exist(unit, &new.labels).await?;
    let command = Command::Create(Create {
        place,
        lineage,
        title: new.title.clone(),
        description: new.description.clone(),
        priority: new.priority,
        status: new.status,
        due_date: new.due_date,
        labels: new.labels.clone(),
        extracted_from: new.extracted_from.clone(),
    });
    let task = WrittenTask::of(unit, unit.create::<Task>(id, command)?).await?;
    Ok(Reply::created(&task, format!("/api/v1/tasks/{id}"))?.version(task.version))
}

async fn edit(unit: &Unit, id: TaskId, changes: &TaskChanges, if_match: &IfMatch) -> Result<Reply> {
    present::<Task>(unit, id.0, if_match).await?;
    let place = match changes.list_id {
        Some(list_id) => Some(place::anywhere(unit, place::known(unit, list_id).await?)),
        None => None,
    };
    let parent = match changes.parent_id {
        Some(Some(parent)) => Some(Some(lineage(unit, id, parent, height(unit, id).await?).await?)),
        Some(None) => Some(None),
        None => None,
    };
    labels_exist(unit, changes.labels.as_deref().unwrap_or_default()).await?;
    let edit = Edit {
        title: changes.title.clone(),
        description: changes.description.clone(),
        priority: changes.priority,
        status: changes.status,
        due_date: changes.due_date,
        place,
        parent,
        labels: changes.labels.clone(),
    };
    shown(unit, unit.decide::<Task>(id.0, Command::Edit(edit)).await?).await
}

async fn complete(unit: &Unit, id: TaskId, children: Children, if_match: &IfMatch) -> Result<Reply> {
    present::<Task>(unit, id.0, if_match).await?;
    let task = unit.decide::<Task>(id.0, Command::Complete).await?;
    if children == Children::Complete {
        for (child, _) in descendants(unit, id).await? {
            let open = |task: &Present| !matches!(task.status, Status::Done | Status::Dismissed);
            let child = unit.load::<Task>(child.0).await?.filter(|child| child.state.live().is_some_and(open));
            if let Some(child) = child {
                unit.decide::<Task>(child.id, Command::Complete).await?;
            }
        }
    }
    shown(unit, task).await
}

async fn relocate(unit: &Unit, id: TaskId, target: Target, if_match: &IfMatch) -> Result<Reply> {
    let task = present::<Task>(unit, id.0, if_match).await?;
    let home = task.state.present().map(|task| task.list_id);
    let place = place::of_task(unit, target, id.0, home).await?;
    let edit = Edit { place: Some(place), ..Edit::default() };
    shown(unit, unit.decide::<Task>(id.0, Command::Edit(edit)).await?).await
}

pub async fn delete(unit: &Unit, id: TaskId, if_match: &IfMatch) -> Result<Reply> {
    present::<Task>(unit, id.0, if_match).await?;
    unit.decide::<Task>(id.0, Command::Delete).await?;
    delete_below(unit, id).await?;
    Ok(Reply::nothing())
}

/// Puts all sub-tasks into the trash.
pub async fn delete_below(unit: &Unit, id: TaskId) -> Result<()> {
    for (child, _) in descendants(unit, id).await? {
        if unit.load::<Task>(child.0).await?.is_some_and(|child| child.state.live().is_some()) {
            unit.decide::<Task>(child.0, Command::Delete).await?;
        }
    }
    Ok(())
}

async fn restore(app: &AppState, unit: &Unit, id: TaskId, if_match: &IfMatch) -> Result<Reply> {
    let task = present::<Task>(unit, id.0, if_match).await?;
    let below = trash::deleted_with(app.store.log(), unit, &task).await?;
    for id in std::iter::once(id).chain(below) {
        if let Some(task) = unit.load::<Task>(id.0).await? {
            let command = Command::Restore(way_back(app, unit, &task).await?);
            unit.decide::<Task>(id.0, command).await?;
        }
    }
    let task = present::<Task>(unit, id.0, &IfMatch::Absent).await?;
    shown(unit, task).await
}

/// How a task comes out of the trash: to its old place, if it is still free, and to its old parent, if that is there.
pub async fn way_back(app: &AppState, unit: &Unit, task: &Loaded<Task>) -> Result<Restore> {
    let Some(state) = task.state.present().filter(|task| task.deleted_at.is_some()) else {
        return Ok(Restore::default());
    };
    let lineage = match state.parent_id {
        Some(parent) => Some(lineage(unit, TaskId(task.id), parent, 0).await?),
        None => None,
    };
    Ok(Restore { place: new_place(app, unit, state).await?, lineage })
}

/// Another place for a task whose list is gone or whose place is taken.
async fn new_place(app: &AppState, unit: &Unit, task: &Present) -> Result<Option<Place>> {
    if !is_present(unit, task.list_id).await? {
        return Ok(Some(place::anywhere(unit, app.first_lists.of(unit).await?)));
    }
    let old = Claim::ordered(ORDER, &[task.list_id.0.as_bytes(), task.position.as_bytes()]);
    match unit.holder(&old).await? {
        Some(_) => place::behind(unit, task.list_id, &task.position).map(Some),
        None => Ok(None),
    }
}

async fn put_on(unit: &Unit, id: TaskId, label: LabelId, if_match: &IfMatch) -> Result<Reply> {
    let task = present::<Task>(unit, id.0, if_match).await?;
    let label_state = present::<Label>(unit, label.0, &IfMatch::Absent).await?.state;
    if label_state.present().is_none() {
        return Err(rejected(&orbit_domain::tasks::label::Rejection::Removed).into());
    }
    make_room(unit, &task, label).await?;
    shown(unit, unit.decide::<Task>(id.0, Command::Label(label)).await?).await
}

/// Takes labels that were removed off a task that is full: nobody sees them, so they must not be in the way.
async fn make_room(unit: &Unit, task: &Loaded<Task>, label: LabelId) -> Result<()> {
    let full = |task: &&Present| task.labels.len() >= MAX_LABELS && !task.labels.contains(&label);
    let Some(state) = task.state.live().filter(full) else { return Ok(()) };
    for old in &state.labels {
        if !is_in_use(unit, *old).await? {
            unit.decide::<Task>(task.id, Command::Unlabel(*old)).await?;
        }
    }
    Ok(())
}

/// Whether a label was not removed.
pub async fn is_in_use(unit: &Unit, label: LabelId) -> Result<bool> {
    Ok(unit.load::<Label>(label.0).await?.is_some_and(|label| label.state.present().is_some()))
}

async fn simple(unit: &Unit, id: TaskId, command: Command, if_match: &IfMatch) -> Result<Reply> {
    present::<Task>(unit, id.0, if_match).await?;
    shown(unit, unit.decide::<Task>(id.0, command).await?).await
}

async fn shown(unit: &Unit, task: Loaded<Task>) -> Result<Reply> {
    let version = task.version;
    Ok(Reply::ok(&WrittenTask::of(unit, task).await?)?.version(version))
}

/// All labels exist; the first one that does not is named by its place in the array.
async fn labels_exist(unit: &Unit, labels: &[LabelId]) -> Result<()> {
    for (index, label) in labels.iter().enumerate() {
        if !is_in_use(unit, *label).await? {
            let pointer = Some(format!("/labels/{index}"));
            let detail = "there is no such label";
            return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "unknown_label", pointer, detail).into());
        }
    }
    Ok(())
}
