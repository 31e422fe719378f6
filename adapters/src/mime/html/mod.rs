//! HTML: the text in it, and what of it may be shown.

mod balance;
mod plain;
mod sanitise;
mod tokens;

pub(super) use plain::plain;
pub use sanitise::{Images, Sanitised, sanitise};

use encoding_rs::Encoding;

use super::{
    charset,
    note::Notes,
    structure::Structure,
    text::{Chosen, decoded},
};

/// How much of a message's HTML is looked at.
pub const HTML_BYTES: usize = 2 * 1024 * 1024;
/// How far into HTML its charset is looked for, as browsers do.
const SNIFFED: usize = 1_024;

/// The HTML of a message, if it has any, not to be shown to anybody before [`sanitise`]. What is text only beside it is
/// in it as text.
pub fn html(raw: &[u8]) -> Option<String> {
    let mut notes = Notes::default();
    let raw = super::clean::line_ends(raw, &mut notes);
    let structure = Structure::parse(&raw, &mut notes);
    let chosen = Chosen::of(&structure);
    if !chosen.has_html() {
        return None;
    }
    let mut out = String::new();
    for piece in &chosen.pieces {
        let is_html = !piece.html.is_empty();
        for index in if is_html { &piece.html } else { &piece.plain } {
            let entity = &structure.entities[*index];
            let left = HTML_BYTES.saturating_sub(out.len());
            let (bytes, is_cut) = decoded(&structure, entity, left, &mut notes);
            if is_html {
                let label = label(entity.charset.as_deref(), &bytes);
                out.push_str(&charset::decode(&bytes, label.as_deref(), is_cut).text);
            } else {
                let text = charset::decode(&bytes, entity.charset.as_deref(), is_cut).text;
                out.push_str("<pre>");
                out.push_str(&escaped(&text));
                out.push_str("</pre>");
            }
        }
    }
    let end = out.floor_char_boundary(HTML_BYTES);
    out.truncate(end);
    Some(out)
}

/// Which charset a piece of HTML is in: what its part says, or else what it says of itself.
pub(super) fn label(told: Option<&str>, html: &[u8]) -> Option<String> {
    if let Some(told) = told {
        return Some(told.to_owned());
    }
    let head = String::from_utf8_lossy(&html[..html.len().min(SNIFFED)]).to_ascii_lowercase();
    // Both `<meta charset=x>` and `content="text/html; charset=x"`.
    let (_, behind) = head.split_once("<meta").and_then(|(_, behind)| behind.split_once("charset"))?;
    let value = behind.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let label: String = value.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c)).collect();
    // A page that can be read so far is in no charset of two bytes each.
    Encoding::for_label(label.as_bytes()).filter(|encoding| encoding.is_ascii_compatible()).map(|_| label)
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_what_a_message_has_of_it_with_text_as_text() {
        let raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n1 < 2\n--b\nContent-Type: text/html\n\n<p>two\n--b--\n";
        assert_eq!(html(raw).as_deref(), Some("<pre>1 &lt; 2</pre><p>two"));
        assert_eq!(html(b"Subject: x\n\ntext only"), None);
        assert_eq!(html(b""), None);
    }

    #[test]
    fn a_charset_is_found_where_the_page_says_it() {
        for (told, page, expected) in [
            (Some("koi8-r"), "<meta charset=utf-8>", Some("koi8-r")),
            (None, "<html><META charset = 'ISO-8859-2'>", Some("iso-8859-2")),
            (None, "<meta http-equiv=x content=\"text/html; charset=windows-1251\">", Some("windows-1251")),
            (None, "<meta charset=utf-16>", None),
            (None, "<meta charset=nobody>", None),
            (None, "<p>charset=utf-8", None),
        ] {
            assert_eq!(label(told, page.as_bytes()).as_deref(), expected, "{page}");
        }
    }
}
