//! Facts as they leave Orbit: the contract's outward shape, without secrets. Whatever tells a fact to anybody (the
//! activities, the history, streams, exports, a terminal) tells it in this way.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use uuid::Uuid;

use crate::{Actor, EntityRef, Envelope, Event, EventId, Recorded, entity_type};

/// Keys of payloads whose values are nobody's to read, not even their user's.
pub const SECRETS: &[&str] = &["password_hash", "refresh_hash", "secret_hash", "secret"];

/// Keys of payloads whose values may be long, or are of use to nobody who looks at many facts.
pub const BULKY: &[&str] = &[
    "text",
    "to",
    "cc",
    "bcc",
    "reply_to",
    "in_reply_to",
    "references",
    "parts",
    "notes",
    "raw",
    "content",
    "attachments",
    "bounce",
    "recipients",
];

/// A fact as it leaves Orbit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outward {
    /// The fact's own id.
    pub id: EventId,
    /// Wire type, `tasks.created`.
    #[serde(rename = "type")]
    pub wire_type: String,
    /// Version of the shape of `data`.
    pub version: i16,
    /// Place in the log.
    pub position: i64,
    /// When it was recorded. The order is the position's.
    pub recorded_at: DateTime<Utc>,
    /// Who acted.
    pub actor: Actor,
    /// What it happened to.
    pub entity: EntityRef,
    /// What everything in one chain of cause and effect shares.
    pub correlation_id: Uuid,
    /// The fact that this one answers.
    pub causation_id: Option<EventId>,
    /// What it says, without secrets; null if its user was forgotten, or if it cannot be read.
    pub data: Option<Value>,
    /// Why it cannot be read, as a code; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<&'static str>,
}

impl Outward {
    /// A fact with this payload, whose secrets are struck here; without one, if its user was forgotten.
    pub fn of(envelope: &Envelope, payload: Option<Value>) -> Self {
        Self {
            id: envelope.event_id,
            wire_type: envelope.wire_type.clone(),
            version: envelope.schema_version,
            position: envelope.position,
            recorded_at: envelope.recorded_at,
            actor: envelope.metadata.actor,
            entity: EntityRef { kind: entity_type(&envelope.category).to_owned(), id: envelope.stream_id },
            correlation_id: envelope.metadata.correlation_id,
            causation_id: envelope.metadata.causation_id,
            data: payload.map(without_secrets),
            unreadable: None,
        }
    }

    /// A fact that cannot be read, and why: that it happened is told all the same.
    pub fn unreadable(envelope: &Envelope, why: &'static str) -> Self {
        Self { unreadable: Some(why), ..Self::of(envelope, None) }
    }
}

impl Recorded {
    /// The fact as it leaves Orbit; without data, if its user was forgotten.
    pub fn outward(&self) -> Outward {
        Outward::of(&self.envelope, self.event().map(Event::payload))
    }
}

/// What a fact says as its user may read it among many others, as JSON text: [without secrets](without_secrets), and [in
/// brief](brief) if it is [`crate::Fact::BULKY`].
#[expect(clippy::missing_panics_doc, reason = "a JSON value always serialises")]
pub fn told(event: &Event) -> Box<RawValue> {
    let payload = if event.is_bulky() {
        brief(event.payload())
    } else {
        let text = event.text();
        // Most facts have no secret, and are told without being taken apart.
        if !SECRETS.iter().any(|key| names(text.get(), key)) {
            return text;
        }
        without_secrets(event.payload())
    };
    to_raw_value(&payload).expect("a JSON value always serialises")
}

/// Whether a JSON text, written without spaces, has this key. In a text that somebody wrote, the quote behind such a word has
/// a backslash before it.
fn names(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| text[..at].ends_with('"') && text[at + key.len()..].starts_with("\":"))
}

/// A payload as its user may read it.
pub fn without_secrets(mut payload: Value) -> Value {
    strike(&mut payload);
    payload
}

/// A payload as its user may read it among many others: without what is long in it. Only for facts that are
/// [`crate::Fact::BULKY`]; the whole of it is in the history of the thing.
pub fn brief(mut payload: Value) -> Value {
    if let Value::Object(fields) = &mut payload {
        fields.retain(|key, _| !BULKY.contains(&key.as_str()));
    }
    without_secrets(payload)
}

fn strike(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !SECRETS.contains(&key.as_str()));
            fields.values_mut().for_each(strike);
        }
        Value::Array(items) => items.iter_mut().for_each(strike),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a value, or anything in it, is a secret by its name or its looks.
    fn is_secret(name: &str, value: &Value) -> bool {
        let named = ["hash", "secret", "password", "token"].iter().any(|word| name.contains(word));
        match value {
            Value::Object(fields) => fields.iter().any(|(name, value)| is_secret(name, value)),
            Value::Array(items) => items.iter().any(|item| is_secret(name, item)),
            Value::String(text) => {
                named || text.starts_with("$argon2") || text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    #[test]
    fn no_fact_tells_a_secret() {
        let mut struck = 0;
        for fact in Event::types() {
            let example: Value = serde_json::from_str(fact.example).unwrap();
            struck += usize::from(is_secret("", &example));
            let told = without_secrets(example);
            assert!(!is_secret("", &told), "{}: name what is secret in SECRETS: {told}", fact.wire_type);
        }
        assert!(struck >= 5, "only {struck} facts have secrets: the examples do not show them any more");
    }

    #[test]
    fn secrets_are_struck_at_any_depth_and_nothing_else_is() {
        let payload = serde_json::json!({"settings": [{"username": "ada", "secret": "hunter2"}], "secret_hash": "x"});
        assert_eq!(without_secrets(payload), serde_json::json!({"settings": [{"username": "ada"}]}));
    }

    #[test]
    fn what_is_told_among_many_is_without_secrets_and_brief() {
        for fact in Event::types() {
            let event = Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap();
            let expected = if event.is_bulky() { brief(event.payload()) } else { without_secrets(event.payload()) };
            let told: Value = serde_json::from_str(told(&event).get()).unwrap();
            assert_eq!(told, expected, "{}", fact.wire_type);
        }
        let payload = br#"{"title": "a \"secret\": b", "\"secret\":": 1}"#;
        let retitled = Event::decode("tasks.retitled", 1, payload).unwrap();
        assert_eq!(told(&retitled).get(), r#"{"title":"a \"secret\": b"}"#, "what somebody wrote is no name");
    }

    #[test]
    fn a_bulky_fact_is_told_in_brief() {
        let mut seen = 0;
        for fact in Event::types() {
            let event = Event::decode(fact.wire_type, fact.schema_version, fact.example.as_bytes()).unwrap();
            let told = brief(event.payload());
            assert!(!event.is_bulky() || told.to_string().len() < 1_500, "{}: {told}", fact.wire_type);
            seen += usize::from(event.is_bulky() && told != event.payload());
        }
        assert!(seen >= 4, "only {seen} examples have anything that is left out in brief");
        let payload = serde_json::json!({"subject": "Lunch", "text": "Hello", "from": {"text": "kept"}, "secret": "x"});
        assert_eq!(brief(payload), serde_json::json!({"subject": "Lunch", "from": {"text": "kept"}}));
    }
}
