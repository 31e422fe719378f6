//! What follows from a command to a task.

use chrono::{DateTime, Utc};
use orbit_events::{
    LabelId,
    tasks::{
        Priority, Status,
        task::{
            Completed, Created, Deleted, Described, Dismissed, Event, Labelled, Moved, Nested, Prioritised, Reopened,
            Restored, Retitled, Scheduled, StatusChanged, Unlabelled,
        },
    },
};

use super::{Command, Create, Edit, MAX_LABELS, Place, Present, Rejection, Restore, State, Task, set_back};
use crate::{
    Aggregate, Context,
    tasks::{Reason, tree::Lineage},
    values::author,
};

type Facts = Result<Vec<Event>, Rejection>;

pub(super) fn decide(state: &State, command: Command, context: &Context) -> Facts {
    match command {
        Command::Create(create) => creation(state, create, context),
        Command::Edit(edit) => edition(state.get()?, edit, context.now),
        Command::Label(label) => {
            let task = state.get()?;
            labelling(task, [task.labels.as_slice(), &[label]].concat())
        }
        Command::Unlabel(label) => {
            let task = state.get()?;
            labelling(task, task.labels.iter().copied().filter(|other| *other != label).collect())
        }
        Command::Complete => completion(state.get()?.status, context.now),
        Command::Reopen => Ok(reopening(state.get()?.status)),
        Command::Dismiss { reason } => dismissal(state.get()?.status, reason),
        Command::Delete => deletion(state, context.now),
        Command::Restore(restore) => restoration(state, restore),
        Command::SetBack(asked) => set_back::set_back(state, *asked, context),
    }
}

fn creation(state: &State, create: Create, context: &Context) -> Facts {
    let facts = first_facts(create, context)?;
    match state {
        State::Absent => Ok(facts),
        State::Present(_) => {
            // The same once more is already so; the place and the moment were new with every attempt.
            let task = state.get()?;
            let mut asked = facts.iter().fold(State::Absent, Task::evolve);
            asked = asked.with(|asked| {
                asked.position.clone_from(&task.position);
                asked.completed_at = task.completed_at;
                asked.dismiss_reason.clone_from(&task.dismiss_reason);
            });
            if asked == *state { Ok(vec![]) } else { Err(Rejection::Exists) }
        }
    }
}

/// A task that begins as done or dismissed was written down and then completed or turned down.
fn first_facts(create: Create, context: &Context) -> Facts {
    let parent_id = create.lineage.as_ref().map(Lineage::check).transpose()?;
    let labels = once_each(create.labels);
    if labels.len() > MAX_LABELS {
        return Err(Rejection::TooManyLabels);
    }
    let status = create.status.unwrap_or(Status::Open);
    let (begins, ends) = match status {
        Status::Done => (Status::Open, completion(Status::Open, context.now)?),
        Status::Dismissed => (Status::Open, dismissal(Status::Open, None)?),
        Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending => (status, vec![]),
    };
    let created = Created {
        list_id: create.place.list_id,
        parent_id,
        title: create.title.into(),
        description: create.description.and_then(super::Description::into_text),
        priority: create.priority.unwrap_or(Priority::Medium),
        status: begins,
        due_date: create.due_date.map(super::DueDate::date),
        position: create.place.slot.position().to_owned(),
        labels,
        created_by: author(&context.actor),
        extracted_from: create.extracted_from,
    };
    Ok(std::iter::once(created.into()).chain(ends).collect())
}

fn edition(task: &Present, edit: Edit, now: DateTime<Utc>) -> Facts {
    let mut facts: Vec<Event> = vec![];
    if let Some(title) = edit.title.map(String::from).filter(|title| *title != task.title) {
        facts.push(Retitled { title }.into());
    }
    let description = edit.description.map(|text| text.and_then(super::Description::into_text));
    if let Some(description) = description.filter(|description| *description != task.description) {
        facts.push(Described { description }.into());
    }
    if let Some(priority) = edit.priority.filter(|priority| *priority != task.priority) {
        facts.push(Prioritised { priority }.into());
    }
    let due_date = edit.due_date.map(|day| day.map(super::DueDate::date));
    if let Some(due_date) = due_date.filter(|due_date| *due_date != task.due_date) {
        facts.push(Scheduled { due_date }.into());
    }
    facts.extend(edit.place.and_then(|place| moving(task, &place)));
    if let Some(parent) = edit.parent {
        facts.extend(nesting(task, parent.as_ref())?);
    }
    if let Some(labels) = edit.labels {
        facts.extend(labelling(task, labels)?);
    }
    if let Some(status) = edit.status {
        facts.extend(standing(task.status, status, now)?);
    }
    Ok(facts)
}

fn moving(task: &Present, place: &Place) -> Option<Event> {
    if place.list_id == task.list_id && place.slot.holds(&task.position) {
        return None;
    }
    Some(Moved { list_id: place.list_id, position: place.slot.position().to_owned() }.into())
}

fn nesting(task: &Present, lineage: Option<&Lineage>) -> Result<Option<Event>, Rejection> {
    // Where the task already is, it may stay: the rules were kept when it came there.
    if lineage.map(|lineage| lineage.parent) == task.parent_id {
        return Ok(None);
    }
    let parent_id = lineage.map(Lineage::check).transpose()?;
    Ok(Some(Nested { parent_id }.into()))
}

/// The labels on the task become these: the others go, then those that it lacks come.
pub(super) fn labelling(task: &Present, labels: Vec<LabelId>) -> Facts {
    let labels = once_each(labels);
    if labels.len() > MAX_LABELS {
        return Err(Rejection::TooManyLabels);
    }
    let gone = task.labels.iter().filter(|label| !labels.contains(label));
    let new = labels.iter().filter(|label| !task.labels.contains(label));
    let gone = gone.map(|label| Unlabelled { label_id: *label }.into());
    let new = new.map(|label| Labelled { label_id: *label }.into());
    Ok(gone.chain(new).collect())
}

fn once_each(labels: Vec<LabelId>) -> Vec<LabelId> {
    let mut once = Vec::with_capacity(labels.len().min(MAX_LABELS + 1));
    for label in labels {
        // One more than allowed is enough to refuse; what a caller sends may be very long.
        if once.len() <= MAX_LABELS && !once.contains(&label) {
            once.push(label);
        }
    }
    once
}

/// The status becomes `wanted`, through whichever facts say so.
fn standing(current: Status, wanted: Status, now: DateTime<Utc>) -> Facts {
    match wanted {
        Status::Done => completion(current, now),
        Status::Dismissed => dismissal(current, None),
        Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending => {
            let mut facts = reopening(current);
            let current = if facts.is_empty() { current } else { Status::Open };
            if current != wanted {
                facts.push(StatusChanged { status: wanted }.into());
            }
            Ok(facts)
        }
    }
}

fn completion(current: Status, now: DateTime<Utc>) -> Facts {
    match current {
        Status::Done => Ok(vec![]),
        Status::Dismissed => Err(Rejection::Dismissed),
        Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending => {
            Ok(vec![Completed { completed_at: now }.into()])
        }
    }
}

fn reopening(current: Status) -> Vec<Event> {
    match current {
        Status::Done | Status::Dismissed => vec![Reopened {}.into()],
        Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending => vec![],
    }
}

fn dismissal(current: Status, reason: Option<Reason>) -> Facts {
    match current {
        Status::Dismissed => Ok(vec![]),
        Status::Done => Err(Rejection::Done),
        Status::Backlog | Status::Open | Status::InProgress | Status::Waiting | Status::Pending => {
            Ok(vec![Dismissed { reason: reason.map(String::from) }.into()])
        }
    }
}

fn deletion(state: &State, now: DateTime<Utc>) -> Facts {
    let task = state.present().ok_or(Rejection::NotFound)?;
    Ok(if task.deleted_at.is_some() { vec![] } else { vec![Deleted { deleted_at: now }.into()] })
}

fn restoration(state: &State, restore: Restore) -> Facts {
    let task = state.present().ok_or(Rejection::NotFound)?;
    if task.deleted_at.is_none() {
        return Ok(vec![]);
    }
    let mut facts: Vec<Event> = vec![Restored {}.into()];
    facts.extend(restore.place.and_then(|place| moving(task, &place)));
    let parent = restore.lineage.filter(|lineage| lineage.check().is_ok()).map(|lineage| lineage.parent);
    if task.parent_id.is_some() && parent != task.parent_id {
        facts.push(Nested { parent_id: None }.into());
    }
    Ok(facts)
}
