//! What a client asks of bytes that never change: all of them, a range, or whether it has them (RFC 9110, 13 and 14).

use std::ops::Range;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, StatusCode, header, request::Parts},
};
use orbit_platform::problem::{ApiError, ProblemKind};

/// Entity tags read from one `If-None-Match`.
const TAGS_AT_MOST: usize = 20;

/// 416: a range that begins behind the end.
pub static RANGE_NOT_SATISFIABLE: ProblemKind = ProblemKind {
    code: "range_not_satisfiable",
    status: StatusCode::RANGE_NOT_SATISFIABLE,
    title: "There is nothing in this range",
    explanation: "`Range` begins at or behind the end of the content. `Content-Range` says how long it is.",
};

/// `Range`, `If-Range` and `If-None-Match` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    range: Option<String>,
    if_range: Option<String>,
    known: Vec<String>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// 200: all of it.
    Whole,
    /// 206: these bytes.
    Part(Range<u64>),
    /// 304: the client has it.
    Known,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let text = |name: &HeaderName| one(&parts.headers, name);
        let tags = parts.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known = tags.flat_map(|value| value.split(',')).take(TAGS_AT_MOST).map(|tag| strong(tag.trim()).to_owned());
        Ok(Self { range: text(&header::RANGE), if_range: text(&header::IF_RANGE), known: known.collect() })
    }
}

/// A header that is there once. Ranges that are asked for in several are asked for in none that we serve.
fn one(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok().map(str::to_owned)
}

/// Where only the same bytes are meant, weak tags compare like strong ones.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

impl Wanted {
    /// What of a content with this tag (in quotes) and length is asked for.
    pub fn of(&self, tag: &str, length: u64) -> Result<Extent, ApiError> {
        if self.known.iter().any(|known| known == "*" || known == tag) {
            return Ok(Extent::Known);
        }
        // Of another version, the whole is wanted.
        let is_same = self.if_range.as_deref().is_none_or(|known| known == tag);
        match self.range.as_deref().filter(|_| is_same).and_then(Asked::parse) {
            None => Ok(Extent::Whole),
            Some(asked) => asked.within(length).map(Extent::Part).ok_or_else(|| {
                let detail = format!("the content has {length} bytes");
                ApiError::of(&RANGE_NOT_SATISFIABLE, detail)
                    .with_header(header::CONTENT_RANGE, format!("bytes */{length}"))
            }),
        }
    }
}

/// One range of bytes, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Asked {
    /// What cannot be read, and several ranges at once, count as not asked for.
    fn parse(text: &str) -> Option<Self> {
        let (unit, ranges) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = ranges.trim().split_once('-')?;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // More than fits is more than there is.
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.trim(), last.trim()) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between(first, last))
            }
        }
    }

    /// The bytes that there are of it; none if there are none.
    fn within(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..length,
            Self::Between(first, last) => first..last.saturating_add(1).min(length),
            Self::Last(count) => length.saturating_sub(count)..length,
        };
        Some(range).filter(|range| !range.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(range: &str) -> Wanted {
        Wanted { range: Some(range.to_owned()), ..Wanted::default() }
    }

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        for (text, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("bytes=9-99999999999999999999999", 9..10),
            ("Bytes = 0 - 1", 0..2),
        ] {
            assert_eq!(wanted(text).of("\"a\"", 10).unwrap(), Extent::Part(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_asked_for() {
        for text in ["bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "bytes=0-1,3-4", "lines=0-1", "bytes=+1-2"]
        {
            assert_eq!(wanted(text).of("\"a\"", 10).unwrap(), Extent::Whole, "{text}");
        }
    }

    #[test]
    fn behind_the_end_there_is_nothing() {
        for (text, length) in
            [("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
        {
            let error = wanted(text).of("\"a\"", length).unwrap_err();
            assert_eq!(error.code(), "range_not_satisfiable", "{text} of {length}");
        }
    }

    #[test]
    fn who_has_it_gets_nothing_and_who_has_another_gets_all() {
        let has = |tag: &str| Wanted { known: vec![strong(tag).to_owned()], ..wanted("bytes=0-1") };
        assert_eq!(has("\"a\"").of("\"a\"", 10).unwrap(), Extent::Known);
        assert_eq!(has("W/\"a\"").of("\"a\"", 10).unwrap(), Extent::Known);
        assert_eq!(has("\"b\"").of("\"a\"", 10).unwrap(), Extent::Part(0..2));
        let of = |tag: &str| Wanted { if_range: Some(tag.to_owned()), ..wanted("bytes=0-1") };
        assert_eq!(of("\"a\"").of("\"a\"", 10).unwrap(), Extent::Part(0..2));
        assert_eq!(of("\"b\"").of("\"a\"", 10).unwrap(), Extent::Whole);
        assert_eq!(of("Sun, 22 Nov 2026 20:28:00 GMT").of("\"a\"", 10).unwrap(), Extent::Whole);
    }
}
