//! A list of tasks: a column of the board. Its name is unique per user.

use chrono::{DateTime, Utc};
use orbit_events::{
    UserId,
    tasks::list::{Created, Event, Moved, Recoloured, Removed, Renamed, Restored},
};
use serde_json::{from_value, json};
use uuid::Uuid;

use super::{ListName, order::Slot};
use crate::{Aggregate, Claim, Color, Context, Fields, aggregate::rejections, undo::Reversal};

/// Scope of the claim on a list's name.
pub const NAME: &str = "lists.name";
/// Scope of the claim on a list's place; scanned by user, it gives the board's columns in order.
pub const ORDER: &str = "lists.order";

/// The aggregate.
#[derive(Debug)]
pub struct List;

/// What is known of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// On the board.
    Present(Present),
    /// Taken off the board.
    Removed,
}

/// A list on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Unique per user without regard to case.
    pub name: String,
    /// `#rrggbb`
    pub color: Option<String>,
    /// Fractional index among the user's lists.
    pub position: String,
}

impl Present {
    /// The list that has these fields.
    pub fn from_fields(fields: &Fields) -> Result<Self, serde_json::Error> {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        Ok(Self {
            name: from_value(field("name"))?,
            color: from_value(field("color"))?,
            position: from_value(field("position"))?,
        })
    }
}

impl State {
    /// The list, if it is on the board.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(list) => Some(list),
            Self::Absent | Self::Removed => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Present(list) => Ok(list),
            Self::Removed => Err(Rejection::Removed),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Present)) -> Self {
        if let Self::Present(list) = &mut self {
            change(list);
        }
        self
    }
}

/// What can be asked of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add it to the board.
    Create {
        /// What it is called.
        name: ListName,
        /// Its colour.
        color: Option<Color>,
        /// Its place among the user's lists.
        slot: Slot,
    },
    /// Change some of it; what `PATCH` and `move` become.
    Edit(Edit),
    /// Take it off the board.
    Remove {
        /// Whether tasks stand in it: the claims `tasks.order` tell.
        has_tasks: bool,
        /// Whether it is the user's only list: the claims `lists.order` tell.
        is_last: bool,
    },
    /// Make it what it was, on the board again if it was taken off.
    SetBack {
        /// What it was. The caller has looked whether its place is free.
        to: Present,
        /// When it was first made.
        created_at: DateTime<Utc>,
    },
}

/// What is to change of a list. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// What it is called.
    pub name: Option<ListName>,
    /// Its colour.
    pub color: Option<Option<Color>>,
    /// Its place among the user's lists.
    pub slot: Option<Slot>,
}

rejections! {
    /// Why a list may say no.
    NotFound = "list_not_found", NotFound, "there is no such list";
    Exists = "list_exists", Conflict, "a list with this id exists already";
    Removed = "list_removed", Gone, "the list was removed";
    NotEmpty = "list_not_empty", Conflict, "the list still has tasks; move or delete them first";
    Last = "last_list", Conflict, "the last list cannot be removed, tasks need a place to stand";
}

impl Aggregate for List {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create { name, color, slot } => create(state, name, color, &slot),
            Command::Edit(edit) => Ok(edition(state.get()?, edit)),
            Command::Remove { has_tasks, is_last } => remove(state, has_tasks, is_last),
            Command::SetBack { to, created_at } => set_back(state, to, created_at),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Created(created) => State::Present(Present {
                name: created.name.clone(),
                color: created.color.clone(),
                position: created.position.clone(),
            }),
            Event::Renamed(renamed) => state.with(|list| list.name.clone_from(&renamed.name)),
            Event::Recoloured(recoloured) => state.with(|list| list.color.clone_from(&recoloured.color)),
            Event::Moved(moved) => state.with(|list| list.position.clone_from(&moved.position)),
            Event::Removed(Removed {}) => State::Removed,
            Event::Restored(restored) => State::Present(Present {
                name: restored.name.clone(),
                color: restored.color.clone(),
                position: restored.position.clone(),
            }),
        }
    }

    fn claims(state: &State, _: Uuid, user: UserId) -> Vec<Claim> {
        state.present().map_or_else(Vec::new, |list| {
            vec![name_claim(user, &list.name), Claim::ordered(ORDER, &[user.0.as_bytes(), list.position.as_bytes()])]
        })
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { name, color, position }) = state.present() else { return Fields::new() };
        Fields::from([("name", json!(name)), ("color", json!(color)), ("position", json!(position))])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Created(_)
            | Event::Renamed(_)
            | Event::Recoloured(_)
            | Event::Moved(_)
            | Event::Removed(_)
            | Event::Restored(_) => Reversal::ByFacts,
        }
    }
}

/// The claim on a name, by which a list is found.
pub fn name_claim(user: UserId, name: &str) -> Claim {
    Claim::hashed(NAME, &[user.0.as_bytes(), name.to_lowercase().as_bytes()])
}

fn create(state: &State, name: ListName, color: Option<Color>, slot: &Slot) -> Result<Vec<Event>, Rejection> {
    let (name, color) = (String::from(name), color.map(String::from));
    match state {
        State::Absent => Ok(vec![Created { name, color, position: slot.position().to_owned() }.into()]),
        State::Present(list) if list.name == name && list.color == color => Ok(vec![]),
        State::Present(_) => Err(Rejection::Exists),
        State::Removed => Err(Rejection::Removed),
    }
}

fn edition(list: &Present, edit: Edit) -> Vec<Event> {
    let mut facts = vec![];
    if let Some(name) = edit.name.map(String::from).filter(|name| *name != list.name) {
        facts.push(Renamed { name }.into());
    }
    if let Some(color) = edit.color.map(|color| color.map(String::from)).filter(|color| *color != list.color) {
        facts.push(Recoloured { color }.into());
    }
    if let Some(slot) = edit.slot.filter(|slot| !slot.holds(&list.position)) {
        facts.push(Moved { position: slot.position().to_owned() }.into());
    }
    facts
}

fn set_back(state: &State, to: Present, created_at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
    let Present { name, color, position } = to;
    let list = match state {
        State::Absent => return Err(Rejection::NotFound),
        State::Removed => return Ok(vec![Restored { name, color, position, created_at }.into()]),
        State::Present(list) => list,
    };
    let renamed = (list.name != name).then(|| Renamed { name }.into());
    let recoloured = (list.color != color).then(|| Recoloured { color }.into());
    let moved = (list.position != position).then(|| Moved { position }.into());
    Ok([renamed, recoloured, moved].into_iter().flatten().collect())
}

fn remove(state: &State, has_tasks: bool, is_last: bool) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Absent => Err(Rejection::NotFound),
        State::Removed => Ok(vec![]),
        State::Present(_) if has_tasks => Err(Rejection::NotEmpty),
        State::Present(_) if is_last => Err(Rejection::Last),
        State::Present(_) => Ok(vec![Removed {}.into()]),
    }
}

#[cfg(test)]
mod tests;
