//! Facts as sentences of plain English, with what the user called things where it helps.

use orbit_events::{
    Event,
    tasks::{Priority, Status, label, list, task},
    users::{
        api_token, connection,
        login::{self, Reason},
        user,
    },
};
use uuid::Uuid;

/// Most characters of a name in a sentence.
const LONGEST_NAME: usize = 200;

/// What things are called.
pub(super) trait Names {
    /// What the thing with this id is called, if that is known.
    fn name(&self, id: Uuid) -> Option<&str>;
}

/// The sentence of a fact without the user's words: all there is to tell of somebody who was forgotten.
pub(super) fn without_words(wire_type: &str) -> String {
    let sentence = match wire_type {
        "users.registered" => "Opened an account",
        "users.profile_changed" => "Changed the profile",
        "users.preferences_changed" => "Changed the preferences",
        "users.password_changed" => "Changed the password",
        "users.erasure_requested" => "Asked for the account to be erased",
        "users.erasure_cancelled" => "Took back the erasure of the account",
        "users.erased" => "Erased the account",
        "logins.logged_in" => "Logged in",
        "logins.refreshed" => "Stayed logged in",
        "logins.refresh_reuse_detected" => "A refresh token was used twice",
        "logins.logged_out" => "Logged out",
        "api_tokens.issued" => "Issued an API token",
        "api_tokens.revoked" => "Revoked an API token",
        "connections.connected" => "Connected an account",
        "connections.settings_changed" => "Changed a connection",
        "connections.sync_progressed" => "Synchronised an account",
        "connections.sync_failed" => "Could not synchronise an account",
        "connections.disconnected" => "Disconnected an account",
        "lists.created" => "Created a list",
        "lists.renamed" => "Renamed a list",
        "lists.recoloured" => "Recoloured a list",
        "lists.moved" => "Moved a list",
        "lists.removed" => "Removed a list",
        "lists.restored" => "Restored a list",
        "tasks.created" => "Created a task",
        "tasks.retitled" => "Renamed a task",
        "tasks.described" => "Described a task",
        "tasks.prioritised" => "Changed the priority of a task",
        "tasks.scheduled" => "Changed the due date of a task",
        "tasks.moved" => "Moved a task",
        "tasks.status_changed" => "Changed the status of a task",
        "tasks.completed" => "Completed a task",
        "tasks.reopened" => "Reopened a task",
        "tasks.labelled" => "Labelled a task",
        "tasks.unlabelled" => "Took a label off a task",
        "tasks.nested" => "Changed what a task is part of",
        "tasks.dismissed" => "Dismissed a task",
        "tasks.deleted" => "Deleted a task",
        "tasks.restored" => "Restored a task",
        "labels.created" => "Created a label",
        "labels.renamed" => "Renamed a label",
        "labels.recoloured" => "Recoloured a label",
        "labels.removed" => "Removed a label",
        // Of a newer Orbit, about somebody who was forgotten: its name is all that can be told.
        other => return other.replace(['.', '_'], " "),
    };
    sentence.to_owned()
}

/// What a fact calls the thing it is about, if it says.
pub(super) fn name_given(event: &Event) -> Option<&str> {
    match event {
        Event::User(event) => match event {
            user::Event::Registered(registered) => Some(&registered.profile.name),
            user::Event::ProfileChanged(changed) => Some(&changed.profile.name),
            user::Event::PreferencesChanged(_)
            | user::Event::PasswordChanged(_)
            | user::Event::ErasureRequested(_)
            | user::Event::ErasureCancelled(_)
            | user::Event::Erased(_) => None,
        },
        Event::Login(event) => match event {
            login::Event::LoggedIn(logged_in) => logged_in.device_name.as_deref(),
            login::Event::Refreshed(_) | login::Event::RefreshReuseDetected(_) | login::Event::LoggedOut(_) => None,
        },
        Event::ApiToken(event) => match event {
            api_token::Event::Issued(issued) => Some(&issued.name),
            api_token::Event::Revoked(_) => None,
        },
        Event::Connection(event) => match event {
            connection::Event::Connected(connected) => Some(&connected.settings.name),
            connection::Event::SettingsChanged(changed) => Some(&changed.settings.name),
            connection::Event::SyncProgressed(_)
            | connection::Event::SyncFailed(_)
            | connection::Event::Disconnected(_) => None,
        },
        Event::List(event) => match event {
            list::Event::Created(created) => Some(&created.name),
            list::Event::Renamed(renamed) => Some(&renamed.name),
            list::Event::Restored(restored) => Some(&restored.name),
            list::Event::Recoloured(_) | list::Event::Moved(_) | list::Event::Removed(_) => None,
        },
        Event::Task(task::Event::Created(created)) => Some(&created.title),
        Event::Task(task::Event::Retitled(retitled)) => Some(&retitled.title),
        Event::Task(_) => None,
        Event::Label(event) => match event {
            label::Event::Created(created) => Some(&created.name),
            label::Event::Renamed(renamed) => Some(&renamed.name),
            label::Event::Recoloured(_) | label::Event::Removed(_) => None,
        },
    }
}

/// Other things whose names the sentence of a fact may need.
pub(super) fn mentioned(event: &Event) -> Option<Uuid> {
    match event {
        Event::Task(task::Event::Created(created)) => Some(created.list_id.0),
        Event::Task(task::Event::Moved(moved)) => Some(moved.list_id.0),
        Event::Task(task::Event::Labelled(labelled)) => Some(labelled.label_id.0),
        Event::Task(task::Event::Unlabelled(unlabelled)) => Some(unlabelled.label_id.0),
        Event::Task(task::Event::Nested(nested)) => nested.parent_id.map(Uuid::from),
        Event::Task(_)
        | Event::User(_)
        | Event::Login(_)
        | Event::ApiToken(_)
        | Event::Connection(_)
        | Event::List(_)
        | Event::Label(_) => None,
    }
}

/// The sentence of a fact about the thing with this id; `names` as they were before the fact.
pub(super) fn sentence(event: &Event, id: Uuid, names: &impl Names) -> String {
    let generic = || without_words(event.wire_type());
    match event {
        Event::User(event) => user_sentence(event).unwrap_or_else(generic),
        Event::Login(event) => login_sentence(event, names.name(id)),
        Event::ApiToken(event) => match event {
            api_token::Event::Issued(issued) => format!("Issued API token {}", quoted(&issued.name)),
            api_token::Event::Revoked(_) => about("Revoked", "an API token", "API token", names.name(id)),
        },
        Event::Connection(event) => connection_sentence(event, names.name(id)),
        Event::List(event) => list_sentence(event, names.name(id)),
        Event::Task(event) => task_sentence(event, id, names),
        Event::Label(event) => label_sentence(event, names.name(id)),
    }
}

fn user_sentence(event: &user::Event) -> Option<String> {
    match event {
        user::Event::Registered(registered) => {
            Some(format!("Opened an account for {}", quoted(&registered.profile.name)))
        }
        user::Event::ProfileChanged(_)
        | user::Event::PreferencesChanged(_)
        | user::Event::PasswordChanged(_)
        | user::Event::ErasureRequested(_)
        | user::Event::ErasureCancelled(_)
        | user::Event::Erased(_) => None,
    }
}

fn login_sentence(event: &login::Event, device: Option<&str>) -> String {
    match event {
        login::Event::LoggedIn(logged_in) => match &logged_in.device_name {
            Some(name) => format!("Logged in on {}", quoted(name)),
            None => "Logged in".to_owned(),
        },
        login::Event::Refreshed(_) => on("Stayed logged in", device),
        login::Event::RefreshReuseDetected(_) => on("A refresh token was used twice", device),
        login::Event::LoggedOut(logged_out) => {
            let out = on("Logged out", device);
            match logged_out.reason {
                Reason::LoggedOut => out,
                Reason::LoggedOutEverywhere => format!("{out}, as everywhere"),
                Reason::PasswordChanged => format!("{out}, because the password changed"),
                Reason::RefreshReuse => format!("{out}, because a refresh token was used twice"),
                Reason::AccountErased => format!("{out}, because the account was erased"),
            }
        }
    }
}

fn connection_sentence(event: &connection::Event, name: Option<&str>) -> String {
    match event {
        connection::Event::Connected(connected) => format!("Connected account {}", quoted(&connected.settings.name)),
        connection::Event::SettingsChanged(changed) => {
            format!("Changed connection {}", quoted(&changed.settings.name))
        }
        connection::Event::SyncProgressed(progressed) => {
            let items = if progressed.items == 1 { "1 item".to_owned() } else { format!("{} items", progressed.items) };
            format!("{}: {items}", about("Synchronised", "an account", "account", name))
        }
        connection::Event::SyncFailed(failed) => {
            format!("{}: {}", about("Could not synchronise", "an account", "account", name), failed.detail)
        }
        connection::Event::Disconnected(_) => about("Disconnected", "an account", "account", name),
    }
}

fn list_sentence(event: &list::Event, name: Option<&str>) -> String {
    match event {
        list::Event::Created(created) => format!("Created list {}", quoted(&created.name)),
        list::Event::Renamed(renamed) => {
            format!("{} to {}", about("Renamed", "a list", "list", name), quoted(&renamed.name))
        }
        list::Event::Recoloured(_) => about("Recoloured", "a list", "list", name),
        list::Event::Moved(_) => about("Moved", "a list", "list", name),
        list::Event::Removed(_) => about("Removed", "a list", "list", name),
        list::Event::Restored(restored) => format!("Restored list {}", quoted(&restored.name)),
    }
}

fn label_sentence(event: &label::Event, name: Option<&str>) -> String {
    match event {
        label::Event::Created(created) => format!("Created label {}", quoted(&created.name)),
        label::Event::Renamed(renamed) => {
            format!("{} to {}", about("Renamed", "a label", "label", name), quoted(&renamed.name))
        }
        label::Event::Recoloured(_) => about("Recoloured", "a label", "label", name),
        label::Event::Removed(_) => about("Removed", "a label", "label", name),
    }
}

fn task_sentence(event: &task::Event, id: Uuid, names: &impl Names) -> String {
    let task = names.name(id);
    let verb = |verb: &str| about(verb, "a task", "task", task);
    match event {
        task::Event::Created(created) => {
            let created_task = format!("Created task {}", quoted(&created.title));
            followed(created_task, "in list", names.name(created.list_id.0))
        }
        task::Event::Retitled(retitled) => format!("{} to {}", verb("Renamed"), quoted(&retitled.title)),
        task::Event::Described(described) => match described.description {
            Some(_) => verb("Described"),
            None => verb("Removed the description of"),
        },
        task::Event::Prioritised(prioritised) => {
            format!("{} to {}", verb("Set the priority of"), priority(prioritised.priority))
        }
        task::Event::Scheduled(scheduled) => match scheduled.due_date {
            Some(day) => format!("{} to {day}", verb("Set the due date of")),
            None => verb("Removed the due date of"),
        },
        task::Event::Moved(moved) => followed(verb("Moved"), "to list", names.name(moved.list_id.0)),
        task::Event::StatusChanged(changed) => format!("{} to {}", verb("Set the status of"), status(changed.status)),
        task::Event::Completed(_) => verb("Completed"),
        task::Event::Reopened(_) => verb("Reopened"),
        task::Event::Labelled(labelled) => followed(verb("Labelled"), "as", names.name(labelled.label_id.0)),
        task::Event::Unlabelled(unlabelled) => match names.name(unlabelled.label_id.0) {
            Some(label) => verb(&format!("Took label {} off", quoted(label))),
            None => verb("Took a label off"),
        },
        task::Event::Nested(nested) => match nested.parent_id {
            Some(parent) => followed(verb("Nested"), "under", names.name(parent.0)),
            None => verb("Took out of its parent"),
        },
        task::Event::Dismissed(dismissed) => match &dismissed.reason {
            Some(reason) => format!("{}: {}", verb("Dismissed"), cut(reason)),
            None => verb("Dismissed"),
        },
        task::Event::Deleted(_) => verb("Deleted"),
        task::Event::Restored(_) => verb("Restored"),
    }
}

/// `Completed task “Buy milk”`, or `Completed a task` when its name is not known.
fn about(verb: &str, unnamed: &str, kind: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{verb} {kind} {}", quoted(name)),
        None => format!("{verb} {unnamed}"),
    }
}

fn on(what: &str, device: Option<&str>) -> String {
    followed(what.to_owned(), "on", device)
}

fn followed(sentence: String, by: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{sentence} {by} {}", quoted(name)),
        None => sentence,
    }
}

fn quoted(name: &str) -> String {
    format!("“{}”", cut(name))
}

/// A sentence stays one: long words of users are cut in it (the fact has them all).
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Backlog => "backlog",
        Status::Open => "open",
        Status::InProgress => "in progress",
        Status::Waiting => "waiting",
        Status::Done => "done",
        Status::Pending => "pending",
        Status::Dismissed => "dismissed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use orbit_events::{ListId, TaskId};

    use super::*;

    impl Names for HashMap<Uuid, &str> {
        fn name(&self, id: Uuid) -> Option<&str> {
            self.get(&id).copied()
        }
    }

    #[test]
    fn every_fact_has_a_sentence_without_words() {
        for fact in Event::types() {
            let sentence = without_words(fact.wire_type);
            assert_ne!(
                sentence,
                fact.wire_type.replace(['.', '_'], " "),
                "{} has no sentence of its own",
                fact.wire_type
            );
        }
    }

    /// Who folds one stream alone finds the names that its sentences need by what its facts mention.
    #[test]
    fn what_a_sentence_names_is_mentioned_by_its_fact() {
        for fact in Event::types() {
            let event = Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap();
            let named = mentioned(&event);
            assert!(named.is_none_or(|id| event.mentions().contains(&id)), "{}", fact.wire_type);
        }
    }

    #[test]
    fn sentences_say_what_the_user_called_things() {
        let [task, list, parent] = [1, 2, 3].map(Uuid::from_u128);
        let names = HashMap::from([(task, "Buy milk"), (list, "Today"), (parent, "Groceries")]);
        let tell = |event: task::Event| sentence(&Event::Task(event), task, &names);
        assert_eq!(
            tell(task::Completed { completed_at: chrono::DateTime::UNIX_EPOCH }.into()),
            "Completed task “Buy milk”"
        );
        assert_eq!(
            tell(task::Moved { list_id: ListId(list), position: "V".into() }.into()),
            "Moved task “Buy milk” to list “Today”"
        );
        assert_eq!(tell(task::Retitled { title: "Buy oats".into() }.into()), "Renamed task “Buy milk” to “Buy oats”");
        assert_eq!(
            tell(task::Nested { parent_id: Some(TaskId(parent)) }.into()),
            "Nested task “Buy milk” under “Groceries”"
        );
        assert_eq!(sentence(&Event::Task(task::Restored {}.into()), list, &HashMap::new()), "Restored a task");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = "ü".repeat(300);
        assert_eq!(cut(&long).chars().count(), LONGEST_NAME + 1);
        assert_eq!(cut("short"), "short");
    }
}
