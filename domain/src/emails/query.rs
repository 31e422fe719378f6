//! The language in which e-mails are searched.
//!
//! `lunch "next week" from:ada -subject:invoice has:attachment in:archive is:unread after:2026-01-31 label:work a OR b`:
//! words are looked for in subject, names and text, each of them has to be there, quotes make a phrase, a minus takes
//! away. A word with a colon that is no operator is a word.

use chrono::NaiveDate;
use orbit_events::emails::Role;

use super::values::parse_role;
use crate::Invalid;

mod reading;

use reading::{Name, Token};

/// Most characters of a question.
pub const MAX_CHARS: usize = 500;
/// Most terms and operators of a question.
pub const MAX_TERMS: usize = 32;
/// Fewest characters of the last word for it to be the beginning of one, too.
pub const PREFIX_CHARS: usize = 3;

/// A question about e-mails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// What is to be found in the words.
    pub terms: Terms,
    /// Where it is to lie.
    pub in_: Option<In>,
    /// From the beginning of this day on, in the user's zone.
    pub after: Option<When>,
    /// Before the beginning of this day, in the user's zone.
    pub before: Option<When>,
    /// Whether it was read.
    pub read: Option<bool>,
    /// Whether it is starred.
    pub starred: Option<bool>,
    /// Whether it is put off.
    pub snoozed: Option<bool>,
    /// Labels that are on it: all of these.
    pub label: Vec<String>,
}

/// What is to be found in the words of an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Each of these; of each, one of its alternatives.
    pub all: Vec<Vec<Term>>,
    /// None of these.
    pub none: Vec<Term>,
}

/// Words to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where.
    pub field: Field,
    /// As they were written, but for case; none, where the field says all.
    pub words: Vec<String>,
    /// Whether they stand behind each other.
    pub phrase: bool,
    /// Whether the last of them may be the beginning of a word.
    pub prefix: bool,
}

/// Where words are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// In subject, names or text.
    Any,
    /// In the subject.
    Subject,
    /// In address or name of whom it is from.
    From,
    /// In address or name of whom it is for, or who got a copy.
    To,
    /// There is a file with it.
    HasAttachment,
}

/// Where an e-mail is to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum In {
    /// Where things of this kind lie.
    Role(Role),
    /// Anywhere: in the trash, in junk, put off.
    Anywhere,
    /// In the folder of this name.
    Named(String),
}

/// A day.
pub type When = NaiveDate;

/// Reads a question; a refusal names everything that is wrong with it.
pub fn parse(text: &str) -> Result<Search, Vec<Invalid>> {
    let chars = text.chars().count();
    if chars > MAX_CHARS {
        return Err(vec![invalid(format!("must have at most {MAX_CHARS} characters, has {chars}"))]);
    }
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return Err(vec![invalid("must not contain control characters".to_owned())]);
    }
    let tokens = reading::tokens(text);
    let said = tokens.iter().filter(|token| !matches!(token, Token::Or)).count();
    if said > MAX_TERMS {
        return Err(vec![invalid(format!("must have at most {MAX_TERMS} terms, has {said}"))]);
    }
    let mut reader = Reader::default();
    for (index, token) in tokens.iter().enumerate() {
        let before = tokens[..index].iter().rev().take(2);
        reader.read(token, before);
    }
    reader.finish()
}

fn invalid(detail: String) -> Invalid {
    Invalid::new("invalid_search", detail)
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    search: Search,
    wrong: Vec<Invalid>,
    /// Where the last bare word is among the terms and their alternatives.
    last_bare: Option<(usize, usize)>,
}

/// A role or `anywhere`; in quotes, or else, the name of a folder.
fn place(value: &str, quoted: bool) -> In {
    let word = value.to_ascii_lowercase();
    match parse_role(&word) {
        Ok(role) if !quoted && role != Role::Other => In::Role(role),
        Ok(_) | Err(_) if !quoted && word == "anywhere" => In::Anywhere,
        Ok(_) | Err(_) => In::Named(value.to_owned()),
    }
}

impl Reader {
    /// Reads a token; the two before it come nearest first.
    fn read<'a>(&mut self, token: &Token, mut before: impl Iterator<Item = &'a Token>) {
        let other = before.next().filter(|token| matches!(token, Token::Or)).and_then(|_| before.next());
        if other.is_some_and(|other| !other.has_alternatives() || !token.has_alternatives()) {
            self.wrong.push(invalid("OR stands between words, phrases, from:, to:, subject: and has:".to_owned()));
        }
        match token {
            Token::Or => {}
            Token::Words { words, phrase, negated } => {
                let term = Term { field: Field::Any, words: words.clone(), phrase: *phrase, prefix: false };
                let place = self.term(term, *negated, other.is_some());
                self.last_bare = place.filter(|_| !phrase).or(self.last_bare);
            }
            Token::Operator { name, value, quoted, negated } => {
                if value.trim().is_empty() {
                    return self.wrong.push(invalid(format!("{}: needs a value", name.as_str())));
                }
                match self.field(*name, value) {
                    Some(field) => {
                        let words = if field == Field::HasAttachment { vec![] } else { reading::words(value) };
                        let term = Term { field, words, phrase: *quoted, prefix: false };
                        self.term(term, *negated, other.is_some());
                    }
                    None => self.filter(*name, value, *quoted, *negated),
                }
            }
        }
    }

    /// Takes a term in; where it is now, unless it is to be missing.
    fn term(&mut self, term: Term, negated: bool, is_alternative: bool) -> Option<(usize, usize)> {
        if negated {
            self.search.terms.none.push(term);
            return None;
        }
        let all = &mut self.search.terms.all;
        match all.last_mut().filter(|_| is_alternative) {
            Some(alternatives) => alternatives.push(term),
            None => all.push(vec![term]),
        }
        let place = all.len().checked_sub(1)?;
        Some((place, all[place].len().checked_sub(1)?))
    }

    /// The field that an operator looks into; none, if it asks for something else than words.
    fn field(&mut self, name: Name, value: &str) -> Option<Field> {
        match name {
            Name::From => Some(Field::From),
            Name::To => Some(Field::To),
            Name::Subject => Some(Field::Subject),
            Name::Has => {
                if !value.eq_ignore_ascii_case("attachment") {
                    self.unknown(name, "attachment");
                }
                Some(Field::HasAttachment)
            }
            Name::In | Name::Before | Name::After | Name::Is | Name::Label => None,
        }
    }

    fn filter(&mut self, name: Name, value: &str, quoted: bool, negated: bool) {
        if negated && name != Name::Is {
            return self.wrong.push(invalid(format!("{}: cannot be taken away with -", name.as_str())));
        }
        match name {
            Name::Is => self.is(&value.to_ascii_lowercase(), !negated),
            Name::In => Self::once(&mut self.search.in_, place(value, quoted), name, &mut self.wrong),
            Name::Before | Name::After => self.day(name, value),
            Name::Label => self.search.label.push(value.to_owned()),
            // They look into words.
            Name::From | Name::To | Name::Subject | Name::Has => {}
        }
    }

    fn is(&mut self, value: &str, positive: bool) {
        let (field, is) = match value {
            "read" => (&mut self.search.read, positive),
            "unread" => (&mut self.search.read, !positive),
            "starred" => (&mut self.search.starred, positive),
            "snoozed" => (&mut self.search.snoozed, positive),
            _ => return self.unknown(Name::Is, "read, unread, starred or snoozed"),
        };
        Self::once(field, is, Name::Is, &mut self.wrong);
    }

    fn day(&mut self, name: Name, value: &str) {
        let has_shape = value.len() == 10 && value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        match NaiveDate::parse_from_str(value, "%Y-%m-%d") {
            Ok(day) if has_shape => {
                let field = if name == Name::Before { &mut self.search.before } else { &mut self.search.after };
                Self::once(field, day, name, &mut self.wrong);
            }
            Ok(_) | Err(_) => self.unknown(name, "a date like 2026-12-31"),
        }
    }

    fn unknown(&mut self, name: Name, known: &str) {
        self.wrong.push(invalid(format!("{}: must be {known}", name.as_str())));
    }

    fn once<T: PartialEq>(field: &mut Option<T>, value: T, name: Name, wrong: &mut Vec<Invalid>) {
        if field.as_ref().is_some_and(|known| *known != value) {
            wrong.push(invalid(format!("{}: says two things", name.as_str())));
        }
        *field = Some(value);
    }

    fn finish(mut self) -> Result<Search, Vec<Invalid>> {
        if let Some((place, alternative)) = self.last_bare {
            let term = self.search.terms.all.get_mut(place).and_then(|any| any.get_mut(alternative));
            if let Some(term) = term {
                let chars = term.words.last().map_or(0, |word| word.chars().count());
                term.prefix = chars >= PREFIX_CHARS;
            }
        }
        if self.wrong.is_empty() { Ok(self.search) } else { Err(self.wrong) }
    }
}

#[cfg(test)]
mod tests;
