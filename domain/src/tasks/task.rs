//! A task: State, Commands, Rejections; what follows from a command is in `task/decide.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use orbit_events::{
    EntityRef, LabelId, ListId, TaskId, UserId,
    tasks::{
        Author, Priority, Status,
        task::{Deleted, Event, Reopened, Restored},
    },
};
use uuid::Uuid;

use super::{
    Description, DueDate, Reason, Title,
    order::Slot,
    tree::{Lineage, MAX_DEPTH},
};
use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

mod decide;
mod set_back;

/// Scope of the claim on a task's place; scanned by list, it gives the tasks of a list in order.
pub const ORDER: &str = "tasks.order";
/// Scope of the claim on a task's parent; scanned by parent, it gives the sub-tasks.
pub const CHILD: &str = "tasks.child";

/// Most labels on a task.
pub const MAX_LABELS: usize = 50;

/// The aggregate.
#[derive(Debug)]
pub struct Task;

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Written down; perhaps in the trash.
    Present(Box<Present>),
}

/// A task that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The list it stands in.
    pub list_id: ListId,
    /// The task it is part of.
    pub parent_id: Option<TaskId>,
    /// One line.
    pub title: String,
    /// Markdown; never empty.
    pub description: Option<String>,
    /// How much it matters.
    pub priority: Priority,
    /// Where it stands.
    pub status: Status,
    /// The day by which it is to be done, in the user's zone.
    pub due_date: Option<NaiveDate>,
    /// When it was done; set exactly while the status is done.
    pub completed_at: Option<DateTime<Utc>>,
    /// Why it was turned down; absent unless the status is dismissed.
    pub dismiss_reason: Option<String>,
    /// Fractional index in the list.
    pub position: String,
    /// Labels on it, in the order in which they were put on.
    pub labels: Vec<LabelId>,
    /// Who wrote it down.
    pub created_by: Author,
    /// What it was read out of.
    pub extracted_from: Option<EntityRef>,
    /// When it was put into the trash; set exactly while it is there.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl State {
    /// The task, in the trash or not.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(task) => Some(task),
            Self::Absent => None,
        }
    }

    /// The task, unless it is in the trash.
    pub fn live(&self) -> Option<&Present> {
        self.present().filter(|task| task.deleted_at.is_none())
    }

    fn get(&self) -> Result<&Present, Rejection> {
        let task = self.present().ok_or(Rejection::NotFound)?;
        if task.deleted_at.is_some() { Err(Rejection::Deleted) } else { Ok(task) }
    }

    fn with(mut self, change: impl FnOnce(&mut Present)) -> Self {
        if let Self::Present(task) = &mut self {
            change(task);
        }
        self
    }
}

/// What can be asked of a task. Ids in commands were looked up by the caller: lists and labels exist and are the
/// user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Write it down.
    Create(Create),
    /// Change some of it; what `PATCH` and `move` become.
    Edit(Edit),
    /// Put one label on it.
    Label(LabelId),
    /// Take one label off it.
    Unlabel(LabelId),
    /// It was done.
    Complete,
    /// It is to be done again, after it was done or turned down.
    Reopen,
    /// It was turned down.
    Dismiss {
        /// Why.
        reason: Option<Reason>,
    },
    /// Put it into the trash.
    Delete,
    /// Take it out of the trash.
    Restore(Restore),
    /// Make it what it was.
    SetBack(Box<SetBack>),
}

/// Where a task is to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The list.
    pub list_id: ListId,
    /// The place in it. [`Slot::anywhere`] moves a task to the list's end, unless it is in that list already.
    pub slot: Slot,
}

/// What a new task is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Where it stands.
    pub place: Place,
    /// The task it is part of, if any.
    pub lineage: Option<Lineage>,
    /// What it is called.
    pub title: Title,
    /// What it is about.
    pub description: Option<Description>,
    /// How much it matters; medium, if absent.
    pub priority: Option<Priority>,
    /// Where it stands; open, if absent.
    pub status: Option<Status>,
    /// The day by which it is to be done.
    pub due_date: Option<DueDate>,
    /// Labels on it; doubles count once.
    pub labels: Vec<LabelId>,
    /// What it was read out of.
    pub extracted_from: Option<EntityRef>,
}

/// What is to change of a task. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// What it is called.
    pub title: Option<Title>,
    /// What it is about.
    pub description: Option<Option<Description>>,
    /// How much it matters.
    pub priority: Option<Priority>,
    /// Where it stands: `done` completes it, `dismissed` turns it down, anything else reopens it if need be.
    pub status: Option<Status>,
    /// The day by which it is to be done.
    pub due_date: Option<Option<DueDate>>,
    /// Its list and its place there.
    pub place: Option<Place>,
    /// The task it is part of.
    pub parent: Option<Option<Lineage>>,
    /// All its labels.
    pub labels: Option<Vec<LabelId>>,
}

/// How a task comes back out of the trash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restore {
    /// Where it is to stand, if its old place is lost: the list was removed, or another task has taken the place.
    pub place: Option<Place>,
    /// The task it was part of, as it is now. Absent, or no longer possible, it comes back as part of none.
    pub lineage: Option<Lineage>,
}

/// What a task is to be again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBack {
    /// What it was. The caller has looked whether its list is there and its place free.
    pub to: Present,
    /// Where it would stand as part of the task that it was part of.
    pub lineage: Option<Lineage>,
}

rejections! {
    /// Why a task may say no.
    NotFound = "task_not_found", NotFound, "there is no such task";
    Exists = "task_exists", Conflict, "another task with this id exists already";
    Deleted = "task_deleted", Conflict, "the task is in the trash; restore it first";
    Done = "task_done", Conflict, "the task is done; reopen it first";
    Dismissed = "task_dismissed", Conflict, "the task was dismissed; reopen it first";
    ParentNotFound = "parent_not_found", Invalid on "parent_id", "there is no such parent task";
    ParentDeleted = "parent_deleted", Conflict on "parent_id", "the parent task is in the trash";
    Circle = "circle", Invalid on "parent_id", "a task cannot be part of itself or of its own sub-tasks";
    TooDeep = "too_deep", Invalid on "parent_id", "sub-tasks may be at most {MAX_DEPTH} levels deep";
    TooManyLabels = "too_many_labels", Invalid on "labels", "a task has at most {MAX_LABELS} labels";
}

impl Aggregate for Task {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Created(created) => State::Present(Box::new(Present {
                list_id: created.list_id,
                parent_id: created.parent_id,
                title: created.title.clone(),
                description: created.description.clone(),
                priority: created.priority,
                status: created.status,
                due_date: created.due_date,
                completed_at: None,
                dismiss_reason: None,
                position: created.position.clone(),
                labels: created.labels.clone(),
                created_by: created.created_by,
                extracted_from: created.extracted_from.clone(),
                deleted_at: None,
            })),
            Event::Retitled(retitled) => state.with(|task| task.title.clone_from(&retitled.title)),
            Event::Described(described) => state.with(|task| task.description.clone_from(&described.description)),
            Event::Prioritised(prioritised) => state.with(|task| task.priority = prioritised.priority),
            Event::Scheduled(scheduled) => state.with(|task| task.due_date = scheduled.due_date),
            Event::Moved(moved) => state.with(|task| {
                task.list_id = moved.list_id;
                task.position.clone_from(&moved.position);
            }),
            Event::StatusChanged(changed) => state.with(|task| task.stand(changed.status)),
            Event::Completed(completed) => state.with(|task| {
                task.stand(Status::Done);
                task.completed_at = Some(completed.completed_at);
            }),
            Event::Reopened(Reopened {}) => state.with(|task| task.stand(Status::Open)),
            Event::Labelled(labelled) => state.with(|task| {
                task.labels.retain(|label| *label != labelled.label_id);
                task.labels.push(labelled.label_id);
            }),
            Event::Unlabelled(unlabelled) => {
                state.with(|task| task.labels.retain(|label| *label != unlabelled.label_id))
            }
            Event::Nested(nested) => state.with(|task| task.parent_id = nested.parent_id),
            Event::Dismissed(dismissed) => state.with(|task| {
                task.stand(Status::Dismissed);
                task.dismiss_reason.clone_from(&dismissed.reason);
            }),
            Event::Deleted(Deleted { deleted_at }) => state.with(|task| task.deleted_at = Some(*deleted_at)),
            Event::Restored(Restored {}) => state.with(|task| task.deleted_at = None),
        }
    }

    fn claims(state: &State, id: Uuid, _: UserId) -> Vec<Claim> {
        let Some(task) = state.live() else { return vec![] };
        let place = Claim::ordered(ORDER, &[task.list_id.0.as_bytes(), task.position.as_bytes()]);
        let child = task.parent_id.map(|parent| Claim::ordered(CHILD, &[parent.0.as_bytes(), id.as_bytes()]));
        [Some(place), child].into_iter().flatten().collect()
    }

    fn fields(state: &State) -> Fields {
        state.present().map(Present::fields).unwrap_or_default()
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Created(_)
            | Event::Retitled(_)
            | Event::Described(_)
            | Event::Prioritised(_)
            | Event::Scheduled(_)
            | Event::Moved(_)
            | Event::StatusChanged(_)
            | Event::Completed(_)
            | Event::Reopened(_)
            | Event::Labelled(_)
            | Event::Unlabelled(_)
            | Event::Nested(_)
            | Event::Dismissed(_)
            | Event::Deleted(_)
            | Event::Restored(_) => Reversal::ByFacts,
        }
    }
}

impl Present {
    fn stand(&mut self, status: Status) {
        self.status = status;
        self.completed_at = None;
        self.dismiss_reason = None;
    }
}

#[cfg(test)]
mod tests;
