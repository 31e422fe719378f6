//! Taking back: what the fields of an aggregate would be, had some of its facts not happened.
//!
//! A fact changed some fields from what they were before it to what they were after it. A field that is still as after
//! it goes back to what it was before; one that is as before it already stays; anything else is a conflict, for a later
//! change stands in the way. Sets (labels) and objects (preferences) are compared entry by entry, so that two changes of
//! different entries are not in each other's way.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::Fields;

/// How a fact can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reversal {
    /// By facts of the same aggregate that give the fields which it changed their values of before.
    ByFacts,
    /// Not at all: the world outside was touched, or somebody's security. With a sentence that says why.
    Never(&'static str),
}

/// What a fact did: all fields before it and after it. Without fields, there was nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Before the fact.
    pub before: Fields,
    /// After the fact.
    pub after: Fields,
}

/// A field that is neither as a fact left it nor as it found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// A JSON pointer to the field: `/title`, `/preferences/theme`.
    pub pointer: String,
    /// What the fact made of it.
    pub expected: Value,
    /// What it is now.
    pub actual: Value,
}

/// The fields without these changes, which are given newest first; or every field in whose way a later change stands.
/// No fields mean that there would be nothing.
pub fn without(now: &Fields, newest_first: &[Change]) -> Result<Fields, Vec<Conflict>> {
    let mut fields = now.clone();
    let mut conflicts = vec![];
    for change in newest_first {
        fields = back(&fields, change, &mut conflicts);
    }
    if conflicts.is_empty() { Ok(fields) } else { Err(conflicts) }
}

/// The field of things that can be put into the trash which says that they are there.
const IN_TRASH: &str = "deleted_at";

fn back(now: &Fields, Change { before, after }: &Change, conflicts: &mut Vec<Conflict>) -> Fields {
    match (before.is_empty(), after.is_empty()) {
        (true, false) => unbegun(now, after, conflicts),
        (false, true) if now.is_empty() => before.clone(),
        // It has come back since, or never was.
        (false | true, true) => now.clone(),
        (false, false) => unchanged(now, before, after, conflicts),
    }
}

/// Without its beginning there would be nothing; but what was done to it since may not go with it unasked.
fn unbegun(now: &Fields, after: &Fields, conflicts: &mut Vec<Conflict>) -> Fields {
    let in_trash = now.get(IN_TRASH).is_some_and(|at| !at.is_null());
    if now.is_empty() || in_trash {
        return now.clone();
    }
    let known = conflicts.len();
    for (name, expected) in after {
        let actual = now.get(name).cloned().unwrap_or_default();
        if actual != *expected {
            conflicts.push(Conflict { pointer: format!("/{name}"), expected: expected.clone(), actual });
        }
    }
    if conflicts.len() == known { Fields::new() } else { now.clone() }
}

fn unchanged(now: &Fields, before: &Fields, after: &Fields, conflicts: &mut Vec<Conflict>) -> Fields {
    let null = Value::Null;
    let mut fields = now.clone();
    for (name, after) in after {
        let before = before.get(name).unwrap_or(&null);
        let pointer = format!("/{name}");
        if now.is_empty() && before != after {
            // It is gone: no value of it is as before.
            conflicts.push(Conflict { pointer, expected: after.clone(), actual: Value::Null });
        } else if let Some(now) = now.get(name) {
            let value = match (set(now), set(before), set(after)) {
                (Some(now), Some(before), Some(after)) => Some(merge_sets(&now, &before, &after)),
                _ => merge(&pointer, Some(now), Some(before), Some(after), conflicts),
            };
            fields.insert(name, value.unwrap_or_default());
        }
    }
    fields
}

fn merge(
    pointer: &str,
    now: Option<&Value>,
    before: Option<&Value>,
    after: Option<&Value>,
    conflicts: &mut Vec<Conflict>,
) -> Option<Value> {
    if before == after || now == before {
        return now.cloned();
    }
    if now == after {
        return before.cloned();
    }
    if let (Some(Value::Object(now)), Some(Value::Object(before)), Some(Value::Object(after))) = (now, before, after) {
        return Some(Value::Object(merge_entries(pointer, [now, before, after], conflicts)));
    }
    let shown = |value: Option<&Value>| value.cloned().unwrap_or_default();
    conflicts.push(Conflict { pointer: pointer.to_owned(), expected: shown(after), actual: shown(now) });
    now.cloned()
}

fn merge_entries(
    pointer: &str,
    [now, before, after]: [&Map<String, Value>; 3],
    conflicts: &mut Vec<Conflict>,
) -> Map<String, Value> {
    let keys: BTreeSet<&String> = now.keys().chain(before.keys()).chain(after.keys()).collect();
    let merged = keys.into_iter().filter_map(|key| {
        // RFC 6901.
        let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        let value = merge(&pointer, now.get(key), before.get(key), after.get(key), conflicts)?;
        Some((key.clone(), value))
    });
    merged.collect()
}

/// A field that is an array of texts is a set: ids of labels. Within preferences the order may mean something.
fn set(value: &Value) -> Option<Vec<&Value>> {
    let entries = value.as_array()?;
    entries.iter().all(Value::is_string).then(|| entries.iter().collect())
}

/// What the fact added is taken away, what it took away is added at the end.
fn merge_sets(now: &[&Value], before: &[&Value], after: &[&Value]) -> Value {
    let stays = now.iter().filter(|entry| before.contains(entry) || !after.contains(entry));
    let comes = before.iter().filter(|entry| !after.contains(entry) && !now.contains(entry));
    stays.chain(comes).map(|entry| (*entry).clone()).collect()
}

#[cfg(test)]
mod tests {
    use orbit_events::Fact;
    use serde_json::json;

    use super::*;
    use crate::{Aggregate, emails, tasks, users};

    /// The facts of an aggregate that cannot be taken back.
    fn irreversible<A: Aggregate>() -> Vec<&'static str> {
        let never = A::Event::TYPES.iter().filter(|fact| {
            let event = A::Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap();
            match A::reversal(&event) {
                Reversal::ByFacts => false,
                Reversal::Never(why) => {
                    assert!(!why.is_empty() && !why.ends_with('.'), "{why}");
                    true
                }
            }
        });
        never.filter_map(|fact| fact.wire_type.split_once('.')).map(|(_, name)| name).collect()
    }

    #[test]
    fn what_touched_the_world_outside_or_somebodys_security_is_not_taken_back() {
        assert_eq!(irreversible::<tasks::List>(), [""; 0]);
        assert_eq!(irreversible::<tasks::Task>(), [""; 0]);
        assert_eq!(irreversible::<tasks::Label>(), ["removed"]);
        let of_users = ["registered", "password_changed", "erasure_requested", "erasure_cancelled", "erased"];
        assert_eq!(irreversible::<users::User>(), of_users);
        assert_eq!(irreversible::<users::Login>(), ["logged_in", "refreshed", "refresh_reuse_detected", "logged_out"]);
        assert_eq!(irreversible::<users::ApiToken>(), ["issued", "revoked"]);
        let connections = ["connected", "settings_changed", "sync_progressed", "sync_failed", "disconnected"];
        assert_eq!(irreversible::<users::Connection>(), connections);
        assert_eq!(irreversible::<emails::Email>(), ["received", "deleted"]);
        assert_eq!(irreversible::<emails::Draft>(), ["submitted", "reopened"]);
        assert_eq!(irreversible::<emails::Submission>().len(), 9, "what is sent is sent");
        assert_eq!(irreversible::<emails::Thread>(), [""; 0]);
        assert_eq!(irreversible::<emails::Folder>(), ["observed", "reset_observed", "removed"]);
        assert_eq!(irreversible::<emails::Attachment>(), ["uploaded", "discarded"]);
    }

    fn fields(title: &str, labels: &[&str]) -> Fields {
        Fields::from([("title", json!(title)), ("labels", json!(labels)), ("parent_id", Value::Null)])
    }

    fn change(before: Fields, after: Fields) -> [Change; 1] {
        [Change { before, after }]
    }

    #[test]
    fn a_field_goes_back_while_it_is_as_the_fact_left_it() {
        let renamed = change(fields("milk", &[]), fields("oats", &[]));
        assert_eq!(without(&fields("oats", &[]), &renamed), Ok(fields("milk", &[])));
        assert_eq!(without(&fields("milk", &[]), &renamed), Ok(fields("milk", &[])), "it is so already");
    }

    #[test]
    fn other_fields_keep_their_later_values() {
        let renamed = change(fields("milk", &[]), fields("oats", &[]));
        assert_eq!(without(&fields("oats", &["a"]), &renamed), Ok(fields("milk", &["a"])));
    }

    #[test]
    fn a_later_change_of_the_same_field_is_a_conflict_that_tells_both_values() {
        let renamed = change(fields("milk", &[]), fields("oats", &[]));
        let conflict =
            Conflict { pointer: "/title".to_owned(), expected: json!("oats"), actual: json!("something else") };
        assert_eq!(without(&fields("something else", &[]), &renamed), Err(vec![conflict]));
    }

    #[test]
    fn of_a_set_only_the_entries_that_the_fact_changed_go_back() {
        let labelled = change(fields("milk", &["a"]), fields("milk", &["a", "b"]));
        assert_eq!(without(&fields("milk", &["a", "b", "c"]), &labelled), Ok(fields("milk", &["a", "c"])));
        let unlabelled = change(fields("milk", &["a", "b"]), fields("milk", &["b"]));
        assert_eq!(without(&fields("milk", &["b", "c"]), &unlabelled), Ok(fields("milk", &["b", "c", "a"])));
    }

    #[test]
    fn of_an_object_only_the_entries_that_the_fact_changed_go_back() {
        let preferring = |preferences: Value| Fields::from([("preferences", preferences)]);
        let themed = change(preferring(json!({})), preferring(json!({"theme": "dark"})));
        let now = preferring(json!({"theme": "dark", "sidebar": true}));
        assert_eq!(without(&now, &themed), Ok(preferring(json!({"sidebar": true}))));
        let now = preferring(json!({"theme": "light"}));
        let conflict =
            Conflict { pointer: "/preferences/theme".to_owned(), expected: json!("dark"), actual: json!("light") };
        assert_eq!(without(&now, &themed), Err(vec![conflict]));
    }

    #[test]
    fn what_began_ends_if_nothing_has_changed_since() {
        let began = change(Fields::new(), fields("milk", &[]));
        assert_eq!(without(&fields("milk", &[]), &began), Ok(Fields::new()));
        assert_eq!(without(&Fields::new(), &began), Ok(Fields::new()), "it is gone already");
        assert_eq!(without(&fields("oats", &[]), &began).unwrap_err()[0].pointer, "/title");
    }

    #[test]
    fn what_is_in_the_trash_has_no_beginning_to_take_back() {
        let task = |title: &str, deleted_at: Value| Fields::from([("title", json!(title)), ("deleted_at", deleted_at)]);
        let began = change(Fields::new(), task("milk", Value::Null));
        let trashed = task("oats", json!("2026-11-22T21:00:00Z"));
        assert_eq!(without(&trashed, &began), Ok(trashed));
    }

    #[test]
    fn what_ended_comes_back() {
        let ended = change(fields("milk", &[]), Fields::new());
        assert_eq!(without(&Fields::new(), &ended), Ok(fields("milk", &[])));
        assert_eq!(without(&fields("oats", &[]), &ended), Ok(fields("oats", &[])), "it is back already");
    }

    #[test]
    fn a_change_of_what_is_gone_is_in_conflict_with_its_end() {
        let renamed = change(fields("milk", &[]), fields("oats", &[]));
        let conflicts = without(&Fields::new(), &renamed).unwrap_err();
        assert_eq!(conflicts, [Conflict { pointer: "/title".into(), expected: json!("oats"), actual: Value::Null }]);
    }

    #[test]
    fn several_changes_go_back_newest_first() {
        let [first] = change(Fields::new(), fields("milk", &[]));
        let [second] = change(fields("milk", &[]), fields("oats", &[]));
        let now = fields("oats", &[]);
        assert_eq!(without(&now, &[second.clone(), first.clone()]), Ok(Fields::new()));
        assert!(without(&now, &[first, second]).is_err());
    }
}
