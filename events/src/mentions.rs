//! What a fact speaks of besides its own stream: the threads between things, told without a word of the user's.
//!
//! Each enum says it of its own facts, in `mentioned`; here is what holds all of them to it.

use serde_json::Value;
use uuid::Uuid;

use crate::Event;

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
