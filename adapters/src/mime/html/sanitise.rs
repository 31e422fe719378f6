//! HTML of strangers, made harmless: no scripts, no forms, nothing loaded from elsewhere unless the reader wants it.
//!
//! First it is put in order ([`super::balance`]), so that the parser of the sanitiser has bounded work. Then `ammonia`,
//! which reads as browsers do, keeps what is on our lists; of styles only properties that cannot load or cover anything.
//! Where images come from is decided last, on what `ammonia` has written: it marks them, with a mark that nobody can guess.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use ammonia::{Builder, UrlRelative};
use orbit_platform::random;

use super::{HTML_BYTES, balance, escaped, tokens::unescaped};

/// Whether images from elsewhere are loaded: who sent the message would know that and when it is read, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// They are not; where they are is kept in `data-blocked-src`.
    Block,
    /// They are, over HTTPS.
    Show,
}

/// HTML that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sanitised {
    /// A piece of a page: no `html`, `head` or `body`.
    pub html: String,
    /// How many images were not let in.
    pub blocked: u32,
}

/// Tags that are kept.
const TAGS: [&str; 56] = [
    "a",
    "abbr",
    "address",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
];
/// Tags that go with all that is in them.
const GONE: [&str; 20] = [
    "script",
    "style",
    "title",
    "textarea",
    "select",
    "option",
    "iframe",
    "noembed",
    "noframes",
    "xmp",
    "plaintext",
    "template",
    "svg",
    "math",
    "object",
    "embed",
    "applet",
    "noscript",
    "audio",
    "video",
];
/// Attributes that are kept on all tags.
const EVERYWHERE: [&str; 9] = ["align", "bgcolor", "dir", "height", "lang", "style", "title", "valign", "width"];
/// Attributes that are kept on some.
const ON: [(&str, &[&str]); 9] = [
    ("a", &["href"]),
    ("img", &["src", "alt", "border", "hspace", "vspace"]),
    ("table", &["border", "cellpadding", "cellspacing", "summary"]),
    ("td", &["colspan", "rowspan", "nowrap"]),
    ("th", &["colspan", "rowspan", "nowrap", "scope"]),
    ("col", &["span"]),
    ("font", &["color", "face", "size"]),
    ("ol", &["start", "type"]),
    ("ul", &["type"]),
];
/// Properties of styles that are kept: none of them loads anything, or moves what it is on out of its place.
const PROPERTIES: [&str; 67] = [
    "background-color",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-bottom-style",
    "border-bottom-width",
    "border-collapse",
    "border-color",
    "border-left",
    "border-left-color",
    "border-left-style",
    "border-left-width",
    "border-radius",
    "border-right",
    "border-right-color",
    "border-right-style",
    "border-right-width",
    "border-spacing",
    "border-style",
    "border-top",
    "border-top-color",
    "border-top-style",
    "border-top-width",
    "border-width",
    "color",
    "direction",
    "display",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "overflow",
    "overflow-wrap",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-decoration-color",
    "text-decoration-line",
    "text-decoration-style",
    "text-indent",
    "text-overflow",
    "text-transform",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
    "word-spacing",
];
/// What may be in `data:`: pictures, and none that is a program, as SVG is.
const PICTURES: [&str; 4] =
    ["data:image/png;base64,", "data:image/gif;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,"];
/// Longer ones are no picture in a line of text.
const PICTURE_BYTES: usize = 100 * 1024;

/// Makes HTML harmless. `cid` says where the part of a content id is to be had; what it does not know is not shown.
pub fn sanitise(html: &str, images: Images, cid: &dyn Fn(&str) -> Option<String>) -> Sanitised {
    let html = &html[..html.floor_char_boundary(HTML_BYTES)];
    let mark = format!("orbit{}", hex::encode(random::nonce::<16>()));
    let clean = clean(&balance::balanced(html, |tag| TAGS.contains(&tag), is_attribute), &mark);
    place_images(&clean, &mark, images, cid)
}

fn is_attribute(tag: &str, attribute: &str) -> bool {
    EVERYWHERE.contains(&attribute) || ON.iter().any(|(on, all)| *on == tag && all.contains(&attribute))
}

fn clean(html: &str, mark: &str) -> String {
    let attributes: HashMap<&str, HashSet<&str>> =
        ON.iter().map(|(tag, all)| (*tag, all.iter().copied().collect())).collect();
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(TAGS))
        .clean_content_tags(HashSet::from(GONE))
        .generic_attributes(HashSet::from(EVERYWHERE))
        .tag_attributes(attributes)
        .set_tag_attribute_value("a", "target", "_blank")
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "data"]))
        .url_relative(UrlRelative::Deny)
        .filter_style_properties(HashSet::from(PROPERTIES))
        .strip_comments(true);
    let mark = mark.to_owned();
    builder.attribute_filter(move |tag, attribute, value| match (tag, attribute) {
        ("img", "src") => source(value).map(|source| Cow::Owned(format!("{mark}:{source}"))),
        (_, "href") => link(value).map(Cow::Owned),
        (_, "style") => Some(Cow::Owned(style(value))),
        _ => Some(Cow::Borrowed(value)),
    });
    builder.clean(html).to_string()
}

/// An address as browsers read it: without what they leave out.
fn address(value: &str) -> String {
    let value = value.trim_matches(|c: char| c <= ' ');
    value.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect()
}

fn has_scheme(address: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| address.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)))
}

fn link(value: &str) -> Option<String> {
    Some(address(value)).filter(|address| has_scheme(address, &["http://", "https://", "mailto:"]))
}

fn source(value: &str) -> Option<String> {
    let address = address(value);
    let is_picture = has_scheme(&address, &PICTURES) && address.len() <= PICTURE_BYTES;
    (is_picture || has_scheme(&address, &["http://", "https://", "cid:"])).then_some(address)
}

/// Declarations that do no more than they say. Which properties are kept is decided behind this, by a real parser.
fn style(value: &str) -> String {
    // A backslash spells a word so that it is not found.
    if value.contains('\\') {
        return String::new();
    }
    let kept = value.split(';').filter_map(|declaration| {
        let (property, value) = declaration.split_once(':')?;
        let (property, value) = (property.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase());
        let calls = ["url", "expression", "image", "image-set", "attr", "var", "env", "calc", "element", "src"];
        let is_call =
            calls.iter().any(|name| value.split(*name).skip(1).any(|behind| behind.trim_start().starts_with('(')));
        // Backwards it would leave its place.
        let moves = ["margin", "text-indent", "letter-spacing", "word-spacing"];
        let is_moved = moves.iter().any(|name| property.starts_with(name)) && value.contains('-');
        (!is_call && !is_moved)
            .then(|| format!("{property}:{}", declaration.split_once(':').map_or("", |(_, value)| value)))
    });
    kept.collect::<Vec<_>>().join(";")
}

/// Decides where images come from.
fn place_images(html: &str, mark: &str, images: Images, cid: &dyn Fn(&str) -> Option<String>) -> Sanitised {
    let begin = format!("src=\"{mark}:");
    let mut placed = Sanitised { html: String::with_capacity(html.len()), blocked: 0 };
    let mut rest = html;
    while let Some((before, behind)) = rest.split_once(&begin) {
        // As it was written: attributes end with a quote, and hold none.
        let (address, behind) = behind.split_once('"').unwrap_or((behind, ""));
        placed.html.push_str(before);
        rest = behind;
        if has_scheme(address, &["cid:"]) {
            let id = percent_decoded(&unescaped(&address["cid:".len()..]));
            // A part that is not there is an image without a source.
            let part = cid(&id).map(|part| format!("src=\"{}\"", escaped(&part)));
            placed.html.push_str(&part.unwrap_or_default());
        } else if has_scheme(address, &PICTURES) || images == Images::Show && has_scheme(address, &["https://"]) {
            placed.html.extend(["src=\"", address, "\""]);
        } else {
            placed.html.extend(["data-blocked-src=\"", address, "\""]);
            placed.blocked += 1;
        }
    }
    placed.html.push_str(rest);
    placed
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte =
            escape.and_then(|digits| str::from_utf8(digits).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
