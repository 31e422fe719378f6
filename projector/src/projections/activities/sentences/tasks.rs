//! Sentences about lists, tasks and labels.

use orbit_events::tasks::{Priority, Status, label, list, task};
use uuid::Uuid;

use super::{Names, Tell, about, cut, followed, quoted};

pub(super) fn without_words(wire_type: &str) -> Option<&'static str> {
    Some(match wire_type {
        "lists.created" => "Created a list",
        "lists.renamed" => "Renamed a list",
        "lists.recoloured" => "Recoloured a list",
        "lists.moved" => "Moved a list",
        "lists.removed" => "Removed a list",
        "lists.restored" => "Restored a list",
        "tasks.created" => "Created a task",
        "tasks.retitled" => "Renamed a task",
        "tasks.described" => "Described a task",
        "tasks.prioritised" => "Changed the priority of a task",
        "tasks.scheduled" => "Changed the due date of a task",
        "tasks.moved" => "Moved a task",
        "tasks.status_changed" => "Changed the status of a task",
        "tasks.completed" => "Completed a task",
        "tasks.reopened" => "Reopened a task",
        "tasks.labelled" => "Labelled a task",
        "tasks.unlabelled" => "Took a label off a task",
        "tasks.nested" => "Changed what a task is part of",
        "tasks.dismissed" => "Dismissed a task",
        "tasks.deleted" => "Deleted a task",
        "tasks.restored" => "Restored a task",
        "labels.created" => "Created a label",
        "labels.renamed" => "Renamed a label",
        "labels.recoloured" => "Recoloured a label",
        "labels.removed" => "Removed a label",
        _ => return None,
    })
}

impl Tell for list::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Created(created) => Some(&created.name),
            Self::Renamed(renamed) => Some(&renamed.name),
            Self::Restored(restored) => Some(&restored.name),
            Self::Recoloured(_) | Self::Moved(_) | Self::Removed(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let verb = |verb: &str| about(verb, "a list", "list", names.name(id));
        Some(match self {
            Self::Created(created) => format!("Created list {}", quoted(&created.name)),
            Self::Renamed(renamed) => format!("{} to {}", verb("Renamed"), quoted(&renamed.name)),
            Self::Recoloured(_) => verb("Recoloured"),
            Self::Moved(_) => verb("Moved"),
            Self::Removed(_) => verb("Removed"),
            Self::Restored(restored) => format!("Restored list {}", quoted(&restored.name)),
        })
    }
}

impl Tell for label::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Created(created) => Some(&created.name),
            Self::Renamed(renamed) => Some(&renamed.name),
            Self::Recoloured(_) | Self::Removed(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let verb = |verb: &str| about(verb, "a label", "label", names.name(id));
        Some(match self {
            Self::Created(created) => format!("Created label {}", quoted(&created.name)),
            Self::Renamed(renamed) => format!("{} to {}", verb("Renamed"), quoted(&renamed.name)),
            Self::Recoloured(_) => verb("Recoloured"),
            Self::Removed(_) => verb("Removed"),
        })
    }
}

impl Tell for task::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Created(created) => Some(&created.title),
            Self::Retitled(retitled) => Some(&retitled.title),
            Self::Described(_)
            | Self::Prioritised(_)
            | Self::Scheduled(_)
            | Self::Moved(_)
            | Self::StatusChanged(_)
            | Self::Completed(_)
            | Self::Reopened(_)
            | Self::Labelled(_)
            | Self::Unlabelled(_)
            | Self::Nested(_)
            | Self::Dismissed(_)
            | Self::Deleted(_)
            | Self::Restored(_) => None,
        }
    }

    fn mentioned(&self) -> Option<Uuid> {
        match self {
            Self::Created(created) => Some(created.list_id.0),
            Self::Moved(moved) => Some(moved.list_id.0),
            Self::Labelled(labelled) => Some(labelled.label_id.0),
            Self::Unlabelled(unlabelled) => Some(unlabelled.label_id.0),
            Self::Nested(nested) => nested.parent_id.map(Uuid::from),
            Self::Retitled(_)
            | Self::Described(_)
            | Self::Prioritised(_)
            | Self::Scheduled(_)
            | Self::StatusChanged(_)
            | Self::Completed(_)
            | Self::Reopened(_)
            | Self::Dismissed(_)
            | Self::Deleted(_)
            | Self::Restored(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let verb = |verb: &str| about(verb, "a task", "task", names.name(id));
        Some(match self {
            Self::Created(created) => {
                let created_task = format!("Created task {}", quoted(&created.title));
                followed(created_task, "in list", names.name(created.list_id.0))
            }
            Self::Retitled(retitled) => format!("{} to {}", verb("Renamed"), quoted(&retitled.title)),
            Self::Described(described) => match described.description {
                Some(_) => verb("Described"),
                None => verb("Removed the description of"),
            },
            Self::Prioritised(prioritised) => {
                format!("{} to {}", verb("Set the priority of"), priority(prioritised.priority))
            }
            Self::Scheduled(scheduled) => match scheduled.due_date {
                Some(day) => format!("{} to {day}", verb("Set the due date of")),
                None => verb("Removed the due date of"),
            },
            Self::Moved(moved) => followed(verb("Moved"), "to list", names.name(moved.list_id.0)),
            Self::StatusChanged(changed) => format!("{} to {}", verb("Set the status of"), status(changed.status)),
            Self::Completed(_) => verb("Completed"),
            Self::Reopened(_) => verb("Reopened"),
            Self::Labelled(labelled) => followed(verb("Labelled"), "as", names.name(labelled.label_id.0)),
            Self::Unlabelled(unlabelled) => match names.name(unlabelled.label_id.0) {
                Some(label) => verb(&format!("Took label {} off", quoted(label))),
                None => verb("Took a label off"),
            },
            Self::Nested(nested) => match nested.parent_id {
                Some(parent) => followed(verb("Nested"), "under", names.name(parent.0)),
                None => verb("Took out of its parent"),
            },
            Self::Dismissed(dismissed) => match &dismissed.reason {
                Some(reason) => format!("{}: {}", verb("Dismissed"), cut(reason)),
                None => verb("Dismissed"),
            },
            Self::Deleted(_) => verb("Deleted"),
            Self::Restored(_) => verb("Restored"),
        })
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Backlog => "backlog",
        Status::Open => "open",
        Status::InProgress => "in progress",
        Status::Waiting => "waiting",
        Status::Done => "done",
        Status::Pending => "pending",
        Status::Dismissed => "dismissed",
    }
}
