//! What can be done to an e-mail: one operation per verb, decided within a unit of work, alone or for many e-mails.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use orbit_domain::emails::{
    Email, Label,
    email::{Command, Edit, Present},
};
use orbit_event_store::{Loaded, Unit};
use orbit_events::{EmailId, emails::Role};
use orbit_platform::http::headers::IfMatch;

use super::{
    place::{self, Target},
    views::WrittenEmail,
};
use crate::{
    error::Result,
    write::{Reply, present},
};

/// What is to be done to an e-mail.
#[derive(Debug, Clone)]
pub enum Operation {
    /// It was read.
    Read,
    /// It is to be read again.
    Unread,
    /// It matters.
    Star,
    /// It matters no more.
    Unstar,
    /// Into the archive.
    Archive,
    /// Out of the archive.
    Unarchive,
    /// Into the trash.
    Trash,
    /// Out of the trash.
    Restore,
    /// For good.
    Delete,
    /// Change several marks.
    Edit(Edit),
    /// It goes to another folder.
    Move(Target),
    /// Put a label on it.
    Label(Label),
    /// Take a label off it.
    Unlabel(Label),
    /// Put it off, or have it there again.
    Snooze(Option<DateTime<Utc>>),
}

impl Operation {
    /// The status of the answer when it is done.
    pub fn status(&self) -> StatusCode {
        if matches!(self, Self::Delete) { StatusCode::NO_CONTENT } else { StatusCode::OK }
    }

    /// Decides it and answers.
    pub async fn decide(&self, unit: &Unit, id: EmailId, if_match: &IfMatch) -> Result<Reply> {
        let email = self.apply(unit, id, if_match).await?;
        if matches!(self, Self::Delete) {
            return Ok(Reply::nothing());
        }
        let version = email.version;
        Ok(Reply::ok(&WrittenEmail::of(unit, email).await?)?.version(version))
    }

    /// Decides it.
    pub async fn apply(&self, unit: &Unit, id: EmailId, if_match: &IfMatch) -> Result<Loaded<Email>> {
        let email = present::<Email>(unit, id.0, if_match).await?;
        let mark = |read, starred| Command::Mark { read, starred };
        let command = match self {
            Self::Read => mark(Some(true), None),
            Self::Unread => mark(Some(false), None),
            Self::Star => mark(None, Some(true)),
            Self::Unstar => mark(None, Some(false)),
            Self::Archive => Command::Archive,
            Self::Unarchive => unarchive(unit, email.state.present()).await?,
            Self::Trash => Command::Trash,
            Self::Restore => Command::Restore(match email.state.present() {
                Some(email) => place::out_of(unit, email, Role::Trash).await?,
                None => None,
            }),
            Self::Delete => Command::Delete,
            Self::Edit(edit) => return change(unit, &email, edit.clone()).await,
            Self::Move(target) => match email.state.present() {
                Some(email) => Command::Move(place::of(unit, email, *target).await?),
                // It was deleted, and says so whatever is asked of it.
                None => Command::Archive,
            },
            Self::Label(label) => Command::Label(label.clone()),
            Self::Unlabel(label) => Command::Unlabel(label.clone()),
            Self::Snooze(until) => Command::Snooze(*until),
        };
        Ok(unit.decide::<Email>(id.0, command).await?)
    }
}

async fn unarchive(unit: &Unit, email: Option<&Present>) -> Result<Command> {
    Ok(Command::Unarchive(match email {
        Some(email) => place::out_of(unit, email, Role::Archive).await?,
        None => None,
    }))
}

async fn change(unit: &Unit, email: &Loaded<Email>, mut edit: Edit) -> Result<Loaded<Email>> {
    // What came in as archived lies in the archive's folder: it has to leave that, too.
    let lies_there = |email: &&Present| email.place.role == Role::Archive && email.trashed_at.is_none();
    if edit.archived == Some(false)
        && let Some(present) = email.state.present().filter(lies_there)
    {
        let command = unarchive(unit, Some(present)).await?;
        unit.decide::<Email>(email.id, command).await?;
        edit.archived = None;
    }
    Ok(unit.decide::<Email>(email.id, Command::Edit(edit)).await?)
}
