//! What words of an e-mail are looked up by, made here and not in the database: the one who writes the index, the one
//! who asks and the one who marks what was found have to cut and stem words in the same way.
//!
//! A lexeme is a tag of three characters for the user, a letter for where the word stood, and the word: of subject, names
//! and text its stem in the e-mail's language, of addresses all of it. Through the tag, one index over everybody's words
//! is in effect an index of each user's own.

use orbit_events::emails::email::Received;
use uuid::Uuid;

mod ask;
mod mark;
mod pairs;
mod stems;
mod stopwords;
mod tokens;

pub use ask::{Phrase, candidates, excluded, phrases, tsquery};
pub use mark::{Cut, mark};
pub use stems::{STEMMED, Stems};

use tokens::{fold, pieces, tokens};

/// Most words of one e-mail that are looked at.
const TOKENS: usize = 16_000;
/// The last position that `PostgreSQL` tells apart.
const LAST_POSITION: u16 = 16_383;
/// Most positions of one lexeme that `PostgreSQL` keeps.
const POSITIONS: usize = 255;

/// The letters behind the tag.
mod kind {
    /// A word of subject, names or text.
    pub(super) const WORD: u8 = b'w';
    /// A word of the subject.
    pub(super) const SUBJECT: u8 = b's';
    /// Of whom it is from.
    pub(super) const FROM: u8 = b'f';
    /// Of whom it is for.
    pub(super) const TO: u8 = b't';
    /// Something that is so, as a whole.
    pub(super) const FLAG: u8 = b'x';
}

/// What stands between two texts in a sequence. No word has this code.
const GAP: [u8; 2] = [0, 0];

/// What a user's lexemes begin with.
pub type Tag = [u8; 3];
/// How many there are.
const TAGS: u128 = 62 * 62 * 62;

/// That there is a file with an e-mail.
const ATTACHMENT: &str = "attachment";

/// What a user's lexemes begin with: the end of the id, in base 62. It is short, since every word of every e-mail has it, so
/// some users share one: whoever asks also says of whom, and passes the others' e-mails over.
pub fn tag(user: Uuid) -> Tag {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = user.as_u128() % TAGS;
    let mut tag = Tag::default();
    for digit in tag.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    tag
}

/// What of an e-mail is looked up by its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis<'a> {
    /// What it is about.
    pub subject: &'a str,
    /// Names of people in it.
    pub names: &'a [&'a str],
    /// Addresses and names of whom it is from.
    pub from: Vec<&'a str>,
    /// Addresses and names of whom it is for, and of who got a copy.
    pub to: Vec<&'a str>,
    /// What it says.
    pub text: &'a str,
    /// In which language (ISO 639-1).
    pub language: Option<&'a str>,
    /// Whether there is a file with it.
    pub has_attachment: bool,
}

/// What the index holds of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// A `tsvector` in the binary format of the protocol: the subject's words weigh A, names and the sender's address B,
    /// the text's D. Lexemes are in order.
    pub vector: Vec<u8>,
    /// Two bytes for every word as it is written, in reading order, and a gap between two texts: what a phrase is
    /// looked for in.
    pub sequence: Vec<u8>,
    /// A filter over the pairs of words in it, so that it need not be looked at in vain.
    pub pairs: Vec<u8>,
}

/// The words of an e-mail.
pub fn words(user: Uuid, analysis: &Analysis<'_>, stems: &mut Stems) -> Words {
    stems.make_room();
    let language = analysis.language.and_then(stems::find);
    let mut places =
        Places { stems, language, entries: vec![], sequence: vec![], position: 0, left: TOKENS, folded: String::new() };
    places.read(analysis.subject, &[kind::WORD, kind::SUBJECT], Weight::A);
    for name in analysis.names {
        places.read(name, &[kind::WORD], Weight::B);
    }
    for from in &analysis.from {
        places.address(from, kind::FROM);
        // Many have no name but in their address.
        places.read(from, &[kind::WORD], Weight::B);
    }
    for to in &analysis.to {
        places.address(to, kind::TO);
    }
    if analysis.has_attachment {
        places.whole(ATTACHMENT, kind::FLAG);
    }
    places.read(analysis.text, &[kind::WORD], Weight::D);
    places.write(tag(user))
}

/// Two bytes for a folded word (FNV-1a): two words that are told apart by their stems all but never share them.
fn code(folded: &str) -> [u8; 2] {
    let hash = folded.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    match [a ^ c, b ^ d] {
        GAP => [0, 1],
        code => code,
    }
}

/// What a word weighs where it stands; heavier ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    A,
    B,
    D,
}

impl Weight {
    /// Where a position has them: the two bits above it.
    fn bits(self) -> u16 {
        match self {
            Self::A => 3 << 14,
            Self::B => 2 << 14,
            Self::D => 0,
        }
    }
}

/// A lexeme at a place: its letter, its number among the stems, where (0: nowhere in particular), what it weighs there.
type Entry = (u8, u32, u16, Weight);

struct Places<'a> {
    stems: &'a mut Stems,
    language: Option<usize>,
    entries: Vec<Entry>,
    sequence: Vec<u8>,
    position: u16,
    /// How many words may still be looked at.
    left: usize,
    folded: String,
}

impl Places<'_> {
    /// Takes in running text. A word that is made of several stands for itself and for each, all at one place.
    fn read(&mut self, text: &str, kinds: &[u8], weight: Weight) {
        for token in tokens(text) {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            self.position = self.position.saturating_add(1).min(LAST_POSITION);
            self.stemmed(token.text, kinds, weight);
            self.sequence.extend(code(&self.folded));
            for piece in pieces(&token) {
                self.stemmed(piece, kinds, weight);
            }
        }
        // No phrase goes from one text into the next.
        self.sequence.extend(GAP);
        self.position = self.position.saturating_add(1).min(LAST_POSITION);
    }

    fn stemmed(&mut self, word: &str, kinds: &[u8], weight: Weight) {
        fold(word, &mut self.folded);
        if let Some(stem) = self.stems.number(self.language, &self.folded) {
            self.entries.extend(kinds.iter().map(|kind| (*kind, stem, self.position, weight)));
        }
    }

    /// Takes in an address or a name, whole and in parts.
    fn address(&mut self, text: &str, kind: u8) {
        for token in tokens(text) {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            self.whole(token.text, kind);
            for part in token.text.split('@').filter(|part| part.len() < token.text.len()) {
                self.whole(part, kind);
            }
            for piece in pieces(&token) {
                self.whole(piece, kind);
            }
        }
    }

    fn whole(&mut self, word: &str, kind: u8) {
        fold(word, &mut self.folded);
        if let Some(word) = self.stems.number(None, &self.folded) {
            self.entries.push((kind, word, 0, Weight::D));
        }
    }

    fn write(mut self, tag: Tag) -> Words {
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|(kind, stem, position, _)| (*kind, *stem, *position));
        let mut lexemes: Vec<&[Entry]> =
            self.entries.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)).collect();
        lexemes.sort_unstable_by_key(|entries| (entries[0].0, self.stems.order(entries[0].1)));
        let mut vector = Vec::with_capacity(4 + lexemes.len() * 20 + self.entries.len() * 2);
        vector.extend(u32::try_from(lexemes.len()).unwrap_or(0).to_be_bytes());
        for entries in lexemes {
            vector.extend(tag);
            vector.push(entries[0].0);
            vector.extend(self.stems.text(entries[0].1).bytes());
            vector.push(0);
            let places = entries.iter().filter(|(_, _, position, _)| *position > 0).take(POSITIONS);
            let count_at = vector.len();
            vector.extend([0, 0]);
            let mut count = 0_u16;
            for (_, _, position, weight) in places {
                vector.extend((weight.bits() | position).to_be_bytes());
                count += 1;
            }
            vector[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
        }
        let pairs = pairs::filter(&self.sequence);
        Words { vector, sequence: self.sequence, pairs }
    }
}

/// A lexeme, as the text of a `tsquery` holds it.
fn quote(text: &mut String, tag: Tag, kind: u8, word: &str) {
    text.push('\'');
    text.extend(tag.iter().map(|byte| char::from(*byte)));
    text.push(char::from(kind));
    for c in word.chars() {
        if matches!(c, '\'' | '\\') {
            text.push(c);
        }
        text.push(c);
    }
    text.push('\'');
}

/// Names and addresses of an e-mail, as [`Analysis`] wants them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct People<'a> {
    /// Names of all of them.
    pub names: Vec<&'a str>,
    /// Addresses and names of whom it is from.
    pub from: Vec<&'a str>,
    /// Addresses and names of whom it is for, and of who got a copy.
    pub to: Vec<&'a str>,
}

impl<'a> People<'a> {
    /// The people of an e-mail as it came in.
    pub fn of(received: &'a Received) -> Self {
        let mut people = Self::default();
        if let Some(address) = &received.from {
            people.from.push(&address.email);
            people.from.extend(address.name.as_deref());
        }
        for address in received.to.iter().chain(&received.cc).chain(&received.bcc) {
            people.to.push(&address.email);
            people.to.extend(address.name.as_deref());
            people.names.extend(address.name.as_deref());
        }
        people
    }
}

#[cfg(test)]
mod tests;
