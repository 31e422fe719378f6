//! How text is cut into words.

/// Most bytes of a word that are kept.
pub(super) const LONGEST: usize = 64;

/// A word in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// The word, as it is written.
    pub text: &'a str,
    /// Whether it is made of several: an address, a host, something with a hyphen.
    pub is_compound: bool,
}

impl Token<'_> {
    /// Where it ends in the text, in bytes.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The words of a text: runs of letters and digits, with what may stand between two of them. Where no spaces are written
/// between words, each character is one.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + text[next..].find(char::is_alphanumeric)?;
        let (length, is_compound) = run(&text[start..]);
        next = start + length;
        Some(Token { start, text: &text[start..next], is_compound })
    })
}

/// How many bytes the word has that a text begins with, and whether it is made of several.
fn run(text: &str) -> (usize, bool) {
    // Most words are plain, and end before a space.
    let plain = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let is_end = |byte: u8| byte.is_ascii() && !is_between(char::from(byte));
    if plain > 0 && text.as_bytes().get(plain).is_none_or(|byte| is_end(*byte)) {
        return (plain, false);
    }
    let mut chars = text.char_indices().peekable();
    let (mut length, mut is_compound) = (0, false);
    while let Some((start, c)) = chars.next() {
        let end = start + c.len_utf8();
        if is_ideograph(c) {
            return (if length == 0 { end } else { length }, is_compound);
        }
        let follows = chars.peek().is_some_and(|(_, next)| next.is_alphanumeric() && !is_ideograph(*next));
        if is_of_word(c) {
            length = end;
        } else if is_between(c) && follows {
            is_compound = true;
        } else {
            break;
        }
    }
    (length, is_compound)
}

/// A letter, a digit, or an accent that was written by itself.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}')
}

/// What may stand within a word, between two letters.
fn is_between(c: char) -> bool {
    matches!(c, '\'' | '’' | '.' | '-' | '_' | '@' | '+')
}

/// Chinese characters and Japanese syllables.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// What a word that is made of several is made of. Single letters say nothing.
pub(super) fn pieces<'a>(token: &Token<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let parts = token.is_compound.then(|| token.text.split(is_between));
    parts.into_iter().flatten().filter(|piece| piece.chars().nth(1).is_some())
}

/// A word in the form in which two are the same: in lower case, with one kind of apostrophe, and not too long.
pub(super) fn fold(word: &str, folded: &mut String) {
    folded.clear();
    if word.is_ascii() {
        folded.push_str(&word[..word.len().min(LONGEST)]);
        folded.make_ascii_lowercase();
        return;
    }
    let lower = word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c });
    for c in lower {
        if folded.len() + c.len_utf8() > LONGEST {
            break;
        }
        folded.push(c);
    }
}

/// The same, by itself.
pub(super) fn folded(word: &str) -> String {
    let mut folded = String::new();
    fold(word, &mut folded);
    folded
}
