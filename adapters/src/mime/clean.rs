//! Texts as facts may hold them: without control characters, and not too long.

use std::borrow::Cow;

use super::note::{Note, Notes};

/// A text of many lines: line ends are `\n`, control characters are gone, and NUL shows that it was there.
pub(super) fn lines(text: &str, notes: &mut Notes) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => {
                notes.add(Note::BareCr);
                clean.push('\n');
            }
            '\0' => {
                notes.add(Note::NulBytes);
                clean.push(char::REPLACEMENT_CHARACTER);
            }
            '\n' | '\t' => clean.push(character),
            _ if character.is_control() => {}
            _ => clean.push(character),
        }
    }
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
        assert_eq!(notes.codes(), ["nul_bytes", "bare_cr"]);
        assert_eq!(line("  one\r\n\ttwo \u{1b}[0m ", 100, &mut notes), "one   two [0m");
        assert_eq!(line("äöü", 2, &mut notes), "äö");
        assert_eq!(cut("äöü", 3), "ä");
    }
}
