//! Transfer encodings: base64 and quoted-printable, read leniently and piece by piece, and uuencode.

use super::Encoding;

/// Decodes the bytes of a part as they come. What is broken is read as far as it goes.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    is_broken: bool,
}

#[derive(Debug)]
enum State {
    Identity,
    Base64(Base64),
    /// What was held back: white space that may end a line, or the beginning of an escape.
    QuotedPrintable {
        held: Vec<u8>,
    },
}

/// The value of each letter of base64; the alphabet for URLs is read too.
const BASE64: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut value: u8 = 0;
    while value < 26 {
        table[(b'A' + value) as usize] = value;
        table[(b'a' + value) as usize] = value + 26;
        value += 1;
    }
    let mut digit: u8 = 0;
    while digit < 10 {
        table[(b'0' + digit) as usize] = digit + 52;
        digit += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
};
const NONE: u8 = 255;

impl Decoder {
    /// A decoder of this encoding. What is [`Encoding::Nested`] is only found by [`super::part`], and passed through here.
    pub fn new(encoding: Encoding) -> Self {
        let state = match encoding {
            Encoding::Identity | Encoding::Nested => State::Identity,
            Encoding::Base64 => State::Base64(Base64::default()),
            Encoding::QuotedPrintable => State::QuotedPrintable { held: Vec::new() },
        };
        Self { state, is_broken: false }
    }

    /// Takes the next bytes; gives what they decode to.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        self.decode(bytes, &mut out);
        out
    }

    /// What is left at the end.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.end(&mut out);
        out
    }

    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => out.extend_from_slice(bytes),
            State::Base64(base64) => base64.decode(bytes, out),
            State::QuotedPrintable { held } => self.is_broken |= quoted_printable(bytes, held, out),
        }
    }

    /// Gives what is left; says whether something was broken.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> bool {
        match &mut self.state {
            State::Identity => {}
            State::Base64(base64) => self.is_broken |= base64.end(out),
            State::QuotedPrintable { held } => {
                // An `=` at the very end is a line that goes on, in nothing.
                self.is_broken |= held.len() > 1 && held[0] == b'=';
                if held.first() != Some(&b'=') || held.len() > 1 {
                    out.append(held);
                }
            }
        }
        self.is_broken
    }
}

/// All of it at once; says whether something was broken.
pub(super) fn decode(encoding: Encoding, bytes: &[u8], at_most: usize) -> (Vec<u8>, bool) {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::with_capacity(bytes.len().min(at_most));
    for piece in bytes.chunks(PIECE) {
        if out.len() >= at_most {
            break;
        }
        decoder.decode(piece, &mut out);
    }
    let is_broken = decoder.end(&mut out);
    out.truncate(at_most);
    (out, is_broken)
}

/// What is decoded at a time where only the whole counts.
pub(super) const PIECE: usize = 65_536;

/// Base64, line by line: a line that holds anything else is left out, since without it the others still fit together.
#[derive(Debug, Default)]
struct Base64 {
    bits: u32,
    held: u32,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Whether the line is one of those that never end: of them only what is no letter is left out.
    is_long: bool,
    is_broken: bool,
}

impl Base64 {
    fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let is_whole = piece.ends_with(b"\n");
            if self.is_long {
                self.letters(piece, out);
            } else if is_whole && self.line.is_empty() && piece.len() <= LINE {
                self.line(piece, out);
            } else {
                self.line.extend_from_slice(piece);
                let line = std::mem::take(&mut self.line);
                match line.len() {
                    0..=LINE if is_whole => self.line(&line, out),
                    0..=LINE => self.line = line,
                    _ => {
                        self.is_long = true;
                        self.letters(&line, out);
                    }
                }
            }
            self.is_long &= !is_whole;
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if line.iter().any(|byte| is_foreign(*byte)) {
            self.is_broken = true;
        } else {
            self.letters(line, out);
        }
    }

    fn letters(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            let value = BASE64[usize::from(byte)];
            if value != NONE {
                self.bits = self.bits << 6 | u32::from(value);
                self.held += 1;
                if self.held == 4 {
                    out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                    (self.bits, self.held) = (0, 0);
                }
            } else if byte == b'=' {
                // The end of one encoded text; another one may follow.
                self.flush(out);
            } else {
                self.is_broken |= is_foreign(byte);
            }
        }
    }

    /// Two letters make a byte, three make two; padding is not waited for.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let bytes = (self.bits << (6 * (4 - self.held))).to_be_bytes();
        match self.held {
            2 => out.push(bytes[1]),
            3 => out.extend_from_slice(&bytes[1..3]),
            left => self.is_broken |= left == 1,
        }
        (self.bits, self.held) = (0, 0);
    }

    fn end(&mut self, out: &mut Vec<u8>) -> bool {
        let line = std::mem::take(&mut self.line);
        self.line(&line, out);
        self.flush(out);
        self.is_broken
    }
}

/// What is neither a letter of base64, nor padding, nor white space.
fn is_foreign(byte: u8) -> bool {
    BASE64[usize::from(byte)] == NONE && !matches!(byte, b'=' | b'\r' | b'\n' | b' ' | b'\t')
}

fn quoted_printable(bytes: &[u8], held: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
    let mut is_broken = false;
    for &byte in bytes {
        match (held.first(), byte) {
            (None, b'=' | b' ' | b'\t') => held.push(byte),
            (None, _) => out.push(byte),
            // White space at the end of a line was added on the way; CR decides nothing yet.
            (Some(b' ' | b'\t'), b'\n') => {
                let has_cr = held.last() == Some(&b'\r');
                held.clear();
                out.extend_from_slice(if has_cr { b"\r\n" } else { b"\n" });
            }
            (Some(b' ' | b'\t'), b' ' | b'\t' | b'\r') if held.last() != Some(&b'\r') && held.len() < LINE => {
                held.push(byte);
            }
            (Some(b' ' | b'\t'), b'=' | b' ' | b'\t') => {
                out.append(held);
                held.push(byte);
            }
            (Some(b' ' | b'\t'), _) => {
                out.append(held);
                out.push(byte);
            }
            (Some(_), _) => is_broken |= escape(byte, held, out),
        }
    }
    is_broken
}

/// No line of mail is longer, but for those of programs that know no lines.
const LINE: usize = 1_000;

/// Behind an `=`. What is no escape stays as it is.
fn escape(byte: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
    let is_soft = held[1..].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    match byte {
        b'\n' if is_soft => held.clear(),
        b' ' | b'\t' | b'\r' if is_soft && held.len() < LINE => held.push(byte),
        _ if held.len() == 1 && byte.is_ascii_hexdigit() => held.push(byte),
        _ if held.len() == 2 && byte.is_ascii_hexdigit() && held[1].is_ascii_hexdigit() => {
            out.push(hex(held[1]) << 4 | hex(byte));
            held.clear();
        }
        _ => {
            out.append(held);
            match byte {
                b'=' | b' ' | b'\t' => held.push(byte),
                _ => out.push(byte),
            }
            return true;
        }
    }
    false
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0)
}

/// A file in uuencode within a text.
pub(super) struct Uuencoded {
    pub name: String,
    pub content: Vec<u8>,
    /// Which bytes of the text it takes.
    pub range: std::ops::Range<usize>,
}

/// Files in uuencode within a text: from `begin 644 name` to `end`.
pub(super) fn uuencoded(text: &str) -> Vec<Uuencoded> {
    let mut files = Vec::new();
    let mut open: Option<(usize, String, Vec<u8>)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        match &mut open {
            None => open = uu_name(line).map(|name| (begin, name, Vec::new())),
            Some((from, name, content)) if line.trim_end() == "end" => {
                let (from, name, content) = (*from, std::mem::take(name), std::mem::take(content));
                files.push(Uuencoded { name, content, range: from..at });
                open = None;
            }
            Some((_, _, content)) => {
                // A line that is none: it was a text that began so.
                if !uu_line(line.as_bytes(), content) {
                    open = None;
                }
            }
        }
    }
    files
}

fn uu_name(line: &str) -> Option<String> {
    let (mode, name) = line.strip_prefix("begin ")?.split_once(' ')?;
    let is_mode = (3..=4).contains(&mode.len()) && mode.bytes().all(|digit| (b'0'..b'8').contains(&digit));
    (is_mode && !name.trim().is_empty()).then(|| name.trim().to_owned())
}

fn uu_line(line: &[u8], content: &mut Vec<u8>) -> bool {
    let value = |byte: u8| byte.wrapping_sub(b' ') & 63;
    let Some((&length, rest)) = line.split_first() else { return true };
    if !(b' '..=b'`').contains(&length) || rest.iter().any(|byte| !(b' '..=b'`').contains(byte)) {
        return false;
    }
    let length = usize::from(value(length));
    // Trailing spaces, which are zeros, may be gone.
    if rest.len() > length.div_ceil(3) * 4 + 2 {
        return false;
    }
    let mut bytes = Vec::with_capacity(48);
    for four in rest.chunks(4) {
        let bits = (0..4).fold(0_u32, |bits, at| bits << 6 | u32::from(value(four.get(at).copied().unwrap_or(b' '))));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    bytes.resize(length, 0);
    content.append(&mut bytes);
    true
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;

    fn whole(encoding: Encoding, text: &str) -> (String, bool) {
        let (bytes, is_broken) = decode(encoding, text.as_bytes(), usize::MAX);
        (String::from_utf8(bytes).unwrap(), is_broken)
    }

    #[test]
    fn base64_is_read_with_whatever_lies_between_and_without_padding() {
        for (text, decoded, is_broken) in [
            ("SGVsbG8=", "Hello", false),
            ("SGVs\r\n bG8=\r\n", "Hello", false),
            ("SGVsbG8", "Hello", false),
            ("SGVsbG8=IQ==", "Hello!", false),
            ("SGV*sbG8=", "", true),
            ("SGVs\n-- a footer!\nbG8=\n", "Hello", true),
            ("SGVsbG8hI", "Hello!", true),
            ("----", "\u{fb}\u{ef}\u{be}", false),
            ("", "", false),
        ] {
            let (bytes, broken) = decode(Encoding::Base64, text.as_bytes(), usize::MAX);
            let expected: Vec<u8> = if text == "----" { vec![0xfb, 0xef, 0xbe] } else { decoded.as_bytes().to_vec() };
            assert_eq!((bytes, broken), (expected, is_broken), "{text:?}");
        }
    }

    #[test]
    fn quoted_printable_is_read_and_what_is_no_escape_stays() {
        for (text, decoded, is_broken) in [
            ("Gr=C3=BC=c3=9fe", "Grüße", false),
            ("one=\r\n two", "one two", false),
            ("one= \t\ntwo", "onetwo", false),
            ("end   \r\nnext\t\n", "end\r\nnext\n", false),
            ("a  b", "a  b", false),
            ("100=% =XY =4", "100=% =XY =4", true),
            ("a==3D", "a==", true),
            ("tail=", "tail", false),
            ("tail  ", "tail  ", false),
        ] {
            assert_eq!(whole(Encoding::QuotedPrintable, text), (decoded.to_owned(), is_broken), "{text:?}");
        }
    }

    #[test]
    fn uuencoded_files_are_found_in_a_text() {
        let text = "Here it is:\nbegin 644 note.txt\n+2&5L;&\\L($UA:6P \n`\nend\nDone.\nbegin at once, please\n";
        let files = uuencoded(text);
        assert_eq!(files.len(), 1);
        assert_eq!((files[0].name.as_str(), &files[0].content[..]), ("note.txt", &b"Hello, Mail"[..]));
        assert_eq!(&text[files[0].range.clone()][..5], "begin");
        assert!(text[files[0].range.end..].starts_with("Done."));
    }

    proptest! {
        #[test]
        fn base64_is_read_back_in_lines_and_without(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
            let text = STANDARD.encode(&bytes);
            let lines = text.as_bytes().chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..]);
            for text in [text.into_bytes(), lines] {
                prop_assert_eq!(decode(Encoding::Base64, &text, usize::MAX), (bytes.clone(), false));
            }
        }

        #[test]
        fn pieces_decode_as_the_whole(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'A'), Just(b'A')], 0..3_000), cut in 0..3_000usize) {
            for encoding in [Encoding::Identity, Encoding::Base64, Encoding::QuotedPrintable] {
                let (head, tail) = bytes.split_at(cut.min(bytes.len()));
                let mut decoder = Decoder::new(encoding);
                let mut pieces = decoder.push(head);
                pieces.extend(decoder.push(tail));
                pieces.extend(decoder.finish());
                prop_assert_eq!(&pieces, &decode(encoding, &bytes, usize::MAX).0);
            }
        }

        #[test]
        fn what_was_quoted_is_what_comes_out(text in "[ -~\n=äß\t]{0,200}") {
            let quoted: Vec<String> = text.bytes().map(|byte| format!("={byte:02X}")).collect();
            prop_assert_eq!(whole(Encoding::QuotedPrintable, &quoted.concat()), (text, false));
        }
    }
}
