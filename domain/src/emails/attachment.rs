//! A file that was uploaded to be sent.

use orbit_events::{
    UserId,
    emails::{
        BlobRef,
        attachment::{Discarded, Event, Uploaded},
    },
};
use serde_json::json;
use uuid::Uuid;

use super::{ATTACHMENT_BYTES, ContentType, FileName};
use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

/// Scope of the claim on an upload's id; scanned by user, it gives the uploads.
pub const USER: &str = "attachments.user";

/// Most uploads of a user.
pub const AT_MOST: usize = 200;

/// The aggregate.
#[derive(Debug)]
pub struct Attachment;

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Uploaded.
    Present(Box<Present>),
    /// Not to be sent any more.
    Discarded,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What it is called.
    pub filename: String,
    /// What the client says it is.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// Where they lie.
    pub raw: BlobRef,
}

impl State {
    /// The file, while it is there.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(file) => Some(file),
            Self::Absent | Self::Discarded => None,
        }
    }
}

/// What can be asked of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// It is among the blobs.
    Upload {
        /// What it is called.
        filename: FileName,
        /// What the client says it is.
        content_type: ContentType,
        /// Where its bytes lie.
        raw: BlobRef,
    },
    /// It is not to be sent any more.
    Discard,
}

rejections! {
    /// Why an upload may say no.
    NotFound = "attachment_not_found", NotFound, "there is no such upload";
    Exists = "attachment_exists", Conflict, "another upload with this id exists already";
    Discarded = "attachment_discarded", Gone, "the upload was discarded";
    TooLarge = "attachment_too_large", Invalid, "a file has at most {ATTACHMENT_BYTES} bytes";
}

impl Aggregate for Attachment {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Upload { filename, content_type, raw } => {
                let (filename, content_type, size) = (filename.into(), content_type.into(), raw.length);
                upload(state, Uploaded { filename, content_type, size, raw })
            }
            Command::Discard => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Present(_) => Ok(vec![Discarded {}.into()]),
                State::Discarded => Ok(vec![]),
            },
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Uploaded(uploaded) => State::Present(Box::new(present(uploaded))),
            Event::Discarded(Discarded {}) => State::Discarded,
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let claim = |_: &Present| Claim::ordered(USER, &[user.0.as_bytes(), id.as_bytes()]);
        state.present().map(claim).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { filename, content_type, size, raw }) = state.present() else { return Fields::new() };
        Fields::from([
            ("filename", json!(filename)),
            ("content_type", json!(content_type)),
            ("size", json!(size)),
            ("digest", json!(raw.sha256)),
        ])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Uploaded(_) => Reversal::Never("what was uploaded is there; discard it"),
            Event::Discarded(_) => Reversal::Never("a file that was discarded is uploaded anew"),
        }
    }
}

fn present(uploaded: &Uploaded) -> Present {
    let Uploaded { filename, content_type, size, raw } = uploaded.clone();
    Present { filename, content_type, size, raw }
}

fn upload(state: &State, uploaded: Uploaded) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Absent if uploaded.size > ATTACHMENT_BYTES => Err(Rejection::TooLarge),
        State::Absent => Ok(vec![uploaded.into()]),
        State::Present(file) if **file == present(&uploaded) => Ok(vec![]),
        State::Present(_) => Err(Rejection::Exists),
        State::Discarded => Err(Rejection::Discarded),
    }
}

#[cfg(test)]
mod tests;
