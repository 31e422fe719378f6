//! A task field by field, and how it becomes again what its fields were.

use orbit_events::tasks::{
    Status,
    task::{
        Completed, Deleted, Described, Dismissed, Event, Moved, Nested, Prioritised, Reopened, Restored, Retitled,
        Scheduled, StatusChanged,
    },
};
use serde_json::{from_value, json};

use super::{Present, Rejection, SetBack, State, decide::labelling};
use crate::{Context, Fields, tasks::tree::Lineage};

impl Present {
    /// The task that has these fields.
    pub fn from_fields(fields: &Fields) -> Result<Self, serde_json::Error> {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        Ok(Self {
            list_id: from_value(field("list_id"))?,
            parent_id: from_value(field("parent_id"))?,
            title: from_value(field("title"))?,
            description: from_value(field("description"))?,
            priority: from_value(field("priority"))?,
            status: from_value(field("status"))?,
            due_date: from_value(field("due_date"))?,
            completed_at: from_value(field("completed_at"))?,
            dismiss_reason: from_value(field("dismiss_reason"))?,
            position: from_value(field("position"))?,
            labels: from_value(field("labels"))?,
            created_by: from_value(field("created_by"))?,
            extracted_from: from_value(field("extracted_from"))?,
            deleted_at: from_value(field("deleted_at"))?,
        })
    }

    pub(super) fn fields(&self) -> Fields {
        Fields::from([
            ("list_id", json!(self.list_id)),
            ("parent_id", json!(self.parent_id)),
            ("title", json!(self.title)),
            ("description", json!(self.description)),
            ("priority", json!(self.priority)),
            ("status", json!(self.status)),
            ("due_date", json!(self.due_date)),
            ("completed_at", json!(self.completed_at)),
            ("dismiss_reason", json!(self.dismiss_reason)),
            ("position", json!(self.position)),
            ("labels", json!(self.labels)),
            ("created_by", json!(self.created_by)),
            ("extracted_from", json!(self.extracted_from)),
            ("deleted_at", json!(self.deleted_at)),
        ])
    }
}

/// The facts between what the task is and what it was. In the trash nothing but coming out of it changes a task.
pub(super) fn set_back(state: &State, asked: SetBack, context: &Context) -> Result<Vec<Event>, Rejection> {
    let SetBack { to, lineage } = asked;
    let task = state.present().ok_or(Rejection::NotFound)?;
    let mut facts: Vec<Event> = vec![];
    let comes_back = task.deleted_at.is_some() && to.deleted_at.is_none();
    if comes_back {
        facts.push(Restored {}.into());
    }
    facts.extend(reworded(task, &to));
    if (task.list_id, &task.position) != (to.list_id, &to.position) {
        facts.push(Moved { list_id: to.list_id, position: to.position.clone() }.into());
    }
    if task.parent_id != to.parent_id || (comes_back && to.parent_id.is_some()) {
        let parent = lineage.as_ref().map(Lineage::check).transpose()?;
        if parent != to.parent_id {
            return Err(Rejection::ParentNotFound);
        }
        facts.extend((task.parent_id != parent).then(|| Nested { parent_id: parent }.into()));
    }
    facts.extend(labelling(task, to.labels.clone())?);
    facts.extend(standing(task, &to, context));
    if task.deleted_at.is_some() && !comes_back && !facts.is_empty() {
        return Err(Rejection::Deleted);
    }
    if let Some(deleted_at) = to.deleted_at.filter(|_| task.deleted_at.is_none()) {
        facts.push(Deleted { deleted_at }.into());
    }
    Ok(facts)
}

fn reworded(task: &Present, to: &Present) -> impl Iterator<Item = Event> {
    let title = (task.title != to.title).then(|| Retitled { title: to.title.clone() }.into());
    let description =
        (task.description != to.description).then(|| Described { description: to.description.clone() }.into());
    let priority = (task.priority != to.priority).then(|| Prioritised { priority: to.priority }.into());
    let due_date = (task.due_date != to.due_date).then(|| Scheduled { due_date: to.due_date }.into());
    [title, description, priority, due_date].into_iter().flatten()
}

/// Where it stood, and since when or why. What was done or dismissed is reopened first, as always.
fn standing(task: &Present, to: &Present, context: &Context) -> Vec<Event> {
    let completed_at = to.completed_at.or(task.completed_at).unwrap_or(context.now);
    let same = match to.status {
        Status::Done => task.status == Status::Done && task.completed_at == Some(completed_at),
        Status::Dismissed => task.status == Status::Dismissed && task.dismiss_reason == to.dismiss_reason,
        Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending => {
            task.status == to.status
        }
    };
    if same {
        return vec![];
    }
    let mut facts = vec![];
    let is_closed = matches!(task.status, Status::Done | Status::Dismissed);
    if is_closed {
        facts.push(Reopened {}.into());
    }
    match to.status {
        Status::Done => facts.push(Completed { completed_at }.into()),
        Status::Dismissed => facts.push(Dismissed { reason: to.dismiss_reason.clone() }.into()),
        Status::Open if is_closed => {}
        status @ (Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending) => {
            facts.push(StatusChanged { status }.into());
        }
    }
    facts
}
