//! Where in a text the words are that were asked for.

use std::ops::Range;

use super::{
    TOKENS,
    stems::{Stems, find},
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
/// word. Nothing, if none of them is there. White space is told as one space, what is left out as an ellipsis. `stems` are
/// best kept for all that is shown at once.
pub fn mark(text: &str, terms: &Terms, language: Option<&str>, options: Cut, stems: &mut Stems) -> Vec<(String, bool)> {
    stems.make_room();
    let language = language.and_then(find);
    let sought: Vec<Vec<Sought>> =
        terms.all.iter().flatten().filter_map(|term| sequence(term, language, options, stems)).collect();
    if sought.is_empty() {
        return vec![];
    }
    let mut search = Search::new(tokens(text).take(TOKENS), &sought, language, stems);
    let mut pieces = Pieces::default();
    let mut shown = 0;
    for _ in 0..options.fragments {
        let Some(first) = search.hit(shown) else { break };
        search.read_to(
            text[first.start..].char_indices().nth(options.chars).map_or(text.len(), |(at, _)| first.start + at),
        );
        let window = window(text, &search.words, &first, options.chars);
        search.look_to(window.end);
        let inside = &search.hits[shown..];
        let inside = &inside[..inside.partition_point(|hit| hit.end <= window.end)];
        pieces.fragment(text, window, inside);
        shown += inside.len();
    }
    pieces.finish(text.len())
}

/// A word to look for.
struct Sought {
    word: String,
    /// Its number, in the text's language; absent, if it has none or the word says nothing in it.
    stem: Option<u32>,
    is_beginning: bool,
}

/// The words of a term behind each other; nothing, if this text is not asked for them, or they say nothing.
fn sequence(term: &Term, language: Option<usize>, options: Cut, stems: &mut Stems) -> Option<Vec<Sought>> {
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
            stem: language.and_then(|language| stems.number(Some(language), &word)),
            is_beginning: term.prefix && index + 1 == count,
            word,
        })
        .collect();
    let says_nothing = sought.iter().all(|sought| language.is_some() && sought.stem.is_none());
    (!says_nothing).then_some(sought)
}

/// Looks for words in a text, no further than it is asked to: what is shown is mostly near its beginning.
struct Search<'a, I> {
    more: I,
    words: Vec<Token<'a>>,
    sought: &'a [Vec<Sought>],
    longest: usize,
    language: Option<usize>,
    stems: &'a mut Stems,
    /// The word at which it is looked next.
    next: usize,
    found_up_to: usize,
    /// Where in the text the words are that were found, in order.
    hits: Vec<Range<usize>>,
    buffer: String,
}

impl<'a, I: Iterator<Item = Token<'a>>> Search<'a, I> {
    fn new(words: I, sought: &'a [Vec<Sought>], language: Option<usize>, stems: &'a mut Stems) -> Self {
        Self {
            more: words,
            words: vec![],
            sought,
            longest: sought.iter().map(Vec::len).max().unwrap_or(0),
            language,
            stems,
            next: 0,
            found_up_to: 0,
            hits: vec![],
            buffer: String::new(),
        }
    }

    /// The hit of a number, once it is found.
    fn hit(&mut self, number: usize) -> Option<Range<usize>> {
        while self.hits.len() <= number {
            self.look()?;
        }
        self.hits.get(number).cloned()
    }

    /// Finds all hits that begin before here.
    fn look_to(&mut self, end: usize) {
        self.read_to(end);
        while self.words.get(self.next).is_some_and(|word| word.start < end) && self.look().is_some() {}
    }

    /// Reads all words that begin before here, and one more.
    fn read_to(&mut self, end: usize) {
        while self.words.last().is_none_or(|last| last.start < end)
            && let Some(word) = self.more.next()
        {
            self.words.push(word);
        }
    }

    /// Looks whether something that is sought begins with the next word; nothing, if there is none.
    fn look(&mut self) -> Option<()> {
        let start = self.next;
        let missing = (start + self.longest).saturating_sub(self.words.len());
        self.words.extend(self.more.by_ref().take(missing));
        let behind = self.words.get(start..).filter(|behind| !behind.is_empty())?;
        let (language, stems, buffer) = (self.language, &mut *self.stems, &mut self.buffer);
        let length = self
            .sought
            .iter()
            .filter(|sequence| {
                sequence.len() <= behind.len()
                    && sequence.iter().zip(behind).all(|(sought, word)| matches(sought, word, language, stems, buffer))
            })
            .map(Vec::len)
            .max();
        let end = start + length.unwrap_or(0);
        let found = self.words.get(start.max(self.found_up_to)..end).unwrap_or_default();
        self.hits.extend(found.iter().map(|word| word.start..word.end()));
        self.found_up_to = self.found_up_to.max(end);
        self.next += 1;
        Some(())
    }
}

fn matches(
    sought: &Sought,
    token: &Token<'_>,
    language: Option<usize>,
    stems: &mut Stems,
    buffer: &mut String,
) -> bool {
    if !token.is_compound && begin_otherwise(&sought.word, token.text) {
        return false;
    }
    std::iter::once(token.text).chain(pieces(token)).any(|word| {
        fold(word, buffer);
        let is_it = *buffer == sought.word || (sought.is_beginning && buffer.starts_with(&sought.word));
        is_it
            || (sought.stem.is_some()
                && may_share_stem(&sought.word, buffer)
                && stems.number(language, buffer) == sought.stem)
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
