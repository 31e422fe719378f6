//! The headers of the contract: versions, idempotency keys, positions.

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, header, request::Parts},
};

use crate::problem::ApiError;

/// The id of a request, on every answer.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The position in the log of what a write appended.
pub static ORBIT_POSITION: HeaderName = HeaderName::from_static("orbit-position");
/// The position that a read waits for.
pub static ORBIT_MIN_POSITION: HeaderName = HeaderName::from_static("orbit-min-position");
/// The position up to which a read has seen the log.
pub static ORBIT_AS_OF: HeaderName = HeaderName::from_static("orbit-as-of");
/// A key that makes a repeated request harmless.
pub static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `true` on an answer that was stored when the key was first used.
pub static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The id of the last event that a client has seen of a stream (HTML, server-sent events).
pub static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest idempotency key.
pub const IDEMPOTENCY_KEY_AT_MOST: usize = 255;
/// Entity tags read from one `If-Match`.
const TAGS_AT_MOST: usize = 20;

/// `Orbit-Position: N`, to be returned beside a body.
pub fn position(position: i64) -> (HeaderName, HeaderValue) {
    (ORBIT_POSITION.clone(), HeaderValue::from(position))
}

/// `Orbit-As-Of: N`, to be returned beside a body.
pub fn as_of(position: i64) -> (HeaderName, HeaderValue) {
    (ORBIT_AS_OF.clone(), HeaderValue::from(position))
}

/// `ETag: "<version>"`, to be returned beside a body.
///
/// # Panics
/// Never: a number in quotes is always a header value.
pub fn etag(version: i64) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(format!("\"{version}\""));
    (header::ETAG, value.expect("a number in quotes is a header value"))
}

/// `Idempotent-Replayed: true`, to be returned beside a stored answer.
pub fn replayed() -> (HeaderName, HeaderValue) {
    (IDEMPOTENT_REPLAYED.clone(), HeaderValue::from_static("true"))
}

/// What `If-Match` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IfMatch {
    /// No such header: any version will do.
    #[default]
    Absent,
    /// `*`: any version, as long as there is one.
    Any,
    /// One of these versions. Tags that are none of ours match nothing.
    Versions(Vec<i64>),
}

impl IfMatch {
    /// Refuses (412) unless the present version is asked for.
    pub fn check(&self, current: i64) -> Result<(), ApiError> {
        match self {
            Self::Absent | Self::Any => Ok(()),
            Self::Versions(versions) if versions.contains(&current) => Ok(()),
            Self::Versions(_) => Err(ApiError::precondition_failed(current)),
        }
    }

    /// Refuses (428) a request without the header.
    pub fn required(self) -> Result<Self, ApiError> {
        if self == Self::Absent { Err(ApiError::precondition_required()) } else { Ok(self) }
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let mut versions = Vec::new();
        for tag in text.split(',').take(TAGS_AT_MOST) {
            let tag = tag.trim();
            // A proxy that compresses weakens tags; the version in it is still the one that was seen.
            let quoted = tag.strip_prefix("W/").unwrap_or(tag);
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let inner = inner
                .ok_or_else(|| ApiError::invalid_header("If-Match", "an entity tag such as \"7\" or * is expected"))?;
            versions.extend(inner.parse::<i64>());
        }
        Ok(Self::Versions(versions))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        find(parts, &header::IF_MATCH, "If-Match")?.map_or(Ok(Self::Absent), Self::parse)
    }
}

/// The request's `Idempotency-Key`, if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// The key, or 400 where one must be sent.
    pub fn required(self) -> Result<String, ApiError> {
        self.0.ok_or_else(ApiError::idempotency_key_required)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        const NAME: &str = "Idempotency-Key";
        let Some(key) = find(parts, &IDEMPOTENCY_KEY, NAME)? else { return Ok(Self(None)) };
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_AT_MOST || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiError::invalid_header(NAME, "1 to 255 visible ASCII characters are expected"));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

/// The position that a read must have seen, from `Orbit-Min-Position`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinPosition(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for MinPosition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        const NAME: &str = "Orbit-Min-Position";
        let Some(text) = find(parts, &ORBIT_MIN_POSITION, NAME)? else { return Ok(Self(None)) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let position = digits.then(|| text.parse().ok()).flatten();
        position
            .map(|position| Self(Some(position)))
            .ok_or_else(|| ApiError::invalid_header(NAME, "a position is expected: a whole number"))
    }
}

/// The position after which a stream of facts goes on, from `Last-Event-ID`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastEventId(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        const NAME: &str = "Last-Event-ID";
        // A client that has seen nothing yet may say so with an empty one.
        let text = find(parts, &LAST_EVENT_ID, NAME)?.filter(|text| !text.is_empty());
        let Some(text) = text else { return Ok(Self(None)) };
        let position = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        position
            .map(|position| Self(Some(position)))
            .ok_or_else(|| ApiError::invalid_header(NAME, "the id of an event of this stream is expected"))
    }
}

/// The one value of a header, as text.
fn find<'a>(parts: &'a Parts, name: &HeaderName, shown: &'static str) -> Result<Option<&'a str>, ApiError> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::invalid_header(shown, "it is given twice"));
    }
    value.to_str().map(Some).map_err(|_| ApiError::invalid_header(shown, "visible ASCII characters are expected"))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn read<T: FromRequestParts<(), Rejection = ApiError>>(headers: &[(&str, &[u8])]) -> Result<T, u16> {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        T::from_request_parts(&mut parts, &()).await.map_err(|error| error.status().as_u16())
    }

    #[tokio::test]
    async fn if_match_compares_versions() {
        let tag = async |value: &str| read::<IfMatch>(&[("if-match", value.as_bytes())]).await;
        assert_eq!(read::<IfMatch>(&[]).await, Ok(IfMatch::Absent));
        assert_eq!(tag("*").await, Ok(IfMatch::Any));
        assert_eq!(tag("\"7\"").await, Ok(IfMatch::Versions(vec![7])));
        assert_eq!(tag("W/\"7\", \"8\"").await, Ok(IfMatch::Versions(vec![7, 8])));
        assert_eq!(tag("\"none-of-ours\"").await, Ok(IfMatch::Versions(vec![])));
        assert_eq!(tag("7").await, Err(400));
        assert_eq!(read::<IfMatch>(&[("if-match", b"\xff")]).await, Err(400));
        let seven = IfMatch::Versions(vec![7]);
        assert!(seven.check(7).is_ok());
        assert_eq!(seven.check(8).unwrap_err().status().as_u16(), 412);
        assert_eq!(IfMatch::Absent.required().unwrap_err().status().as_u16(), 428);
        assert_eq!(etag(7).1, "\"7\"");
    }

    #[tokio::test]
    async fn idempotency_keys_are_visible_ascii_of_at_most_255_characters() {
        let key = async |value: &[u8]| read::<IdempotencyKey>(&[("idempotency-key", value)]).await;
        assert_eq!(key(&[b'k'; 255]).await, Ok(IdempotencyKey(Some("k".repeat(255)))));
        for bad in [&[b'k'; 256][..], b"", b"a b", b"\xc3\xa4"] {
            assert_eq!(key(bad).await, Err(400));
        }
        assert_eq!(read::<IdempotencyKey>(&[("idempotency-key", b"a"), ("idempotency-key", b"b")]).await, Err(400));
        assert_eq!(IdempotencyKey(None).required().unwrap_err().status().as_u16(), 400);
    }

    #[tokio::test]
    async fn a_position_is_a_whole_number() {
        let position = async |value: &str| read::<MinPosition>(&[("orbit-min-position", value.as_bytes())]).await;
        assert_eq!(position("4711").await, Ok(MinPosition(Some(4711))));
        for bad in ["", "-1", "+1", "1.5", "many", "9223372036854775808"] {
            assert_eq!(position(bad).await, Err(400), "{bad}");
        }
    }
}
