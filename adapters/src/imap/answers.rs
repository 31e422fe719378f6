//! What a server's answers mean.

use chrono::{DateTime, Utc};

use super::{
    Uids,
    tokens::{Answer, Reader, Value},
    utf7,
};
use crate::net::{Fault, said};

/// What a folder is for (RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Every message of the account, wherever else it is.
    All,
    /// What was put aside.
    Archive,
    /// What is being written.
    Drafts,
    /// What was flagged, wherever else it is.
    Flagged,
    /// What nobody asked for.
    Junk,
    /// What was sent.
    Sent,
    /// What was thrown away.
    Trash,
}

/// A folder as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// As the server spells it, and as it wants it spelled.
    pub path: Vec<u8>,
    /// As people spell it, with its place in the tree.
    pub name: String,
    /// What stands between a folder and one within it.
    pub delimiter: Option<String>,
    /// What it is for, if the server says so.
    pub special: Option<Use>,
    /// Whether it can hold messages and be opened.
    pub selectable: bool,
}

impl Folder {
    /// Whether it is the one that mail comes into.
    pub fn is_inbox(&self) -> bool {
        self.path.eq_ignore_ascii_case(b"INBOX")
    }
}

/// What was fetched of a message: what was asked for, and what the server tells besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Its place in the folder now, from 1.
    pub sequence: u32,
    /// Its UID.
    pub uid: Option<u32>,
    /// Its flags and keywords.
    pub flags: Option<Vec<String>>,
    /// The state of the folder that they are of (CONDSTORE).
    pub modseq: Option<u64>,
    /// When the server got it.
    pub internal_date: Option<DateTime<Utc>>,
    /// Its size in bytes, as the server counts.
    pub size: Option<u64>,
    /// What names it in whatever folder (OBJECTID).
    pub email_id: Option<String>,
    /// All of it.
    pub body: Option<Vec<u8>>,
    /// The header fields that were asked for.
    pub header: Option<Vec<u8>>,
}

/// One answer that is not the last of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Untagged {
    Capability(Vec<String>),
    Enabled(Vec<String>),
    Exists(u32),
    Expunge(u32),
    Fetch(Fetched),
    Vanished {
        earlier: bool,
        uids: Uids,
    },
    Folder(Folder),
    Found(Uids),
    /// What came with OK, NO, BAD, BYE or PREAUTH.
    Status(Status),
    /// What is of no use here.
    Other,
}

/// How a server judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// A judgement, with what is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub verdict: Verdict,
    /// What stands in brackets: its name in capitals, and the values behind it.
    pub code: Option<(String, Vec<Value>)>,
    pub text: String,
}

impl Status {
    /// The values of a code of this name.
    pub fn coded(&self, name: &str) -> Option<&[Value]> {
        self.code.as_ref().filter(|(code, _)| code == name).map(|(_, values)| &values[..])
    }

    /// The first value of a code of this name, as a number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.coded(name)?.first()?.number()
    }
}

/// What kind of line an answer is.
#[derive(Debug)]
pub(super) enum Line {
    /// The server waits for more.
    Continue(String),
    Untagged(Untagged),
    /// The end of the command with this tag.
    Done(String, Status),
}

pub(super) fn read(answer: Answer) -> Result<Line, Fault> {
    let mut reader = Reader::new(answer);
    let tag = reader.word();
    match &tag[..] {
        b"+" => Ok(Line::Continue(String::from_utf8_lossy(&reader.rest()).into_owned())),
        b"*" => untagged(reader).map(Line::Untagged),
        _ => {
            let verdict = verdict(&reader.word()).ok_or(Fault::Protocol("an answer of no known kind"))?;
            Ok(Line::Done(String::from_utf8_lossy(&tag).into_owned(), status(verdict, &reader.rest())))
        }
    }
}

fn verdict(word: &[u8]) -> Option<Verdict> {
    let all = [
        ("OK", Verdict::Ok),
        ("NO", Verdict::No),
        ("BAD", Verdict::Bad),
        ("BYE", Verdict::Bye),
        ("PREAUTH", Verdict::Preauth),
    ];
    all.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, verdict)| verdict)
}

fn status(verdict: Verdict, rest: &[u8]) -> Status {
    let coded = rest.strip_prefix(b"[").and_then(|rest| {
        let end = rest.iter().position(|byte| *byte == b']')?;
        Some((&rest[..end], &rest[end + 1..]))
    });
    let Some((code, text)) = coded else { return Status { verdict, code: None, text: said(rest) } };
    let mut reader = Reader::new(Answer { texts: vec![code.to_vec()], literals: vec![] });
    let name = String::from_utf8_lossy(&reader.word()).to_uppercase();
    // A code that cannot be read is no reason to take the judgement for nothing.
    let values = reader.values().unwrap_or_default();
    Status { verdict, code: Some((name, values)), text: said(text) }
}

fn untagged(mut reader: Reader) -> Result<Untagged, Fault> {
    let word = reader.word();
    if let Some(verdict) = verdict(&word) {
        return Ok(Untagged::Status(status(verdict, &reader.rest())));
    }
    if let Some(number) = std::str::from_utf8(&word).ok().and_then(|word| word.parse::<u32>().ok()) {
        let kind = reader.word().to_ascii_uppercase();
        return Ok(match &kind[..] {
            b"EXISTS" => Untagged::Exists(number),
            b"EXPUNGE" => Untagged::Expunge(number),
            b"FETCH" => Untagged::Fetch(fetched(number, reader.values()?)?),
            _ => Untagged::Other,
        });
    }
    Ok(match &word.to_ascii_uppercase()[..] {
        b"CAPABILITY" => Untagged::Capability(words(&reader.values()?)),
        b"ENABLED" => Untagged::Enabled(words(&reader.values()?)),
        b"LIST" => folder(&reader.values()?).map_or(Untagged::Other, Untagged::Folder),
        b"VANISHED" => vanished(&reader.values()?)?,
        b"SEARCH" => {
            // With CONDSTORE a list comes behind the numbers.
            let values = reader.values()?;
            Untagged::Found(values.iter().filter_map(Value::number).collect())
        }
        b"ESEARCH" => Untagged::Found(esearch(&reader.values()?)?),
        _ => Untagged::Other,
    })
}

/// Words in capitals.
pub(super) fn words(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::text).map(|word| word.to_uppercase()).collect()
}

fn vanished(values: &[Value]) -> Result<Untagged, Fault> {
    let earlier = values.first().is_some_and(|first| first.list().iter().any(|value| value.is("EARLIER")));
    let uids = values.last().and_then(Value::bytes).and_then(Uids::parse);
    Ok(Untagged::Vanished { earlier, uids: uids.ok_or(Fault::Protocol("VANISHED without UIDs"))? })
}

/// `(TAG "a1") UID ALL 1:4` (RFC 4731); without `ALL` nothing was found.
fn esearch(values: &[Value]) -> Result<Uids, Fault> {
    let all = values.iter().position(|value| value.is("ALL"));
    let Some(all) = all else { return Ok(Uids::new()) };
    let uids = values.get(all + 1).and_then(Value::bytes).and_then(Uids::parse);
    uids.ok_or(Fault::Protocol("ESEARCH without numbers"))
}

fn folder(values: &[Value]) -> Option<Folder> {
    let [attributes, delimiter, path, ..] = values else { return None };
    let attributes = words(attributes.list());
    let has = |name: &str| attributes.iter().any(|attribute| attribute == name);
    let uses = [
        ("\\ALL", Use::All),
        ("\\ARCHIVE", Use::Archive),
        ("\\DRAFTS", Use::Drafts),
        ("\\FLAGGED", Use::Flagged),
        ("\\JUNK", Use::Junk),
        ("\\SENT", Use::Sent),
        ("\\TRASH", Use::Trash),
    ];
    // A folder may be called NIL.
    let path = path.bytes().unwrap_or(b"NIL").to_vec();
    Some(Folder {
        name: utf7::decode(&path),
        path,
        delimiter: delimiter.text(),
        special: uses.into_iter().find(|(name, _)| has(name)).map(|(_, special)| special),
        selectable: !has("\\NOSELECT") && !has("\\NONEXISTENT"),
    })
}

fn fetched(sequence: u32, values: Vec<Value>) -> Result<Fetched, Fault> {
    let Some(Value::List(items)) = values.into_iter().next() else {
        return Err(Fault::Protocol("FETCH without a list"));
    };
    let mut fetched = Fetched { sequence, ..Fetched::default() };
    let mut items = items.into_iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        let Value::Atom(name) = name else { return Err(Fault::Protocol("FETCH with an item that has no name")) };
        match &name.to_ascii_uppercase()[..] {
            b"UID" => fetched.uid = value.number(),
            b"FLAGS" => fetched.flags = Some(value.list().iter().filter_map(Value::text).collect()),
            b"MODSEQ" => fetched.modseq = value.list().first().and_then(Value::number),
            b"INTERNALDATE" => fetched.internal_date = value.bytes().and_then(date),
            b"RFC822.SIZE" => fetched.size = value.number(),
            // The id stands in parentheses (RFC 8474).
            b"EMAILID" => fetched.email_id = value.list().first().and_then(Value::text),
            b"BODY[]" | b"RFC822" => fetched.body = value.into_bytes(),
            name if name.starts_with(b"BODY[HEADER") => fetched.header = value.into_bytes(),
            _ => {}
        }
    }
    Ok(fetched)
}

/// `17-Jul-1996 02:44:25 -0700`, the day maybe with a space before it.
fn date(bytes: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    DateTime::parse_from_str(text, "%d-%b-%Y %H:%M:%S %z").ok().map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(texts: &[&str], literals: &[&str]) -> Line {
        let all = |all: &[&str]| all.iter().map(|text| text.as_bytes().to_vec()).collect();
        read(Answer { texts: all(texts), literals: all(literals) }).unwrap()
    }

    fn untagged(line: &str) -> Untagged {
        let Line::Untagged(untagged) = read_all(&[line], &[]) else { panic!("{line}") };
        untagged
    }

    #[test]
    fn a_fetched_message_is_read_in_whatever_order_and_with_whatever_beside() {
        let texts = [
            "* 3 FETCH (X-NEW (1 (2)) BODY[] ",
            r#" EMAILID (M6d99) UID 9 MODSEQ (65) FLAGS (\Seen work) INTERNALDATE " 7-Jul-1996 02:44:25 -0700" RFC822.SIZE 6)"#,
        ];
        let Line::Untagged(Untagged::Fetch(got)) = read_all(&texts, &["a (\r\nb"]) else { panic!() };
        let expected = Fetched {
            sequence: 3,
            uid: Some(9),
            flags: Some(vec!["\\Seen".to_owned(), "work".to_owned()]),
            modseq: Some(65),
            internal_date: Some("1996-07-07T09:44:25Z".parse().unwrap()),
            size: Some(6),
            email_id: Some("M6d99".to_owned()),
            body: Some(b"a (\r\nb".to_vec()),
            header: None,
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn folders_are_listed_with_what_they_are_for() {
        let got = untagged(r#"* LIST (\HasNoChildren \Sent) "/" "Gesendet &AOQ-""#);
        let folder = Folder {
            path: b"Gesendet &AOQ-".to_vec(),
            name: "Gesendet ä".to_owned(),
            delimiter: Some("/".to_owned()),
            special: Some(Use::Sent),
            selectable: true,
        };
        assert_eq!(got, Untagged::Folder(folder));
        let Untagged::Folder(got) = untagged(r"* list (\noselect) NIL nil") else { panic!() };
        assert_eq!((got.name.as_str(), got.delimiter, got.selectable), ("NIL", None, false));
    }

    #[test]
    fn what_vanished_and_what_was_found_are_sets() {
        let uids = Uids::parse(b"41,43:116").unwrap();
        assert_eq!(
            untagged("* VANISHED (EARLIER) 41,43:116"),
            Untagged::Vanished { earlier: true, uids: uids.clone() }
        );
        assert_eq!(untagged("* VANISHED 41,43:116"), Untagged::Vanished { earlier: false, uids: uids.clone() });
        assert_eq!(untagged(r#"* ESEARCH (TAG "a") UID ALL 41,43:116"#), Untagged::Found(uids));
        assert_eq!(untagged(r#"* ESEARCH (TAG "a") UID"#), Untagged::Found(Uids::new()));
        assert_eq!(untagged("* SEARCH 2 84 (MODSEQ 917162500)"), Untagged::Found([2, 84].into_iter().collect()));
        assert_eq!(untagged("* SEARCH"), Untagged::Found(Uids::new()));
    }

    #[test]
    fn a_judgement_has_a_code_and_words() {
        let Untagged::Status(got) = untagged(r"* OK [PERMANENTFLAGS (\Seen \*)] (odd [ words") else { panic!() };
        assert_eq!(got.coded("PERMANENTFLAGS").unwrap()[0].list().len(), 2);
        assert_eq!(got.text, "(odd [ words");
        let Line::Done(tag, got) = read_all(&["a7 no [UIDVALIDITY 7"], &[]) else { panic!() };
        assert_eq!((tag.as_str(), got.verdict, got.code), ("a7", Verdict::No, None));
        let Line::Done(_, got) = read_all(&["a7 OK [uidnext 7] fine"], &[]) else { panic!() };
        assert_eq!(got.number("UIDNEXT"), Some(7));
        assert!(matches!(read_all(&["+ idling"], &[]), Line::Continue(text) if text == "idling"));
        assert!(read(Answer { texts: vec![b"a1 MAYBE".to_vec()], literals: vec![] }).is_err());
    }

    #[test]
    fn what_is_of_no_use_harms_nobody() {
        for line in [
            "* FLAGS (\\Seen)",
            "* 4 RECENT",
            "* STATUS x (MESSAGES 1)",
            "* LIST ()",
            "*",
            "* 5",
            "* 99999999999 EXISTS",
        ] {
            assert_eq!(untagged(line), Untagged::Other, "{line}");
        }
    }
}
