//! Facts of the tasks context: lists (Kanban columns), tasks, labels.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::values::Author;
use crate::{EntityRef, LabelId, ListId, TaskId, codec::facts};

/// How much a task matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Some day, not now.
    Backlog,
    /// To be done.
    Open,
    /// Being done.
    InProgress,
    /// Waiting for somebody else.
    Waiting,
    /// Completed.
    Done,
    /// Suggested by the agent, not yet accepted by the user.
    Pending,
    /// Turned down.
    Dismissed,
}

/// A list of tasks: a column of the board.
pub mod list {
    use super::{DateTime, Deserialize, Serialize, Utc, Uuid, facts};

    facts! {
        /// What happens to a list.
        category "lists"
        #[doc = "A list was added to the board."]
        Created(Created) = "lists.created" 1 []
        #[doc = "A list got another name."]
        Renamed(Renamed) = "lists.renamed" 1 []
        #[doc = "A list got another colour, or none."]
        Recoloured(Recoloured) = "lists.recoloured" 1 []
        #[doc = "A list got another place on the board."]
        Moved(Moved) = "lists.moved" 1 []
        #[doc = "A list was taken off the board."]
        Removed(Removed) = "lists.removed" 1 []
        #[doc = "A list that was taken off the board came back."]
        Restored(Restored) = "lists.restored" 1 []
    }

    /// A list was added to the board.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Created {
        /// Unique per user without regard to case.
        pub name: String,
        /// `#rrggbb`
        pub color: Option<String>,
        /// Fractional index among the user's lists.
        pub position: String,
    }

    /// A list got another name.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Renamed {
        /// The new name.
        pub name: String,
    }

    /// A list got another colour, or none.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Recoloured {
        /// `#rrggbb`
        pub color: Option<String>,
    }

    /// A list got another place on the board.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Moved {
        /// Fractional index among the user's lists.
        pub position: String,
    }

    /// A list was taken off the board.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Removed {}

    /// A list that was taken off the board came back. All of it is said anew, since nobody keeps what was removed.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Restored {
        /// Unique per user without regard to case.
        pub name: String,
        /// `#rrggbb`
        pub color: Option<String>,
        /// Fractional index among the user's lists.
        pub position: String,
        /// When the list was first made.
        pub created_at: DateTime<Utc>,
    }

    impl Event {
        fn mentioned(&self) -> Vec<Uuid> {
            match self {
                Self::Created(_)
                | Self::Renamed(_)
                | Self::Recoloured(_)
                | Self::Moved(_)
                | Self::Restored(_)
                | Self::Removed(_) => Vec::new(),
            }
        }
    }
}

/// A task.
pub mod task {
    use super::{
        Author, DateTime, Deserialize, EntityRef, LabelId, ListId, NaiveDate, Priority, Serialize, Status, TaskId, Utc,
        Uuid, facts,
    };

    facts! {
        /// What happens to a task.
        category "tasks"
        #[doc = "A task was written down."]
        Created(Created) = "tasks.created" 1 []
        #[doc = "A task got another title."]
        Retitled(Retitled) = "tasks.retitled" 1 []
        #[doc = "A task got another description, or none."]
        Described(Described) = "tasks.described" 1 []
        #[doc = "A task matters more or less than before."]
        Prioritised(Prioritised) = "tasks.prioritised" 1 []
        #[doc = "A task got another due date, or none."]
        Scheduled(Scheduled) = "tasks.scheduled" 1 []
        #[doc = "A task went to another list or another place in its list."]
        Moved(Moved) = "tasks.moved" 1 []
        #[doc = "Work on a task started, paused, waits, or was put off."]
        StatusChanged(StatusChanged) = "tasks.status_changed" 1 []
        #[doc = "A task was done."]
        Completed(Completed) = "tasks.completed" 1 []
        #[doc = "A task that was done or dismissed is to be done again."]
        Reopened(Reopened) = "tasks.reopened" 1 []
        #[doc = "A label was put on a task."]
        Labelled(Labelled) = "tasks.labelled" 1 []
        #[doc = "A label was taken off a task."]
        Unlabelled(Unlabelled) = "tasks.unlabelled" 1 []
        #[doc = "A task became a sub-task of another, or stopped being one."]
        Nested(Nested) = "tasks.nested" 1 []
        #[doc = "A task was turned down."]
        Dismissed(Dismissed) = "tasks.dismissed" 1 []
        #[doc = "A task was put into the trash."]
        Deleted(Deleted) = "tasks.deleted" 1 []
        #[doc = "A task was taken out of the trash."]
        Restored(Restored) = "tasks.restored" 1 []
    }

    /// A task was written down.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Created {
        /// The list it stands in.
        pub list_id: ListId,
        /// The task it is part of.
        pub parent_id: Option<TaskId>,
        /// One line.
        pub title: String,
        /// Markdown.
        pub description: Option<String>,
        /// How much it matters.
        pub priority: Priority,
        /// Where it stands.
        pub status: Status,
        /// The day by which it is to be done, in the user's zone.
        pub due_date: Option<NaiveDate>,
        /// Fractional index in the list.
        pub position: String,
        /// Labels on it.
        pub labels: Vec<LabelId>,
        /// Who wrote it down.
        pub created_by: Author,
        /// What it was read out of (an e-mail, a message …).
        pub extracted_from: Option<EntityRef>,
    }

    /// A task got another title.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Retitled {
        /// The new title.
        pub title: String,
    }

    /// A task got another description, or none.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Described {
        /// Markdown.
        pub description: Option<String>,
    }

    /// A task matters more or less than before.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Prioritised {
        /// The new priority.
        pub priority: Priority,
    }

    /// A task got another due date, or none.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Scheduled {
        /// The new day, in the user's zone.
        pub due_date: Option<NaiveDate>,
    }

    /// A task went to another list or another place in its list.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Moved {
        /// The list it stands in now.
        pub list_id: ListId,
        /// Fractional index in that list.
        pub position: String,
    }

    /// Work on a task started, paused, waits, or was put off.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct StatusChanged {
        /// Any but `done` and `dismissed`, which have facts of their own.
        pub status: Status,
    }

    /// A task was done.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Completed {
        /// When.
        pub completed_at: DateTime<Utc>,
    }

    /// A task that was done or dismissed is to be done again.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Reopened {}

    /// A label was put on a task.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Labelled {
        /// The label.
        pub label_id: LabelId,
    }

    /// A label was taken off a task.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Unlabelled {
        /// The label.
        pub label_id: LabelId,
    }

    /// A task became a sub-task of another, or stopped being one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Nested {
        /// The task it is part of now.
        pub parent_id: Option<TaskId>,
    }

    /// A task was turned down.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Dismissed {
        /// Why, in the user's words.
        pub reason: Option<String>,
    }

    /// A task was put into the trash.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Deleted {
        /// When.
        pub deleted_at: DateTime<Utc>,
    }

    /// A task was taken out of the trash.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Restored {}

    impl Event {
        fn mentioned(&self) -> Vec<Uuid> {
            match self {
                Self::Created(created) => {
                    let parent = created.parent_id.map(Uuid::from);
                    let labels = created.labels.iter().map(|label| label.0);
                    let from = created.extracted_from.as_ref().map(|entity| entity.id);
                    [created.list_id.0].into_iter().chain(parent).chain(labels).chain(from).collect()
                }
                Self::Moved(moved) => vec![moved.list_id.0],
                Self::Labelled(labelled) => vec![labelled.label_id.0],
                Self::Unlabelled(unlabelled) => vec![unlabelled.label_id.0],
                Self::Nested(nested) => nested.parent_id.map(Uuid::from).into_iter().collect(),
                Self::Retitled(_)
                | Self::Described(_)
                | Self::Prioritised(_)
                | Self::Scheduled(_)
                | Self::StatusChanged(_)
                | Self::Completed(_)
                | Self::Reopened(_)
                | Self::Dismissed(_)
                | Self::Deleted(_)
                | Self::Restored(_) => Vec::new(),
            }
        }
    }
}

/// A label of tasks.
pub mod label {
    use super::{Deserialize, Serialize, Uuid, facts};

    facts! {
        /// What happens to a label.
        category "labels"
        #[doc = "A label was made."]
        Created(Created) = "labels.created" 1 []
        #[doc = "A label got another name."]
        Renamed(Renamed) = "labels.renamed" 1 []
        #[doc = "A label got another colour, or none."]
        Recoloured(Recoloured) = "labels.recoloured" 1 []
        #[doc = "A label was removed, from all tasks too."]
        Removed(Removed) = "labels.removed" 1 []
    }

    /// A label was made.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Created {
        /// Unique per user without regard to case.
        pub name: String,
        /// `#rrggbb`
        pub color: Option<String>,
    }

    /// A label got another name.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Renamed {
        /// The new name.
        pub name: String,
    }

    /// A label got another colour, or none.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Recoloured {
        /// `#rrggbb`
        pub color: Option<String>,
    }

    /// A label was removed, from all tasks too.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Removed {}

    impl Event {
        fn mentioned(&self) -> Vec<Uuid> {
            match self {
                Self::Created(_) | Self::Renamed(_) | Self::Recoloured(_) | Self::Removed(_) => Vec::new(),
            }
        }
    }
}
