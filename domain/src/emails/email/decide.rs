//! What follows from a command to an e-mail.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use orbit_events::emails::{
    Role, Where,
    email::{
        Archived, Deleted, Event, Labelled, Moved, Read, Received, Restored, Snoozed, Starred, Trashed, Unarchived,
        Unlabelled, Unread, Unstarred,
    },
};

use super::{Again, Command, Edit, MAX_LABELS, Observed, Present, Rejection, SNOOZE_DAYS, State, set_back};
use crate::Context;

type Facts = Result<Vec<Event>, Rejection>;

pub(super) fn decide(state: &State, command: Command, context: &Context) -> Facts {
    match command {
        Command::Receive(received, again) => Ok(reception(state, *received, again, context.now)),
        Command::Mark { read, starred } => Ok(marking(state.get()?, read, starred)),
        Command::Edit(edit) => edition(state.get()?, edit),
        Command::Archive => Ok(archiving(state.live()?)),
        Command::Unarchive(to) => Ok(unarchiving(state.live()?, to)),
        Command::Move(place) => moving(state, place, context.now),
        Command::Label(label) => {
            let email = state.live()?;
            labelling(email, &email.labels.iter().cloned().chain([label.into()]).collect())
        }
        Command::Unlabel(label) => {
            let email = state.live()?;
            labelling(email, &email.labels.iter().filter(|known| *known != label.as_str()).cloned().collect())
        }
        Command::Trash => Ok(trashing(state.get()?, context.now)),
        Command::Restore(to) => Ok(restoration(state.get()?, to)),
        Command::Delete => deletion(state),
        Command::Snooze(until) => snoozing(state.live()?, until, context.now),
        Command::SetBack(marks) => set_back::set_back(state.get()?, &marks),
        Command::Observe(observed) => observation(state, observed, context.now),
    }
}

/// What came in as trash or as archived is marked as such by facts of their own, so that marks come from nothing else.
fn reception(state: &State, received: Received, again: Again, now: DateTime<Utc>) -> Vec<Event> {
    let mark: Option<Event> = match received.place.role {
        Role::Trash => Some(Trashed { trashed_at: now }.into()),
        Role::Archive => Some(Archived {}.into()),
        Role::Inbox | Role::Sent | Role::Drafts | Role::Junk | Role::Other => None,
    };
    match (state, again) {
        (State::Absent, Again::Yes | Again::No) | (State::Deleted { .. }, Again::Yes) => {
            std::iter::once(received.into()).chain(mark).collect()
        }
        (State::Deleted { .. }, Again::No) | (State::Present(_), Again::Yes | Again::No) => vec![],
    }
}

fn marking(email: &Present, read: Option<bool>, starred: Option<bool>) -> Vec<Event> {
    let read = read.filter(|read| *read != email.is_read);
    let read = read.map(|read| if read { Read {}.into() } else { Unread {}.into() });
    let starred = starred.filter(|starred| *starred != email.is_starred);
    let starred = starred.map(|starred| if starred { Starred {}.into() } else { Unstarred {}.into() });
    read.into_iter().chain(starred).collect()
}

fn edition(email: &Present, edit: Edit) -> Facts {
    let mut others = match edit.archived {
        Some(true) => archiving(email),
        Some(false) => unarchiving(email, None),
        None => vec![],
    };
    if let Some(labels) = edit.labels {
        others.extend(labelling(email, &labels.into_iter().map(String::from).collect())?);
    }
    if email.trashed_at.is_some() && !others.is_empty() {
        return Err(Rejection::InTrash);
    }
    Ok(marking(email, edit.read, edit.starred).into_iter().chain(others).collect())
}

fn archiving(email: &Present) -> Vec<Event> {
    if email.is_archived { vec![] } else { vec![Archived {}.into()] }
}

fn unarchiving(email: &Present, to: Option<Where>) -> Vec<Event> {
    let unarchived = email.is_archived.then(|| Unarchived {}.into());
    let moved = to.filter(|to| email.place.role == Role::Archive && is_home(*to)).map(|place| Moved { place }.into());
    unarchived.into_iter().chain(moved).collect()
}

/// Whether what lies there is neither archived nor in the trash by that.
fn is_home(place: Where) -> bool {
    !matches!(place.role, Role::Trash | Role::Archive)
}

fn moving(state: &State, place: Where, now: DateTime<Utc>) -> Facts {
    match place.role {
        Role::Trash => Ok(trashing(state.get()?, now)),
        Role::Archive => Ok(archiving(state.live()?)),
        Role::Inbox | Role::Sent | Role::Drafts | Role::Junk | Role::Other => Ok(settling(state.live()?, place)),
    }
}

/// It comes to lie in this folder, and in no archive.
fn settling(email: &Present, place: Where) -> Vec<Event> {
    let unarchived = email.is_archived.then(|| Unarchived {}.into());
    let moved = (email.place != place).then(|| Moved { place }.into());
    unarchived.into_iter().chain(moved).collect()
}

/// The labels on it become these: the others go, then those that it lacks come.
pub(super) fn labelling(email: &Present, labels: &BTreeSet<String>) -> Facts {
    if labels.len() > MAX_LABELS {
        return Err(Rejection::TooManyLabels);
    }
    let gone = email.labels.difference(labels).map(|label| Unlabelled { label: label.clone() }.into());
    let new = labels.difference(&email.labels).map(|label| Labelled { label: label.clone() }.into());
    Ok(gone.chain(new).collect())
}

fn trashing(email: &Present, now: DateTime<Utc>) -> Vec<Event> {
    if email.trashed_at.is_some() { vec![] } else { vec![Trashed { trashed_at: now }.into()] }
}

fn restoration(email: &Present, to: Option<Where>) -> Vec<Event> {
    if email.trashed_at.is_none() {
        return vec![];
    }
    let moved = to.filter(|to| email.place.role == Role::Trash && is_home(*to)).map(|place| Moved { place }.into());
    std::iter::once(Restored {}.into()).chain(moved).collect()
}

fn deletion(state: &State) -> Facts {
    match state {
        State::Absent => Err(Rejection::NotFound),
        State::Present(email) if email.trashed_at.is_some() => Ok(vec![Deleted {}.into()]),
        State::Present(_) => Err(Rejection::NotInTrash),
        State::Deleted { .. } => Ok(vec![]),
    }
}

fn snoozing(email: &Present, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Facts {
    match until {
        until if until == email.snoozed_until => Ok(vec![]),
        Some(until) if until <= now => Err(Rejection::SnoozeInThePast),
        Some(until) if until - now > TimeDelta::days(SNOOZE_DAYS) => Err(Rejection::SnoozeTooFar),
        until => Ok(vec![Snoozed { until }.into()]),
    }
}

/// What differs from what was seen becomes so, in the trash too: elsewhere nobody asked us.
fn observation(state: &State, observed: Observed, now: DateTime<Utc>) -> Facts {
    let email = match state {
        State::Absent => return Err(Rejection::NotFound),
        State::Present(email) => email,
        State::Deleted { .. } => return Ok(vec![]),
    };
    if observed.gone {
        return Ok(trashing(email, now).into_iter().chain([Deleted {}.into()]).collect());
    }
    let mut facts = marking(email, observed.read, observed.starred);
    if let Some(labels) = observed.labels {
        let labels: BTreeSet<String> = labels.into_iter().map(String::from).collect();
        facts.extend(labelling(email, &labels.into_iter().take(MAX_LABELS).collect())?);
    }
    if let Some(place) = observed.place {
        let restored = || email.trashed_at.is_some().then(|| Restored {}.into());
        match place.role {
            Role::Trash => facts.extend(trashing(email, now)),
            Role::Archive => facts.extend(restored().into_iter().chain(archiving(email))),
            Role::Inbox | Role::Sent | Role::Drafts | Role::Junk | Role::Other => {
                facts.extend(restored().into_iter().chain(settling(email, place)));
            }
        }
    }
    Ok(facts)
}
