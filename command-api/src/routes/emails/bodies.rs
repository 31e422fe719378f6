//! Bodies of requests about e-mails, and what is left of them once every field is right. Single requests and batches are
//! read by the same code.

use chrono::{DateTime, Utc};
use orbit_domain::emails::{
    Label, ROLES,
    email::{Edit, MAX_LABELS},
};
use orbit_events::emails::Role;
use orbit_platform::http::{
    extract::{Faults, Field, Unknown},
    openapi::parsed,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{operation::Operation, place::Target};
use crate::routes::read::{self, Refusal, at_most, text};

/// What is to change of an e-mail: a JSON merge patch (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"is_read": true, "labels": ["travel"]}"#)))]
pub struct EditEmail {
    /// Whether it was read.
    #[serde(default)]
    #[schema(value_type = bool)]
    is_read: Field<bool>,
    /// Whether it is starred.
    #[serde(default)]
    #[schema(value_type = bool)]
    is_starred: Field<bool>,
    /// Whether it is in the archive.
    #[serde(default)]
    #[schema(value_type = bool)]
    is_archived: Field<bool>,
    /// All its labels, at most 50 of 1 to 100 characters; `null` takes them off.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    labels: Field<Vec<Field<String>>>,
    #[serde(flatten)]
    #[schema(ignore)]
    unknown: Unknown,
}

impl EditEmail {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Operation {
        faults.unknown(self.unknown);
        let read = faults.change("is_read", self.is_read, Faults::any);
        let starred = faults.change("is_starred", self.is_starred, Faults::any);
        let archived = faults.change("is_archived", self.is_archived, Faults::any);
        let labels = faults.patch("labels", self.labels, at_most(MAX_LABELS));
        let label = |label: String| text(Label::parse)(label);
        let labels = labels.and_then(|labels| read::each(faults, "labels", labels.unwrap_or_default(), label));
        Operation::Edit(Edit { read, starred, archived, labels })
    }
}

/// An e-mail goes to another folder. Exactly one field is given.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"folder": "archive"}"#)))]
pub struct MoveEmail {
    /// The folder, of the same account. One for trash or archive means the mark.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub folder_id: Field<String>,
    /// What the folder is for: `inbox`, `sent`, `drafts`, `archive`, `trash` or `junk`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "archive")]
    pub folder: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl MoveEmail {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Operation> {
        faults.unknown(self.unknown);
        let given = |field: &Field<String>| !matches!(field, Field::Absent | Field::Null);
        let (by_id, by_role) = (given(&self.folder_id), given(&self.folder));
        let folder_id = faults.optional("folder_id", self.folder_id, read::id);
        let role = faults.optional("folder", self.folder, |role| destination(&role));
        match (by_id, by_role) {
            (true, true) => faults.malformed("folder", "both_given", "give folder_id or folder, not both"),
            (false, false) => faults.malformed("", "empty", "must name folder_id or folder"),
            (_, _) => folder_id.map(Target::Folder).or(role.map(Target::Role)).map(Operation::Move),
        }
    }
}

/// A role by which a folder is known: there may be any number of others.
fn destination(role: &str) -> Result<Role, Refusal> {
    let known = ROLES.iter().filter(|(_, role)| *role != Role::Other);
    known.clone().find(|(name, _)| *name == role).map(|(_, role)| *role).ok_or_else(|| {
        let names: Vec<&str> = known.map(|(name, _)| *name).collect();
        ("unknown_value", format!("must be one of {}", names.join(", ")))
    })
}

/// A label for an e-mail, or not any more.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"label": "travel"}"#)))]
pub struct LabelEmail {
    /// One line of 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 100, example = "travel")]
    pub label: Field<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl LabelEmail {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Label> {
        faults.unknown(self.unknown);
        faults.required("label", self.label, text(Label::parse))
    }
}

/// An e-mail is put off.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!(parsed(r#"{"until": "2026-12-01T08:00:00Z"}"#)))]
pub struct SnoozeEmail {
    /// Until when, at most five years ahead; `null` has it there again.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub until: Field<DateTime<Utc>>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl SnoozeEmail {
    /// Reads every field.
    pub fn read(self, faults: &mut Faults) -> Option<Operation> {
        faults.unknown(self.unknown);
        if !self.until.is_present() {
            return faults.malformed("until", "missing", "must be there");
        }
        faults.patch("until", self.until, Faults::any).map(Operation::Snooze)
    }
}
