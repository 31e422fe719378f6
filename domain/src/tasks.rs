//! Rules of the tasks context: lists (Kanban columns), tasks, labels.

pub mod label;
pub mod list;
pub mod order;
pub mod task;
pub mod tree;
mod values;

pub use label::Label;
pub use list::List;
pub use task::Task;
pub use values::{
    Description, DueDate, LabelName, ListName, PRIORITIES, Reason, SOURCE_KINDS, STATUSES, Title, parse_priority,
    parse_source, parse_status,
};

use crate::Taken;

/// The lists that a new user gets, in this order.
pub const DEFAULT_LISTS: [&str; 4] = ["Backlog", "Today", "In Progress", "Done"];

/// What to tell a caller whose command lost a claim of this context.
pub fn taken(scope: &str) -> Option<Taken> {
    let taken = |code, field, detail| Some(Taken { code, field: Some(field), detail });
    match scope {
        list::NAME => taken("list_name_taken", "name", "another list has this name"),
        label::NAME => taken("label_name_taken", "name", "another label has this name"),
        list::ORDER | task::ORDER => taken("position_taken", "position", "another one just took this place, try again"),
        task::CHILD => taken("parent_taken", "parent_id", "another task holds this place below its parent"),
        _ => None,
    }
}
