//! Header fields: finding them, and what is in them. Their grammar is `mail-parser`'s.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use encoding_rs::{Encoding, WINDOWS_1252};
use mail_parser::{HeaderValue, parsers::MessageStream};

use super::{
    ADDRESS_BYTES, Address, clean, guarded,
    note::{Note, Notes},
    words,
};

/// Most fields of one head that are looked at.
const FIELDS: usize = 2_000;
/// Most bytes of one field that are looked at.
const FIELD_BYTES: usize = 256 * 1024;
/// Most bytes of one with parameters: its parser compares each of them with all others.
const PARAMETERS_BYTES: usize = 16 * 1024;

/// A field as it was written.
struct Field<'a> {
    name: &'a [u8],
    /// Behind the colon, with its line ends.
    value: &'a [u8],
}

/// The head of a message or of a part.
#[derive(Default)]
pub(crate) struct Fields<'a>(Vec<Field<'a>>);

/// Where a head ends.
pub(crate) struct End {
    /// Where the body begins.
    pub body: usize,
    /// Whether the bytes end within the head, in the middle of a line.
    pub is_cut: bool,
}

impl<'a> Fields<'a> {
    /// Reads the head at the beginning of these bytes.
    pub fn parse(bytes: &'a [u8]) -> (Self, End) {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let (mut at, mut is_open) = (0, false);
        // What a mailbox writes before its messages is none of theirs.
        if bytes.starts_with(b"From ") || bytes.starts_with(b">From ") {
            at = line_end(bytes, 0);
        }
        while at < bytes.len() {
            let end = line_end(bytes, at);
            let line = &bytes[at..end];
            if line == b"\n" || line == b"\r\n" {
                return (Self(fields), End { body: end, is_cut: false });
            }
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                // A field's lines lie one behind the other, but for what was skipped.
                match fields.last_mut() {
                    Some(last) if is_open => last.value = &bytes[at - last.value.len()..end],
                    Some(_) => {}
                    None => return (Self(fields), End { body: at, is_cut: false }),
                }
            } else if let Some((name, value)) = field(line) {
                is_open = fields.len() < FIELDS;
                if is_open {
                    fields.push(Field { name, value });
                }
            } else if !fields.is_empty() && field(&bytes[end..]).is_some() {
                // A line that is none, and fields go on behind it.
                is_open = false;
            } else {
                // The body has begun without a blank line.
                return (Self(fields), End { body: at, is_cut: false });
            }
            at = end;
        }
        let is_cut = !fields.is_empty() && !bytes.ends_with(b"\n");
        (Self(fields), End { body: bytes.len(), is_cut })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first field of this name.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes())).map(|field| field.value)
    }
}

/// The end of the line that begins there, behind its line end.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length + 1)
}

/// The name and the value of the field that begins here, if one does; the value ends with `line`.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at(memchr::memchr2(b':', b'\n', line)?);
    let (value, name) = (value.strip_prefix(b":")?, name.trim_ascii_end());
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some((name, value))
}

/// Reads values. What a head says beyond ASCII without saying how is in the charset of the message's text, or in that of
/// most mail which does so.
pub(crate) struct Values<'n> {
    pub legacy: &'static Encoding,
    pub notes: &'n mut Notes,
}

impl<'n> Values<'n> {
    /// With the label of the text's charset, if it has one.
    pub fn new(charset: Option<&str>, notes: &'n mut Notes) -> Self {
        let named = charset.and_then(|label| Encoding::for_label_no_replacement(label.as_bytes()));
        // UTF-8 it would be without being told.
        Self { legacy: named.filter(|encoding| encoding.is_single_byte()).unwrap_or(WINDOWS_1252), notes }
    }

    /// As the parsers want it: UTF-8, with encoded words that belong together in one, and with a line end.
    fn ready<'v>(&mut self, value: &'v [u8]) -> Cow<'v, [u8]> {
        let value = &value[..value.len().min(FIELD_BYTES)];
        let mut ready = Cow::Borrowed(value);
        if str::from_utf8(value).is_err() {
            self.notes.add(Note::EightBitHeaders);
            ready = Cow::Owned(self.legacy.decode_without_bom_handling(value).0.into_owned().into_bytes());
        }
        if let Some(mended) = words::mended(&ready) {
            ready = Cow::Owned(mended);
        }
        if !ready.ends_with(b"\n") {
            ready.to_mut().push(b'\n');
        }
        ready
    }

    /// A text of one line of at most so many characters.
    pub fn text(&mut self, value: &[u8], at_most: usize) -> Option<String> {
        let ready = self.ready(value);
        let parsed = guarded(|| match MessageStream::new(&ready).parse_unstructured() {
            HeaderValue::Text(text) => Some(text.into_owned()),
            _ => None,
        });
        parsed.map(|text| clean::line(&text, at_most, self.notes)).filter(|text| !text.is_empty())
    }

    /// A list of addresses, those of groups among them.
    pub fn addresses(&mut self, value: &[u8]) -> Vec<Address> {
        let ready = self.ready(value);
        let parsed = guarded(|| match MessageStream::new(&ready).parse_address() {
            HeaderValue::Address(addresses) => {
                let all = addresses.into_list().into_iter();
                all.map(|one| (one.name.map(Cow::into_owned), one.address.map(Cow::into_owned))).collect()
            }
            _ => Vec::new(),
        });
        parsed.into_iter().filter_map(|(name, email)| self.address(name, email)).collect()
    }

    fn address(&mut self, name: Option<String>, email: Option<String>) -> Option<Address> {
        let email = email.map(|email| clean::line(&email, ADDRESS_BYTES, self.notes)).unwrap_or_default();
        let name = name.map(|name| clean::line(&name, ADDRESS_BYTES, self.notes)).filter(|name| !name.is_empty());
        // What is too long for an address is none, and what has no `@` is a name at best.
        let (email, name) = match email.len() {
            0 => (String::new(), name),
            1..=ADDRESS_BYTES if email.contains('@') => (email, name),
            _ => (String::new(), name.or(Some(email))),
        };
        // A name that repeats the address says nothing.
        let name = name.filter(|name| *name != email);
        (!email.is_empty() || name.is_some()).then_some(Address { email, name })
    }

    /// Message ids, without their angle brackets. Where there are none, whatever looks like one.
    pub fn ids(&mut self, value: &[u8]) -> Ids {
        let ready = self.ready(value);
        let text = String::from_utf8_lossy(&ready);
        let mut rest = &*text;
        let mut bracketed = Vec::new();
        while let Some((_, behind)) = rest.split_once('<') {
            let Some((id, behind)) = behind.split_once('>') else { break };
            bracketed.extend(self.id(id));
            rest = behind;
        }
        if !bracketed.is_empty() {
            return Ids { ids: bracketed, is_bracketed: true };
        }
        let loose = text.split_whitespace().map(|id| id.trim_matches(['<', '>', ',', ';', '"']));
        let ids = loose.filter(|id| id.contains('@')).filter_map(|id| self.id(id)).collect();
        Ids { ids, is_bracketed: false }
    }

    fn id(&mut self, id: &str) -> Option<String> {
        // Folded or broken in the middle by who passed it on.
        let id: String = id.chars().filter(|character| !character.is_whitespace()).collect();
        let id = clean::line(&id, id.len(), self.notes);
        (!id.is_empty()).then_some(id)
    }

    /// A date, if it can be read and can be meant.
    pub fn date(&mut self, value: &[u8]) -> Option<DateTime<Utc>> {
        let ready = self.ready(value);
        let parse = |bytes: &[u8]| {
            guarded(|| match MessageStream::new(bytes).parse_date() {
                HeaderValue::DateTime(date) => Some(date),
                _ => None,
            })
        };
        // Seconds may be missing, and without a zone it is taken for that of Greenwich.
        let whole = || with_seconds(ready.trim_ascii());
        let zoned = || [&whole()[..], b" +0000\n"].concat();
        if let Some(date) = parse(&ready).or_else(|| parse(&whole())).or_else(|| parse(&zoned())) {
            return moment(&date);
        }
        let text = String::from_utf8_lossy(&ready);
        let date = DateTime::parse_from_rfc3339(text.trim()).ok()?;
        Some(date.to_utc()).filter(is_possible)
    }

    /// A value with its parameters, as of `Content-Type`: in small letters, but for the parameters' values.
    pub fn parameters(&mut self, value: &[u8]) -> Option<Parameters> {
        let ready = self.ready(&value[..value.len().min(PARAMETERS_BYTES)]);
        guarded(|| match MessageStream::new(&ready).parse_content_type() {
            HeaderValue::ContentType(found) => {
                let value = match found.c_subtype {
                    Some(subtype) => format!("{}/{subtype}", found.c_type),
                    None => found.c_type.into_owned(),
                };
                let all = found.attributes.unwrap_or_default().into_iter();
                let parameters = all.map(|one| (one.name.to_ascii_lowercase(), one.value.into_owned())).collect();
                Some(Parameters { value: value.to_ascii_lowercase(), parameters })
            }
            _ => None,
        })
    }
}

/// Message ids that were found.
pub(crate) struct Ids {
    pub ids: Vec<String>,
    /// Whether they were written as they should be.
    pub is_bracketed: bool,
}

/// A value with parameters.
#[derive(Debug, Default, Clone)]
pub(crate) struct Parameters {
    pub value: String,
    parameters: Vec<(String, String)>,
}

impl Parameters {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// `13:40` as `13:40:00`: the parser takes a zone with a name only behind seconds.
fn with_seconds(date: &[u8]) -> Vec<u8> {
    let mut whole = date.to_vec();
    if let Some(colon) = memchr::memchr(b':', date) {
        let end = colon + 1 + date[colon + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if date.get(end) != Some(&b':') {
            whole.splice(end..end, *b":00");
        }
    }
    whole
}

fn moment(date: &mail_parser::DateTime) -> Option<DateTime<Utc>> {
    let day = NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())?;
    // A leap second is the one before it.
    let time = day.and_hms_opt(date.hour.into(), date.minute.into(), date.second.min(59).into())?;
    let ahead = TimeDelta::minutes(i64::from(date.tz_hour) * 60 + i64::from(date.tz_minute));
    let ahead = if date.tz_before_gmt { -ahead } else { ahead };
    time.checked_sub_signed(ahead).map(|time| time.and_utc()).filter(is_possible)
}

/// Nobody wrote mail before 1970, and ids carry no time before it.
fn is_possible(date: &DateTime<Utc>) -> bool {
    (0..253_402_300_800).contains(&date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<T>(read: impl FnOnce(&mut Values<'_>) -> T) -> T {
        read(&mut Values::new(None, &mut Notes::default()))
    }

    #[test]
    fn fields_are_found_folded_and_in_whatever_case() {
        let head = b"Subject: one\r\n two\r\nTO : a@b.example\r\n\r\nBody: no field\r\n";
        let (fields, end) = Fields::parse(head);
        assert_eq!(fields.first("subject"), Some(&b" one\r\n two\r\n"[..]));
        assert_eq!(fields.first("To"), Some(&b" a@b.example\r\n"[..]));
        assert_eq!(fields.first("Body"), None);
        assert!(head[end.body..].starts_with(b"Body") && !end.is_cut);
    }

    #[test]
    fn a_head_that_is_broken_is_read_as_far_as_it_goes() {
        // A mailbox's line before, and a line between that is none.
        let (fields, _) = Fields::parse(b"From a@b Mon Jan  1\nSubject: x\nlong words went on here\nTo: y\n\n");
        assert!(fields.first("subject").is_some() && fields.first("to").is_some());
        // No blank line.
        let (fields, end) = Fields::parse(b"Subject: x\nDear all,\nhello\n");
        assert_eq!((fields.first("subject"), end.body), (Some(&b" x\n"[..]), 11));
        let (fields, end) = Fields::parse(b"Just words.\nAnd more.\n");
        assert!(fields.is_empty() && end.body == 0);
        let (_, end) = Fields::parse(b"Subject: x\nTo: so");
        assert!(end.is_cut && end.body == 17);
        assert!(Fields::parse(b"").0.is_empty());
    }

    #[test]
    fn addresses_are_read_however_they_are_written() {
        for (value, expected) in [
            ("a@b.example", vec![("a@b.example", None)]),
            (
                "Ada <a@b.example>, \"Lovelace, A.\" <l@b.example>",
                vec![("a@b.example", Some("Ada")), ("l@b.example", Some("Lovelace, A."))],
            ),
            ("a@b.example (Ada)", vec![("a@b.example", Some("Ada"))]),
            ("\"a@b.example\" <a@b.example>", vec![("a@b.example", None)]),
            ("Friends: a@b.example, c@d.example;", vec![("a@b.example", None), ("c@d.example", None)]),
            ("undisclosed-recipients:;", vec![]),
            ("=?utf-8?Q?J=C3=B6rg?= <j@b.example>", vec![("j@b.example", Some("Jörg"))]),
            ("nobody at all", vec![("", Some("nobody at all"))]),
            ("<>", vec![]),
            ("", vec![]),
        ] {
            let read = values(|values| values.addresses(value.as_bytes()));
            let read: Vec<_> = read.iter().map(|one| (one.email.as_str(), one.name.as_deref())).collect();
            assert_eq!(read, expected, "{value}");
        }
        let long = format!("{}@b.example", "x".repeat(400));
        let read = values(|values| values.addresses(long.as_bytes()));
        assert!(read[0].email.is_empty() && read[0].name.as_ref().unwrap().len() == 320);
    }

    #[test]
    fn dates_are_read_in_the_forms_that_mail_has() {
        for (value, expected) in [
            ("Tue, 24 Nov 2026 13:40:00 +0100", Some("2026-11-24T12:40:00Z")),
            ("24 Nov 26 13:40 EST", Some("2026-11-24T18:40:00Z")),
            ("Tue, 24 Nov 2026 13:40:00", Some("2026-11-24T13:40:00Z")),
            ("Tue, 24 Nov 2026 13:40:60 +0000 (UTC)", Some("2026-11-24T13:40:59Z")),
            ("2026-11-24T13:40:00-02:00", Some("2026-11-24T15:40:00Z")),
            ("Tue, 31 Feb 2026 13:40:00 +0000", None),
            ("Tue, 24 Nov 1905 13:40:00 +0000", None),
            ("yesterday", None),
            ("", None),
        ] {
            let read = values(|values| values.date(value.as_bytes()));
            assert_eq!(read, expected.map(|text| text.parse().unwrap()), "{value}");
        }
    }

    #[test]
    fn ids_lose_their_brackets_and_what_broke_them() {
        let ids = |value: &str| values(|values| values.ids(value.as_bytes()));
        assert_eq!(ids("<a@b> <c@\r\n d>\t<>").ids, ["a@b", "c@d"]);
        let loose = ids("a@b, see c@d in my mail");
        assert_eq!((loose.ids.as_slice(), loose.is_bracketed), (&["a@b".to_owned(), "c@d".to_owned()][..], false));
        assert!(ids("nothing").ids.is_empty());
    }

    #[test]
    fn what_is_beyond_ascii_without_saying_how_is_read_and_noted() {
        let mut notes = Notes::default();
        let text = Values::new(None, &mut notes).text(b" Gr\xfc\xdfe\r\n", 100);
        assert_eq!((text.as_deref(), notes.codes().as_slice()), (Some("Grüße"), &["eight_bit_headers"][..]));
        let text = Values::new(Some("koi8-r"), &mut notes).text(b" \xf0\xd2\xc9\xd7\xc5\xd4", 100);
        assert_eq!(text.as_deref(), Some("Привет"));
        let mut notes = Notes::default();
        assert_eq!(Values::new(None, &mut notes).text("Grüße".as_bytes(), 100).as_deref(), Some("Grüße"));
        assert!(notes.codes().is_empty(), "mail may be UTF-8");
    }

    #[test]
    fn parameters_are_read_in_their_pieces_and_charsets() {
        let read = |value: &str| values(|values| values.parameters(value.as_bytes())).unwrap();
        let disposition = read("attachment; filename*0*=utf-8''Gr%C3%BC; filename*1*=%C3%9Fe.txt");
        assert_eq!((disposition.value.as_str(), disposition.get("filename")), ("attachment", Some("Grüße.txt")));
        let media = read("Text/HTML; Charset=\"ISO-8859-1\"");
        assert_eq!((media.value.as_str(), media.get("charset")), ("text/html", Some("ISO-8859-1")));
    }
}
