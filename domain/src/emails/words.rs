//! What words of an e-mail are looked up by, made here and not in the database: the one who writes the index, the one
//! who asks and the one who marks what was found have to cut and stem words in the same way.
//!
//! A lexeme is a tag of six characters for the user, a letter for where the word stood, and the word: of subject, names
//! and text its stem in the e-mail's language, of addresses all of it. Through the tag, one index over everybody's words
//! is in effect an index of each user's own.

use orbit_events::emails::email::Received;
use uuid::Uuid;

mod ask;
mod mark;
mod stems;
mod stopwords;
mod tokens;

pub use ask::{excluded, tsquery};
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

/// That there is a file with an e-mail.
const ATTACHMENT: &str = "attachment";

/// What a user's lexemes begin with: the last 36 bits of the id, in base 62. Two users may share one; whoever asks also
/// says of whom.
pub fn tag(user: Uuid) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = user.as_u128() & ((1 << 36) - 1);
    let mut tag = [0; 6];
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

/// The words of an e-mail as the text of a `tsvector`: the subject's weigh A, names and the sender's address B, the
/// text's D. Lexemes are in order.
pub fn vector(user: Uuid, analysis: &Analysis<'_>, stems: &mut Stems) -> String {
    stems.make_room();
    let language = analysis.language.and_then(stems::find);
    let mut places = Places { stems, language, entries: vec![], position: 0, left: TOKENS, folded: String::new() };
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

/// What a word weighs where it stands; heavier ones come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    A,
    B,
    D,
}

/// A lexeme at a place: its letter, its number among the stems, where (0: nowhere in particular), what it weighs there.
type Entry = (u8, u32, u16, Weight);

struct Places<'a> {
    stems: &'a mut Stems,
    language: Option<usize>,
    entries: Vec<Entry>,
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
            for piece in pieces(&token) {
                self.stemmed(piece, kinds, weight);
            }
        }
        // No phrase goes from one text into the next.
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

    fn write(mut self, tag: [u8; 6]) -> String {
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|(kind, stem, position, _)| (*kind, *stem, *position));
        let mut lexemes: Vec<&[Entry]> =
            self.entries.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)).collect();
        lexemes.sort_unstable_by_key(|entries| (entries[0].0, self.stems.text(entries[0].1)));
        let mut text = String::with_capacity(lexemes.len() * 20);
        for entries in lexemes {
            if !text.is_empty() {
                text.push(' ');
            }
            quote(&mut text, tag, entries[0].0, self.stems.text(entries[0].1));
            let places = entries.iter().filter(|(_, _, position, _)| *position > 0).take(POSITIONS);
            for (index, (_, _, position, weight)) in places.enumerate() {
                text.push(if index == 0 { ':' } else { ',' });
                push_number(&mut text, *position);
                match weight {
                    Weight::A => text.push('A'),
                    Weight::B => text.push('B'),
                    Weight::D => {}
                }
            }
        }
        text
    }
}

/// A lexeme, as the text of a `tsvector` or a `tsquery` holds it.
fn quote(text: &mut String, tag: [u8; 6], kind: u8, word: &str) {
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

/// Without the detour through formatting, which is felt at thousands of words.
fn push_number(text: &mut String, number: u16) {
    let mut divisor = 10_000;
    while divisor > 1 && number < divisor {
        divisor /= 10;
    }
    let mut rest = number;
    while divisor > 0 {
        let digit = u8::try_from(rest / divisor).unwrap_or(0);
        text.push(char::from(b'0' + digit));
        (rest, divisor) = (rest % divisor, divisor / 10);
    }
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
