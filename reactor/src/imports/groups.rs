//! A mailbox cut into groups of messages, as they are taken in.

use std::io;

use orbit_adapters::mailbox::{Found, Item, Mark, Messages};
use orbit_event_store::imports::Problem;

/// Most messages in a group.
const MESSAGES: usize = 400;
/// Most bytes in a group; a message that has more is one by itself.
const BYTES: usize = 4 * 1024 * 1024;

/// Messages that follow one another.
#[derive(Debug, Default)]
pub struct Group {
    /// Those that could be read.
    pub items: Vec<Item>,
    /// Those that could not.
    pub bad: Vec<Problem>,
    /// Where to go on behind them.
    pub next: Option<Mark>,
    /// How many bytes could be read.
    pub bytes: usize,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.bad.is_empty()
    }

    fn is_full(&self) -> bool {
        self.items.len() + self.bad.len() >= MESSAGES || self.bytes >= BYTES
    }
}

/// Reads all messages, a group at a time, for as long as `send` wants more.
pub fn read(messages: Messages, mut send: impl FnMut(Group) -> bool) -> io::Result<()> {
    let mut group = Group::default();
    for found in messages {
        match found? {
            Found::Message(item) => {
                let length = item.raw.len();
                if group.bytes > 0 && group.bytes + length > BYTES && !send(std::mem::take(&mut group)) {
                    return Ok(());
                }
                group.bytes += length;
                group.next = Some(item.next.clone());
                group.items.push(item);
            }
            Found::Bad { at, next, code, detail } => {
                group.next = Some(next);
                group.bad.push(problem(&at, code, detail));
            }
        }
        if group.is_full() && !send(std::mem::take(&mut group)) {
            return Ok(());
        }
    }
    if !group.is_empty() {
        send(group);
    }
    Ok(())
}

/// What is told of a message that could not be taken in.
pub fn problem(at: &Mark, code: &str, detail: impl Into<String>) -> Problem {
    let at = serde_json::to_value(at).unwrap_or_default();
    Problem { at, code: code.to_owned(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use orbit_adapters::mailbox::{Kind, over};

    use super::*;

    fn groups(bodies: &[usize]) -> Vec<Group> {
        let mut mailbox = Vec::new();
        for length in bodies {
            mailbox.extend_from_slice(b"From ada@example.org Tue Nov 24 10:00:00 2026\nSubject: x\n\n");
            mailbox.extend(std::iter::repeat_n(b'a', *length));
            mailbox.extend_from_slice(b"\n\n");
        }
        let messages = over(Cursor::new(mailbox), Kind::Mbox, None).unwrap();
        let mut groups = Vec::new();
        read(messages, |group| {
            groups.push(group);
            true
        })
        .unwrap();
        groups
    }

    #[test]
    fn a_group_has_so_many_messages_or_so_many_bytes_and_a_large_one_is_alone() {
        let lengths = |bodies: &[usize]| groups(bodies).iter().map(|group| group.items.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&[1; 801]), [400, 400, 1]);
        assert_eq!(lengths(&[3_000_000, 3_000_000, 10]), [1, 2]);
        assert_eq!(lengths(&[10, 5_000_000, 10]), [1, 1, 1]);
        assert!(lengths(&[]).is_empty());
    }

    #[test]
    fn every_group_says_where_to_go_on() {
        let groups = groups(&[1; 500]);
        let ends: Vec<_> = groups.iter().map(|group| group.items.last().map(|item| item.next.clone())).collect();
        assert_eq!(groups.iter().map(|group| group.next.clone()).collect::<Vec<_>>(), ends);
    }
}
