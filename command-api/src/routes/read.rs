//! Rules for fields that bodies of several contexts have: ids, texts that a value type of the domain reads.

use axum::{extract::FromRequestParts, http::request::Parts};
use orbit_domain::Invalid;
use orbit_platform::http::{
    extract::{Faults, Field, Unknown},
    path::{Path, parse_id},
};
use orbit_platform::problem::ApiError;
use serde::Deserialize;
use uuid::Uuid;

/// A code and a sentence.
pub type Refusal = (&'static str, String);

/// The rule of a text that a value type of the domain reads.
pub fn text<T>(parse: impl FnOnce(&str) -> Result<T, Invalid>) -> impl FnOnce(String) -> Result<T, Refusal> {
    move |text| parse(&text).map_err(Invalid::into_parts)
}

/// The rule of an id.
#[expect(clippy::needless_pass_by_value, reason = "rules take what the field held")]
pub fn id<T: From<Uuid>>(text: String) -> Result<T, Refusal> {
    let id = parse_id(&text).map(T::from);
    id.ok_or_else(|| ("invalid_id", "must be an id: a hyphenated UUID".to_owned()))
}

/// The rule of an array: at most so many entries.
pub fn at_most<T>(most: usize) -> impl FnOnce(Vec<T>) -> Result<Vec<T>, Refusal> {
    move |values| match values.len() {
        count if count <= most => Ok(values),
        count => Err(("too_many", format!("must have at most {most} entries, has {count}"))),
    }
}

/// The entries of an array, each with a rule; faults point at the entry. `None` only if a fault was noted.
pub fn each<T, U>(
    faults: &mut Faults,
    name: &str,
    entries: Vec<Field<T>>,
    rule: impl Fn(T) -> Result<U, Refusal>,
) -> Option<Vec<U>> {
    if entries.is_empty() {
        return Some(Vec::new());
    }
    let check = |faults: &mut Faults| {
        let read = entries.into_iter().enumerate().map(|(at, entry)| faults.required(&at.to_string(), entry, &rule));
        // Collected in two steps: the first fault must not end the check.
        read.collect::<Vec<_>>().into_iter().collect()
    };
    faults.within(&format!("/{name}"), check)
}

/// Nothing at all: the body of verbs that need no more than what they are about.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Empty {
    #[serde(flatten)]
    unknown: Unknown,
}

impl Empty {
    /// Reads every field: there is none.
    pub fn read(self, faults: &mut Faults) {
        faults.unknown(self.unknown);
    }

    /// Refuses whatever is in it.
    pub fn check(self) -> Result<(), ApiError> {
        let mut faults = Faults::new();
        self.read(&mut faults);
        faults.finish()
    }
}

/// The two ids of a path such as `/tasks/{id}/labels/{label_id}`.
pub struct PathIds<A, B>(pub A, pub B);

impl<S: Send + Sync, A: From<Uuid>, B: From<Uuid>> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((one, other)) = Path::<(String, String)>::from_request_parts(parts, state).await?;
        let id = |text: &str| parse_id(text).ok_or_else(ApiError::not_found);
        Ok(Self(A::from(id(&one)?), B::from(id(&other)?)))
    }
}
