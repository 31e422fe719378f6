//! Labels as servers have them: keywords (RFC 9051, 2.3.2), which are ASCII, without spaces, whatever their case.
//!
//! A keyword is its label, but for what a keyword may not have: of that each byte is written `=XX`. Keywords that say what
//! a mail client or a filter did are no labels, and are left as they are.

use std::{collections::BTreeSet, fmt::Write};

use orbit_domain::emails::{Label, email::MAX_LABELS};

/// Keywords of clients and filters besides those that begin with `$` (RFC 5788 registers them that way).
const OTHERS: [&str; 8] =
    ["junk", "nonjunk", "notjunk", "junkrecorded", "forwarded", "redirected", "mdnsent", "unsubscribed"];
/// What a keyword may have besides letters and digits, and be the same on every server.
const MARKS: &[u8] = b"-_.+/:@";

/// Which labels were put on a message there or taken off it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub on: Vec<Label>,
    pub off: Vec<Label>,
}

impl Change {
    /// From what was known to what is there now.
    pub fn between(before: &[String], now: &[String]) -> Self {
        let lacking = |these: &[String], those: &[String]| {
            let new = these.iter().filter(|keyword| !those.iter().any(|known| known.eq_ignore_ascii_case(keyword)));
            new.filter_map(|keyword| label(keyword)).collect()
        };
        Self { on: lacking(now, before), off: lacking(before, now) }
    }

    pub fn is_nothing(&self) -> bool {
        self.on.is_empty() && self.off.is_empty()
    }

    /// The labels of an e-mail after it; `None` if they stay as they are. A server does not tell "Work" from "work".
    pub fn of(&self, labels: &BTreeSet<String>) -> Option<Vec<Label>> {
        let has = |all: &[Label], label: &str| all.iter().any(|one| one.as_str().eq_ignore_ascii_case(label));
        let new = self.on.iter().filter(|on| !labels.iter().any(|known| known.eq_ignore_ascii_case(on.as_str())));
        let kept = labels.iter().filter(|known| !has(&self.off, known)).filter_map(|known| Label::parse(known).ok());
        let after: Vec<Label> = kept.chain(new.cloned()).collect();
        let is_other = after.len() != labels.len() || after.iter().any(|label| !labels.contains(label.as_str()));
        is_other.then_some(after)
    }
}

/// What a server is to be told, for a message there to have these labels: keywords to set, and keywords to take away.
pub(super) fn to_tell(there: &[String], labels: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let wanted: Vec<String> = labels.iter().map(|label| keyword(label)).collect();
    let lacking = |these: &[String], those: &[String]| {
        let lacks = |one: &&String| !those.iter().any(|known| known.eq_ignore_ascii_case(one));
        these.iter().filter(lacks).cloned().collect::<Vec<String>>()
    };
    // Others may write the same label in another way.
    let spelled: Vec<String> = there.iter().filter_map(|there| label(there)).map(|l| keyword(l.as_str())).collect();
    let away =
        there.iter().zip(&spelled).filter(|(_, spelled)| !wanted.iter().any(|w| w.eq_ignore_ascii_case(spelled)));
    (lacking(&wanted, &spelled), away.map(|(there, _)| there.clone()).collect())
}

/// The keywords among flags that are labels, in order, each once.
pub(super) fn among(flags: &[String]) -> Vec<String> {
    let mut found: Vec<String> = flags.iter().filter(|flag| label(flag).is_some()).cloned().collect();
    found.sort_unstable();
    found.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    found.truncate(MAX_LABELS);
    found
}

/// The keyword that stands for a label.
pub(super) fn keyword(label: &str) -> String {
    let mut keyword = String::with_capacity(label.len());
    for (at, byte) in label.bytes().enumerate() {
        // A label that reads like what a client did is still a label.
        let may_be = byte.is_ascii_alphanumeric() || MARKS.contains(&byte);
        if may_be && !(at == 0 && is_of_clients(label)) {
            keyword.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _ = write!(keyword, "={byte:02X}");
        }
    }
    keyword
}

/// The label that a keyword stands for; `None` if it stands for none.
pub(super) fn label(keyword: &str) -> Option<Label> {
    if keyword.starts_with('\\') || is_of_clients(keyword) {
        return None;
    }
    // What is not written as we do it is taken as it stands.
    let text = decoded(keyword).unwrap_or_else(|| keyword.to_owned());
    Label::parse(&text).ok()
}

fn is_of_clients(keyword: &str) -> bool {
    keyword.starts_with('$') || OTHERS.iter().any(|other| keyword.eq_ignore_ascii_case(other))
}

fn decoded(keyword: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(keyword.len());
    let mut rest = keyword.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first == b'=' {
            let (digits, others) = others.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = others;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    fn set(all: &[&str]) -> BTreeSet<String> {
        owned(all).into_iter().collect()
    }

    #[test]
    fn every_label_has_a_keyword_that_stands_for_it() {
        for (text, expected) in [
            ("work", "work"),
            ("To do", "To=20do"),
            ("Äpfel", "=C3=84pfel"),
            ("a=b", "a=3Db"),
            ("50%*(\"\\]{", "50=25=2A=28=22=5C=5D=7B"),
            ("$Junk", "=24Junk"),
            ("Junk", "=4Aunk"),
            ("nonjunk", "=6Eonjunk"),
        ] {
            let written = keyword(text);
            assert_eq!(written, expected);
            assert_eq!(label(&written).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_clients_and_servers_say_is_no_label_and_what_others_write_is_taken_as_it_stands() {
        for keyword in ["$Forwarded", "$label1", "\\Seen", "\\Recent", "Junk", "NonJunk", "=0A"] {
            assert_eq!(label(keyword), None, "{keyword}");
        }
        for keyword in ["a=b", "100=", "=XY", "=FF"] {
            assert_eq!(label(keyword).unwrap().as_str(), keyword);
        }
        let flags = owned(&["\\Seen", "work", "$MDNSent", "Home", "WORK"]);
        assert_eq!(among(&flags).len(), 2);
    }

    #[test]
    fn only_what_changed_there_changes_here() {
        let change = Change::between(&owned(&["work", "old"]), &owned(&["Work", "new"]));
        assert_eq!(
            change.of(&set(&["work", "old", "mine"])).unwrap().iter().map(Label::as_str).collect::<Vec<_>>(),
            ["mine", "work", "new"]
        );
        // Here it is so already.
        assert_eq!(change.of(&set(&["work", "New"])), None);
        assert!(Change::between(&owned(&["work"]), &owned(&["WORK"])).is_nothing());
    }

    #[test]
    fn a_server_is_told_what_it_lacks_and_what_is_no_more() {
        let told = to_tell(&owned(&["=77ork", "old"]), &set(&["Work", "To do"]));
        assert_eq!(told, (owned(&["To=20do"]), owned(&["old"])));
        assert_eq!(to_tell(&owned(&["Work"]), &set(&["work"])), (vec![], vec![]));
    }
}
