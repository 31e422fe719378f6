//! What programs write into a message's head about whether it was read, where it lay, and when it came.

use chrono::{DateTime, Utc};

use super::{Item, LABEL_CHARS, LABELS, Mark};
use crate::mime::{
    fields::{Fields, Values},
    note::Notes,
};

/// Most characters of a list of labels.
const LIST_CHARS: usize = 10_000;

/// A message with what its head says of it.
pub(super) fn item(raw: Vec<u8>, next: Mark) -> Item {
    let (fields, _) = Fields::parse(&raw);
    let mut item = Item {
        raw: Vec::new(),
        next,
        read: None,
        starred: None,
        trashed: false,
        labels: Vec::new(),
        folder: None,
        received_at: received_at(&fields),
    };
    mozilla(&fields, &mut item);
    status(&fields, &mut item);
    gmail(&fields, &mut item);
    Item { raw, ..item }
}

/// The newest `Received` is the uppermost, with its date behind the last semicolon.
fn received_at(fields: &Fields<'_>) -> Option<DateTime<Utc>> {
    let value = fields.first("received")?;
    let date = &value[value.iter().rposition(|byte| *byte == b';')? + 1..];
    Values::new(None, &mut Notes::default()).date(date)
}

/// Thunderbird: bits in hexadecimal.
fn mozilla(fields: &Fields<'_>, item: &mut Item) {
    let value = fields.first("x-mozilla-status").and_then(|value| str::from_utf8(value).ok());
    if let Some(bits) = value.and_then(|value| u32::from_str_radix(value.trim(), 16).ok()) {
        item.read = Some(bits & 0x1 != 0);
        item.starred = Some(bits & 0x4 != 0);
        // Deleted, and still there until the file is packed.
        item.trashed |= bits & 0x8 != 0;
    }
}

/// Letters of mutt, Dovecot, Alpine and others.
fn status(fields: &Fields<'_>, item: &mut Item) {
    let letters = |name: &str| fields.first(name).unwrap_or_default().trim_ascii();
    let (status, more) = (letters("status"), letters("x-status"));
    let is_one = |value: &[u8]| value.iter().all(|byte| b"ROUADFT".contains(byte));
    if !status.is_empty() && is_one(status) {
        item.read = Some(status.contains(&b'R'));
    }
    if !more.is_empty() && is_one(more) {
        item.starred = Some(more.contains(&b'F'));
        item.trashed |= more.contains(&b'D');
    }
}

/// Takeout of Gmail: folders, marks and labels in one list, in the language of who exported it.
fn gmail(fields: &Fields<'_>, item: &mut Item) {
    let mut notes = Notes::default();
    let value = fields.first("x-gmail-labels");
    let Some(list) = value.and_then(|value| Values::new(None, &mut notes).text(value, LIST_CHARS)) else { return };
    item.read = Some(true);
    item.starred = Some(false);
    let folder = |item: &mut Item, role: &str| {
        // In several it lies in the first that counts; what was thrown away was thrown away.
        if item.folder.is_none() {
            item.folder = Some(role.to_owned());
        }
    };
    for label in split(&list) {
        match label.to_lowercase().as_str() {
            "inbox" | "posteingang" => folder(item, "inbox"),
            "sent" | "gesendet" => folder(item, "sent"),
            "drafts" | "draft" | "entwürfe" => folder(item, "drafts"),
            "archived" | "archiviert" => folder(item, "archive"),
            "spam" => folder(item, "junk"),
            "trash" | "papierkorb" => item.trashed = true,
            "unread" | "ungelesen" => item.read = Some(false),
            "starred" | "markiert" => item.starred = Some(true),
            "opened" | "geöffnet" => {}
            _ if item.labels.len() < LABELS && !item.labels.contains(&label) => item.labels.push(label),
            _ => {}
        }
    }
}

/// Names between commas; those with a comma are in quotes.
fn split(list: &str) -> Vec<String> {
    let (mut names, mut name, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in list.chars().chain([',']) {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                let label: String = name.trim().chars().take(LABEL_CHARS).collect();
                names.push(label);
                name.clear();
            }
            _ => name.push(character),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Item {
        item(format!("{head}\n\nx").into_bytes(), Mark::Offset(0))
    }

    #[test]
    fn marks_of_programs_are_read() {
        for (head, read_, starred, trashed) in [
            ("Subject: x", None, None, false),
            ("Status: RO", Some(true), None, false),
            ("Status: O\nX-Status: F", Some(false), Some(true), false),
            ("X-Status: AD", None, Some(false), true),
            ("Status: a word of somebody's own", None, None, false),
            ("X-Mozilla-Status: 0001", Some(true), Some(false), false),
            ("X-Mozilla-Status: 000d\nX-Mozilla-Status2: 00000000", Some(true), Some(true), true),
            ("X-Mozilla-Status: none", None, None, false),
        ] {
            let item = read(head);
            assert_eq!((item.read, item.starred, item.trashed), (read_, starred, trashed), "{head}");
        }
    }

    #[test]
    fn labels_of_gmail_are_folders_marks_and_labels() {
        let item = read("X-Gmail-Labels: Inbox,Unread,Starred,\"Harbour, old\",Important,Inbox");
        assert_eq!((item.folder.as_deref(), item.read, item.starred), (Some("inbox"), Some(false), Some(true)));
        assert_eq!(item.labels, ["Harbour, old", "Important"]);
        let item = read("X-Gmail-Labels: =?UTF-8?Q?Gesendet,Ge=C3=B6ffnet,B=C3=BCro?=");
        assert_eq!((item.folder.as_deref(), item.read, item.starred), (Some("sent"), Some(true), Some(false)));
        assert_eq!(item.labels, ["Büro"]);
        assert!(read("X-Gmail-Labels: Trash").trashed);
    }

    #[test]
    fn a_message_came_in_when_the_last_server_says() {
        let head = "Received: from a by b; id x;\n Tue, 24 Nov 2026 10:00:01 +0100\nReceived: from c by a; Mon, 23 Nov 2026 1:00:00 +0000";
        assert_eq!(read(head).received_at, Some("2026-11-24T09:00:01Z".parse().unwrap()));
        assert_eq!(read("Received: by nobody").received_at, None);
    }
}
