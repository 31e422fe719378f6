//! The codec: facts to bytes and back, with schema versions and upcasts.
//!
//! A fact's payload is JSON. Its shape has a version, which starts at 1 and grows by one with every upcast in the
//! fact's list; an upcast turns the JSON of one version into the JSON of the next. A stored shape is never edited.

use serde_json::{Value, value::RawValue};
use uuid::Uuid;

/// Why bytes from the log are no fact we know.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No aggregate of ours has facts of this wire type.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// Written by a newer Orbit.
    #[error("{wire_type} has schema version {found}, this build reads up to {known}")]
    NewerSchema {
        /// The wire type.
        wire_type: String,
        /// The version found.
        found: i16,
        /// The newest version this build knows.
        known: i16,
    },
    /// The payload does not have the shape that its type and version promise.
    #[error("payload of {wire_type} is not readable")]
    Payload {
        /// The wire type.
        wire_type: String,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
}

/// What the documentation and the tests know of one type of fact.
#[derive(Debug, Clone, Copy)]
pub struct FactType {
    /// `tasks.created`
    pub wire_type: &'static str,
    /// Version that is written today.
    pub schema_version: i16,
    /// The doc comment of the enum's variant: what the fact says.
    pub meaning: &'static str,
    /// A payload of the version that is written today, as JSON: the newest golden file.
    pub example: &'static str,
}

/// The facts of one aggregate.
pub trait Fact: Sized + Send + Sync + 'static {
    /// The aggregate's category: the plural noun before the dot of its wire types.
    const CATEGORY: &'static str;
    /// Every type of fact, in the order of the enum.
    const TYPES: &'static [FactType];
    /// Whether payloads may be long: whoever tells many of these facts tells them in brief ([`crate::brief`]).
    const BULKY: bool;

    /// `tasks.created`
    fn wire_type(&self) -> &'static str;
    /// Version of the shape that [`Fact::encode`] writes.
    fn schema_version(&self) -> i16;
    /// The payload as JSON bytes.
    fn encode(&self) -> Vec<u8>;
    /// The payload as a JSON value.
    fn payload(&self) -> Value;
    /// The payload as JSON text.
    fn text(&self) -> Box<RawValue>;
    /// Ids of other things that this fact speaks of, in the order in which it names them.
    fn mentions(&self) -> Vec<Uuid>;
    /// Reads the payload of any version ever written, upcasting older ones.
    fn decode(wire_type: &str, schema_version: i16, payload: &[u8]) -> Result<Self, DecodeError>;
}

/// One step of an upcast: JSON of version n to JSON of version n + 1.
pub(crate) type Upcast = fn(Value) -> Value;

/// Reads a payload, bringing older shapes up to date first.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    wire_type: &str,
    schema_version: i16,
    payload: &[u8],
    upcasts: &[Upcast],
) -> Result<T, DecodeError> {
    let unreadable = |source| DecodeError::Payload { wire_type: wire_type.to_owned(), source };
    let known = current_version(upcasts);
    if schema_version > known {
        return Err(DecodeError::NewerSchema { wire_type: wire_type.to_owned(), found: schema_version, known });
    }
    if schema_version == known {
        return serde_json::from_slice(payload).map_err(unreadable);
    }
    let oldest = usize::try_from(schema_version.saturating_sub(1)).unwrap_or(0);
    let mut value: Value = serde_json::from_slice(payload).map_err(unreadable)?;
    for upcast in &upcasts[oldest..] {
        value = upcast(value);
    }
    serde_json::from_value(value).map_err(unreadable)
}

/// The version that is written: one more than there are upcasts.
pub(crate) const fn current_version(upcasts: &[Upcast]) -> i16 {
    assert!(upcasts.len() < 1_000, "a fact has a handful of shapes, not a thousand");
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "asserted to be small just above; try_from is not const"
    )]
    let steps = upcasts.len() as i16;
    steps + 1
}

/// Declares the enum of one aggregate's facts and its codec.
///
/// `Renamed(Renamed) = "lists.renamed" 1 []`: variant, payload struct, wire type, schema version, upcasts from version 1
/// on. The golden file `tests/golden/lists.renamed.v1.json` has to be there, and beside the declaration a function
/// `mentioned` of the enum, which says what other things a fact speaks of. `bulky` behind the category says that
/// payloads may be long.
macro_rules! facts {
    (
        $(#[$doc:meta])*
        category $category:literal $($bulky:ident)?
        $( #[doc = $meaning:literal] $variant:ident($payload:ty) = $wire:literal $version:literal [$($upcast:path),*] )+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $( #[doc = $meaning] $variant($payload), )+
        }

        impl $crate::Fact for Event {
            const CATEGORY: &'static str = $category;
            const TYPES: &'static [$crate::FactType] = &[
                $( $crate::FactType {
                    wire_type: $wire,
                    schema_version: $version,
                    meaning: $meaning.trim_ascii(),
                    example: include_str!(
                        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/", $wire, ".v", $version, ".json")
                    ),
                }, )+
            ];
            const BULKY: bool = $crate::codec::facts!(@bulky $($bulky)?);

            fn wire_type(&self) -> &'static str {
                match self { $( Self::$variant(_) => $wire, )+ }
            }

            fn schema_version(&self) -> i16 {
                // Each version is one upcast more than the one before.
                match self { $( Self::$variant(_) => const {
                    assert!($version == $crate::codec::current_version(&[$($upcast),*]));
                    $version
                }, )+ }
            }

            fn encode(&self) -> Vec<u8> {
                match self { $( Self::$variant(payload) => serde_json::to_vec(payload), )+ }
                    .expect("payloads are plain data with string keys, which always serialise")
            }

            fn payload(&self) -> serde_json::Value {
                match self { $( Self::$variant(payload) => serde_json::to_value(payload), )+ }
                    .expect("payloads are plain data with string keys, which always serialise")
            }

            fn text(&self) -> Box<serde_json::value::RawValue> {
                match self { $( Self::$variant(payload) => serde_json::value::to_raw_value(payload), )+ }
                    .expect("payloads are plain data with string keys, which always serialise")
            }

            fn mentions(&self) -> Vec<uuid::Uuid> {
                self.mentioned()
            }

            fn decode(wire_type: &str, schema_version: i16, payload: &[u8]) -> Result<Self, $crate::DecodeError> {
                match wire_type {
                    $( $wire => $crate::codec::read(wire_type, schema_version, payload, &[$($upcast),*]).map(Self::$variant), )+
                    other => Err($crate::DecodeError::UnknownType(other.to_owned())),
                }
            }
        }

        $( impl From<$payload> for Event {
            fn from(payload: $payload) -> Self {
                Self::$variant(payload)
            }
        } )+
    };
    (@bulky) => { false };
    (@bulky bulky) => { true };
}

/// Declares [`crate::Event`], any fact of any aggregate.
macro_rules! events {
    ($( $aggregate:ident($event:ty), )+) => {
        /// Any fact of any aggregate.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $( #[doc = concat!("A fact of [`", stringify!($event), "`].")] $aggregate($event), )+
        }

        impl Event {
            /// Every type of fact of every aggregate.
            pub fn types() -> impl Iterator<Item = &'static FactType> {
                [$( <$event as Fact>::TYPES, )+].into_iter().flatten()
            }

            /// Every category.
            pub const CATEGORIES: &'static [&'static str] = &[$( <$event as Fact>::CATEGORY, )+];

            /// Wire type of this fact.
            pub fn wire_type(&self) -> &'static str {
                match self { $( Self::$aggregate(event) => event.wire_type(), )+ }
            }

            /// The payload as JSON.
            pub fn payload(&self) -> serde_json::Value {
                match self { $( Self::$aggregate(event) => event.payload(), )+ }
            }

            /// The payload as JSON text.
            pub fn text(&self) -> Box<serde_json::value::RawValue> {
                match self { $( Self::$aggregate(event) => event.text(), )+ }
            }

            /// The payload as JSON bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self { $( Self::$aggregate(event) => event.encode(), )+ }
            }

            /// Whether its payload may be long: [`Fact::BULKY`].
            pub fn is_bulky(&self) -> bool {
                match self { $( Self::$aggregate(_) => <$event as Fact>::BULKY, )+ }
            }

            /// Ids of other things that this fact speaks of, in the order in which it names them. Whoever folds one
            /// thing out of many needs what mentions it, and what it mentions.
            pub fn mentions(&self) -> Vec<uuid::Uuid> {
                match self { $( Self::$aggregate(event) => event.mentions(), )+ }
            }

            /// Reads a fact of any aggregate; the category is the part of the wire type before the dot.
            pub fn decode(wire_type: &str, schema_version: i16, payload: &[u8]) -> Result<Self, DecodeError> {
                let category = wire_type.split_once('.').map_or("", |(category, _)| category);
                match category {
                    $( <$event as Fact>::CATEGORY => <$event as Fact>::decode(wire_type, schema_version, payload).map(Self::$aggregate), )+
                    _ => Err(DecodeError::UnknownType(wire_type.to_owned())),
                }
            }
        }

        $( impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$aggregate(event)
            }
        } )+
    };
}

pub(crate) use {events, facts};

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Renamed {
        title: String,
    }

    /// Version 1 called the title `name`.
    fn name_became_title(mut value: Value) -> Value {
        if let Some(name) = value.as_object_mut().and_then(|o| o.remove("name")) {
            value["title"] = name;
        }
        value
    }

    #[test]
    fn an_older_shape_is_upcast() {
        let upcasts: &[Upcast] = &[name_became_title];
        let old: Renamed = read("x.renamed", 1, br#"{"name":"a"}"#, upcasts).unwrap();
        let new: Renamed = read("x.renamed", 2, br#"{"title":"a"}"#, upcasts).unwrap();
        assert_eq!(old, new);
    }

    #[test]
    fn a_newer_shape_is_refused_by_name() {
        let error = read::<Renamed>("x.renamed", 2, b"{}", &[]).unwrap_err();
        assert_eq!(error.to_string(), "x.renamed has schema version 2, this build reads up to 1");
    }

    #[test]
    fn an_unknown_type_is_refused_by_name() {
        let error = crate::Event::decode("tasks.teleported", 1, b"{}").unwrap_err();
        assert_eq!(error.to_string(), "unknown event type tasks.teleported");
    }
}
