//! An e-mail as it is marked. What it says is in the fact by which it came in, and is not looked at again.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use orbit_events::{
    Envelope, Event,
    emails::{
        Role,
        email::{self, Archived, Deleted, Read, Received, Restored, Starred, Unarchived, Unread, Unstarred},
    },
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{projection::ApplyFault, projections::rows};

/// An e-mail without its content.
pub(super) struct Row {
    pub id: Uuid,
    pub user_id: Uuid,
    pub folder_id: Uuid,
    pub folder_role: Cow<'static, str>,
    pub is_read: bool,
    pub is_starred: bool,
    pub is_archived: bool,
    /// In their order, each once.
    pub labels: Vec<String>,
    pub trashed_at: Option<DateTime<Utc>>,
    pub snoozed_until: Option<DateTime<Utc>>,
    pub language: Option<String>,
    pub date: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub version: i64,
    /// Version of the fact by which it came in, if it did so in these facts.
    pub came: Option<i64>,
}

/// What e-mails are counted and listed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub folder_id: Uuid,
    pub role: String,
    pub is_read: bool,
    pub language: Option<String>,
    pub labels: Vec<String>,
}

/// What became of an e-mail's row, as the database tells it: a fact that is delivered again changes nothing there, and
/// is counted nowhere.
#[derive(Debug)]
pub(super) struct Change {
    pub id: Uuid,
    pub user_id: Uuid,
    pub date: DateTime<Utc>,
    /// Absent, if there was no row.
    pub before: Option<Place>,
    /// Absent, if there is none any more.
    pub after: Option<Place>,
}

impl rows::Row for Row {
    type Event = email::Event;

    fn pick(event: &Event) -> Option<&email::Event> {
        if let Event::Email(event) = event { Some(event) } else { None }
    }

    async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Self>, ApplyFault> {
        sqlx::query_as!(
            Self,
            r#"SELECT id, user_id, folder_id, folder_role, is_read, is_starred, is_archived, labels, trashed_at,
                      snoozed_until, language, date, created_at, updated_at, version, NULL::bigint AS came
               FROM emails WHERE id = ANY($1)"#,
            ids
        )
        .fetch_all(connection)
        .await
        .map_err(ApplyFault::database("read e-mails"))
    }

    fn reached(&self) -> (Uuid, i64) {
        (self.id, self.version)
    }

    fn fold(row: Option<Self>, event: &email::Event, envelope: &Envelope) -> Option<Self> {
        let mut row = match event {
            email::Event::Received(received) => Self::received(received, envelope),
            email::Event::Read(Read {}) => Self { is_read: true, ..row? },
            email::Event::Unread(Unread {}) => Self { is_read: false, ..row? },
            email::Event::Starred(Starred {}) => Self { is_starred: true, ..row? },
            email::Event::Unstarred(Unstarred {}) => Self { is_starred: false, ..row? },
            email::Event::Archived(Archived {}) => Self { is_archived: true, ..row? },
            email::Event::Unarchived(Unarchived {}) => Self { is_archived: false, ..row? },
            email::Event::Moved(moved) => Self {
                folder_id: moved.place.folder_id.0,
                folder_role: Cow::Borrowed(role_name(moved.place.role)),
                ..row?
            },
            email::Event::Labelled(labelled) => row?.relabel(&labelled.label, true),
            email::Event::Unlabelled(unlabelled) => row?.relabel(&unlabelled.label, false),
            email::Event::Trashed(trashed) => Self { trashed_at: Some(trashed.trashed_at), ..row? },
            email::Event::Restored(Restored {}) => Self { trashed_at: None, ..row? },
            email::Event::Deleted(Deleted {}) => return None,
            email::Event::Snoozed(snoozed) => Self { snoozed_until: snoozed.until, ..row? },
        };
        row.updated_at = envelope.recorded_at;
        row.version = envelope.version;
        Some(row)
    }
}

impl Row {
    fn received(received: &Received, envelope: &Envelope) -> Self {
        let mut labels = received.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        Self {
            id: envelope.stream_id,
            user_id: envelope.user_id.0,
            folder_id: received.place.folder_id.0,
            folder_role: Cow::Borrowed(role_name(received.place.role)),
            is_read: received.is_read,
            is_starred: received.is_starred,
            is_archived: false,
            labels,
            trashed_at: None,
            snoozed_until: None,
            language: received.language.clone(),
            date: received.date,
            created_at: envelope.recorded_at,
            updated_at: envelope.recorded_at,
            version: envelope.version,
            came: Some(envelope.version),
        }
    }

    fn relabel(mut self, label: &str, on: bool) -> Self {
        self.labels.retain(|known| known != label);
        if on {
            let place = self.labels.partition_point(|known| known.as_str() < label);
            self.labels.insert(place, label.to_owned());
        }
        self
    }

    /// Where it is to be looked for: in the trash, else in the archive, else where its folder says.
    pub fn role(&self) -> &str {
        match (self.trashed_at, self.is_archived) {
            (Some(_), _) => role_name(Role::Trash),
            (None, true) => role_name(Role::Archive),
            (None, false) => &self.folder_role,
        }
    }

    pub fn place(&self) -> Place {
        Place {
            folder_id: self.folder_id,
            role: self.role().to_owned(),
            is_read: self.is_read,
            language: self.language.clone(),
            labels: self.labels.clone(),
        }
    }

    /// That it came to this.
    pub fn change(&self, before: Option<Place>) -> Change {
        Change { id: self.id, user_id: self.user_id, date: self.date, before, after: Some(self.place()) }
    }

    /// An array of arrays would have to be rectangular, so each row's labels travel as text.
    pub fn labels_as_text(&self) -> String {
        let mut text = String::from("{");
        for (n, label) in self.labels.iter().enumerate() {
            text.push_str(if n > 0 { ",\"" } else { "\"" });
            for c in label.chars() {
                if matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('"');
        }
        text.push('}');
        text
    }
}

/// The name of a role, as the tables and the API have it.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Inbox => "inbox",
        Role::Sent => "sent",
        Role::Drafts => "drafts",
        Role::Archive => "archive",
        Role::Trash => "trash",
        Role::Junk => "junk",
        Role::Other => "other",
    }
}
