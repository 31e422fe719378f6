//! Values of the users context that are a line of text or a list of names.

use std::{fmt, str::FromStr};

use chrono_tz::Tz;
use email_address::{EmailAddress, Options};

use crate::{
    Invalid, Text,
    values::{reads_as_text, refuse_nul, texts},
};

texts! {
    /// What to call a user: one line of 1 to 100 characters.
    Name = Text::line(100);
    /// What a user calls a device: one line of 1 to 100 characters.
    DeviceName = Text::line(100);
    /// What a user calls an API token: one line of 1 to 100 characters.
    TokenName = Text::line(100);
    /// What a user calls a connection: one line of 1 to 100 characters.
    ConnectionName = Text::line(100);
}

/// An e-mail address, as its owner wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Most characters of an address on the Internet: RFC 5321's path of 256 less its angle brackets.
    pub const MAX_LEN: usize = 254;

    /// Reads an address without a display name, at a named domain with at least one dot.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = Text { required: true, max_chars: Self::MAX_LEN, multiline: false }.parse(text)?;
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        if text.len() > Self::MAX_LEN {
            return Err(Invalid::new("too_long", format!("must have at most {} bytes", Self::MAX_LEN)));
        }
        match EmailAddress::parse_with_options(&text, options) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(Invalid::new("invalid_email", "must be an e-mail address like ada@example.org")),
        }
    }

    /// The form in which two addresses are the same: without regard to case.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

reads_as_text!(Email);

/// A new password. It is not printed, and only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Fewest and most characters.
    pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

    /// Reads a password; every rule that it breaks is told.
    pub fn parse(text: &str) -> Result<Self, Vec<Invalid>> {
        let chars = text.chars().count();
        let rules = [
            (chars < *Self::LENGTH.start(), "too_short", "must have at least 8 characters"),
            (chars > *Self::LENGTH.end(), "too_long", "must have at most 128 characters"),
            (!text.chars().any(char::is_uppercase), "no_upper_case", "must contain an upper-case letter"),
            (!text.chars().any(char::is_lowercase), "no_lower_case", "must contain a lower-case letter"),
            (!text.chars().any(|c| c.is_ascii_digit()), "no_digit", "must contain a digit"),
            (text.contains('\0'), "nul_character", "must not contain the NUL character"),
        ];
        let broken: Vec<Invalid> =
            rules.into_iter().filter(|rule| rule.0).map(|(_, code, detail)| Invalid::new(code, detail)).collect();
        if broken.is_empty() { Ok(Self(text.to_owned())) } else { Err(broken) }
    }

    /// The password itself, to hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}

/// An IANA time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Reads a zone's name, as IANA spells it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let expected = |_| Invalid::new("unknown_time_zone", "must be an IANA time zone like Europe/Berlin");
        Tz::from_str(text).map(Self).map_err(expected)
    }

    /// The name.
    pub fn as_str(&self) -> &'static str {
        self.0.name()
    }

    /// The zone, to convert times.
    pub const fn zone(self) -> Tz {
        self.0
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.as_str().to_owned()
    }
}

/// A language and region: a BCP 47 (RFC 5646) tag, well-formed and in the recommended case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale(String);

impl Locale {
    /// Most characters: what RFC 5646 section 4.4.1 tells to provide for.
    pub const MAX_LEN: usize = 35;

    /// Reads `language[-Script][-REGION][-variant…][-extension…][-x-private]` in any case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let expected = || Invalid::new("invalid_locale", "must be a BCP 47 language tag like de-DE");
        if text.len() > Self::MAX_LEN {
            return Err(expected());
        }
        let subtags: Vec<String> = text.split('-').map(str::to_ascii_lowercase).collect();
        canonical(&subtags).map(|subtags| Self(subtags.join("-"))).ok_or_else(expected)
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

reads_as_text!(Locale);

/// The subtags in their recommended case, if they follow RFC 5646's grammar in order.
fn canonical(subtags: &[String]) -> Option<Vec<String>> {
    let is = |tag: &String, lengths: std::ops::RangeInclusive<usize>, test: fn(&u8) -> bool| {
        lengths.contains(&tag.len()) && tag.as_bytes().iter().all(test)
    };
    let (language, mut rest) = subtags.split_first().filter(|(tag, _)| is(tag, 2..=8, u8::is_ascii_alphabetic))?;
    let mut written = vec![language.clone()];
    if let Some((script, after)) = rest.split_first().filter(|(tag, _)| is(tag, 4..=4, u8::is_ascii_alphabetic)) {
        written.push(format!("{}{}", script[..1].to_ascii_uppercase(), &script[1..]));
        rest = after;
    }
    let is_region = |tag: &String| is(tag, 2..=2, u8::is_ascii_alphabetic) || is(tag, 3..=3, u8::is_ascii_digit);
    if let Some((region, after)) = rest.split_first().filter(|(tag, _)| is_region(tag)) {
        written.push(region.to_ascii_uppercase());
        rest = after;
    }
    let is_variant = |tag: &String| {
        is(tag, 5..=8, u8::is_ascii_alphanumeric)
            || (is(tag, 4..=4, u8::is_ascii_alphanumeric) && tag.as_bytes()[0].is_ascii_digit())
    };
    while let Some((variant, after)) = rest.split_first().filter(|(tag, _)| is_variant(tag)) {
        written.push(variant.clone());
        rest = after;
    }
    // Extensions and private use: a singleton, then at least one subtag.
    while let Some((singleton, after)) = rest.split_first() {
        let private = singleton == "x";
        let shortest = if private { 1 } else { 2 };
        let length = after.iter().take_while(|tag| is(tag, shortest..=8, u8::is_ascii_alphanumeric)).count();
        if !is(singleton, 1..=1, u8::is_ascii_alphanumeric) || length == 0 || (private && length < after.len()) {
            return None;
        }
        written.push(singleton.clone());
        written.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    Some(written)
}

/// Where a user's picture is: an https address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvatarUrl(String);

impl AvatarUrl {
    /// Most bytes.
    pub const MAX_LEN: usize = 2_048;

    /// Reads an address like `https://example.org/ada.png`, without credentials in it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        https(text, &["https://"], Self::MAX_LEN)?;
        Ok(Self(text.to_owned()))
    }
}

reads_as_text!(AvatarUrl);

/// Checks an absolute address of one of these schemes: a host, no credentials, no white space.
pub(super) fn https(text: &str, schemes: &[&str], max_len: usize) -> Result<(), Invalid> {
    if text.len() > max_len {
        return Err(Invalid::new("too_long", format!("must have at most {max_len} bytes, has {}", text.len())));
    }
    refuse_nul(text)?;
    let expected = || {
        let schemes = schemes.join(" or ");
        Invalid::new("invalid_url", format!("must be an address that begins with {schemes} and a host"))
    };
    let scheme = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let rest = schemes.iter().find(|known| scheme(known)).map(|scheme| &text[scheme.len()..]).ok_or_else(expected)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let (host, port) = authority.rsplit_once(':').filter(|(host, _)| !host.ends_with(']')).unwrap_or((authority, "0"));
    let is_clean = text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"' | '\\'));
    if is_clean && is_host(host) && port.parse::<u16>().is_ok() { Ok(()) } else { Err(expected()) }
}

/// Whether it looks like a host: labels of letters, digits and hyphens between dots, or an IPv4 address.
pub(super) fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// What an API token may be allowed to do, and what that means.
pub const SCOPES: [(&str, &str); 11] = [
    ("tasks:read", "read lists, tasks and labels"),
    ("tasks:write", "change lists, tasks and labels"),
    ("activities:read", "read activities"),
    ("users:read", "read the profile, devices, tokens and connections"),
    ("users:write", "change the profile, devices and connections"),
    ("history:read", "read facts, what each changed, and the past with as_of"),
    ("email:read", "read e-mails, threads, folders, drafts and submissions"),
    ("email:write", "change, import and draft e-mails"),
    ("email:send", "send e-mail"),
    ("agent:run", "let the agent work"),
    ("admin", "everything but passwords, tokens, logins and erasure, which need a session"),
];

/// What an API token may do: at least one of [`SCOPES`], each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads scopes; a refusal comes with the place in the list that it is about, if it is about one.
    pub fn parse<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Vec<(Option<usize>, Invalid)>> {
        let (mut known, mut refused): (Vec<String>, _) = (vec![], vec![]);
        for (index, scope) in scopes.iter().map(AsRef::as_ref).enumerate() {
            if !SCOPES.iter().any(|(name, _)| *name == scope) {
                refused.push((Some(index), unknown_scope(scope)));
            } else if !known.iter().any(|earlier| earlier == scope) {
                known.push(scope.to_owned());
            }
        }
        if scopes.is_empty() {
            refused.push((None, Invalid::new("empty", "must name at least one scope")));
        }
        if refused.is_empty() { Ok(Self(known)) } else { Err(refused) }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

fn unknown_scope(scope: &str) -> Invalid {
    let all: Vec<&str> = SCOPES.iter().map(|(name, _)| *name).collect();
    let named: String = scope.chars().filter(|c| !c.is_control()).take(40).collect();
    Invalid::new("unknown_scope", format!("there is no scope {named}; there are {}", all.join(", ")))
}

/// What a client says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAgent(String);

impl UserAgent {
    /// Most characters that are kept.
    pub const MAX_CHARS: usize = 512;

    /// Keeps the beginning, without control characters. Nobody chooses this header, so nothing is refused.
    pub fn cut(text: &str) -> Option<Self> {
        let kept: String = text.trim().chars().filter(|c| !c.is_control()).take(Self::MAX_CHARS).collect();
        if kept.is_empty() { None } else { Some(Self(kept)) }
    }
}

reads_as_text!(UserAgent);

#[cfg(test)]
mod tests;
