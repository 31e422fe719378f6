//! HTML in pieces: tags and what lies between them, as far as that can be told without a browser. In one pass, whatever
//! is thrown at it.

use std::borrow::Cow;

use mail_parser::decoders::html::add_html_token;

/// A piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text, with its entities as they were written.
    Text(&'a str),
    /// `<name …>`.
    Open {
        /// In small letters.
        name: Cow<'a, str>,
        /// What lies between the name and the end of the tag.
        attributes: &'a str,
    },
    /// `</name>`.
    Close {
        /// In small letters.
        name: Cow<'a, str>,
    },
}

/// Elements whose content is no HTML: it is left out up to their end.
const OPAQUE: [&str; 12] = [
    "iframe",
    "math",
    "noembed",
    "noframes",
    "object",
    "plaintext",
    "script",
    "style",
    "svg",
    "template",
    "textarea",
    "xmp",
];

/// Reads HTML from its beginning.
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub fn new(html: &'a str) -> Self {
        Self { rest: html }
    }

    /// Cuts off so many bytes, which end at a character of ASCII.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// A tag that begins here; `None` if the `<` is one of the text.
    fn tag(&mut self) -> Option<Step<'a>> {
        let bytes = self.rest.as_bytes();
        let (is_close, from) = if bytes.get(1) == Some(&b'/') { (true, 2) } else { (false, 1) };
        match bytes.get(from)? {
            b'!' | b'?' if !is_close => {
                let end = if self.rest.starts_with("<!--") { comment_end(bytes) } else { behind(bytes, b'>') };
                self.take(end);
                return Some(Step::Nothing);
            }
            first if first.is_ascii_alphabetic() => {}
            // `</3>` is a comment to browsers.
            _ if is_close => {
                self.take(behind(bytes, b'>'));
                return Some(Step::Nothing);
            }
            _ => return None,
        }
        let is_name = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>');
        let length = bytes[from..].iter().take_while(|byte| is_name(byte)).count();
        let tag = self.take(tag_end(bytes, from + length));
        let name = lower(&tag[from..from + length]);
        if is_close {
            return Some(Step::Token(Token::Close { name }));
        }
        if OPAQUE.contains(&&*name) {
            self.skip(&name);
            return Some(Step::Nothing);
        }
        let attributes = tag[from + length..].trim_end_matches('>').trim_end_matches('/');
        Some(Step::Token(Token::Open { name, attributes }))
    }

    /// Skips the content of an element that is no HTML, with its end. Without an end there is nothing more.
    fn skip(&mut self, name: &str) {
        let bytes = self.rest.as_bytes();
        let end = memchr::memmem::find_iter(bytes, b"</").find(|&at| {
            let found = bytes.get(at + 2..at + 2 + name.len());
            let next = bytes.get(at + 2 + name.len());
            found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
                && next.is_none_or(|next| next.is_ascii_whitespace() || matches!(next, b'>' | b'/'))
        });
        let end = end.map_or(bytes.len(), |at| at + behind(&bytes[at..], b'>'));
        self.take(end);
    }
}

enum Step<'a> {
    Token(Token<'a>),
    /// Something that is neither seen nor read.
    Nothing,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.rest.is_empty() {
            let mut text = 0;
            if self.rest.starts_with('<') {
                match self.tag() {
                    Some(Step::Token(token)) => return Some(token),
                    Some(Step::Nothing) => continue,
                    None => text = 1,
                }
            }
            let length = memchr::memchr(b'<', &self.rest.as_bytes()[text..]).map_or(self.rest.len(), |at| text + at);
            return Some(Token::Text(self.take(length)));
        }
        None
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Behind the first such byte, or behind all.
fn behind(bytes: &[u8], byte: u8) -> usize {
    memchr::memchr(byte, bytes).map_or(bytes.len(), |at| at + 1)
}

fn comment_end(bytes: &[u8]) -> usize {
    // `<!-->` and `<!--->` are whole.
    if bytes[4..].starts_with(b">") || bytes[4..].starts_with(b"->") {
        return behind(bytes, b'>');
    }
    memchr::memmem::find(&bytes[4..], b"-->").map_or(bytes.len(), |at| at + 7)
}

/// Behind the `>` of a tag that is in no quoted value.
fn tag_end(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut is_value) = (from, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return at + 1,
            // Only behind `=` a quote begins a value.
            b'"' | b'\'' if is_value => {
                let Some(length) = memchr::memchr(*byte, &bytes[at + 1..]) else { return bytes.len() };
                at += length + 1;
                is_value = false;
            }
            b'=' => is_value = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => is_value = false,
        }
        at += 1;
    }
    bytes.len()
}

/// The attributes of a tag: names in small letters, values as they were written.
pub(super) fn attributes(text: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        // A leading `=` belongs to the name.
        let mut characters = rest.char_indices().skip(1);
        let length = characters.find(|(_, c)| c.is_ascii_whitespace() || matches!(c, '=' | '/'));
        let length = length.map_or(rest.len(), |(at, _)| at);
        let (name, behind) = rest.split_at(length);
        let Some(value) = behind.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start) else {
            rest = behind;
            return Some((lower(name), ""));
        };
        let (value, behind) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        rest = behind;
        Some((lower(name), value))
    })
}

/// A text with its entities as the characters they stand for.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let length =
            behind.bytes().take(ENTITY).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#').count();
        match behind[length..].strip_prefix(';') {
            Some(next) if length > 0 => {
                let entity = &rest[before.len()..before.len() + length + 2];
                add_html_token(&mut out, entity.as_bytes(), false);
                rest = next;
            }
            _ => {
                let legacy = LEGACY.iter().find(|(name, _)| *name == &behind[..length]);
                out.push(legacy.map_or('&', |(_, character)| *character));
                rest = legacy.map_or(behind, |_| &behind[length..]);
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Entities that are read without their end too, by old habit; those of them that mail has.
const LEGACY: [(&str, char); 16] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("nbsp", '\u{a0}'),
    ("copy", '©'),
    ("reg", '®'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
];
/// No entity has a longer name.
const ENTITY: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outline(html: &str) -> Vec<String> {
        let tokens = Tokens::new(html).map(|token| match token {
            Token::Text(text) => format!("'{text}'"),
            Token::Open { name, attributes } => format!("<{name}|{}", attributes.trim()),
            Token::Close { name } => format!("/{name}"),
        });
        tokens.collect()
    }

    #[test]
    fn tags_text_and_what_is_neither_are_told_apart() {
        for (html, expected) in [
            ("a<B class='x>y'>b</b >c", vec!["'a'", "<b|class='x>y'", "'b'", "/b", "'c'"]),
            ("1 < 2 <3", vec!["'1 '", "'< 2 '", "'<3'"]),
            ("<!-- <b> --><!doctype html><?xml?>x<!-->y", vec!["'x'", "'y'"]),
            ("<STYLE>p{}</style >a<script>if(a<b){'</b>'}</SCRIPT>b", vec!["'a'", "'b'"]),
            ("<style>never closed", vec![]),
            ("<br/><img src=a/b>", vec!["<br|", "<img|src=a/b"]),
            ("<p title=\"never closed>", vec!["<p|title=\"never closed"]),
            ("</>x</ 3>y", vec!["'x'", "'y'"]),
        ] {
            assert_eq!(outline(html), expected, "{html}");
        }
    }

    #[test]
    fn attributes_are_read_as_browsers_do() {
        let all: Vec<_> = attributes(" HREF='a b' x y = \"z\" w=1/2 / =q onclick=\"e()").collect();
        let all: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["href=a b", "x=", "y=z", "w=1/2", "=q=", "onclick=e()"]);
    }

    #[test]
    fn entities_are_the_characters_that_they_stand_for() {
        assert_eq!(
            unescaped("a &amp; b &#8364;&#x20AC; &uuml; & &nobody; &#xFFFFFFFF; &; &copy 1&ltx"),
            "a & b €€ ü & &nobody; \u{fffd} &; © 1&ltx"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(html in "[<>/!a-c='\" \\-äß&;#]{0,80}") {
            for token in Tokens::new(&html) {
                if let Token::Open { attributes: all, .. } = token {
                    attributes(all).for_each(drop);
                }
            }
            unescaped(&html);
        }
    }
}
