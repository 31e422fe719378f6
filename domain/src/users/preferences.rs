//! A user's preferences: a JSON object that belongs to the clients, changed by merge patches (RFC 7396).

use serde_json::{Map, Value};

use crate::{Invalid, values::refuse_nul};

/// Most bytes of preferences as JSON.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// Most levels of objects and arrays.
const MAX_DEPTH: usize = 16;

/// What is to change of a user's preferences: a merge patch. `null` at the top clears them.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferencesPatch(Option<Map<String, Value>>);

impl PreferencesPatch {
    /// Reads an object (or null) of at most 64 KiB and 16 levels, without NUL in any text.
    pub fn parse(patch: Value) -> Result<Self, Invalid> {
        let patch = match patch {
            Value::Null => return Ok(Self(None)),
            Value::Object(patch) => patch,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(Invalid::new("not_an_object", "must be a JSON object"));
            }
        };
        check(&patch, 1)?;
        let bytes = size(&patch);
        if bytes > MAX_BYTES {
            let detail = format!("must have at most {MAX_BYTES} bytes as JSON, has {bytes}");
            return Err(Invalid::new("too_long", detail));
        }
        Ok(Self(Some(patch)))
    }

    /// What these preferences become; none, if they would be larger than [`MAX_BYTES`].
    pub(super) fn apply(self, current: &Map<String, Value>) -> Option<Map<String, Value>> {
        let mut merged = current.clone();
        match self.0 {
            Some(patch) => merge(&mut merged, patch),
            None => merged.clear(),
        }
        Some(merged).filter(|merged| size(merged) <= MAX_BYTES)
    }
}

fn size(object: &Map<String, Value>) -> usize {
    serde_json::to_string(object).map_or(usize::MAX, |json| json.len())
}

/// RFC 7396. Depth is bounded: [`check`] has seen the patch.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(&key);
            }
            Value::Object(patch) => {
                let mut inner = match target.remove(&key) {
                    Some(Value::Object(inner)) => inner,
                    Some(_) | None => Map::new(),
                };
                merge(&mut inner, patch);
                target.insert(key, Value::Object(inner));
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                target.insert(key, value);
            }
        }
    }
}

fn check(object: &Map<String, Value>, depth: usize) -> Result<(), Invalid> {
    for (key, value) in object {
        refuse_nul(key)?;
        check_value(value, depth + 1)?;
    }
    Ok(())
}

fn check_value(value: &Value, depth: usize) -> Result<(), Invalid> {
    let nested = matches!(value, Value::Object(_) | Value::Array(_));
    if nested && depth > MAX_DEPTH {
        return Err(Invalid::new("too_deep", format!("must have at most {MAX_DEPTH} levels")));
    }
    match value {
        Value::String(text) => refuse_nul(text),
        Value::Array(values) => values.iter().try_for_each(|value| check_value(value, depth + 1)),
        Value::Object(object) => check(object, depth),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(current: &Value, patch: Value) -> Value {
        let patch = PreferencesPatch::parse(patch).unwrap();
        Value::Object(patch.apply(current.as_object().unwrap()).unwrap())
    }

    #[test]
    fn a_patch_merges_as_rfc_7396_says() {
        let current = json!({"a": "b", "c": {"d": "e", "f": "g"}, "n": 1});
        assert_eq!(merged(&current, json!({"a": "z", "c": {"f": null}})), json!({"a": "z", "c": {"d": "e"}, "n": 1}));
        assert_eq!(merged(&current, json!({"a": {"b": {"x": null}}}))["a"], json!({"b": {}}));
        assert_eq!(merged(&current, json!({"c": [1]}))["c"], json!([1]));
        assert_eq!(merged(&current, Value::Null), json!({}));
    }

    #[test]
    fn preferences_are_an_object() {
        for value in [json!([]), json!("a"), json!(1), json!(true)] {
            assert_eq!(PreferencesPatch::parse(value).unwrap_err().code, "not_an_object");
        }
    }

    #[test]
    fn preferences_have_at_most_16_levels_and_no_nul() {
        let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert!(PreferencesPatch::parse(deep(16)).is_ok());
        assert_eq!(PreferencesPatch::parse(deep(17)).unwrap_err().code, "too_deep");
        assert_eq!(PreferencesPatch::parse(json!({"a": ["b\0"]})).unwrap_err().code, "nul_character");
        assert_eq!(PreferencesPatch::parse(json!({"a": {"\0": 1}})).unwrap_err().code, "nul_character");
    }

    #[test]
    fn preferences_are_small_also_after_merging() {
        let half = "x".repeat(40_000);
        let too_long = "x".repeat(65_536);
        assert_eq!(PreferencesPatch::parse(json!({ "a": too_long })).unwrap_err().code, "too_long");
        let patch = PreferencesPatch::parse(json!({ "b": half })).unwrap();
        assert_eq!(patch.apply(json!({ "a": half }).as_object().unwrap()), None);
    }
}
