//! The collector: checks every field, remembers every fault, answers with all of them.

use super::field::{Faulty, Field, Unknown, escape};
use crate::problem::{ApiError, FieldProblem, kinds};

/// Unknown keys named in one answer: more of them help nobody.
const UNKNOWN_AT_MOST: usize = 20;
/// Faults named in one answer: a batch of 200 operations could else answer with thousands.
const FAULTS_AT_MOST: usize = 200;

/// The faults of a body. A rule is a function `T -> Result<U, E>` whose error is a code and a sentence.
///
/// The answer is 400 if anything is malformed (missing, null, unknown, of the wrong type), else 422.
#[derive(Debug, Default)]
pub struct Faults {
    prefix: String,
    list: Vec<FieldProblem>,
    malformed: bool,
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rule of a field that has none beyond its type.
    pub fn any<T>(value: T) -> Result<T, (&'static str, String)> {
        Ok(value)
    }

    /// A field that must be there. `None` only if a fault was noted.
    pub fn required<T, U, E: Into<(&'static str, String)>>(
        &mut self,
        name: &str,
        field: Field<T>,
        rule: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match field {
            Field::Absent => self.malformed(name, "missing", "must be there"),
            Field::Null => self.malformed(name, "null", "must not be null"),
            Field::Value(value) => self.check(name, value, rule),
            Field::Faulty(faulty) => self.faulty(name, faulty),
        }
    }

    /// A field that may be left out or `null`, which means the same.
    pub fn optional<T, U, E: Into<(&'static str, String)>>(
        &mut self,
        name: &str,
        field: Field<T>,
        rule: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match field {
            Field::Absent | Field::Null => None,
            Field::Value(value) => self.check(name, value, rule),
            Field::Faulty(faulty) => self.faulty(name, faulty),
        }
    }

    /// A field of a merge patch (RFC 7396) that can be cleared: `None` leaves it, `Some(None)` (`null`) clears it.
    pub fn patch<T, U, E: Into<(&'static str, String)>>(
        &mut self,
        name: &str,
        field: Field<T>,
        rule: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Option<U>> {
        match field {
            Field::Absent => None,
            Field::Null => Some(None),
            Field::Value(value) => self.check(name, value, rule).map(Some),
            Field::Faulty(faulty) => self.faulty(name, faulty),
        }
    }

    /// A field of a merge patch that cannot be cleared: `None` leaves it, `null` is a fault.
    pub fn change<T, U, E: Into<(&'static str, String)>>(
        &mut self,
        name: &str,
        field: Field<T>,
        rule: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        if matches!(field, Field::Absent) { None } else { self.required(name, field, rule) }
    }

    /// The keys that the body's type does not know.
    pub fn unknown(&mut self, unknown: Unknown) {
        for key in unknown.0.into_iter().take(UNKNOWN_AT_MOST) {
            // A key can be as long as a body; its beginning names it well enough.
            let name: String = key.chars().take(100).collect();
            self.malformed::<()>(&name, "unknown_field", "is not a field of this body");
        }
    }

    /// Checks what lies within an array or an object: pointers noted by `check` begin with `pointer`, such as
    /// `/operations/3`.
    pub fn within<R>(&mut self, pointer: &str, check: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.prefix.len();
        self.prefix.push_str(pointer);
        let result = check(self);
        self.prefix.truncate(outer);
        result
    }

    /// Notes that a rule is broken: for rules over several fields. An empty `name` is the body itself.
    pub fn broken<U>(&mut self, name: &str, code: &'static str, detail: impl Into<String>) -> Option<U> {
        self.note(name, "", code, detail.into())
    }

    /// Notes that something is malformed, which makes the answer a 400.
    pub fn malformed<U>(&mut self, name: &str, code: &'static str, detail: impl Into<String>) -> Option<U> {
        self.malformed = true;
        self.note(name, "", code, detail.into())
    }

    /// Whether no fault was noted.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Ends the check: an answer that names every fault, or nothing.
    pub fn finish(mut self) -> Result<(), ApiError> {
        if self.list.is_empty() {
            return Ok(());
        }
        let kind = if self.malformed { &kinds::INVALID_REQUEST } else { &kinds::VALIDATION_FAILED };
        let detail = match self.list.len() {
            1 => "1 field is not right".to_owned(),
            count => format!("{count} fields are not right"),
        };
        self.list.truncate(FAULTS_AT_MOST);
        Err(ApiError::of(kind, detail).with_fields(self.list))
    }

    /// Ends the check and makes something of the checked values: `make` gets by with `?` on what [`required`](Self::required) gave.
    pub fn finish_with<C>(self, make: impl FnOnce() -> Option<C>) -> Result<C, ApiError> {
        self.finish()?;
        make().ok_or_else(|| ApiError::internal("a required field was missing without a fault"))
    }

    fn check<T, U, E: Into<(&'static str, String)>>(
        &mut self,
        name: &str,
        value: T,
        rule: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match rule(value) {
            Ok(value) => Some(value),
            Err(error) => {
                let (code, detail) = error.into();
                self.note(name, "", code, detail)
            }
        }
    }

    fn faulty<U>(&mut self, name: &str, faulty: Faulty) -> Option<U> {
        self.malformed |= faulty.code == "wrong_type";
        self.note(name, &faulty.pointer, faulty.code, faulty.detail)
    }

    fn note<U>(&mut self, name: &str, below: &str, code: &'static str, detail: String) -> Option<U> {
        let step = if name.is_empty() { String::new() } else { format!("/{}", escape(name)) };
        self.list.push(FieldProblem::new(format!("{}{step}{below}", self.prefix), code, detail));
        None
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn short(text: String) -> Result<String, (&'static str, String)> {
        if text.len() > 3 { Err(("too_long", "at most 3 characters".to_owned())) } else { Ok(text) }
    }

    fn text(text: &str) -> Field<String> {
        Field::Value(text.to_owned())
    }

    fn noted(faults: Faults) -> (StatusCode, Vec<(String, String)>) {
        let error = faults.finish().unwrap_err();
        (error.status(), error.fields().iter().map(|field| (field.pointer.clone(), field.code.clone())).collect())
    }

    #[test]
    fn every_fault_is_named_and_a_malformed_one_makes_it_a_400() {
        let mut faults = Faults::new();
        assert_eq!(faults.required("a", Field::Absent, short), None);
        assert_eq!(faults.required("b", Field::Null, short), None);
        assert_eq!(faults.required("c", text("long"), short), None);
        assert_eq!(faults.required("d", text("ok"), short), Some("ok".to_owned()));
        faults.unknown(Unknown(vec!["x/y".to_owned()]));
        let (status, list) = noted(faults);
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let expected = [("/a", "missing"), ("/b", "null"), ("/c", "too_long"), ("/x~1y", "unknown_field")];
        assert_eq!(list, expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
    }

    #[test]
    fn broken_rules_alone_are_a_422() {
        let mut faults = Faults::new();
        faults.optional("a", text("long"), short);
        faults.broken::<()>("", "out_of_order", "the end lies before the start");
        let (status, list) = noted(faults);
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(list[1], (String::new(), "out_of_order".to_owned()));
    }

    #[test]
    fn a_patch_tells_leaving_from_clearing() {
        let mut faults = Faults::new();
        assert_eq!(faults.patch("a", Field::Absent, short), None);
        assert_eq!(faults.patch("a", Field::Null, short), Some(None));
        assert_eq!(faults.patch("a", text("ok"), short), Some(Some("ok".to_owned())));
        assert_eq!(faults.change("a", Field::Absent, short), None);
        assert!(faults.is_empty());
        assert_eq!(faults.change("a", Field::Null, short), None);
        assert_eq!(noted(faults).1, [("/a".to_owned(), "null".to_owned())]);
    }

    #[test]
    fn faults_within_an_array_are_pointed_at() {
        let mut faults = Faults::new();
        faults.within("/operations/3", |faults| faults.required("title", text("long"), short));
        faults.optional(
            "tags",
            Field::Faulty::<String>(Faulty { pointer: "/1".into(), code: "wrong_type", detail: String::new() }),
            short,
        );
        let (status, list) = noted(faults);
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(list[0].0, "/operations/3/title");
        assert_eq!(list[1].0, "/tags/1");
    }

    #[test]
    fn a_command_is_made_only_of_faultless_fields() {
        let mut faults = Faults::new();
        let title = faults.required("title", text("ok"), short);
        assert_eq!(faults.finish_with(|| Some(title?.len())).unwrap(), 2);
    }
}
