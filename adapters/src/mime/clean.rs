//! Texts as facts may hold them: without control characters, and not too long.

use std::borrow::Cow;

use super::note::{Note, Notes};

/// A text of many lines: line ends are `\n`, control characters are gone, and NUL shows that it was there.
pub(super) fn lines(text: &str, notes: &mut Notes) -> String {
    // Of most texts little but line ends is looked at: what lies between is taken as it is. All control characters begin
    // with one of these bytes.
    let is_suspect = |byte| matches!(byte, 0..=8 | 11..=31 | 0x7f | 0xc2);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_suspect) {
        clean.push_str(&rest[..at]);
        let mut behind = rest[at..].chars();
        match behind.next() {
            Some('\r') if behind.as_str().starts_with('\n') => {}
            Some('\r') => {
                notes.add(Note::BareCr);
                clean.push('\n');
            }
            Some('\0') => {
                notes.add(Note::NulBytes);
                clean.push(char::REPLACEMENT_CHARACTER);
            }
            Some(character) if !character.is_control() => clean.push(character),
            Some(_) | None => {}
        }
        rest = behind.as_str();
    }
    clean.push_str(rest);
    clean
}

/// A text of one line of at most so many characters: what would break it is a space.
pub(super) fn line(text: &str, at_most: usize, notes: &mut Notes) -> String {
    let mut clean = String::with_capacity(text.len().min(at_most * 4));
    let mut left = at_most;
    for character in text.trim().chars() {
        let character = match character {
            '\n' | '\t' | '\r' => ' ',
            '\0' => {
                notes.add(Note::NulBytes);
                char::REPLACEMENT_CHARACTER
            }
            _ if character.is_control() => continue,
            _ => character,
        };
        if left == 0 {
            break;
        }
        left -= 1;
        clean.push(character);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// At most so many bytes, cut between characters.
pub(super) fn cut(text: &str, at_most: usize) -> &str {
    &text[..text.floor_char_boundary(at_most)]
}

/// One byte for one: where every line ends with a lone CR, as on old Macs, it is a line end.
pub(super) fn line_ends<'a>(raw: &'a [u8], notes: &mut Notes) -> Cow<'a, [u8]> {
    if memchr::memchr(b'\n', raw).is_some() || memchr::memchr(b'\r', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    notes.add(Note::BareCr);
    Cow::Owned(raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_nul_is_seen() {
        let mut notes = Notes::default();
        assert_eq!(lines("a\r\nb\u{7}\tc\0d", &mut notes), "a\nb\tc\u{fffd}d");
        assert_eq!(notes.codes(), ["nul_bytes"]);
        assert_eq!(lines("a\rb", &mut notes), "a\nb");
        assert_eq!(lines("\u{80}\u{9f}\u{7f}\u{b}£ é\u{a0}\r\r\n", &mut notes), "£ é\u{a0}\n\n");
        assert_eq!(notes.codes(), ["nul_bytes", "bare_cr"]);
        assert_eq!(line("  one\r\n\ttwo \u{1b}[0m ", 100, &mut notes), "one   two [0m");
        assert_eq!(line("äöü", 2, &mut notes), "äö");
        assert_eq!(cut("äöü", 3), "ä");
    }
}
