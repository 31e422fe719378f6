//! A fact as the bytes that are sealed. An outsider can make them from what the fact says of itself.
//!
//! Thirteen fields in this order, each as its length (4 bytes, big endian) and its bytes; numbers are big endian, ids
//! their 16 bytes, texts UTF-8:
//!
//! | | field | bytes |
//! |---|---|---|
//! | 1 | `orbit.fact.v1` | 13 |
//! | 2 | position | 8 |
//! | 3 | id of the fact | 16 |
//! | 4 | user | 16 |
//! | 5 | partition | 2 |
//! | 6 | category, such as `tasks` | |
//! | 7 | stream | 16 |
//! | 8 | version within the stream | 8 |
//! | 9 | type, such as `tasks.created` | |
//! | 10 | schema version of the type | 2 |
//! | 11 | time of recording, in microseconds since 1970 | 8 |
//! | 12 | metadata as JSON: no space between tokens, the keys of each object in the order of their bytes | |
//! | 13 | SHA-256 of the sealed payload | 32 |
//!
//! The leaf's hash is SHA-256 of a 0 byte and these bytes (RFC 6962). The payload goes in by its hash, and sealed: the
//! leaf says nothing of what the user wrote, stays provable once the user was forgotten, and is small however large the
//! payload is.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use super::tree::{Hash, leaf_hash};
use crate::{Fault, outgoing::Outgoing};

const TAG: &[u8] = b"orbit.fact.v1";

/// What is sealed of a fact. Of one that is read the database hashes the payload, so that a batch is small whatever users
/// wrote.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Place in the log; the leaf's index is one less.
    pub position: i64,
    /// The fact's own id.
    pub event_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The user's partition.
    pub partition: i16,
    /// Category of the stream.
    pub category: String,
    /// The stream.
    pub stream_id: Uuid,
    /// Place in the stream.
    pub version: i64,
    /// The type.
    pub wire_type: String,
    /// Version of the type's shape.
    pub schema_version: i16,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The metadata as JSON.
    pub metadata: String,
    /// SHA-256 of the sealed payload.
    pub payload_sha256: Vec<u8>,
}

impl Leaf {
    /// Facts after a position, in order, at most `limit`.
    pub async fn read(connection: &mut PgConnection, after: i64, limit: i64) -> Result<Vec<Self>, Fault> {
        sqlx::query_as!(
            Self,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, recorded_at, metadata::text AS "metadata!", sha256(data) AS "payload_sha256!"
               FROM log.events WHERE position > $1 ORDER BY position LIMIT $2"#,
            after,
            limit
        )
        .fetch_all(connection)
        .await
        .map_err(Fault::database("read facts to seal"))
    }

    /// One user's fact at a position; `None` if there is none, or it is somebody else's.
    pub async fn find(connection: &mut PgConnection, user: Uuid, position: i64) -> Result<Option<Self>, Fault> {
        sqlx::query_as!(
            Self,
            r#"SELECT position, event_id, user_id, partition, category, stream_id, version, type AS wire_type,
                      schema_version, recorded_at, metadata::text AS "metadata!", sha256(data) AS "payload_sha256!"
               FROM log.events WHERE position = $1 AND user_id = $2 LIMIT 1"#,
            position,
            user
        )
        .fetch_optional(connection)
        .await
        .map_err(Fault::database("read one fact to prove"))
    }

    /// What is sealed of a fact that is still at hand. Its metadata may be written otherwise than the database does.
    pub(crate) fn of(fact: &Outgoing) -> Self {
        Self {
            position: fact.position,
            event_id: fact.event_id,
            user_id: fact.user_id,
            partition: fact.partition,
            category: fact.category.clone().into_owned(),
            stream_id: fact.stream_id,
            version: fact.version,
            wire_type: fact.wire_type.clone().into_owned(),
            schema_version: fact.schema_version,
            recorded_at: fact.recorded_at,
            metadata: fact.metadata.as_ref().to_owned(),
            payload_sha256: Sha256::digest(&fact.data).to_vec(),
        }
    }

    /// The bytes; `None` if the metadata are no JSON that could be written again.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let metadata = canonical(&self.metadata)?;
        let mut bytes = Vec::with_capacity(256 + metadata.len());
        let fields: [&[u8]; 13] = [
            TAG,
            &self.position.to_be_bytes(),
            self.event_id.as_bytes(),
            self.user_id.as_bytes(),
            &self.partition.to_be_bytes(),
            self.category.as_bytes(),
            self.stream_id.as_bytes(),
            &self.version.to_be_bytes(),
            self.wire_type.as_bytes(),
            &self.schema_version.to_be_bytes(),
            &self.recorded_at.timestamp_micros().to_be_bytes(),
            &metadata,
            &self.payload_sha256,
        ];
        for field in fields {
            bytes.extend_from_slice(&u32::try_from(field.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(field);
        }
        Some(bytes)
    }

    /// The leaf's hash; `None` as for the [`bytes`](Self::bytes).
    pub fn hash(&self) -> Option<Hash> {
        self.bytes().map(|bytes| leaf_hash(&bytes))
    }
}

/// JSON without space, the keys of each object in the order of their bytes.
fn canonical(json: &str) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(json.len());
    write(&serde_json::from_str(json).ok()?, &mut text)?;
    Some(text)
}

/// Goes as deep as the parser did, which has a limit.
fn write(value: &Value, text: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_bytes());
            text.push(b'{');
            for (n, (key, value)) in fields.into_iter().enumerate() {
                if n > 0 {
                    text.push(b',');
                }
                serde_json::to_writer(&mut *text, key).ok()?;
                text.push(b':');
                write(value, text)?;
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(b',');
                }
                write(item, text)?;
            }
            text.push(b']');
        }
        scalar => serde_json::to_writer(text, scalar).ok()?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        Leaf {
            position: 4711,
            event_id: Uuid::from_u128(0x0197_f0a0_0000_7000_8000_0000_0000_00aa),
            user_id: Uuid::from_u128(0x0197_f0a0_0000_7000_8000_0000_0000_0001),
            partition: 3,
            category: "tasks".into(),
            stream_id: Uuid::from_u128(0x0197_f0a0_0000_7000_8000_0000_0000_0002),
            version: 2,
            wire_type: "tasks.completed".into(),
            schema_version: 1,
            recorded_at: DateTime::from_timestamp_micros(1_795_381_200_123_456).unwrap(),
            metadata: r#"{"actor": {"type": "user"}, "session_id": null, "correlation_id": "c"}"#.into(),
            payload_sha256: [7; 32].to_vec(),
        }
    }

    /// Golden, made by a program that is not ours: whoever keeps leaves outside must find the same bytes for ever.
    /// Another shape is another tag.
    #[test]
    fn the_bytes_of_a_fact_are_what_they_always_were() {
        let golden = [
            "0000000d6f726269742e666163742e7631000000080000000000001267000000100197f0a00000700080000000000000aa00",
            "0000100197f0a0000070008000000000000001000000020003000000057461736b73000000100197f0a00000700080000000",
            "000000020000000800000000000000020000000f7461736b732e636f6d706c6574656400000002000100000008000660e3c2",
            "ab7640000000407b226163746f72223a7b2274797065223a2275736572227d2c22636f7272656c6174696f6e5f6964223a22",
            "63222c2273657373696f6e5f6964223a6e756c6c7d0000002007070707070707070707070707070707070707070707070707",
            "07070707070707",
        ];
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|half| char::from(b"0123456789abcdef"[usize::from(half)]))
                .collect::<String>()
        };
        assert_eq!(hex(&leaf().bytes().unwrap()), golden.concat());
        assert_eq!(hex(&leaf().hash().unwrap()), "a870bd0b3be41db81842d1c9e7f71ec151b4fd7d13bcfe846b40d3ae2d023e9f");
    }

    #[test]
    fn each_field_makes_another_hash() {
        let changes: [fn(&mut Leaf); 12] = [
            |leaf| leaf.position += 1,
            |leaf| leaf.event_id = Uuid::nil(),
            |leaf| leaf.user_id = Uuid::nil(),
            |leaf| leaf.partition += 1,
            |leaf| leaf.category.push('x'),
            |leaf| leaf.stream_id = Uuid::nil(),
            |leaf| leaf.version += 1,
            |leaf| leaf.wire_type.push('x'),
            |leaf| leaf.schema_version += 1,
            |leaf| leaf.recorded_at += chrono::TimeDelta::microseconds(1),
            |leaf| leaf.metadata = leaf.metadata.replace("user", "agent"),
            |leaf| leaf.payload_sha256[0] ^= 1,
        ];
        let mut seen = vec![leaf().hash().unwrap()];
        for change in changes {
            let mut other = leaf();
            change(&mut other);
            seen.push(other.hash().unwrap());
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 13);
    }

    #[test]
    fn metadata_are_written_in_one_way_only() {
        let json = r#" { "b": [1, {"z": null, "a": true}, []], "a": {"é": "\u0001 \" \n é"}, "": {} } "#;
        let expected = r#"{"":{},"a":{"é":"\u0001 \" \n é"},"b":[1,{"a":true,"z":null},[]]}"#;
        assert_eq!(canonical(json).unwrap(), expected.as_bytes());
        assert_eq!(canonical(expected).unwrap(), expected.as_bytes());
        assert_eq!(canonical("{"), None);
    }
}
