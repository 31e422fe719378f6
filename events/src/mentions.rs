//! What a fact speaks of besides its own stream: the threads between things, told without a word of the user's.

use uuid::Uuid;

use crate::{
    Event,
    tasks::{label, list, task},
    users::{api_token, connection, login, user},
};

impl Event {
    /// Ids of other things that this fact speaks of, in the order in which it names them. Whoever folds one thing out of
    /// many needs what mentions it, and what it mentions.
    pub fn mentions(&self) -> Vec<Uuid> {
        match self {
            Self::User(
                user::Event::Registered(_)
                | user::Event::ProfileChanged(_)
                | user::Event::PreferencesChanged(_)
                | user::Event::PasswordChanged(_)
                | user::Event::ErasureRequested(_)
                | user::Event::ErasureCancelled(_)
                | user::Event::Erased(_),
            )
            | Self::Login(
                login::Event::LoggedIn(_)
                | login::Event::Refreshed(_)
                | login::Event::RefreshReuseDetected(_)
                | login::Event::LoggedOut(_),
            )
            | Self::ApiToken(api_token::Event::Issued(_) | api_token::Event::Revoked(_))
            | Self::Connection(
                connection::Event::Connected(_)
                | connection::Event::SettingsChanged(_)
                | connection::Event::SyncProgressed(_)
                | connection::Event::SyncFailed(_)
                | connection::Event::Disconnected(_),
            )
            | Self::List(
                list::Event::Created(_)
                | list::Event::Renamed(_)
                | list::Event::Recoloured(_)
                | list::Event::Moved(_)
                | list::Event::Restored(_)
                | list::Event::Removed(_),
            )
            | Self::Label(
                label::Event::Created(_)
                | label::Event::Renamed(_)
                | label::Event::Recoloured(_)
                | label::Event::Removed(_),
            ) => Vec::new(),
            Self::Task(event) => of_task(event),
        }
    }
}

fn of_task(event: &task::Event) -> Vec<Uuid> {
    match event {
        task::Event::Created(created) => {
            let parent = created.parent_id.map(Uuid::from);
            let labels = created.labels.iter().map(|label| label.0);
            let from = created.extracted_from.as_ref().map(|entity| entity.id);
            [created.list_id.0].into_iter().chain(parent).chain(labels).chain(from).collect()
        }
        task::Event::Moved(moved) => vec![moved.list_id.0],
        task::Event::Labelled(labelled) => vec![labelled.label_id.0],
        task::Event::Unlabelled(unlabelled) => vec![unlabelled.label_id.0],
        task::Event::Nested(nested) => nested.parent_id.map(Uuid::from).into_iter().collect(),
        task::Event::Retitled(_)
        | task::Event::Described(_)
        | task::Event::Prioritised(_)
        | task::Event::Scheduled(_)
        | task::Event::StatusChanged(_)
        | task::Event::Completed(_)
        | task::Event::Reopened(_)
        | task::Event::Dismissed(_)
        | task::Event::Deleted(_)
        | task::Event::Restored(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Every string in a payload that has the shape of an id. What is in preferences is the clients' own.
    fn ids_in(payload: &Value, found: &mut Vec<Uuid>) {
        match payload {
            Value::String(text) if text.len() == 36 => found.extend(text.parse::<Uuid>().ok()),
            Value::Array(items) => items.iter().for_each(|item| ids_in(item, found)),
            Value::Object(fields) => {
                let ours = fields.iter().filter(|(name, _)| *name != "preferences");
                ours.for_each(|(_, value)| ids_in(value, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_id_in_an_example_is_mentioned_and_no_other() {
        let mut any = 0;
        for fact in Event::types() {
            let event = Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap();
            let (mut mentioned, mut written) = (event.mentions(), Vec::new());
            ids_in(&event.payload(), &mut written);
            mentioned.sort_unstable();
            written.sort_unstable();
            assert_eq!(mentioned, written, "{}", fact.wire_type);
            any += mentioned.len();
        }
        assert!(any > 5, "the examples hardly mention anything: {any}");
    }
}
