//! An e-mail field by field, and how its marks become again what they were.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use orbit_events::emails::{
    Where,
    email::{Archived, Event, Moved, Read, Restored, Snoozed, Starred, Trashed, Unarchived, Unread, Unstarred},
};
use serde_json::{from_value, json};

use super::{Present, Rejection, decide::labelling};
use crate::Fields;

/// All marks of an e-mail, as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// The folder it lay in.
    pub place: Where,
    /// Whether it had been read.
    pub is_read: bool,
    /// Whether it was starred.
    pub is_starred: bool,
    /// Whether it was in the archive.
    pub is_archived: bool,
    /// Labels on it.
    pub labels: BTreeSet<String>,
    /// When it was put into the trash, if it was there.
    pub trashed_at: Option<DateTime<Utc>>,
    /// Until when it was put off.
    pub snoozed_until: Option<DateTime<Utc>>,
}

impl Marks {
    /// The marks among these fields.
    pub fn from_fields(fields: &Fields) -> Result<Self, serde_json::Error> {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        Ok(Self {
            place: Where { folder_id: from_value(field("folder_id"))?, role: from_value(field("role"))? },
            is_read: from_value(field("is_read"))?,
            is_starred: from_value(field("is_starred"))?,
            is_archived: from_value(field("is_archived"))?,
            labels: from_value(field("labels"))?,
            trashed_at: from_value(field("trashed_at"))?,
            snoozed_until: from_value(field("snoozed_until"))?,
        })
    }
}

impl Present {
    /// `role` is the folder's; that it is in the archive or the trash is told beside it.
    pub(super) fn fields(&self) -> Fields {
        Fields::from([
            ("subject", json!(self.subject)),
            ("folder_id", json!(self.place.folder_id)),
            ("role", json!(self.place.role)),
            ("is_read", json!(self.is_read)),
            ("is_starred", json!(self.is_starred)),
            ("is_archived", json!(self.is_archived)),
            ("labels", json!(self.labels)),
            ("trashed_at", json!(self.trashed_at)),
            ("snoozed_until", json!(self.snoozed_until)),
        ])
    }
}

/// The facts that make the marks what they were. Taking it out of the trash comes first and putting it there last.
pub(super) fn set_back(email: &Present, to: &Marks) -> Result<Vec<Event>, Rejection> {
    let mut facts: Vec<Event> = vec![];
    if email.trashed_at.is_some() && to.trashed_at.is_none() {
        facts.push(Restored {}.into());
    }
    if email.is_read != to.is_read {
        facts.push(if to.is_read { Read {}.into() } else { Unread {}.into() });
    }
    if email.is_starred != to.is_starred {
        facts.push(if to.is_starred { Starred {}.into() } else { Unstarred {}.into() });
    }
    if email.is_archived != to.is_archived {
        facts.push(if to.is_archived { Archived {}.into() } else { Unarchived {}.into() });
    }
    if email.place != to.place {
        facts.push(Moved { place: to.place }.into());
    }
    facts.extend(labelling(email, &to.labels)?);
    if email.snoozed_until != to.snoozed_until {
        facts.push(Snoozed { until: to.snoozed_until }.into());
    }
    if let Some(trashed_at) = to.trashed_at.filter(|at| email.trashed_at != Some(*at)) {
        facts.push(Trashed { trashed_at }.into());
    }
    Ok(facts)
}
