//! Where in a text the words are that were asked for.

use std::ops::Range;

use super::{
    TOKENS,
    stems::{find, stem},
    tokens::{Token, fold, folded, pieces, tokens},
};
use crate::emails::query::{Field, Term, Terms};

/// How much of a text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which text it is: a subject also has what was asked of subjects.
    pub field: Field,
    /// Most characters of a fragment.
    pub chars: usize,
    /// Most fragments.
    pub fragments: usize,
}

impl Cut {
    /// All of a subject.
    pub const SUBJECT: Self = Self { field: Field::Subject, chars: 1_000, fragments: 1 };
    /// Two places of a text.
    pub const TEXT: Self = Self { field: Field::Any, chars: 150, fragments: 2 };
}

/// Fragments of a text in this language around the words that were asked for, in pieces: each with whether it is such a
/// word. Nothing, if none of them is there. White space is told as one space, what is left out as an ellipsis.
pub fn mark(text: &str, terms: &Terms, language: Option<&str>, options: Cut) -> Vec<(String, bool)> {
    let language = language.and_then(find);
    let sought: Vec<Vec<Sought>> =
        terms.all.iter().flatten().filter_map(|term| sequence(term, language, options)).collect();
    if sought.is_empty() {
        return vec![];
    }
    let words: Vec<Token<'_>> = tokens(text).take(TOKENS).collect();
    let hits = find_hits(&words, &sought, language);
    let mut pieces = Pieces::default();
    let mut rest = hits.as_slice();
    for _ in 0..options.fragments {
        let Some(first) = rest.first() else { break };
        let window = window(text, &words, first, options.chars);
        let inside = rest.partition_point(|hit| hit.end <= window.end);
        pieces.fragment(text, window, &rest[..inside]);
        rest = &rest[inside..];
    }
    pieces.finish(text.len())
}

/// A word to look for.
struct Sought {
    word: String,
    /// In the text's language; absent, if it has none or the word says nothing in it.
    stem: Option<String>,
    is_beginning: bool,
}

/// The words of a term behind each other; nothing, if this text is not asked for them, or they say nothing.
fn sequence(term: &Term, language: Option<usize>, options: Cut) -> Option<Vec<Sought>> {
    let is_asked = match term.field {
        Field::Any => true,
        Field::Subject | Field::From | Field::To | Field::HasAttachment => term.field == options.field,
    };
    if !is_asked {
        return None;
    }
    let words: Vec<String> = term.words.iter().flat_map(|word| tokens(word)).map(|token| folded(token.text)).collect();
    let count = words.len();
    let sought: Vec<Sought> = words
        .into_iter()
        .enumerate()
        .map(|(index, word)| Sought {
            stem: language.and_then(|language| stem(language, &word)),
            is_beginning: term.prefix && index + 1 == count,
            word,
        })
        .collect();
    let says_nothing = sought.iter().all(|sought| language.is_some() && sought.stem.is_none());
    (!says_nothing).then_some(sought)
}

fn find_hits(words: &[Token<'_>], sought: &[Vec<Sought>], language: Option<usize>) -> Vec<Range<usize>> {
    let mut buffer = String::new();
    let mut hits: Vec<Range<usize>> = vec![];
    let mut found_up_to = 0;
    for start in 0..words.len() {
        let length = sought
            .iter()
            .filter(|sequence| {
                let behind = words[start..].iter();
                sequence.len() <= behind.len()
                    && sequence.iter().zip(behind).all(|(sought, word)| matches(sought, word, language, &mut buffer))
            })
            .map(Vec::len)
            .max();
        let end = start + length.unwrap_or(0);
        for word in words.get(start.max(found_up_to)..end).unwrap_or_default() {
            hits.push(word.start..word.end());
        }
        found_up_to = found_up_to.max(end);
    }
    hits
}

fn matches(sought: &Sought, token: &Token<'_>, language: Option<usize>, buffer: &mut String) -> bool {
    if !token.is_compound && begin_otherwise(&sought.word, token.text) {
        return false;
    }
    std::iter::once(token.text).chain(pieces(token)).any(|word| {
        fold(word, buffer);
        let is_it = *buffer == sought.word || (sought.is_beginning && buffer.starts_with(&sought.word));
        is_it
            || (may_share_stem(&sought.word, buffer) && {
                let found = language.and_then(|language| stem(language, buffer));
                found.is_some() && found == sought.stem
            })
    })
}

/// Whether two words, one of them folded, differ in their first letter already: most do, and need not be folded for it.
fn begin_otherwise(folded: &str, other: &str) -> bool {
    match (folded.bytes().next(), other.bytes().next()) {
        (Some(one), Some(other)) => one.is_ascii() && other.is_ascii() && one != other.to_ascii_lowercase(),
        (None, _) | (_, None) => false,
    }
}

/// Stemming changes how words end, and takes accents off; so most words need not be stemmed to be told apart.
fn may_share_stem(one: &str, other: &str) -> bool {
    match (one.chars().next(), other.chars().next()) {
        (Some(one), Some(other)) => one == other || !one.is_ascii() || !other.is_ascii(),
        (None, _) | (_, None) => false,
    }
}

/// Where a fragment begins and ends, so that it holds this hit and something before it, and cuts no word.
fn window(text: &str, words: &[Token<'_>], hit: &Range<usize>, chars: usize) -> Range<usize> {
    if text.char_indices().nth(chars).is_none() {
        return 0..text.len();
    }
    let lead = text[..hit.start].char_indices().rev().nth((chars / 4).saturating_sub(1)).map_or(0, |(at, _)| at);
    let start = if lead == 0 {
        0
    } else {
        words.get(words.partition_point(|word| word.start < lead)).map_or(hit.start, |word| word.start.min(hit.start))
    };
    let end = text[start..].char_indices().nth(chars).map_or(text.len(), |(at, _)| start + at);
    if end == text.len() {
        return start..end;
    }
    let whole = words.partition_point(|word| word.end() <= end).checked_sub(1).and_then(|last| words.get(last));
    start..whole.map_or(end, Token::end).max(hit.end)
}

/// Pieces of fragments, each told whether it was asked for.
#[derive(Default)]
struct Pieces {
    told: Vec<(String, bool)>,
    end: usize,
}

impl Pieces {
    fn fragment(&mut self, text: &str, window: Range<usize>, hits: &[Range<usize>]) {
        if window.start > self.end {
            self.push(if self.told.is_empty() { "…" } else { " … " }, false);
        }
        let mut at = window.start.max(self.end);
        for hit in hits {
            self.push(text.get(at..hit.start).unwrap_or_default(), false);
            self.push(text.get(hit.clone()).unwrap_or_default(), true);
            at = hit.end;
        }
        self.push(text.get(at..window.end).unwrap_or_default(), false);
        self.end = window.end;
    }

    /// White space becomes one space, also from one piece to the next.
    fn push(&mut self, text: &str, is_hit: bool) {
        let mut after_space = self.told.last().is_none_or(|(told, _)| told.ends_with(' '));
        let mut piece = String::with_capacity(text.len());
        for c in text.chars().filter(|c| c.is_whitespace() || !c.is_control()) {
            let is_space = c.is_whitespace();
            if !(is_space && after_space) {
                piece.push(if is_space { ' ' } else { c });
            }
            after_space = is_space;
        }
        match self.told.last_mut() {
            Some((told, known)) if *known == is_hit => told.push_str(&piece),
            Some(_) | None if piece.is_empty() => {}
            Some(_) | None => self.told.push((piece, is_hit)),
        }
    }

    fn finish(mut self, length: usize) -> Vec<(String, bool)> {
        if !self.told.is_empty() && self.end < length {
            self.push("…", false);
        }
        self.told
    }
}
