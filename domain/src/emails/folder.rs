//! A folder of e-mails: one of Orbit's own, or one that was seen elsewhere.

use orbit_events::{
    ConnectionId, UserId,
    emails::{
        Role,
        folder::{Event, Observed, Removed, ResetObserved},
    },
};
use serde_json::json;
use uuid::Uuid;

use super::values::cut;
use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

/// Scope of the claim on a folder's id; scanned by user, it gives the folders.
pub const USER: &str = "folders.user";

/// Most folders of a user.
pub const AT_MOST: usize = 2_000;
/// Most characters of a folder's name.
const NAME: usize = 255;
/// Most characters of a folder's path.
const PATH: usize = 1_000;

/// The aggregate.
#[derive(Debug)]
pub struct Folder;

/// What is known of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// There.
    Present(Box<Present>),
    /// No more.
    Removed,
}

/// A folder that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The account it lies in; absent, if it is Orbit's own.
    pub connection_id: Option<ConnectionId>,
    /// Where it lies among the folders.
    pub path: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What stands between the parts of its path.
    pub delimiter: Option<String>,
    /// How its e-mails were numbered last, if that ever began anew.
    pub uid_validity: Option<u32>,
}

impl State {
    /// The folder, while it is there.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(folder) => Some(folder),
            Self::Absent | Self::Removed => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Present(folder) => Ok(folder),
            Self::Removed => Err(Rejection::Removed),
        }
    }
}

/// What can be asked of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// It is there, and is this; also if it was no more. Names of others are cut to one line.
    Observe(Observed),
    /// Its e-mails are numbered anew.
    ObserveReset(ResetObserved),
    /// It is no more.
    Remove,
}

rejections! {
    /// Why a folder may say no.
    NotFound = "folder_not_found", NotFound, "there is no such folder";
    Removed = "folder_removed", Gone, "the folder is no more";
}

impl Aggregate for Folder {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Observe(seen) => {
                let seen = in_one_line(seen);
                let so_already = state.present().is_some_and(|folder| observed(folder) == seen);
                Ok(if so_already { vec![] } else { vec![seen.into()] })
            }
            Command::ObserveReset(reset) => {
                let so_already = state.get()?.uid_validity == Some(reset.uid_validity);
                Ok(if so_already { vec![] } else { vec![reset.into()] })
            }
            Command::Remove => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Present(_) => Ok(vec![Removed {}.into()]),
                State::Removed => Ok(vec![]),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (event, state) {
            (Event::Observed(seen), state) => State::Present(Box::new(Present {
                connection_id: seen.connection_id,
                path: seen.path.clone(),
                name: seen.name.clone(),
                role: seen.role,
                delimiter: seen.delimiter.clone(),
                uid_validity: state.present().and_then(|folder| folder.uid_validity),
            })),
            (Event::ResetObserved(reset), State::Present(mut folder)) => {
                folder.uid_validity = Some(reset.uid_validity);
                State::Present(folder)
            }
            (Event::ResetObserved(_), state @ (State::Absent | State::Removed)) => state,
            (Event::Removed(Removed {}), State::Absent | State::Present(_) | State::Removed) => State::Removed,
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let claim = |_: &Present| Claim::ordered(USER, &[user.0.as_bytes(), id.as_bytes()]);
        state.present().map(claim).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { connection_id, path, name, role, delimiter, uid_validity }) = state.present() else {
            return Fields::new();
        };
        Fields::from([
            ("connection_id", json!(connection_id)),
            ("path", json!(path)),
            ("name", json!(name)),
            ("role", json!(role)),
            ("delimiter", json!(delimiter)),
            ("uid_validity", json!(uid_validity)),
        ])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Observed(_) => Reversal::Never("a folder is where it is, and e-mails lie in it"),
            Event::ResetObserved(_) => Reversal::Never("how another server counts is its own affair"),
            Event::Removed(_) => Reversal::Never("a folder that is no more comes back when it is seen again"),
        }
    }
}

fn observed(folder: &Present) -> Observed {
    Observed {
        connection_id: folder.connection_id,
        path: folder.path.clone(),
        name: folder.name.clone(),
        role: folder.role,
        delimiter: folder.delimiter.clone(),
    }
}

fn in_one_line(seen: Observed) -> Observed {
    Observed {
        path: cut(&seen.path, PATH),
        name: cut(&seen.name, NAME),
        delimiter: seen.delimiter.map(|delimiter| cut(&delimiter, 1)),
        ..seen
    }
}

#[cfg(test)]
mod tests;
