//! Facts as sentences of plain English, with what the user called things where it helps. Each context tells its own.

mod emails;
mod tasks;
mod users;

use orbit_events::Event;
use uuid::Uuid;

/// Most characters of a name in a sentence.
const LONGEST_NAME: usize = 200;

/// What things are called.
pub(super) trait Names {
    /// What the thing with this id is called, if that is known.
    fn name(&self, id: Uuid) -> Option<&str>;
}

/// How the facts of one aggregate are told.
trait Tell {
    /// What a fact calls the thing it is about, if it says.
    fn name_given(&self) -> Option<&str>;

    /// Another thing whose name the sentence may need.
    fn mentioned(&self) -> Option<Uuid> {
        None
    }

    /// The sentence about the thing with this id; `None` if there is no more to say than without words.
    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String>;
}

/// Does the same with a fact of whichever aggregate.
macro_rules! with_any {
    ($event:expr, $fact:ident => $what:expr) => {
        match $event {
            // One line per aggregate.
            Event::User($fact) => $what,
            Event::Login($fact) => $what,
            Event::ApiToken($fact) => $what,
            Event::Connection($fact) => $what,
            Event::List($fact) => $what,
            Event::Task($fact) => $what,
            Event::Label($fact) => $what,
            Event::Email($fact) => $what,
            Event::Draft($fact) => $what,
            Event::Submission($fact) => $what,
            Event::Thread($fact) => $what,
            Event::Folder($fact) => $what,
            Event::Attachment($fact) => $what,
        }
    };
}

/// The sentence of a fact without the user's words: all there is to tell of somebody who was forgotten.
pub(super) fn without_words(wire_type: &str) -> String {
    // One line per context.
    let known = users::without_words(wire_type)
        .or_else(|| tasks::without_words(wire_type))
        .or_else(|| emails::without_words(wire_type));
    // Of a newer Orbit, about somebody who was forgotten: its name is all that can be told.
    known.map_or_else(|| wire_type.replace(['.', '_'], " "), str::to_owned)
}

/// What a fact calls the thing it is about, if it says.
pub(super) fn name_given(event: &Event) -> Option<&str> {
    with_any!(event, fact => fact.name_given())
}

/// Another thing whose name the sentence of a fact may need.
pub(super) fn mentioned(event: &Event) -> Option<Uuid> {
    with_any!(event, fact => fact.mentioned())
}

/// The sentence of a fact about the thing with this id; `names` as they were before the fact.
pub(super) fn sentence(event: &Event, id: Uuid, names: &impl Names) -> String {
    with_any!(event, fact => fact.sentence(id, names)).unwrap_or_else(|| without_words(event.wire_type()))
}

/// `Completed task “Buy milk”`, or `Completed a task` when its name is not known.
fn about(verb: &str, unnamed: &str, kind: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{verb} {kind} {}", quoted(name)),
        None => format!("{verb} {unnamed}"),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use orbit_events::{ListId, TaskId, tasks::task};

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
