//! The structure of a message: its parts, where they lie, and what they say they are.
//!
//! Our own walk, not `mail-parser`'s: that one nests without end (dropping what it made of a hostile message overflows the
//! stack), looks for boundaries within lines, and searches all of the rest for each that is not there. Here the depth, the
//! number of parts and the work for each level are bounded, and no byte is copied.

use std::ops::Range;

use super::{
    Encoding, FILENAME_CHARS,
    fields::{Fields, Parameters, Values, line_end},
    note::{Note, Notes},
};

/// How deep parts may lie in others. Deeper ones are not told apart.
pub(super) const DEPTH: usize = 50;
/// How many parts are told apart in all.
pub(super) const ENTITIES: usize = 1_000;
/// Most bytes of a media type: `type/subtype`, each of at most 127.
const MEDIA_BYTES: usize = 255;
/// Most bytes of a content id.
const CONTENT_ID_BYTES: usize = 998;

/// A message, in parts. The first is the message itself.
pub(super) struct Structure<'a> {
    pub raw: &'a [u8],
    pub entities: Vec<Entity<'a>>,
}

/// A part, or the message itself.
pub(super) struct Entity<'a> {
    /// As IMAP counts: `1` for the only one, `2.1` for the first part of the second; nothing for what holds them all.
    pub path: String,
    pub fields: Fields<'a>,
    /// Its media type, `text/plain` if it does not say.
    pub media: String,
    pub charset: Option<String>,
    pub lines: Lines,
    pub disposition: Disposition,
    pub filename: Option<String>,
    pub content_id: Option<String>,
    pub encoding: Encoding,
    /// Where its content lies in the message.
    pub body: Range<usize>,
    /// Those that lie in it.
    pub children: Vec<usize>,
}

/// How the lines of a text end (RFC 3676).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Where they end.
    Fixed,
    /// One that ends with a space goes on in the next.
    Flowed,
    /// The same, and the space is not part of it.
    FlowedWithoutSpace,
}

/// What a part says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    Untold,
    /// To be shown.
    Inline,
    /// A file beside the message.
    Attachment,
}

impl Entity<'_> {
    pub fn is_text(&self) -> bool {
        matches!(self.media.as_str(), "text/plain" | "text/html")
    }
}

impl<'a> Structure<'a> {
    /// Reads the parts of a message.
    pub fn parse(raw: &'a [u8], notes: &mut Notes) -> Self {
        let mut structure = Self { raw, entities: Vec::new() };
        structure.grow(0..raw.len(), Position { path: "1".to_owned(), depth: 0, media: "text/plain" }, notes);
        structure
    }

    pub fn root(&self) -> &Entity<'a> {
        &self.entities[0]
    }

    pub fn bytes(&self, entity: &Entity<'_>) -> &'a [u8] {
        &self.raw[entity.body.clone()]
    }

    fn grow(&mut self, range: Range<usize>, position: Position, notes: &mut Notes) -> usize {
        let (fields, end) = Fields::parse(&self.raw[range.clone()]);
        let Position { path, depth, media } = position;
        notes.add_if(depth == 0 && end.is_cut, Note::Truncated);
        let (mut entity, boundary) = describe(fields, media, notes);
        entity.body = range.start + end.body..range.end;
        let index = self.entities.len();
        let is_multipart = entity.media.starts_with("multipart/");
        if !(is_multipart && depth == 0) {
            entity.path.clone_from(&path);
        }
        let inner = if entity.media == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        let body = entity.body.clone();
        self.entities.push(entity);
        if !is_multipart {
            return index;
        }
        if depth == DEPTH {
            notes.add(Note::TooDeep);
            return index;
        }
        let content = &self.raw[body.clone()];
        let parts = split(content, boundary.as_deref());
        notes.add_if(!parts.is_closed, Note::UnclosedMultipart);
        if parts.ranges.is_empty() {
            // Nothing to tell apart: whatever is there is its text.
            let entity = &mut self.entities[index];
            "text/plain".clone_into(&mut entity.media);
            entity.path.clone_from(&path);
        }
        for (nth, part) in parts.ranges.into_iter().enumerate() {
            if self.entities.len() == ENTITIES {
                notes.add(Note::ManyPartsCut);
                break;
            }
            let path = if depth == 0 { (nth + 1).to_string() } else { format!("{path}.{}", nth + 1) };
            let part = body.start + part.start..body.start + part.end;
            let child = self.grow(part, Position { path, depth: depth + 1, media: inner }, notes);
            self.entities[index].children.push(child);
        }
        index
    }
}

/// Where a part is met.
struct Position {
    path: String,
    depth: usize,
    /// What it is if it does not say.
    media: &'static str,
}

/// What a head says of its part, and the boundary of those that lie in it.
fn describe<'a>(fields: Fields<'a>, media: &str, notes: &mut Notes) -> (Entity<'a>, Option<String>) {
    let mut values = Values::new(None, notes);
    let content_type = fields.first("content-type").and_then(|value| values.parameters(value)).unwrap_or_default();
    let disposition =
        fields.first("content-disposition").and_then(|value| values.parameters(value)).unwrap_or_default();
    let filename = disposition.get("filename").or_else(|| content_type.get("name"));
    // Many write encoded words there, which is not allowed and not to be misunderstood.
    let filename = filename.and_then(|name| values.text(name.as_bytes(), FILENAME_CHARS));
    // A name, and no way through somebody's directories.
    let filename = filename.and_then(|name| name.rsplit(['/', '\\']).next().map(str::to_owned));
    let content_id = fields.first("content-id").and_then(|value| values.ids(value).ids.into_iter().next());
    let description = fields.first("content-transfer-encoding").unwrap_or_default();
    let parameter = |name: &str| content_type.get(name).map(str::trim);
    let is = |name: &str, value: &str| parameter(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let entity = Entity {
        path: String::new(),
        media: media_of(&content_type).unwrap_or(media).to_owned(),
        charset: parameter("charset").filter(|charset| !charset.is_empty()).map(str::to_owned),
        lines: match (is("format", "flowed"), is("delsp", "yes")) {
            (false, _) => Lines::Fixed,
            (true, false) => Lines::Flowed,
            (true, true) => Lines::FlowedWithoutSpace,
        },
        disposition: match disposition.value.as_str() {
            "inline" => Disposition::Inline,
            "" => Disposition::Untold,
            // RFC 2183: what nobody knows is a file too.
            _ => Disposition::Attachment,
        },
        filename: filename.filter(|name| !matches!(name.as_str(), "" | "." | "..")),
        content_id: content_id.filter(|id| id.len() <= CONTENT_ID_BYTES),
        encoding: encoding_of(description),
        body: 0..0,
        children: Vec::new(),
        fields,
    };
    (entity, content_type.get("boundary").filter(|boundary| !boundary.is_empty()).map(str::to_owned))
}

/// `type/subtype`, unless what is there is none.
fn media_of(content_type: &Parameters) -> Option<&str> {
    let value = content_type.value.as_str();
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    match value.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) && value.len() <= MEDIA_BYTES => Some(value),
        // Before MIME had subtypes.
        None if value == "text" => Some("text/plain"),
        Some(_) | None => None,
    }
}

fn encoding_of(value: &[u8]) -> Encoding {
    // Some add a comment or a semicolon.
    let name = value.trim_ascii().split(|byte| matches!(byte, b' ' | b';' | b'(' | b'\r' | b'\n')).next();
    match name.unwrap_or_default().trim_ascii_end().to_ascii_lowercase().as_slice() {
        b"base64" => Encoding::Base64,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue" => Encoding::Nested,
        // 7bit, 8bit, binary, and what nobody knows.
        _ => Encoding::Identity,
    }
}

/// What lies between the delimiters of a multipart.
struct Parts {
    ranges: Vec<Range<usize>>,
    /// Whether the last delimiter was there.
    is_closed: bool,
}

fn split(content: &[u8], boundary: Option<&str>) -> Parts {
    let known = boundary.map(|boundary| between(content, boundary.as_bytes()));
    if let Some(parts) = known.filter(|parts| !parts.ranges.is_empty()) {
        return parts;
    }
    // None was told, or another one than is used: the first line that looks like one.
    match guess(content) {
        Some(boundary) => Parts { is_closed: false, ..between(content, boundary) },
        None => Parts { ranges: Vec::new(), is_closed: false },
    }
}

fn between(content: &[u8], boundary: &[u8]) -> Parts {
    let mut parts = Parts { ranges: Vec::new(), is_closed: false };
    let mut begin = None;
    for at in dashed_lines(content) {
        let Some(rest) = content[at + 2..].strip_prefix(boundary) else { continue };
        let is_last = rest.starts_with(b"--");
        if !is_last && !rest.first().is_none_or(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(begin) = begin.take() {
            parts.ranges.push(begin..before_line_end(content, at).max(begin));
        }
        if is_last {
            parts.is_closed = true;
            return parts;
        }
        if parts.ranges.len() == ENTITIES {
            return parts;
        }
        begin = Some(line_end(content, at));
    }
    if let Some(begin) = begin {
        parts.ranges.push(begin..content.len());
    }
    parts
}

/// Where lines begin with two dashes.
fn dashed_lines(content: &[u8]) -> impl Iterator<Item = usize> {
    let first = content.starts_with(b"--").then_some(0);
    first.into_iter().chain(memchr::memmem::find_iter(content, b"\n--").map(|at| at + 1))
}

/// The line end before a delimiter is the delimiter's.
fn before_line_end(content: &[u8], at: usize) -> usize {
    let before = content[..at].strip_suffix(b"\n").map_or(at, <[u8]>::len);
    content[..before].strip_suffix(b"\r").map_or(before, <[u8]>::len)
}

/// A line of dashes and letters that a part's head follows.
fn guess(content: &[u8]) -> Option<&[u8]> {
    dashed_lines(content).take(ENTITIES).find_map(|at| {
        let end = line_end(content, at);
        let boundary = content[at + 2..end].trim_ascii_end();
        let is_one = (1..=200).contains(&boundary.len()) && !boundary.iter().any(u8::is_ascii_whitespace);
        let behind = &content[end..content.len().min(end + 8)];
        (is_one && behind.eq_ignore_ascii_case(b"content-")).then_some(boundary)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths and media types of all parts, and what was odd.
    fn outline(raw: &str) -> (Vec<String>, Vec<&'static str>) {
        let mut notes = Notes::default();
        let structure = Structure::parse(raw.as_bytes(), &mut notes);
        let outline = structure.entities.iter().map(|entity| format!("{} {}", entity.path, entity.media));
        (outline.collect(), notes.codes())
    }

    fn content(raw: &str, path: &str) -> String {
        let structure = Structure::parse(raw.as_bytes(), &mut Notes::default());
        let entity = structure.entities.iter().rfind(|entity| entity.path == path).unwrap();
        String::from_utf8(structure.bytes(entity).to_vec()).unwrap()
    }

    const NESTED: &str = "Content-Type: multipart/mixed; boundary=out\r\n\r\nfor old readers\r\n--out\r\n\
        Content-Type: multipart/alternative; boundary=\"out2\"\r\n\r\n--out2\r\n\r\nplain\r\n--out2\r\n\
        Content-Type: text/html\r\n\r\n<p>html\r\n--out2--\r\nepilogue\r\n--out\r\nContent-Type: image/png\r\n\r\n\
        png\r\n--out--\r\n";

    #[test]
    fn parts_are_told_apart_and_counted_as_imap_does() {
        let (outline, notes) = outline(NESTED);
        let expected =
            [" multipart/mixed", "1 multipart/alternative", "1.1 text/plain", "1.2 text/html", "2 image/png"];
        assert_eq!((outline.as_slice(), notes.len()), (&expected.map(str::to_owned)[..], 0));
        assert_eq!(content(NESTED, "1.1"), "plain", "a boundary that begins like another one is another one");
        assert_eq!(content(NESTED, "2"), "png");
    }

    #[test]
    fn a_part_that_is_not_closed_ends_with_what_it_lies_in() {
        let cut = NESTED.replace("--out2--\r\nepilogue\r\n", "");
        assert_eq!(content(&cut, "1.2"), "<p>html");
        assert_eq!(outline(&cut).1, ["unclosed_multipart"]);
        let (all, notes) = outline(&NESTED[..NESTED.len() - 12]);
        assert_eq!((all.len(), notes), (5, vec!["unclosed_multipart"]));
    }

    #[test]
    fn a_boundary_that_was_not_told_is_guessed_and_without_any_there_is_text() {
        for told in ["", "; boundary=\"\"", "; boundary=other"] {
            let raw = NESTED.replace("; boundary=out\r\n", &format!("{told}\r\n"));
            let (outline, notes) = outline(&raw);
            assert_eq!((outline.len(), notes), (5, vec!["unclosed_multipart"]), "{told}");
        }
        let (outline, notes) = outline("Content-Type: multipart/mixed; boundary=x\n\nJust text.\n-- \nAda\n");
        assert_eq!((outline, notes), (vec!["1 text/plain".to_owned()], vec!["unclosed_multipart"]));
    }

    #[test]
    fn fifty_levels_are_read_and_deeper_ones_are_not_told_apart() {
        let nested = |levels: usize| {
            let open = (0..levels).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}.\n\n--b{n}.\n"));
            format!("{}\nat the bottom\n", open.collect::<String>())
        };
        let (fifty, deeper) = (outline(&nested(50)), outline(&nested(51)));
        assert_eq!((fifty.0.len(), fifty.1), (51, vec!["unclosed_multipart"]));
        assert!(fifty.0.last().unwrap().ends_with("1.1 text/plain"));
        assert_eq!((deeper.0.len(), deeper.1), (51, vec!["unclosed_multipart", "too_deep"]));
    }

    #[test]
    fn as_many_parts_as_one_can_write_cost_no_more_than_some() {
        let many = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(100_000));
        let (outline, notes) = outline(&many);
        assert_eq!((outline.len(), notes), (ENTITIES, vec!["unclosed_multipart", "many_parts_cut"]));
        // Boundaries that are nowhere, over and over.
        let deep = "Content-Type: multipart/mixed; boundary=nowhere\n\n--b\n".repeat(100_000);
        outline_is_quick(&deep);
        outline_is_quick(&"Content-Type: message/rfc822\n\n".repeat(100_000));
    }

    fn outline_is_quick(raw: &str) {
        let begun = std::time::Instant::now();
        outline(raw);
        assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    }

    #[test]
    fn what_a_part_says_of_itself_is_read_leniently() {
        let mut notes = Notes::default();
        let raw = b"Content-Type: application/pdf; name=\"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=.pdf\"\n\
            Content-Disposition: ATTACHMENT\nContent-ID: <one@b>\nContent-Transfer-Encoding: Base64 (of course)\n\nJVBERg==";
        let structure = Structure::parse(raw, &mut notes);
        let entity = structure.root();
        assert_eq!(entity.filename.as_deref(), Some("Grüße.pdf"));
        assert_eq!((entity.content_id.as_deref(), entity.disposition), (Some("one@b"), Disposition::Attachment));
        assert_eq!(entity.encoding, Encoding::Base64);
        for (value, media) in
            [("text", "text/plain"), ("nonsense", "text/plain"), ("a b/c", "text/plain"), ("", "text/plain")]
        {
            assert_eq!(outline(&format!("Content-Type: {value}\n\nx")).0, [format!("1 {media}")], "{value}");
        }
    }
}
