//! Values that several contexts share. Parsing is the only way to make one.

use std::fmt;

use orbit_events::{Actor, emails::Author};

/// Why a value was refused: a stable code and a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    /// Stable, `snake_case`: `too_long`, `empty` …
    pub code: &'static str,
    /// What is expected.
    pub detail: String,
}

impl Invalid {
    /// A refusal.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Code and detail.
    pub fn into_parts(self) -> (&'static str, String) {
        (self.code, self.detail)
    }
}

/// Text of a person, within limits counted in characters.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Whether an empty text (after trimming) is refused.
    pub required: bool,
    /// Most characters.
    pub max_chars: usize,
    /// Whether line breaks and tabs may occur.
    pub multiline: bool,
}

impl Text {
    /// A single line of 1 to `max_chars` characters.
    pub const fn line(max_chars: usize) -> Self {
        Self { required: true, max_chars, multiline: false }
    }

    /// Any number of lines, at most `max_chars` characters in all.
    pub const fn block(max_chars: usize) -> Self {
        Self { required: false, max_chars, multiline: true }
    }

    /// Reads a text: surrounding white space goes (of a line), NUL and control characters are refused.
    pub fn parse(&self, text: &str) -> Result<String, Invalid> {
        let text = if self.multiline { text } else { text.trim() };
        refuse_nul(text)?;
        if let Some(c) = text.chars().find(|c| !self.allows(*c)) {
            let detail = format!("must not contain the control character U+{:04X}", u32::from(c));
            return Err(Invalid::new("control_character", detail));
        }
        if self.required && text.is_empty() {
            return Err(Invalid::new("empty", "must not be empty"));
        }
        let chars = text.chars().count();
        if chars > self.max_chars {
            let detail = format!("must have at most {} characters, has {chars}", self.max_chars);
            return Err(Invalid::new("too_long", detail));
        }
        Ok(text.to_owned())
    }

    /// Line breaks are control characters, except the two that Unicode added as separators.
    fn allows(self, c: char) -> bool {
        if self.multiline {
            !c.is_control() || matches!(c, '\n' | '\r' | '\t')
        } else {
            !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')
        }
    }
}

/// `PostgreSQL` cannot store NUL in text.
pub(crate) fn refuse_nul(text: &str) -> Result<(), Invalid> {
    if text.contains('\0') {
        return Err(Invalid::new("nul_character", "must not contain the NUL character"));
    }
    Ok(())
}

/// Reads one of several names; the refusal lists them all.
pub(crate) fn one_of<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, Invalid> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        Invalid::new("unknown_value", format!("must be one of {}", all.join(", ")))
    })
}

/// Who is said to have written down what somebody acted upon.
pub(crate) fn author(actor: &Actor) -> Author {
    match actor {
        Actor::Agent { .. } => Author::Agent,
        Actor::User | Actor::System | Actor::Integration { .. } => Author::User,
    }
}

/// Declares values that are a text within limits.
macro_rules! texts {
    ($( $(#[$doc:meta])* $name:ident = $rule:expr; )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Reads it, or says what is wrong.
            pub fn parse(text: &str) -> Result<Self, $crate::Invalid> {
                $rule.parse(text).map(Self)
            }
        }

        $crate::values::reads_as_text!($name);
    )+};
}

/// Gives a value over a `String` its ways out.
macro_rules! reads_as_text {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

pub(crate) use {reads_as_text, texts};

/// A colour, `#rrggbb` in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Color(String);

impl Color {
    /// Reads `#RRGGBB` in either case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex {
            Some(hex) => Ok(Self(format!("#{}", hex.to_ascii_lowercase()))),
            None => Err(Invalid::new("invalid_color", "must be a colour like #1e90ff")),
        }
    }
}

reads_as_text!(Color);

/// Something that gives access: never printed, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it as it is.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself; mind where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(result: Result<impl fmt::Debug, Invalid>) -> &'static str {
        result.unwrap_err().code
    }

    #[test]
    fn a_line_is_trimmed_and_counted_in_characters() {
        assert_eq!(Text::line(3).parse("  äöü \t").unwrap(), "äöü");
        assert_eq!(refused(Text::line(3).parse("äöüß")), "too_long");
        assert_eq!(refused(Text::line(3).parse(" \n ")), "empty");
    }

    #[test]
    fn a_line_has_no_line_breaks_of_any_kind() {
        for text in ["a\nb", "a\rb", "a\tb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b", "a\u{7f}b"] {
            assert_eq!(refused(Text::line(9).parse(text)), "control_character", "{text:?}");
        }
    }

    #[test]
    fn a_block_may_have_line_breaks_but_no_nul() {
        assert_eq!(Text::block(9).parse("a\r\n\tb ").unwrap(), "a\r\n\tb ");
        assert_eq!(Text::block(9).parse("").unwrap(), "");
        assert_eq!(refused(Text::block(9).parse("a\0b")), "nul_character");
        assert_eq!(refused(Text::block(9).parse("a\u{1b}b")), "control_character");
    }

    #[test]
    fn a_color_is_six_hexadecimal_digits() {
        assert_eq!(Color::parse("#1E90fF").unwrap().as_str(), "#1e90ff");
        for text in ["", "#", "1e90ff", "#1e90f", "#1e90ff0", "#1e90fg", "#äöü", " #1e90ff"] {
            assert_eq!(refused(Color::parse(text)), "invalid_color", "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("s3cr3t")), "(secret)");
    }
}
