//! What "the same request" means: method, path, query and body, the body without regard to how its JSON is written.
//!
//! The hash is keyed: bodies hold passwords, and whoever reads the table of kept answers must not be able to try out
//! which password gives a plain hash.

use orbit_event_store::Vault;
use serde_json::Value;

/// Scope of the keyed hash.
const SCOPE: &str = "idempotent requests";

/// The fingerprint of a request. `target` is its method, path and query.
pub fn fingerprint(vault: &Vault, target: &str, body: &[u8]) -> [u8; 32] {
    let mut bytes = target.as_bytes().to_vec();
    bytes.push(0);
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => canonical(&body, &mut bytes),
        Err(_) => bytes.extend_from_slice(body),
    }
    vault.hash(SCOPE, &bytes)
}

/// JSON with keys in order and no white space. Bodies were read before: they nest no deeper than serde allows.
fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (key, value) in entries {
                scalar(&Value::String(key.clone()), out);
                out.push(b':');
                canonical(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Array(values) => {
            out.push(b'[');
            for value in values {
                canonical(value, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value, out),
    }
}

fn scalar(value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(body: &str) -> String {
        let mut out = vec![];
        canonical(&serde_json::from_str(body).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn order_and_white_space_do_not_matter_but_values_and_the_order_of_arrays_do() {
        assert_eq!(
            written(r#"{"b": [1, {"d": null, "c": "x"}], "a": true}"#),
            written(r#"{"a":true,"b":[1,{"c":"x","d":null}]}"#)
        );
        assert_ne!(written(r#"{"a": [1, 2]}"#), written(r#"{"a": [2, 1]}"#));
        assert_ne!(written(r#"{"a": "1"}"#), written(r#"{"a": 1}"#));
        assert_ne!(written(r#"{"a": ["b", "c"]}"#), written(r#"{"a": ["b,c"]}"#));
    }
}
