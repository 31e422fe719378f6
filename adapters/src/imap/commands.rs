//! How commands are written: words as they stand, names and texts so that nothing in them is taken for a command.

use super::Uids;

/// Whole pieces of a command, each with the literal behind it.
pub(super) type Pieces = Vec<(Vec<u8>, Vec<u8>)>;

/// A command without its tag: pieces of text, with literals between them that the server must ask for.
#[derive(Debug)]
pub(super) struct Command {
    text: Vec<u8>,
    pieces: Pieces,
}

impl Command {
    pub fn new(text: &str) -> Self {
        Self { text: text.as_bytes().to_vec(), pieces: Vec::new() }
    }

    /// A space and a word that stands for itself.
    pub fn word(mut self, word: &str) -> Self {
        self.text.push(b' ');
        self.text.extend_from_slice(word.as_bytes());
        self
    }

    /// A space and UIDs.
    pub fn uids(self, uids: &Uids) -> Self {
        let uids = uids.to_string();
        self.word(&uids)
    }

    /// A space and a name or text, in quotes if that can be, else as a literal.
    pub fn text(mut self, text: &[u8]) -> Self {
        if text.len() > 1_000 || !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return self.literal(text);
        }
        self.text.extend_from_slice(b" \"");
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                self.text.push(b'\\');
            }
            self.text.push(*byte);
        }
        self.text.push(b'"');
        self
    }

    /// A space and a literal.
    pub fn literal(mut self, bytes: &[u8]) -> Self {
        self.text.extend_from_slice(format!(" {{{}}}", bytes.len()).as_bytes());
        self.pieces.push((std::mem::take(&mut self.text), bytes.to_vec()));
        self
    }

    /// The pieces, each of which the server must answer before the literal behind it is sent, and the end.
    pub fn finish(self) -> (Pieces, Vec<u8>) {
        (self.pieces, self.text)
    }
}

/// What is to be fetched of messages; UIDs always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Flags.
    Flags,
    /// Sizes.
    Sizes,
    /// The `Message-ID` field, size and, where there is one, the server's own id.
    Names,
    /// Everything: flags, date, size, the server's own id, and all bytes. Reading does not mark as read.
    Messages,
}

impl Items {
    pub(super) fn spell(self, object_id: bool) -> String {
        let items = match self {
            Self::Flags => "UID FLAGS",
            Self::Sizes => "UID RFC822.SIZE",
            Self::Names => "UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]",
            Self::Messages => "UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]",
        };
        let named = object_id && matches!(self, Self::Names | Self::Messages);
        format!("({items}{})", if named { " EMAILID" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_what_cannot_be_is_a_literal() {
        let command = Command::new("LOGIN").text(b"a\"b\\c").text("pä\r\nx".as_bytes()).word("(X)");
        let (pieces, end) = command.finish();
        assert_eq!(pieces, [(br#"LOGIN "a\"b\\c" {6}"#.to_vec(), "pä\r\nx".as_bytes().to_vec())]);
        assert_eq!(end, b" (X)");
    }

    #[test]
    fn ids_are_asked_for_where_there_are_some() {
        assert_eq!(Items::Flags.spell(true), "(UID FLAGS)");
        assert!(Items::Messages.spell(true).ends_with("BODY.PEEK[] EMAILID)"));
    }
}
