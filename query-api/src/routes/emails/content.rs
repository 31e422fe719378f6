//! Answers that are bytes as they came: what they are, and that no browser may take them for more than that.

use std::{ops::Range, pin::Pin};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use orbit_adapters::{
    blobs::Fault,
    mime::{self, Decoder},
};
use orbit_events::emails::{Encoding, Part};
use orbit_platform::{http::headers, problem::ApiError};

use super::{
    range::{Extent, Wanted},
    stored::{Stored, explain},
};

/// What may be shown by a browser that is sent there: pictures that hold no program.
const PICTURES: [&str; 4] = ["image/png", "image/gif", "image/jpeg", "image/webp"];
/// What is shown is shown to nobody else, runs nothing and loads nothing.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
/// It may be kept, and is asked for again by its tag: who is logged out may read no more.
const KEPT: &str = "private, no-cache";

/// Bytes, piece by piece.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// A content to answer with.
#[derive(Clone, Debug)]
pub struct Content {
    /// As of when it was found.
    pub as_of: i64,
    /// What it is.
    pub media: String,
    /// What a file of it is called.
    pub filename: String,
    /// What it is known by: its SHA-256 in hexadecimal digits.
    pub tag: String,
    /// How many bytes it has.
    pub length: u64,
}

impl Content {
    /// Whether a client asks for nothing, all or some of it.
    pub fn extent(&self, wanted: &Wanted) -> Result<Extent, ApiError> {
        let (name, value) = headers::as_of(self.as_of);
        let extent = wanted.of(&self.etag(), self.length);
        extent.map_err(|error| error.with_header(name, value.to_str().unwrap_or_default()))
    }

    /// 304: the client has it.
    pub fn known(&self) -> Response {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        self.describe(response.headers_mut());
        response
    }

    /// 200 or 206 with these bytes. The first piece is read before the answer begins, so that what can go wrong is
    /// still an answer of its own.
    pub async fn answer(&self, range: Option<Range<u64>>, mut pieces: Pieces) -> Result<Response, ApiError> {
        let first = pieces.try_next().await.map_err(explain)?;
        let pieces = stream::iter(first.map(Ok)).chain(pieces.inspect_err(|fault| {
            // The status is long gone: the connection is cut, so that nobody takes the part for the whole.
            tracing::warn!(error = fault as &dyn std::error::Error, "a download was cut off");
        }));
        let mut response = Body::from_stream(pieces).into_response();
        let headers = response.headers_mut();
        self.describe(headers);
        let media = media_type(&self.media);
        put(headers, header::CONTENT_DISPOSITION, &disposition(media, &self.filename));
        put(headers, header::CONTENT_TYPE, media);
        put(headers, header::CONTENT_SECURITY_POLICY, POLICY);
        put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        let length = range.as_ref().map_or(self.length, |range| range.end - range.start);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(Range { start, end }) = range {
            put(headers, header::CONTENT_RANGE, &format!("bytes {start}-{}/{}", end.saturating_sub(1), self.length));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.tag)
    }

    fn describe(&self, headers: &mut HeaderMap) {
        let (name, value) = headers::as_of(self.as_of);
        headers.insert(name, value);
        put(headers, header::ETAG, &self.etag());
        put(headers, header::ACCEPT_RANGES, "bytes");
        put(headers, header::CACHE_CONTROL, KEPT);
    }
}

fn put(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Type and subtype, if that is what the sender wrote: the rest is anybody's text.
fn media_type(told: &str) -> &str {
    const UNKNOWN: &str = "application/octet-stream";
    let media = told.split(';').next().unwrap_or_default().trim();
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let is_media = media.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype));
    if is_media { media } else { UNKNOWN }
}

/// How it is to be taken (RFC 6266), with the file's name in ASCII for who reads no other.
fn disposition(media: &str, filename: &str) -> String {
    let is_picture = PICTURES.iter().any(|known| known.eq_ignore_ascii_case(media));
    let way = if is_picture { "inline" } else { "attachment" };
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._-()".contains(c) { c } else { '_' };
    let ascii: String = filename.chars().map(plain).collect();
    if ascii == filename {
        return format!("{way}; filename=\"{ascii}\"");
    }
    let mut encoded = String::with_capacity(filename.len() * 3);
    for byte in filename.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    format!("{way}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// The bytes of a part, decoded: `range` counts those.
pub async fn pieces_of(stored: &Stored, part: &Part, range: Range<u64>) -> Result<Pieces, ApiError> {
    let encoded = part.offset..part.offset.saturating_add(part.length).min(stored.length());
    Ok(match part.encoding {
        Encoding::Identity => {
            let at = |within: u64| encoded.start.saturating_add(within).min(encoded.end);
            Box::pin(stored.stream(at(range.start)..at(range.end)))
        }
        Encoding::Base64 => decoded(stored.stream(encoded), mime::Encoding::Base64, range),
        Encoding::QuotedPrintable => decoded(stored.stream(encoded), mime::Encoding::QuotedPrintable, range),
        Encoding::Nested => {
            let path = part.path.clone();
            let content = stored.read(move |raw| mime::part(&raw, &path)).await?;
            // What was a part when it came in is one still.
            let content = Bytes::from(content.ok_or_else(|| ApiError::internal("a part is not in its message"))?);
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(content.len());
            let slice = content.slice(at(range.start)..at(range.end));
            Box::pin(stream::iter((!slice.is_empty()).then_some(Ok(slice))))
        }
    })
}

/// Decodes as it comes. What is before the range is decoded and dropped: where a byte lies tells only who has read so
/// far.
fn decoded(
    encoded: impl Stream<Item = Result<Bytes, Fault>> + Send + 'static,
    encoding: mime::Encoding,
    range: Range<u64>,
) -> Pieces {
    let decoding = Decoding { encoded: Box::pin(encoded), decoder: Some(Decoder::new(encoding)), at: 0, range };
    Box::pin(stream::try_unfold(decoding, Decoding::next))
}

/// A part under way.
struct Decoding {
    encoded: Pieces,
    decoder: Option<Decoder>,
    /// How many bytes were decoded.
    at: u64,
    range: Range<u64>,
}

impl Decoding {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Fault> {
        while self.at < self.range.end {
            let Some(mut decoder) = self.decoder.take() else { return Ok(None) };
            let bytes = match self.encoded.try_next().await? {
                Some(piece) => {
                    let bytes = decoder.push(&piece);
                    self.decoder = Some(decoder);
                    bytes
                }
                None => decoder.finish(),
            };
            let begin = self.at;
            self.at += bytes.len() as u64;
            let within =
                |place: u64| usize::try_from(place.saturating_sub(begin)).unwrap_or(usize::MAX).min(bytes.len());
            let cut = within(self.range.start)..within(self.range.end);
            if !cut.is_empty() {
                return Ok(Some((Bytes::from(bytes).slice(cut), self)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_range_of_what_is_decoded_is_that_of_the_whole() {
        let (encoded, plain) = (b"SGVs\r\nbG8sIG\r\n1haWwh\r\n", b"Hello, mail!");
        for piece in [1, 3, 100] {
            let pieces: Vec<Bytes> = encoded.chunks(piece).map(Bytes::copy_from_slice).collect();
            for (start, end) in (0..=12_u64).flat_map(|start| (start..=12).map(move |end| (start, end))) {
                let stream = stream::iter(pieces.clone().into_iter().map(Ok));
                let bytes: Vec<Bytes> =
                    decoded(stream, mime::Encoding::Base64, start..end).try_collect().await.unwrap();
                let expected = &plain[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
                assert_eq!(bytes.concat(), expected, "{start}..{end} by {piece}");
            }
        }
    }

    #[test]
    fn a_sender_says_what_it_is_and_nothing_else() {
        for (told, expected) in [
            ("image/png", "image/png"),
            ("text/html; charset=utf-8", "text/html"),
            ("text/html\r\nSet-Cookie: a=b", "application/octet-stream"),
            ("", "application/octet-stream"),
            ("image", "application/octet-stream"),
            ("a/b/c", "application/octet-stream"),
        ] {
            assert_eq!(media_type(told), expected, "{told}");
        }
    }

    #[test]
    fn a_name_breaks_out_of_no_header_and_only_pictures_are_shown() {
        assert_eq!(disposition("image/PNG", "cat.png"), "inline; filename=\"cat.png\"");
        assert_eq!(disposition("image/svg+xml", "cat.svg"), "attachment; filename=\"cat.svg\"");
        assert_eq!(
            disposition("text/html", "a\"b\r\n.html"),
            "attachment; filename=\"a_b__.html\"; filename*=UTF-8''a%22b%0D%0A.html"
        );
        assert_eq!(
            disposition("application/pdf", "Käse.pdf"),
            "attachment; filename=\"K_se.pdf\"; filename*=UTF-8''K%C3%A4se.pdf"
        );
    }
}
