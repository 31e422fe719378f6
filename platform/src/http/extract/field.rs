//! A field that never fails to deserialize, and the keys that nobody knows.

use std::fmt::{self, Write};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

/// What stood in the body for a field. A body type holds nothing but these.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// The key was not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A value of the right type.
    Value(T),
    /// A value of another type.
    Faulty(Faulty),
}

/// Why a value could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// Where below the field, as a JSON pointer; empty for the field itself.
    pub pointer: String,
    /// `wrong_type` (400) or `invalid_value` (422: the right JSON type, but no such value).
    pub code: &'static str,
    /// What is expected, in words.
    pub detail: String,
}

impl<T> Field<T> {
    /// Whether the key was there, with whatever value.
    pub fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(Self::Null);
        }
        Ok(match serde_path_to_error::deserialize(value) {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Faulty(Faulty::of::<T>(&error)),
        })
    }
}

impl Faulty {
    fn of<T>(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let message = error.inner().to_string();
        let expected = message
            .rsplit_once(", expected ")
            .or_else(|| message.split_once(": expected "))
            .map(|(_, expected)| expected);
        let pointer = pointer(error.path());
        // The name of the whole type says what is expected only if the fault is not further below.
        let own = pointer.is_empty().then(|| well_known(std::any::type_name::<T>())).flatten();
        let detail = match (own, expected) {
            (Some(expected), _) => format!("must be {expected}"),
            (None, Some(expected)) => format!("must be {}", in_json(expected)),
            (None, None) => "is not a value that is known here".to_owned(),
        };
        let wrong_type = message.starts_with("invalid type") || message.starts_with("missing field");
        Self { pointer, code: if wrong_type { "wrong_type" } else { "invalid_value" }, detail }
    }
}

/// Types whose own errors say nothing to a caller.
fn well_known(type_name: &str) -> Option<&'static str> {
    let bare = type_name.split('<').next().unwrap_or(type_name);
    match bare.rsplit("::").next() {
        Some("DateTime") => Some("a time in RFC 3339 such as \"2026-11-22T20:28:00Z\""),
        Some("NaiveDate") => Some("a date such as \"2026-11-22\""),
        Some("NaiveTime") => Some("a time of day such as \"09:00:00\""),
        Some("Uuid") => Some("a hyphenated UUID"),
        _ => None,
    }
}

/// serde's names of types in the words of JSON.
fn in_json(expected: &str) -> &str {
    match expected {
        "a sequence" => "an array",
        "a map" => "an object",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "an integer within range",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a non-negative integer within range",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("tuple ") => "an array",
        other => other,
    }
}

/// serde's path as a JSON pointer (RFC 6901).
pub(super) fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => _ = write!(pointer, "/{index}"),
            Segment::Map { key } => _ = write!(pointer, "/{}", escape(key)),
            // A variant is no place in the JSON of an internally tagged enum, and unknown is none at all.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A key as one step of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The keys of a body that its type does not know. Flattened into every body type; nothing of their values is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Unknown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Unknown;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unknown, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Unknown(keys))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Body {
        title: Field<String>,
        count: Field<u32>,
        at: Field<DateTime<Utc>>,
        tags: Field<Vec<String>>,
        #[serde(flatten)]
        unknown: Unknown,
    }

    fn read(json: &str) -> Body {
        serde_json::from_str(json).unwrap()
    }

    fn faulty<T>(field: Field<T>) -> (String, &'static str, String) {
        match field {
            Field::Faulty(Faulty { pointer, code, detail }) => (pointer, code, detail),
            _ => panic!("it was read"),
        }
    }

    #[test]
    fn absent_null_and_value_are_told_apart() {
        let body = read(r#"{"title": null, "count": 3}"#);
        assert_eq!(body.title, Field::Null);
        assert_eq!(body.count, Field::Value(3));
        assert_eq!(body.at, Field::Absent);
        assert_eq!(body.unknown, Unknown::default());
    }

    #[test]
    fn a_wrong_type_spoils_only_its_own_field() {
        let body =
            read(r#"{"title": 5, "count": -1, "at": "yesterday", "tags": ["a", 7], "extra": {"deep": []}, "more": 1}"#);
        assert_eq!(faulty(body.title), (String::new(), "wrong_type", "must be a string".into()));
        assert_eq!(
            faulty(body.count),
            (String::new(), "invalid_value", "must be a non-negative integer within range".into())
        );
        let (pointer, code, detail) = faulty(body.at);
        assert_eq!((pointer.as_str(), code), ("", "invalid_value"));
        assert!(detail.starts_with("must be a time in RFC 3339"), "{detail}");
        assert_eq!(faulty(body.tags), ("/1".into(), "wrong_type", "must be a string".into()));
        assert_eq!(body.unknown.0, ["extra", "more"]);
    }

    #[test]
    fn pointers_escape_what_has_a_meaning_in_them() {
        assert_eq!(escape("a/b~c"), "a~1b~0c");
    }
}
