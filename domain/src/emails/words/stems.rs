//! Stems of words, each made once.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rust_stemmers::{Algorithm, Stemmer};

use super::stopwords;

/// Languages whose words are stemmed (ISO 639-1).
pub const STEMMED: &[&str] =
    &["da", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pt", "ro", "ru", "sv", "tr"];

/// In the order of [`STEMMED`].
const ALGORITHMS: [Algorithm; 15] = [
    Algorithm::Danish,
    Algorithm::German,
    Algorithm::English,
    Algorithm::Spanish,
    Algorithm::Finnish,
    Algorithm::French,
    Algorithm::Hungarian,
    Algorithm::Italian,
    Algorithm::Dutch,
    Algorithm::Norwegian,
    Algorithm::Portuguese,
    Algorithm::Romanian,
    Algorithm::Russian,
    Algorithm::Swedish,
    Algorithm::Turkish,
];

/// Most words whose stems are remembered.
const REMEMBERED: usize = 50_000;

/// A language's place in [`STEMMED`], if it is there.
pub(super) fn find(language: &str) -> Option<usize> {
    STEMMED.iter().position(|known| *known == language)
}

/// The stem of a folded word; nothing, if it says nothing in this language.
pub(super) fn stem(language: usize, word: &str) -> Option<String> {
    let code = STEMMED.get(language)?;
    if stopwords::of(code).contains(&word) {
        return None;
    }
    // Addresses, hosts and numbers have no stem.
    let is_word = word.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '\u{300}'..='\u{36f}'));
    match ALGORITHMS.get(language).filter(|_| is_word) {
        Some(algorithm) => Some(Stemmer::create(*algorithm).stem(word).into_owned()),
        None => Some(word.to_owned()),
    }
}

/// Words and the numbers of their stems. It grows up to 50,000 words and then begins anew.
#[derive(Debug, Default)]
pub struct Stems {
    /// By language, the first for none.
    known: Vec<HashMap<Box<str>, Option<u32>, RandomState>>,
    numbers: HashMap<Box<str>, u32, RandomState>,
    /// With their first eight bytes as a number, by which most of them are told apart.
    texts: Vec<(u64, Box<str>)>,
    words: usize,
}

impl Stems {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, if it is too much. Numbers are good until then.
    pub(super) fn make_room(&mut self) {
        if self.words > REMEMBERED {
            *self = Self::default();
        }
    }

    /// The number of a folded word's stem in a language, or of the word itself; nothing, if it says nothing.
    pub(super) fn number(&mut self, language: Option<usize>, word: &str) -> Option<u32> {
        let place = language.map_or(0, |language| language + 1);
        if self.known.len() <= place {
            self.known.resize_with(place + 1, HashMap::default);
        }
        if let Some(number) = self.known[place].get(word) {
            return *number;
        }
        let text = match language {
            Some(language) => stem(language, word),
            None => Some(word.to_owned()),
        };
        let number = text.filter(|text| !text.is_empty()).map(|text| self.number_of(text.into_boxed_str()));
        self.known[place].insert(word.into(), number);
        self.words += 1;
        number
    }

    fn number_of(&mut self, text: Box<str>) -> u32 {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push((beginning(&text), text.clone()));
        self.numbers.insert(text, number);
        number
    }

    /// The text of a number.
    pub(super) fn text(&self, number: u32) -> &str {
        self.order(number).1
    }

    /// What texts are put in the order of their bytes by.
    pub(super) fn order(&self, number: u32) -> (u64, &str) {
        let known = usize::try_from(number).ok().and_then(|number| self.texts.get(number));
        known.map_or((0, ""), |(beginning, text)| (*beginning, text))
    }
}

fn beginning(text: &str) -> u64 {
    let mut first = [0; 8];
    for (byte, to) in text.bytes().zip(&mut first) {
        *to = byte;
    }
    u64::from_be_bytes(first)
}
