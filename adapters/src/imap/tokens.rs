//! What an IMAP server says, taken apart: one tokenizer for all answers (RFC 9051, section 9).
//!
//! An answer is a line in which literals may stand, so it comes as pieces: text, bytes, text … What is made of it is a
//! tree of few kinds; what the server says beyond what was asked for is in it as well and harms nobody.

use std::mem;

use crate::net::Fault;

/// How deep lists may lie within lists.
const DEPTH: usize = 16;

/// One answer as it was read.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The text of the line, cut at its literals: one more than there are of these.
    pub texts: Vec<Vec<u8>>,
    /// The literals.
    pub literals: Vec<Vec<u8>>,
}

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `NIL`.
    Nil,
    /// A word as it stands: a number, a name, a flag, `BODY[HEADER.FIELDS (DATE)]`.
    Atom(Vec<u8>),
    /// What stood in quotes, or was a literal.
    Text(Vec<u8>),
    /// What stood in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// The bytes of a word or a text.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(bytes) | Self::Text(bytes) => Some(bytes),
            Self::Nil | Self::List(_) => None,
        }
    }

    /// The same, to keep.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Atom(bytes) | Self::Text(bytes) => Some(bytes),
            Self::Nil | Self::List(_) => None,
        }
    }

    /// A word or a text as characters.
    pub fn text(&self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A number.
    pub fn number<N: std::str::FromStr>(&self) -> Option<N> {
        std::str::from_utf8(self.bytes()?).ok()?.parse().ok()
    }

    /// The values of a list; none of anything else.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            Self::Nil | Self::Atom(_) | Self::Text(_) => &[],
        }
    }

    /// Whether it is this word, in whatever case.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Reads an answer from its beginning on.
#[derive(Debug)]
pub(super) struct Reader {
    texts: std::vec::IntoIter<Vec<u8>>,
    literals: std::vec::IntoIter<Vec<u8>>,
    text: Vec<u8>,
    at: usize,
}

impl Reader {
    pub fn new(answer: Answer) -> Self {
        let mut texts = answer.texts.into_iter();
        let text = texts.next().unwrap_or_default();
        Self { texts, literals: answer.literals.into_iter(), text, at: 0 }
    }

    /// The next word up to a space, as it stands; empty at the end.
    pub fn word(&mut self) -> Vec<u8> {
        self.spaces();
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let word = rest[..end].to_vec();
        self.at += end;
        word
    }

    /// What is left of the line, as it stands.
    pub fn rest(&mut self) -> Vec<u8> {
        self.spaces();
        let rest = self.text[self.at..].to_vec();
        self.at = self.text.len();
        rest
    }

    /// All that is left, as values.
    pub fn values(&mut self) -> Result<Vec<Value>, Fault> {
        // A stack and not recursion: how deep it goes is the server's to say, and ours to end.
        let mut open: Vec<Vec<Value>> = Vec::new();
        let mut values = Vec::new();
        loop {
            self.spaces();
            let value = match self.text.get(self.at) {
                None => match self.literals.next() {
                    Some(literal) => {
                        self.text = self.texts.next().unwrap_or_default();
                        self.at = 0;
                        Value::Text(literal)
                    }
                    None if open.is_empty() => return Ok(values),
                    None => return Err(Fault::Protocol("a list without an end")),
                },
                Some(b'(') => {
                    self.at += 1;
                    if open.len() == DEPTH {
                        return Err(Fault::Protocol("lists within lists"));
                    }
                    open.push(mem::take(&mut values));
                    continue;
                }
                Some(b')') => {
                    self.at += 1;
                    let outer = open.pop().ok_or(Fault::Protocol("the end of no list"))?;
                    Value::List(mem::replace(&mut values, outer))
                }
                Some(b'"') => Value::Text(self.quoted()?),
                Some(_) => self.atom()?,
            };
            values.push(value);
        }
    }

    fn spaces(&mut self) {
        while self.text.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Fault> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None => return Err(Fault::Protocol("a quote without an end")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') if self.at + 1 < self.text.len() => {
                    text.push(self.text[self.at + 1]);
                    self.at += 2;
                }
                Some(byte) => {
                    text.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    /// A word. Within brackets all belongs to it, spaces and parentheses too: `BODY[HEADER.FIELDS (DATE)]`.
    fn atom(&mut self) -> Result<Value, Fault> {
        let (start, mut within) = (self.at, false);
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'[' => within = true,
                b']' => within = false,
                b' ' | b'(' | b')' | b'"' if !within => break,
                _ => {}
            }
            self.at += 1;
        }
        if within {
            return Err(Fault::Protocol("a bracket without an end"));
        }
        let atom = &self.text[start..self.at];
        Ok(if atom.eq_ignore_ascii_case(b"NIL") { Value::Nil } else { Value::Atom(atom.to_vec()) })
    }
}

/// How long the literal is that a line ends with, if it does: `{5}`, `{5+}`, and `~{5}` for bytes of any kind.
pub(super) fn literal(line: &[u8]) -> Option<(usize, usize)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = &inner[open + 1..];
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let start = if open > 0 && inner[open - 1] == b'~' { open - 1 } else { open };
    // More than can be counted is more than is taken.
    Some((start, std::str::from_utf8(digits).ok()?.parse().unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(texts: &[&str], literals: &[&str]) -> Result<Vec<Value>, Fault> {
        let all = |all: &[&str]| all.iter().map(|text| text.as_bytes().to_vec()).collect();
        Reader::new(Answer { texts: all(texts), literals: all(literals) }).values()
    }

    fn atom(word: &str) -> Value {
        Value::Atom(word.as_bytes().to_vec())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn an_answer_becomes_words_texts_and_lists() {
        let line = r#"12 FETCH (FLAGS (\Seen $x) BODY[HEADER.FIELDS (DATE "x")] "a\"b\\c" nil X() 4)"#;
        let list = vec![
            atom("FLAGS"),
            Value::List(vec![atom(r"\Seen"), atom("$x")]),
            atom(r#"BODY[HEADER.FIELDS (DATE "x")]"#),
            text(r#"a"b\c"#),
            Value::Nil,
            atom("X"),
            Value::List(vec![]),
            atom("4"),
        ];
        assert_eq!(read(&[line], &[]).unwrap(), [atom("12"), atom("FETCH"), Value::List(list)]);
    }

    #[test]
    fn literals_stand_where_they_stood() {
        let got = read(&["(BODY[] ", " X ", ")"], &["one (", "two"]).unwrap();
        assert_eq!(got, [Value::List(vec![atom("BODY[]"), text("one ("), atom("X"), text("two")])]);
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for line in ["(", "(()", ")", "\"x", "BODY[", "\"x\\"] {
            assert!(matches!(read(&[line], &[]), Err(Fault::Protocol(_))), "{line}");
        }
        assert!(matches!(read(&[&"(".repeat(100_000)], &[]), Err(Fault::Protocol(_))));
        assert!(read(&[&format!("{}{}", "(".repeat(DEPTH), ")".repeat(DEPTH))], &[]).is_ok());
    }

    #[test]
    fn a_line_says_how_long_its_literal_is() {
        assert_eq!(literal(b"* 1 FETCH (BODY[] {12}"), Some((18, 12)));
        assert_eq!(literal(b"x {0+}"), Some((2, 0)));
        assert_eq!(literal(b"x ~{5}"), Some((2, 5)));
        assert_eq!(literal(b"x {99999999999999999999999}"), Some((2, usize::MAX)));
        for line in [&b"x {}"[..], b"x {a}", b"x 12}", b"x {-1}", b"x {12} ", b""] {
            assert_eq!(literal(line), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..4),
            literals in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..10), 0..4),
        ) {
            let _ = Reader::new(Answer { texts, literals }).values();
        }
    }
}
