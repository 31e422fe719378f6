//! Cursors: where a page ended, opaque, bound to the question, and nobody else's invention.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::{ApiError, FieldProblem, kinds};

/// Bytes of the authentication tag: 128 bits of HMAC-SHA-256.
const TAG: usize = 16;
/// Bytes of the hash that binds a cursor to its question.
const BINDING: usize = 8;
/// A cursor longer than this is none of ours.
const AT_MOST: usize = 4_096;

/// The key under which cursors are made. All processes that answer the same lists share it.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a cursor is bound to: path, filters and sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding([u8; BINDING]);

impl Binding {
    /// The hash of a question. Its parts are told apart by their lengths.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut binding = [0; BINDING];
        binding.copy_from_slice(&hash.finalize()[..BINDING]);
        Self(binding)
    }
}

/// Where a page begins: the sort values and the id of the last row of the page before.
#[derive(Clone, Debug, PartialEq)]
pub struct After(Vec<Value>);

impl After {
    /// The value of the sort column at `index`; the id comes last.
    pub fn get<T: DeserializeOwned>(&self, index: usize) -> Result<T, ApiError> {
        let value = self.0.get(index).cloned().ok_or_else(invalid)?;
        serde_json::from_value(value).map_err(|_| invalid())
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl CursorKey {
    /// This key.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A key made from a secret that is already shared, such as the master key or the signing key.
    pub fn derive(secret: &[u8]) -> Self {
        let mut mac = mac(secret);
        mac.update(b"orbit list cursors v1");
        Self(mac.finalize().into_bytes().into())
    }

    /// Makes the cursor after a row with these sort values (and its id last).
    pub fn seal(&self, binding: Binding, values: &[Value]) -> String {
        let values = serde_json::to_vec(values).unwrap_or_default();
        let tag = self.tag(binding, &values);
        URL_SAFE_NO_PAD.encode([&tag[..], &binding.0, &values].concat())
    }

    /// Reads a cursor: 400 `invalid_cursor` if it is none of ours, 400 `cursor_mismatch` if it belongs to another question.
    pub fn open(&self, binding: Binding, cursor: &str) -> Result<After, ApiError> {
        if cursor.len() > AT_MOST {
            return Err(invalid());
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (tag, rest) = bytes.split_at_checked(TAG).ok_or_else(invalid)?;
        let (bound, values) = rest.split_at_checked(BINDING).ok_or_else(invalid)?;
        let bound = Binding(bound.try_into().map_err(|_| invalid())?);
        if !bool::from(self.tag(bound, values).ct_eq(tag)) {
            return Err(invalid());
        }
        if bound != binding {
            let fault = FieldProblem::new("?cursor", "cursor_mismatch", "it belongs to other filters or another sort");
            return Err(ApiError::of(&kinds::CURSOR_MISMATCH, "the cursor belongs to other filters or another sort")
                .with_field(fault));
        }
        serde_json::from_slice(values).map(After).map_err(|_| invalid())
    }

    fn tag(&self, binding: Binding, values: &[u8]) -> [u8; TAG] {
        let mut mac = mac(&self.0);
        mac.update(&binding.0);
        mac.update(values);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG]);
        tag
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn invalid() -> ApiError {
    let fault = FieldProblem::new("?cursor", "invalid_cursor", "pass next_cursor back as it came");
    ApiError::of(&kinds::INVALID_CURSOR, "the cursor is none of ours").with_field(fault)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cursor_opens_only_whole_under_its_key_and_for_its_question() {
        let key = CursorKey::derive(b"secret");
        let binding = Binding::of(["/tasks", "status=open"]);
        let cursor = key.seal(binding, &[json!("2026-11-22"), json!(null), json!(7)]);
        let after = key.open(binding, &cursor).unwrap();
        assert_eq!(
            (after.get::<String>(0).unwrap(), after.get::<Option<i64>>(1).unwrap(), after.get::<i64>(2).unwrap()),
            ("2026-11-22".into(), None, 7)
        );
        assert_eq!(after.get::<i64>(0).unwrap_err().code(), "invalid_cursor");
        assert_eq!(after.get::<i64>(3).unwrap_err().code(), "invalid_cursor");
        let code = |key: &CursorKey, binding, cursor: &str| key.open(binding, cursor).unwrap_err().code();
        assert_eq!(code(&key, Binding::of(["/tasks", "status=done"]), &cursor), "cursor_mismatch");
        assert_eq!(code(&key, Binding::of(["/tas", "ksstatus=open"]), &cursor), "cursor_mismatch");
        assert_eq!(code(&CursorKey::derive(b"other"), binding, &cursor), "invalid_cursor");
        let forged = URL_SAFE_NO_PAD.encode([&[0; TAG + BINDING][..], b"[1]"].concat());
        for bad in ["", "garbage", "%", &cursor[1..], &forged, &"A".repeat(5_000)] {
            assert_eq!(code(&key, binding, bad), "invalid_cursor", "{bad}");
        }
    }
}
