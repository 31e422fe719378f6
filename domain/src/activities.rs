//! Activities have no rules of their own: they tell what happened. Here is what whoever writes them down and whoever looks
//! for their words have to agree on.

/// Which runs of three letters are in a sentence, in 128 bits: a Bloom filter (Bloom 1970) of one hash over its trigrams.
/// It says of most sentences that a word is not in them, without a look at them, and is so narrow that the index by
/// position carries it.
///
/// What `PostgreSQL` calls a word of a text is a piece of that text in lower case, whatever its parser takes for one: an
/// address and its parts, a number, `up-to-date` and `date`. So a text has every trigram that its words have, and no word
/// is missed. Letters that locales put into lower case in different ways (`I`, `Σ`) are one letter here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trigrams {
    /// Bits 0 to 63.
    pub low: i64,
    /// Bits 64 to 127.
    pub high: i64,
}

impl Trigrams {
    /// Those of a text: within runs of letters and digits, never over what stands between them.
    pub fn of(text: &str) -> Self {
        let mut trigrams = Self::default();
        let mut run = [None; 2];
        for letter in text.chars() {
            let letter = letter.is_alphanumeric().then(|| lower(letter));
            if let (Some(first), Some(second), Some(third)) = (run[0], run[1], letter) {
                trigrams.set(hash([first, second, third]));
            }
            run = [run[1], letter];
        }
        trigrams
    }

    /// Those that every text has which a query finds; the query as `PostgreSQL` writes a `tsquery` that it read from what
    /// users type: words in quotes, `&`, `|`, `!`, `<->`. None of what is asked not to be there, nor of alternatives.
    pub fn wanted(tsquery: &str) -> Self {
        let mut trigrams = Self::default();
        let mut rest = tsquery;
        // Of `!( … )` nothing is wanted until it is closed; of `!'…'` the word is not.
        let (mut depth, mut unwanted_from, mut negated) = (0_usize, None, false);
        while let Some(next) = rest.chars().next() {
            rest = &rest[next.len_utf8()..];
            match next {
                '|' => return Self::default(),
                '!' => negated = true,
                '(' => {
                    depth += 1;
                    if std::mem::take(&mut negated) && unwanted_from.is_none() {
                        unwanted_from = Some(depth);
                    }
                }
                ')' => {
                    if unwanted_from == Some(depth) {
                        unwanted_from = None;
                    }
                    depth = depth.saturating_sub(1);
                }
                '\'' => {
                    let (word, after) = quoted(rest);
                    rest = after;
                    if !std::mem::take(&mut negated) && unwanted_from.is_none() {
                        let Self { low, high } = Self::of(word);
                        trigrams = Self { low: trigrams.low | low, high: trigrams.high | high };
                    }
                }
                _ => {}
            }
        }
        trigrams
    }

    fn set(&mut self, bit: u32) {
        if bit < 64 {
            self.low |= 1 << bit;
        } else {
            self.high |= 1 << (bit - 64);
        }
    }
}

/// A letter without its case.
fn lower(letter: char) -> char {
    match letter {
        'A'..='Z' => letter.to_ascii_lowercase(),
        _ if letter.is_ascii() => letter,
        // `I` has no dot in Turkish, and `Σ` is another letter at the end of a word.
        'ı' => 'i',
        'ς' => 'σ',
        _ => letter.to_lowercase().next().unwrap_or(letter),
    }
}

/// Below 128 (Fibonacci hashing, Knuth, TAOCP 6.4).
fn hash(letters: [char; 3]) -> u32 {
    let [a, b, c] = letters.map(u64::from);
    let hash = (a << 42 | b << 21 | c).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(hash >> 57).unwrap_or(0)
}

/// A word up to the quote that closes it, and what comes then. A quote or backslash in a word is doubled: letters, which
/// are all that counts, are never.
fn quoted(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'\'', Some(b'\'')) | (b'\\', Some(_)) => at += 2,
            (b'\'', _) => return (&text[..at], &text[at + 1..]),
            _ => at += 1,
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_have(text: &str, tsquery: &str) -> bool {
        let (has, wanted) = (Trigrams::of(text), Trigrams::wanted(tsquery));
        has.low & wanted.low == wanted.low && has.high & wanted.high == wanted.high
    }

    #[test]
    fn every_piece_of_a_text_passes() {
        let text = "Completed task “Überraschung für Łukasz: 1.250,50 € an o.brien@example.org, up-to-date”";
        for word in
            ["completed", "überraschung", "łukasz", "1.250", "o.brien@example.org", "brien", "up-to-date", "date", "ta"]
        {
            assert!(may_have(text, &format!("'{word}'")), "{word}");
            assert!(may_have(text, &format!("'completed' & '{word}':*")), "{word}");
        }
    }

    #[test]
    fn case_is_none_in_any_locale() {
        for (text, words) in [
            ("ISTANBUL İstanbul", vec!["istanbul", "ıstanbul", "i̇stanbul"]),
            ("ΟΔΟΣ", vec!["οδος", "οδοσ"]),
            ("STRAẞE", vec!["straße"]),
            ("МОСКВА", vec!["москва"]),
        ] {
            for word in words {
                assert!(may_have(text, &format!("'{word}'")), "{text} {word}");
            }
        }
    }

    #[test]
    fn a_word_that_is_not_there_is_stopped_mostly() {
        let text = "Edited task “Ask the printer for a third proof, on paper this time”: title";
        let strangers =
            ["milk", "bread", "zurich", "invoice", "holiday", "mueller", "quarter", "москва", "wedding", "garden"];
        let passed: Vec<&str> = strangers.into_iter().filter(|word| may_have(text, &format!("'{word}'"))).collect();
        assert!(passed.len() <= 1, "{passed:?}");
    }

    #[test]
    fn only_what_has_to_be_there_is_wanted() {
        let bread = Trigrams::of("bread");
        for (query, wanted) in [
            ("'bread'", bread),
            ("'bread':*", bread),
            ("'bread' & !'milk'", bread),
            ("!'milk' & 'bread'", bread),
            ("!( 'oat' <-> 'milk' ) & 'bread'", bread),
            ("!( 'oat' <-> ( 'milk' & 'tea' ) ) & 'bread'", bread),
            ("'bread' | 'milk'", Trigrams::default()),
            ("'bread' & 'milk' | 'tea'", Trigrams::default()),
            ("!'bread'", Trigrams::default()),
            ("", Trigrams::default()),
            ("'of' & 'a'", Trigrams::default()),
            ("'o''', & 'bread'", bread),
            (r"'\\' & 'bread'", bread),
            ("'unclosed", Trigrams::of("unclosed")),
        ] {
            assert_eq!(Trigrams::wanted(query), wanted, "{query}");
        }
        let both = Trigrams::wanted("'oat' <-> 'bread'");
        assert_eq!(
            both,
            Trigrams { low: Trigrams::of("oat").low | bread.low, high: Trigrams::of("oat").high | bread.high }
        );
    }

    #[test]
    fn nothing_goes_over_a_gap() {
        assert_eq!(Trigrams::of("ab cd, ef-gh"), Trigrams::default());
        assert_eq!(Trigrams::of("").low, 0);
    }
}
