//! A fact as a `JetStream` message: subject and headers in the clear, the sealed payload as its body.
//!
//! Headers: `Nats-Expected-Last-Sequence` (position - 1), `Nats-Expected-Stream` (the epoch's stream: what an earlier
//! epoch left on its way does not get into this one), `Orbit-Previous` (position of the partition's fact before this
//! one, so that a hole is seen at once), `Orbit-Envelope` (JSON).

use std::fmt::Write as _;

use async_nats::{
    HeaderMap, Message, StatusCode,
    header::{HeaderName, NATS_EXPECTED_LAST_SEQUENCE, NATS_EXPECTED_STREAM},
};
use bytes::Bytes;
use chrono::DateTime;
use orbit_events::{Envelope, EventId, Metadata, UserId, subjects};
use serde::Deserialize;
use uuid::Uuid;

use super::{RelayFault, partition_of};
use crate::{Stored, outgoing::Outgoing};

const PREVIOUS: HeaderName = HeaderName::from_static("Orbit-Previous");
pub(super) const ENVELOPE: HeaderName = HeaderName::from_static("Orbit-Envelope");

/// A fact as a message: subject, headers, body.
pub(super) fn message(fact: &Outgoing, prefix: &str, stream: &str, previous: i64) -> (String, HeaderMap, Bytes) {
    let Outgoing { position, event_id, partition, stream_id, version, schema_version, metadata, .. } = fact;
    let mut envelope = String::with_capacity(256 + metadata.len());
    // Writing to a string does not fail.
    let _ = write!(
        envelope,
        r#"{{"event_id":"{event_id}","stream_id":"{stream_id}","version":{version},"schema_version":{schema_version},"recorded_at":{},"metadata":{metadata}}}"#,
        fact.recorded_at.timestamp_micros(),
    );
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, (position - 1).to_string());
    headers.insert(NATS_EXPECTED_STREAM, stream);
    headers.insert(PREVIOUS, previous.to_string());
    headers.insert(ENVELOPE, envelope);
    let subject = subjects::fact(prefix, *partition, UserId(fact.user_id), &fact.wire_type);
    (subject, headers, fact.data.clone())
}

/// The part of an envelope that travels in its header; the rest is in subject and sequence.
#[derive(Deserialize)]
pub(super) struct WireEnvelope {
    pub event_id: Uuid,
    stream_id: Uuid,
    version: i64,
    schema_version: i16,
    /// Microseconds since 1970.
    recorded_at: i64,
    metadata: Metadata,
}

/// A fact that came over `JetStream`.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The fact.
    pub stored: Stored,
    /// Position of the partition's fact before this one.
    pub previous: i64,
}

/// The message is none of the relay's.
#[derive(Debug, thiserror::Error)]
#[error("a message in the stream is not a relayed fact: {0}")]
pub struct Malformed(&'static str);

/// Reads a message of the stream; `sequence` is its place there.
pub fn parse(subject: &str, headers: &HeaderMap, payload: &[u8], sequence: u64) -> Result<Incoming, Malformed> {
    // From the right: the prefix may have dots.
    let mut tokens = subject.rsplitn(5, '.');
    let mut token = || tokens.next().ok_or(Malformed("its subject is too short"));
    let (fact, category, user, partition) = (token()?, token()?, token()?, token()?);
    let text = |name| headers.get(name).map(async_nats::HeaderValue::as_str).ok_or(Malformed("it lacks a header"));
    let wire: WireEnvelope =
        serde_json::from_str(text(ENVELOPE)?).map_err(|_| Malformed("its envelope is not readable"))?;
    let recorded_at = DateTime::from_timestamp_micros(wire.recorded_at).ok_or(Malformed("its time is out of range"))?;
    let envelope = Envelope {
        position: i64::try_from(sequence).map_err(|_| Malformed("its sequence is out of range"))?,
        event_id: EventId(wire.event_id),
        user_id: user.parse().map_err(|_| Malformed("its subject names no user"))?,
        category: category.to_owned(),
        stream_id: wire.stream_id,
        version: wire.version,
        wire_type: format!("{category}.{fact}"),
        schema_version: wire.schema_version,
        recorded_at,
        metadata: wire.metadata,
    };
    let partition = partition_of(partition).ok_or(Malformed("its subject names no partition"))?;
    let previous = text(PREVIOUS)?.parse().map_err(|_| Malformed("its previous position is no number"))?;
    Ok(Incoming { stored: Stored { envelope, partition, data: payload.to_vec() }, previous })
}

#[derive(Deserialize)]
struct Ack {
    seq: Option<i64>,
    error: Option<AckError>,
}

#[derive(Deserialize)]
struct AckError {
    #[serde(default)]
    description: String,
}

/// The position that an ack is for (the last token of its subject) and the sequence the stream gave it.
pub(super) fn acknowledged(ack: &Message) -> Result<(i64, i64), RelayFault> {
    let position = ack.subject.rsplit('.').next().and_then(|token| token.parse().ok()).unwrap_or(0);
    let refused = |reason: String| RelayFault::Refused { position, reason };
    if ack.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(refused("there is no such stream".into()));
    }
    match serde_json::from_slice(&ack.payload) {
        Ok(Ack { error: Some(error), .. }) => Err(refused(error.description)),
        Ok(Ack { seq: Some(sequence), .. }) => Ok((position, sequence)),
        Ok(Ack { seq: None, .. }) | Err(_) => Err(refused("its answer is not an ack".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_read() {
        let user = Uuid::from_u128(7);
        let metadata = Metadata {
            actor: orbit_events::Actor::User,
            correlation_id: Uuid::from_u128(8),
            causation_id: None,
            session_id: None,
            traceparent: None,
        };
        let outgoing = Outgoing {
            position: 42,
            event_id: Uuid::from_u128(1),
            user_id: user,
            partition: 3,
            category: "tasks".into(),
            stream_id: Uuid::from_u128(2),
            version: 5,
            wire_type: "tasks.created".into(),
            schema_version: 1,
            data: vec![1, 2, 3].into(),
            metadata: serde_json::to_string(&metadata).unwrap().into(),
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
        };
        let (subject, headers, payload) = message(&outgoing, "a.b", "a-b-1", 40);
        let incoming = parse(&subject, &headers, &payload, 42).unwrap();
        assert_eq!((incoming.previous, incoming.stored.partition, incoming.stored.data), (40, 3, vec![1, 2, 3]));
        let e = incoming.stored.envelope;
        assert_eq!(
            (e.position, e.version, e.wire_type.as_str(), e.category.as_str()),
            (42, 5, "tasks.created", "tasks")
        );
        assert_eq!((e.user_id, e.metadata), (UserId(user), metadata));
        assert_eq!(e.recorded_at.timestamp_micros(), 1_700_000_000_123_456);
    }

    #[test]
    fn a_stranger_in_the_stream_is_refused() {
        let refused = parse("orbit.events.x", &HeaderMap::new(), b"", 1).unwrap_err();
        assert!(refused.to_string().contains("subject is too short"));
    }
}
