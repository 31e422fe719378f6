//! Bodies of requests about tasks, and what is left of them once every field is right. Single requests and operations
//! of a batch are read by the same code.

use orbit_domain::tasks::{
    Description, DueDate, Reason, Title, parse_priority, parse_source, parse_status, task::MAX_LABELS,
};
use orbit_events::{
    EntityRef, LabelId, ListId, TaskId,
    tasks::{Priority, Status},
};
use orbit_platform::http::{
    extract::{Faults, Field, Unknown},
    openapi::parsed,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views;
use crate::routes::read::{self, Refusal, at_most, text};

/// Something with a place in an order is put right before or right after another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Right before this one.
    Before(Uuid),
    /// Right after this one.
    After(Uuid),
}

impl Anchor {
    /// Reads `before_id` and `after_id`, of which at most one is given.
    pub fn read(faults: &mut Faults, before: Field<String>, after: Field<String>) -> Option<Self> {
        let both = matches!((&before, &after), (Field::Value(_), Field::Value(_)));
        let before = faults.optional("before_id", before, read::id);
        let after = faults.optional("after_id", after, read::id);
        if both {
            return faults.broken("after_id", "both_given", "give before_id or after_id, not both");
        }
        before.map(Self::Before).or(after.map(Self::After))
    }

    /// The neighbour.
    pub fn id(self) -> Uuid {
        match self {
            Self::Before(id) | Self::After(id) => id,
        }
    }

    /// The field that names the neighbour.
    pub fn field(self) -> &'static str {
        match self {
            Self::Before(_) => "before_id",
            Self::After(_) => "after_id",
        }
    }
}

/// What a task was read out of.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SourceBody {
    /// `email`, `task`, `calendar`, `document`, `message` or `person`.
    #[serde(default)]
    #[serde(rename = "type")]
    #[schema(value_type = String, required, example = "email")]
    kind: Field<String>,
    /// Which one.
    #[serde(default)]
    #[schema(value_type = Uuid, required)]
    id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// A new task.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"title": "Call the bank", "priority": "high", "due_date": "2026-11-30"}"#)))]
pub struct CreateTask {
    /// One line of 1 to 500 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 500, example = "Call the bank")]
    title: Field<String>,
    /// Markdown, at most 64 KiB.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    /// The list it is to stand in; the user's first list, if absent.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    list_id: Field<String>,
    /// The task it is part of.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    parent_id: Field<String>,
    /// How much it matters; medium, if absent.
    #[serde(default)]
    #[schema(value_type = Option<views::Priority>)]
    priority: Field<String>,
    /// Where it stands; open, if absent.
    #[serde(default)]
    #[schema(value_type = Option<views::Status>)]
    status: Field<String>,
    /// The day by which it is to be done, from 1970 to 9999.
    #[serde(default)]
    #[schema(value_type = Option<chrono::NaiveDate>, example = "2026-11-30")]
    due_date: Field<String>,
    /// Ids of labels, at most 50.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 50)]
    labels: Field<Vec<Field<String>>>,
    /// What it was read out of.
    #[serde(default)]
    #[schema(value_type = Option<views::Source>)]
    extracted_from: Field<SourceBody>,
    /// Put it right before this task; at the end of the list, if absent.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    before_id: Field<String>,
    /// Put it right after this task.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    after_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// A new task, every field right.
#[derive(Debug, Clone)]
pub struct NewTask {
    pub title: Title,
    pub description: Option<Description>,
    pub list_id: Option<ListId>,
    pub parent_id: Option<TaskId>,
    pub priority: Option<Priority>,
    pub status: Option<Status>,
    pub due_date: Option<DueDate>,
    pub labels: Vec<LabelId>,
    pub extracted_from: Option<EntityRef>,
    pub anchor: Option<Anchor>,
}

impl CreateTask {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<NewTask> {
        faults.unknown(self.unknown);
        let title = faults.required("title", self.title, text(Title::parse));
        let description = faults.optional("description", self.description, text(Description::parse));
        let list_id = faults.optional("list_id", self.list_id, read::id);
        let parent_id = faults.optional("parent_id", self.parent_id, read::id);
        let priority = faults.optional("priority", self.priority, text(parse_priority));
        let status = faults.optional("status", self.status, text(parse_status));
        let due_date = faults.optional("due_date", self.due_date, text(DueDate::parse));
        let labels = faults.optional("labels", self.labels, at_most(MAX_LABELS)).unwrap_or_default();
        let labels = read::each(faults, "labels", labels, read::id);
        let extracted_from = faults.optional("extracted_from", self.extracted_from, Faults::any);
        let extracted_from =
            extracted_from.map(|source| faults.within("/extracted_from", |faults| source.read(faults)));
        let anchor = Anchor::read(faults, self.before_id, self.after_id);
        Some(NewTask {
            title: title?,
            description,
            list_id,
            parent_id,
            priority,
            status,
            due_date,
            labels: labels?,
            extracted_from: extracted_from.flatten(),
            anchor,
        })
    }
}

impl SourceBody {
    fn read(self, faults: &mut Faults) -> Option<EntityRef> {
        faults.unknown(self.unknown);
        let kind = faults.required("type", self.kind, |kind| {
            parse_source(&kind, Uuid::nil()).map(|source| source.kind).map_err(orbit_domain::Invalid::into_parts)
        });
        let id = faults.required("id", self.id, read::id);
        Some(EntityRef { kind: kind?, id: id? })
    }
}

/// What is to change of a task: a JSON merge patch (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"title": "Call the other bank", "due_date": null}"#)))]
pub struct EditTask {
    /// One line of 1 to 500 characters.
    #[serde(default)]
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    title: Field<String>,
    /// Markdown, at most 64 KiB; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Field<String>,
    /// The list it is to stand in, at its end; in the list where it is it keeps its place.
    #[serde(default)]
    #[schema(value_type = Uuid)]
    list_id: Field<String>,
    /// The task it is part of; `null` takes it out.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    parent_id: Field<String>,
    /// How much it matters.
    #[serde(default)]
    #[schema(value_type = views::Priority)]
    priority: Field<String>,
    /// Where it stands: `done` completes it, `dismissed` turns it down, anything else reopens it if need be.
    #[serde(default)]
    #[schema(value_type = views::Status)]
    status: Field<String>,
    /// The day by which it is to be done, from 1970 to 9999; `null` takes it away.
    #[serde(default)]
    #[schema(value_type = Option<chrono::NaiveDate>)]
    due_date: Field<String>,
    /// Ids of all its labels, at most 50; `null` takes them off.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 50)]
    labels: Field<Vec<Field<String>>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// What is to change of a task, every field right. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone)]
#[allow(clippy::option_option, reason = "the same three cases as in the domain's edit")]
pub struct TaskChanges {
    pub title: Option<Title>,
    pub description: Option<Option<Description>>,
    pub list_id: Option<ListId>,
    pub parent_id: Option<Option<TaskId>>,
    pub priority: Option<Priority>,
    pub status: Option<Status>,
    pub due_date: Option<Option<DueDate>>,
    pub labels: Option<Vec<LabelId>>,
}

impl EditTask {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> TaskChanges {
        faults.unknown(self.unknown);
        let title = faults.change("title", self.title, text(Title::parse));
        let description = faults.patch("description", self.description, text(Description::parse));
        let list_id = faults.change("list_id", self.list_id, read::id);
        let parent_id = faults.patch("parent_id", self.parent_id, read::id);
        let priority = faults.change("priority", self.priority, text(parse_priority));
        let status = faults.change("status", self.status, text(parse_status));
        let due_date = faults.patch("due_date", self.due_date, text(DueDate::parse));
        let labels = faults.patch("labels", self.labels, at_most(MAX_LABELS));
        let labels = labels.map(|labels| read::each(faults, "labels", labels.unwrap_or_default(), read::id));
        let labels = labels.flatten();
        TaskChanges { title, description, list_id, parent_id, priority, status, due_date, labels }
    }
}

/// What happens to the sub-tasks of a task that is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Children {
    /// Nothing.
    #[default]
    Leave,
    /// They are completed too, those that are open.
    Complete,
}

impl Children {
    /// Reads `leave` or `complete`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "leave" => Ok(Self::Leave),
            "complete" => Ok(Self::Complete),
            _ => Err(("unknown_value", "must be one of leave, complete".to_owned())),
        }
    }
}

/// A task was done.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"children": "complete"}"#)))]
pub struct CompleteTask {
    /// `complete` completes its open sub-tasks too, `leave` (if absent) does not. May also be a query parameter.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "complete")]
    children: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

impl CompleteTask {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Children> {
        faults.unknown(self.unknown);
        faults.optional("children", self.children, |text| Children::parse(&text))
    }
}

/// A task was turned down.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"reason": "Somebody else does it"}"#)))]
pub struct DismissTask {
    /// Why, in at most 2,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    reason: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

impl DismissTask {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Reason> {
        faults.unknown(self.unknown);
        faults.optional("reason", self.reason, text(Reason::parse))
    }
}

/// A task goes somewhere else. At least one field is given.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"after_id": "019302d5-6f3c-7b1e-9c53-0d6a3c1f2b4a"}"#)))]
pub struct MoveTask {
    /// The list it is to stand in: at its end (also of the list where it is), or where a neighbour is named. If absent,
    /// the neighbour's.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    list_id: Field<String>,
    /// Right before this task.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    before_id: Field<String>,
    /// Right after this task.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    after_id: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

/// Where a task goes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub list_id: Option<ListId>,
    pub anchor: Option<Anchor>,
}

impl MoveTask {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Target> {
        faults.unknown(self.unknown);
        let given = |field: &Field<String>| !matches!(field, Field::Absent | Field::Null);
        if !given(&self.list_id) && !given(&self.before_id) && !given(&self.after_id) {
            return faults.malformed("", "empty", "must name list_id, before_id or after_id");
        }
        let list_id = faults.optional("list_id", self.list_id, read::id);
        let anchor = Anchor::read(faults, self.before_id, self.after_id);
        Some(Target { list_id, anchor })
    }
}
