//! Questions to the index of words, as the text of a `tsquery`.

use uuid::Uuid;

use super::{
    ATTACHMENT, Tag, code, kind, pairs, quote,
    stems::{find, stem},
    tag,
    tokens::{folded, tokens},
};
use crate::emails::query::{Field, Term, Terms};

/// What an e-mail of the user has to have, for the languages of the mailbox: a word matches as it is, or by its stem in
/// any of them. `None`, if nothing is asked for that has to be there; then there is still [`excluded`].
pub fn tsquery(user: Uuid, query: &Terms, languages: &[String]) -> Option<String> {
    let asker = Asker::new(user, languages);
    let none = query.none.iter().filter_map(|term| asker.term(term)).map(|term| format!("!{term}"));
    Some(asker.all(query)?.into_iter().chain(none).collect::<Vec<_>>().join(" & "))
}

/// What every e-mail has that [`tsquery`] finds: the words of phrases, wherever they stand. An index knows this without
/// looking into e-mails.
pub fn candidates(user: Uuid, query: &Terms, languages: &[String]) -> Option<String> {
    let asker = Asker { in_any_order: true, ..Asker::new(user, languages) };
    Some(asker.all(query)?.join(" & "))
}

/// What an e-mail of the user may not have any of; `None`, if it may have everything.
pub fn excluded(user: Uuid, query: &Terms, languages: &[String]) -> Option<String> {
    Asker::new(user, languages).any(&query.none)
}

/// A phrase that has to be there as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// What is to be found in the [`sequence`](super::Words::sequence) of an e-mail.
    pub codes: Vec<u8>,
    /// Numbers of the bits, modulo how many there are, that its [`pairs`](super::Words::pairs) have then.
    pub pairs: Vec<i32>,
}

/// The phrases that have to be there: an index of stems says that the words are there in some form, these that they are
/// there as they are written, with what stands between them and is in no index.
pub fn phrases(query: &Terms) -> Vec<Phrase> {
    let phrases = query.all.iter().filter_map(|any| match any.as_slice() {
        [Term { field: Field::Any | Field::Subject, phrase: true, prefix: false, words }] => Some(words),
        _ => None,
    });
    let codes = phrases.map(|words| {
        let tokens = words.iter().flat_map(|word| tokens(word));
        tokens.flat_map(|token| code(&folded(token.text))).collect::<Vec<u8>>()
    });
    let phrases = codes.filter(|codes| codes.len() > 2);
    phrases.map(|codes| Phrase { pairs: pairs::hashes(&codes).collect(), codes }).collect()
}

#[derive(Clone)]
struct Asker {
    tag: Tag,
    /// Those of the mailbox's languages that have stems.
    languages: Vec<usize>,
    with_stop_words: bool,
    in_any_order: bool,
}

impl Asker {
    fn new(user: Uuid, languages: &[String]) -> Self {
        let languages = languages.iter().filter_map(|language| find(language)).collect();
        Self { tag: tag(user), languages, with_stop_words: false, in_any_order: false }
    }

    /// All that has to be there; nothing, if nothing has to.
    fn all(&self, query: &Terms) -> Option<Vec<String>> {
        // Words that say nothing are passed over, unless there are no others.
        [false, true].into_iter().find_map(|with_stop_words| {
            let asker = Self { with_stop_words, ..self.clone() };
            let all: Vec<String> = query.all.iter().filter_map(|any| asker.any(any)).collect();
            (!all.is_empty()).then_some(all)
        })
    }

    fn any(&self, alternatives: &[Term]) -> Option<String> {
        joined(alternatives.iter().filter_map(|term| self.term(term)), " | ")
    }

    fn term(&self, term: &Term) -> Option<String> {
        let kind = match term.field {
            Field::Any => kind::WORD,
            Field::Subject => kind::SUBJECT,
            Field::From => return self.whole(term, kind::FROM),
            Field::To => return self.whole(term, kind::TO),
            Field::HasAttachment => return Some(self.lexeme(kind::FLAG, ATTACHMENT)),
        };
        self.sequence(term, kind)
    }

    /// Addresses and names are looked up as they are, and in any order.
    fn whole(&self, term: &Term, kind: u8) -> Option<String> {
        let words = term.words.iter().flat_map(|word| tokens(word)).map(|token| folded(token.text));
        joined(words.map(|word| self.lexeme(kind, &word)), " & ")
    }

    /// Words behind each other. One word that is cut into several is asked for like a phrase.
    fn sequence(&self, term: &Term, kind: u8) -> Option<String> {
        let words: Vec<String> =
            term.words.iter().flat_map(|word| tokens(word)).map(|token| folded(token.text)).collect();
        let mut asked = String::new();
        let mut distance = 0;
        for (index, word) in words.iter().enumerate() {
            distance += 1;
            let is_beginning = term.prefix && index + 1 == words.len();
            let Some(forms) = self.forms(word, kind, is_beginning) else { continue };
            if !asked.is_empty() {
                match distance {
                    _ if self.in_any_order => asked.push_str(" & "),
                    1 => asked.push_str(" <-> "),
                    _ => asked.extend([" <", &distance.to_string(), "> "]),
                }
            }
            asked.push_str(&forms);
            distance = 0;
        }
        (!asked.is_empty()).then(|| if words.len() > 1 { format!("({asked})") } else { asked })
    }

    /// A word as it may stand in the index; nothing, if there are e-mails that have it and do not tell.
    fn forms(&self, word: &str, kind: u8, is_beginning: bool) -> Option<String> {
        let stems: Vec<Option<String>> = self.languages.iter().map(|language| stem(*language, word)).collect();
        if stems.contains(&None) && !self.with_stop_words {
            return None;
        }
        let mut forms = vec![word.to_owned()];
        for stem in stems.into_iter().flatten().filter(|stem| !stem.is_empty()) {
            if !forms.contains(&stem) {
                forms.push(stem);
            }
        }
        let mut lexemes: Vec<String> = forms.iter().map(|form| self.lexeme(kind, form)).collect();
        if is_beginning {
            // What begins so includes what is so.
            lexemes[0].push_str(":*");
        }
        if kind == kind::WORD && word.contains('@') {
            lexemes.extend([kind::FROM, kind::TO].map(|kind| self.lexeme(kind, word)));
        }
        joined(lexemes.into_iter(), " | ")
    }

    fn lexeme(&self, kind: u8, word: &str) -> String {
        let mut text = String::new();
        quote(&mut text, self.tag, kind, word);
        text
    }
}

/// All of them, in brackets if there are several; nothing, if there are none.
fn joined(parts: impl Iterator<Item = String>, by: &str) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    match parts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join(by))),
    }
}
