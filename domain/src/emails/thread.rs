//! A decision about threads: that e-mails belong together, or to nothing else. Which e-mails are one thread otherwise is
//! in [`super::threads`].

use std::collections::HashSet;

use orbit_events::{
    EmailId, UserId,
    emails::thread::{Dissolved, Event, Merged, Split},
};
use serde_json::{Value, from_value, json};
use uuid::Uuid;

use crate::{Aggregate, Claim, Context, Fields, aggregate::rejections, undo::Reversal};

/// Most e-mails that one decision is about.
pub const AT_MOST: usize = 500;

/// The aggregate.
#[derive(Debug)]
pub struct Thread;

/// What is known of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// It holds.
    Present(Present),
    /// It was taken back.
    Dissolved,
}

/// A decision that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// What was decided.
    pub ruling: Ruling,
    /// About which e-mails, each once.
    pub email_ids: Vec<EmailId>,
}

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// They are one thread.
    Merged,
    /// They are a thread of their own.
    Split,
}

impl Ruling {
    /// `merged` or `split`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Split => "split",
        }
    }
}

impl Present {
    /// The decision that has these fields; none, if their kind is none.
    pub fn from_fields(fields: &Fields) -> Result<Option<Self>, serde_json::Error> {
        let ruling = match fields.get("kind").and_then(Value::as_str) {
            Some("merged") => Ruling::Merged,
            Some("split") => Ruling::Split,
            Some(_) | None => return Ok(None),
        };
        let email_ids = from_value(fields.get("email_ids").cloned().unwrap_or_default())?;
        Ok(Some(Self { ruling, email_ids }))
    }

    fn into_fact(self) -> Event {
        let email_ids = self.email_ids;
        match self.ruling {
            Ruling::Merged => Merged { email_ids }.into(),
            Ruling::Split => Split { email_ids }.into(),
        }
    }
}

impl State {
    /// The decision, while it holds.
    pub fn present(&self) -> Option<&Present> {
        match self {
            Self::Present(decision) => Some(decision),
            Self::Absent | Self::Dissolved => None,
        }
    }
}

/// What can be asked of a decision. The e-mails were looked up by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// These are one thread.
    Merge(Vec<EmailId>),
    /// These are a thread of their own.
    Split(Vec<EmailId>),
    /// Take the decision back.
    Dissolve,
    /// Make it what it was, also if it was taken back.
    SetBack(Present),
}

rejections! {
    /// Why a decision may say no.
    NotFound = "thread_decision_not_found", NotFound, "there is no such decision about threads";
    Exists = "thread_decision_exists", Conflict, "another decision with this id exists already";
    Dissolved = "thread_decision_dissolved", Gone, "the decision was taken back";
    TooFew = "too_few_emails", Invalid on "email_ids", "it takes two e-mails to merge, and one to split off";
    TooMany = "too_many_emails", Invalid on "email_ids", "a decision is about at most {AT_MOST} e-mails";
}

impl Aggregate for Thread {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, _: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Merge(email_ids) => ruling(state, Ruling::Merged, email_ids),
            Command::Split(email_ids) => ruling(state, Ruling::Split, email_ids),
            Command::Dissolve => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Present(_) => Ok(vec![Dissolved {}.into()]),
                State::Dissolved => Ok(vec![]),
            },
            Command::SetBack(to) => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Present(decision) if *decision == to => Ok(vec![]),
                State::Present(_) | State::Dissolved => Ok(vec![to.into_fact()]),
            },
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Merged(Merged { email_ids }) => {
                State::Present(Present { ruling: Ruling::Merged, email_ids: email_ids.clone() })
            }
            Event::Split(Split { email_ids }) => {
                State::Present(Present { ruling: Ruling::Split, email_ids: email_ids.clone() })
            }
            Event::Dissolved(Dissolved {}) => State::Dissolved,
        }
    }

    fn claims(_: &State, _: Uuid, _: UserId) -> Vec<Claim> {
        vec![]
    }

    fn fields(state: &State) -> Fields {
        let Some(Present { ruling, email_ids }) = state.present() else { return Fields::new() };
        Fields::from([("kind", json!(ruling.as_str())), ("email_ids", json!(email_ids))])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            Event::Merged(_) | Event::Split(_) | Event::Dissolved(_) => Reversal::ByFacts,
        }
    }
}

fn ruling(state: &State, ruling: Ruling, email_ids: Vec<EmailId>) -> Result<Vec<Event>, Rejection> {
    let mut known = HashSet::new();
    let email_ids: Vec<EmailId> = email_ids.into_iter().filter(|id| known.insert(*id)).collect();
    let at_least = match ruling {
        Ruling::Merged => 2,
        Ruling::Split => 1,
    };
    if email_ids.len() < at_least {
        return Err(Rejection::TooFew);
    }
    if email_ids.len() > AT_MOST {
        return Err(Rejection::TooMany);
    }
    let asked = Present { ruling, email_ids };
    match state {
        State::Absent => Ok(vec![asked.into_fact()]),
        State::Present(decision) if *decision == asked => Ok(vec![]),
        State::Present(_) => Err(Rejection::Exists),
        State::Dissolved => Err(Rejection::Dissolved),
    }
}

#[cfg(test)]
mod tests;
