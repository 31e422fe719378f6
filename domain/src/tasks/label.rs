//! A label of tasks. Its name is unique per user.

use orbit_events::{
    UserId,
    tasks::label::{Created, Event, Recoloured, Removed, Renamed},
};
use serde_json::{from_value, json};
use uuid::Uuid;

use super::LabelName;
use crate::{Aggregate, Claim, Color, Context, Fields, aggregate::rejections, undo::Reversal};

/// Scope of the claim on a label's name.
pub const NAME: &str = "labels.name";

/// The aggregate.
#[derive(Debug)]
pub struct Label;

/// What is known of a label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// In use.
    Present(Present),
    /// Removed, from all tasks too.
    Removed,
}

/// A label in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Unique per user without regard to case.
    pub name: String,
    /// `#rrggbb`
    pub color: Option<String>,
}

impl Present {
    /// The label that has these fields.
    pub fn from_fields(fields: &Fields) -> Result<Self, serde_json::Error> {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        Ok(Self { name: from_value(field("name"))?, color: from_value(field("color"))? })
    }
}

impl State {
    /// The label, if it is in use.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(label) => Some(label),
            Self::Absent | Self::Removed => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Present(label) => Ok(label),
            Self::Removed => Err(Rejection::Removed),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Present)) -> Self {
        if let Self::Present(label) = &mut self {
            change(label);
        }
        self
    }
}

/// What can be asked of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Create {
        /// What it is called.
        name: LabelName,
        /// Its colour.
        color: Option<Color>,
    },
    /// Change some of it; what `PATCH` becomes.
    Edit(Edit),
    /// Remove it, from all tasks too.
    Remove,
    /// Make it what it was.
    SetBack(Present),
}

/// What is to change of a label. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// What it is called.
    pub name: Option<LabelName>,
    /// Its colour.
    pub color: Option<Option<Color>>,
}

rejections! {
    /// Why a label may say no.
    NotFound = "label_not_found", NotFound, "there is no such label";
    Exists = "label_exists", Conflict, "a label with this id exists already";
    Removed = "label_removed", Gone, "the label was removed";
}

impl Aggregate for Label {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create { name, color } => create(state, name, color),
            Command::Edit(edit) => Ok(edition(state.get()?, edit)),
            Command::SetBack(to) => Ok(set_back(state.get()?, to)),
            Command::Remove => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Present(_) => Ok(vec![Removed {}.into()]),
                State::Removed => Ok(vec![]),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Created(created) => {
                State::Present(Present { name: created.name.clone(), color: created.color.clone() })
            }
            Event::Renamed(renamed) => state.with(|label| label.name.clone_from(&renamed.name)),
            Event::Recoloured(recoloured) => state.with(|label| label.color.clone_from(&recoloured.color)),
            Event::Removed(Removed {}) => State::Removed,
        }
    }

    fn claims(state: &State, _: Uuid, user: UserId) -> Vec<Claim> {
        state.present().map(|label| name_claim(user, &label.name)).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { name, color }) = state.present() else { return Fields::new() };
        Fields::from([("name", json!(name)), ("color", json!(color))])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Created(_) | Event::Renamed(_) | Event::Recoloured(_) => Reversal::ByFacts,
            // The tasks' read model forgets at once which tasks carried it, so it could not come back to them.
            Event::Removed(_) => Reversal::Never("a label that was removed is off all tasks for good; make it anew"),
        }
    }
}

/// The claim on a name, by which a label is found.
pub fn name_claim(user: UserId, name: &str) -> Claim {
    Claim::hashed(NAME, &[user.0.as_bytes(), name.to_lowercase().as_bytes()])
}

fn create(state: &State, name: LabelName, color: Option<Color>) -> Result<Vec<Event>, Rejection> {
    let (name, color) = (String::from(name), color.map(String::from));
    match state {
        State::Absent => Ok(vec![Created { name, color }.into()]),
        State::Present(label) if label.name == name && label.color == color => Ok(vec![]),
        State::Present(_) => Err(Rejection::Exists),
        State::Removed => Err(Rejection::Removed),
    }
}

fn edition(label: &Present, edit: Edit) -> Vec<Event> {
    let mut facts = vec![];
    if let Some(name) = edit.name.map(String::from).filter(|name| *name != label.name) {
        facts.push(Renamed { name }.into());
    }
    if let Some(color) = edit.color.map(|color| color.map(String::from)).filter(|color| *color != label.color) {
        facts.push(Recoloured { color }.into());
    }
    facts
}

fn set_back(label: &Present, Present { name, color }: Present) -> Vec<Event> {
    let renamed = (label.name != name).then(|| Renamed { name }.into());
    let recoloured = (label.color != color).then(|| Recoloured { color }.into());
    renamed.into_iter().chain(recoloured).collect()
}

#[cfg(test)]
mod tests;
