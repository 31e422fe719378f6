//! What somebody typed, cut into words, phrases and operators.

/// One of the things that a question is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word, or the words of a phrase.
    Words {
        /// Them.
        words: Vec<String>,
        /// Whether they stood in quotes.
        phrase: bool,
        /// Whether a minus stood before them.
        negated: bool,
    },
    /// `from:ada`
    Operator {
        /// What is before the colon.
        name: Name,
        /// What is behind it.
        value: String,
        /// Whether that stood in quotes.
        quoted: bool,
        /// Whether a minus stood before it.
        negated: bool,
    },
    /// `OR`, between two others.
    Or,
}

impl Token {
    /// Whether there may be something else instead of it.
    pub fn has_alternatives(&self) -> bool {
        match self {
            Self::Words { negated, .. } => !negated,
            Self::Operator { name, negated, .. } => match name {
                Name::From | Name::To | Name::Subject | Name::Has => !negated,
                Name::In | Name::Before | Name::After | Name::Is | Name::Label => false,
            },
            Self::Or => false,
        }
    }
}

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    From,
    To,
    Subject,
    Has,
    In,
    Before,
    After,
    Is,
    Label,
}

/// Every operator by its name.
const NAMES: [(&str, Name); 9] = [
    ("from", Name::From),
    ("to", Name::To),
    ("subject", Name::Subject),
    ("has", Name::Has),
    ("in", Name::In),
    ("before", Name::Before),
    ("after", Name::After),
    ("is", Name::Is),
    ("label", Name::Label),
];

impl Name {
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(_, name)| *name == self).map_or("", |(text, _)| text)
    }

    fn parse(text: &str) -> Option<Self> {
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, name)| *name)
    }
}

/// The words of a phrase or a value.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Telephones write quotes as printers do.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}

/// Everything in order. An `OR` that does not stand between two others is left out, and so is what says nothing.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = vec![];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, behind) = token(rest);
        match token {
            Some(Token::Or) if !matches!(tokens.last(), Some(Token::Words { .. } | Token::Operator { .. })) => {}
            token => tokens.extend(token),
        }
        rest = behind.trim_start();
    }
    if let Some(Token::Or) = tokens.last() {
        tokens.pop();
    }
    tokens
}

/// The first of them, if it says anything, and what is behind it.
fn token(text: &str) -> (Option<Token>, &str) {
    let negative = text.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
    let (text, negated) = (negative.unwrap_or(text), negative.is_some());
    if let Some(phrase) = text.strip_prefix(is_quote) {
        let (inside, behind) = quoted(phrase);
        let words = words(inside);
        return ((!words.is_empty()).then_some(Token::Words { words, phrase: true, negated }), behind);
    }
    let end = text.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(text.len());
    let (head, behind) = text.split_at(end);
    let operator = head.split_once(':').and_then(|(name, value)| Some((Name::parse(name)?, value)));
    let token = match operator {
        Some((name, "")) if behind.starts_with(is_quote) => {
            let (value, behind) = quoted(behind.strip_prefix(is_quote).unwrap_or(behind));
            return (Some(Token::Operator { name, value: value.to_owned(), quoted: true, negated }), behind);
        }
        Some((name, value)) => Token::Operator { name, value: value.to_owned(), quoted: false, negated },
        None if head == "OR" && !negated => Token::Or,
        None => Token::Words { words: vec![head.to_owned()], phrase: false, negated },
    };
    (Some(token), behind)
}

/// What is up to the next quote, and what is behind that. Quotes that nobody closed end with the question.
fn quoted(text: &str) -> (&str, &str) {
    text.split_once(is_quote).unwrap_or((text, ""))
}
