//! A message as it goes over the wire: lines end with CR LF, and one that begins with a dot gets another
//! (RFC 5321, section 4.5.2).

/// What is left of a message to be sent.
pub(super) struct Stuffed<'a> {
    rest: &'a [u8],
    at_start: bool,
}

impl<'a> Stuffed<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message, at_start: true }
    }

    /// Puts about `size` bytes into `out`, which is emptied first; nothing at the end. The last line is ended.
    pub fn fill(&mut self, out: &mut Vec<u8>, size: usize) {
        out.clear();
        while out.len() < size && !self.rest.is_empty() {
            if self.at_start && self.rest[0] == b'.' {
                out.push(b'.');
            }
            self.at_start = false;
            let room = size - out.len();
            let piece = &self.rest[..self.rest.len().min(room.max(1))];
            let Some(end) = memchr::memchr2(b'\r', b'\n', piece) else {
                out.extend_from_slice(piece);
                self.rest = &self.rest[piece.len()..];
                if self.rest.is_empty() {
                    out.extend_from_slice(b"\r\n");
                }
                continue;
            };
            out.extend_from_slice(&self.rest[..end]);
            out.extend_from_slice(b"\r\n");
            // A lone CR or LF is the end of a line too: what a server makes of one is its own (SMTP smuggling).
            let both = self.rest[end] == b'\r' && self.rest.get(end + 1) == Some(&b'\n');
            self.rest = &self.rest[end + if both { 2 } else { 1 }..];
            self.at_start = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8], size: usize) -> Vec<u8> {
        let (mut stuffed, mut whole, mut piece) = (Stuffed::new(message), Vec::new(), Vec::new());
        loop {
            stuffed.fill(&mut piece, size);
            if piece.is_empty() {
                return whole;
            }
            whole.extend_from_slice(&piece);
        }
    }

    #[test]
    fn dots_are_doubled_and_every_line_ends_with_both() {
        assert_eq!(all(b".a\r\n..\nb\rc.\n.", 1_000), b"..a\r\n...\r\nb\r\nc.\r\n..\r\n");
        assert_eq!(all(b"", 10), b"");
        assert_eq!(all(b"x", 10), b"x\r\n");
    }

    proptest! {
        #[test]
        fn no_message_ends_itself_and_every_one_comes_back(
            message in "[.\r\na]{0,60}",
            size in 1usize..20,
        ) {
            let whole = String::from_utf8(all(message.as_bytes(), size)).unwrap();
            prop_assert!(!whole.starts_with(".\r\n") && !whole.contains("\r\n.\r\n"));
            prop_assert!(whole.is_empty() || whole.ends_with("\r\n"));
            prop_assert_eq!(whole.replace("\r\n", "").contains(['\r', '\n']), false);
            let lines = whole.split_terminator("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line));
            let expected = message.replace("\r\n", "\n").replace('\r', "\n");
            let expected = expected.strip_suffix('\n').unwrap_or(&expected);
            prop_assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected);
        }
    }
}
