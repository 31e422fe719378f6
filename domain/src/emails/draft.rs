//! A draft. It is handed over to be sent, and nothing here sends it.

use orbit_events::{
    AttachmentId, ConnectionId, EmailId, SubmissionId, UserId,
    emails::{
        Author, Content,
        draft::{Discarded, Drafted, Edited, Event, Reopened, Submitted},
    },
};
use serde_json::{from_value, json};
use uuid::Uuid;

use super::{AttachmentIds, Body, Compose, Recipients, Subject};
use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal, values::author};

/// Scope of the claim on a draft's id; scanned by user, it gives the drafts that are being written.
pub const USER: &str = "drafts.user";

/// Most drafts of a user that are being written.
pub const AT_MOST: usize = 1_000;

/// The aggregate.
#[derive(Debug)]
pub struct Draft;

/// What is known of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Being written.
    Present(Box<Present>),
    /// Handed over to be sent.
    Submitted {
        /// What it was then.
        draft: Box<Present>,
        /// What became of it.
        submission_id: SubmissionId,
    },
    /// Thrown away.
    Discarded,
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What it says.
    pub content: Content,
    /// Who wrote it.
    pub created_by: Author,
}

impl Present {
    /// The draft that has these fields.
    pub fn from_fields(fields: &Fields) -> Result<Self, serde_json::Error> {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        let content = Content {
            connection_id: from_value(field("connection_id"))?,
            reply_to_email_id: from_value(field("reply_to_email_id"))?,
            to: from_value(field("to"))?,
            cc: from_value(field("cc"))?,
            bcc: from_value(field("bcc"))?,
            subject: from_value(field("subject"))?,
            body: from_value(field("body"))?,
            attachments: from_value(field("attachments"))?,
        };
        Ok(Self { content, created_by: from_value(field("created_by"))? })
    }

    fn fields(&self, submission_id: Option<SubmissionId>) -> Fields {
        let Content { connection_id, reply_to_email_id, to, cc, bcc, subject, body, attachments } = &self.content;
        Fields::from([
            ("connection_id", json!(connection_id)),
            ("reply_to_email_id", json!(reply_to_email_id)),
            ("to", json!(to)),
            ("cc", json!(cc)),
            ("bcc", json!(bcc)),
            ("subject", json!(subject)),
            ("body", json!(body)),
            ("attachments", json!(attachments)),
            ("created_by", json!(self.created_by)),
            ("submission_id", json!(submission_id)),
        ])
    }
}

impl State {
    /// The draft, while it is being written.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(draft) => Some(draft),
            Self::Absent | Self::Submitted { .. } | Self::Discarded => None,
        }
    }

    fn get(&self) -> Result<&Present, Rejection> {
        match self {
            Self::Absent => Err(Rejection::NotFound),
            Self::Present(draft) => Ok(draft),
            Self::Submitted { .. } => Err(Rejection::Submitted),
            Self::Discarded => Err(Rejection::Discarded),
        }
    }
}

/// What can be asked of a draft. Ids in commands were looked up by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin it.
    Draft(Box<Compose>),
    /// Change some of it; what `PATCH` becomes.
    Edit(Box<Edit>),
    /// Throw it away.
    Discard,
    /// Hand it over to be sent.
    Submit(SubmissionId),
    /// Write on, because that sending was cancelled.
    Reopen(SubmissionId),
    /// Make it what it was, also if it was thrown away.
    SetBack(Box<Present>),
}

/// What is to change of a draft. Each field: absent, leave it; `Some(None)`, clear it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// The account through which it is to be sent.
    pub connection_id: Option<Option<ConnectionId>>,
    /// The e-mail that it answers.
    pub reply_to_email_id: Option<Option<EmailId>>,
    /// Whom it is for.
    pub to: Option<Recipients>,
    /// Who gets a copy.
    pub cc: Option<Recipients>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Option<Recipients>,
    /// One line.
    pub subject: Option<Subject>,
    /// Plain text.
    pub body: Option<Body>,
    /// Files that were uploaded for it: all of them.
    pub attachments: Option<AttachmentIds>,
}

impl Edit {
    fn apply(self, content: &Content) -> Content {
        let content = content.clone();
        let attachments: Option<Vec<AttachmentId>> = self.attachments.map(Vec::from);
        Content {
            connection_id: self.connection_id.unwrap_or(content.connection_id),
            reply_to_email_id: self.reply_to_email_id.unwrap_or(content.reply_to_email_id),
            to: self.to.map_or(content.to, Vec::from),
            cc: self.cc.map_or(content.cc, Vec::from),
            bcc: self.bcc.map_or(content.bcc, Vec::from),
            subject: self.subject.map_or(content.subject, String::from),
            body: self.body.map_or(content.body, String::from),
            attachments: attachments.unwrap_or(content.attachments),
        }
    }
}

rejections! {
    /// Why a draft may say no.
    NotFound = "draft_not_found", NotFound, "there is no such draft";
    Exists = "draft_exists", Conflict, "another draft with this id exists already";
    Submitted = "draft_submitted", Conflict, "the draft was handed over to be sent";
    Discarded = "draft_discarded", Gone, "the draft was thrown away";
    Incomplete = "draft_incomplete", Invalid on "to", "the draft names nobody whom it is for";
}

impl Aggregate for Draft {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Draft(compose) => draft(state, (*compose).into(), author(&context.actor)),
            Command::Edit(edit) => {
                let draft = state.get()?;
                let edited = Edited { content: edit.apply(&draft.content) };
                Ok(if edited.content == draft.content { vec![] } else { vec![edited.into()] })
            }
            Command::Discard => match state {
                State::Discarded => Ok(vec![]),
                State::Absent | State::Present(_) | State::Submitted { .. } => {
                    state.get().map(|_| vec![Discarded {}.into()])
                }
            },
            Command::Submit(submission_id) => submit(state, submission_id),
            Command::Reopen(cancelled) => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Submitted { submission_id, .. } if *submission_id == cancelled => Ok(vec![Reopened {}.into()]),
                // It has been handed over once more since, or was thrown away.
                State::Submitted { .. } | State::Present(_) | State::Discarded => Ok(vec![]),
            },
            Command::SetBack(to) => set_back(state, *to),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (event, state) {
            (Event::Drafted(Drafted { content, created_by }), _) => {
                State::Present(Box::new(Present { content: content.clone(), created_by: *created_by }))
            }
            (Event::Edited(Edited { content }), State::Present(mut draft)) => {
                draft.content.clone_from(content);
                State::Present(draft)
            }
            (Event::Discarded(Discarded {}), State::Present(_) | State::Submitted { .. }) => State::Discarded,
            (Event::Submitted(Submitted { submission_id }), State::Present(draft)) => {
                State::Submitted { draft, submission_id: *submission_id }
            }
            (Event::Reopened(Reopened {}), State::Submitted { draft, .. }) => State::Present(draft),
            (
                Event::Edited(_) | Event::Discarded(_) | Event::Submitted(_) | Event::Reopened(_),
                state @ (State::Absent | State::Present(_) | State::Submitted { .. } | State::Discarded),
            ) => state,
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let claim = |_: &Present| Claim::ordered(USER, &[user.0.as_bytes(), id.as_bytes()]);
        state.present().map(claim).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        match state {
            State::Absent | State::Discarded => Fields::new(),
            State::Present(draft) => draft.fields(None),
            State::Submitted { draft, submission_id } => draft.fields(Some(*submission_id)),
        }
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Drafted(_) | Event::Edited(_) | Event::Discarded(_) => Reversal::ByFacts,
            Event::Submitted(_) => Reversal::Never("what is being sent is cancelled, while it is held"),
            Event::Reopened(_) => Reversal::Never("a draft is handed over anew to be sent"),
        }
    }
}

fn draft(state: &State, content: Content, created_by: Author) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Absent => Ok(vec![Drafted { content, created_by }.into()]),
        State::Present(draft) if draft.content == content => Ok(vec![]),
        State::Present(_) => Err(Rejection::Exists),
        State::Submitted { .. } => Err(Rejection::Submitted),
        State::Discarded => Err(Rejection::Discarded),
    }
}

fn submit(state: &State, submission_id: SubmissionId) -> Result<Vec<Event>, Rejection> {
    if matches!(state, State::Submitted { submission_id: known, .. } if *known == submission_id) {
        return Ok(vec![]);
    }
    let Content { to, cc, bcc, .. } = &state.get()?.content;
    if to.is_empty() && cc.is_empty() && bcc.is_empty() {
        return Err(Rejection::Incomplete);
    }
    Ok(vec![Submitted { submission_id }.into()])
}

fn set_back(state: &State, Present { content, created_by }: Present) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Discarded => Ok(vec![Drafted { content, created_by }.into()]),
        State::Present(draft) if draft.content == content => Ok(vec![]),
        State::Absent | State::Present(_) | State::Submitted { .. } => {
            state.get().map(|_| vec![Edited { content }.into()])
        }
    }
}

#[cfg(test)]
mod tests;
