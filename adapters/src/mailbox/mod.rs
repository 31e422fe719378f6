//! Mailboxes in files: one message (`.eml`), many in one (mbox), a Maildir, and a Maildir in a tar archive.
//!
//! All are read as streams, with one message in memory, and every message says where to go on behind it: a reading that
//! was cut short goes on from that [`Mark`]. What cannot be read is told and passed over.

mod eml;
mod maildir;
mod marks;
mod mbox;
mod source;
mod tar;

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use mbox::append;

/// The largest message that is read.
pub const MESSAGE_BYTES: usize = 64 * 1024 * 1024;
/// Most labels of a message.
pub const LABELS: usize = 50;
/// Most characters of a label.
pub const LABEL_CHARS: usize = 100;
/// How much of a file tells what it is: the first block of a tar archive.
const SNIFFED: usize = 512;

/// A message, and what the mailbox says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The message.
    pub raw: Vec<u8>,
    /// Where to go on behind it.
    pub next: Mark,
    /// Whether it was read, if that is said.
    pub read: Option<bool>,
    /// Whether it was starred, if that is said.
    pub starred: Option<bool>,
    /// Whether it was thrown away.
    pub trashed: bool,
    /// Labels on it, at most [`LABELS`].
    pub labels: Vec<String>,
    /// The folder it lay in, if that is said: `inbox`, `sent`, `drafts`, `archive`, `junk` and `trash` are what they are
    /// everywhere, others are names, with `/` between those of a folder in a folder.
    pub folder: Option<String>,
    /// When it came in, if that is said.
    pub received_at: Option<DateTime<Utc>>,
}

/// A place between two messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// So many bytes of a file.
    Offset(u64),
    /// Behind the message of this name, in the order of names.
    Name(String),
}

/// What was found in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A message.
    Message(Item),
    /// Something that could not be read.
    Bad {
        /// Where it is.
        at: Mark,
        /// Where to go on behind it.
        next: Mark,
        /// `too_large` or `unreadable`.
        code: &'static str,
        /// What it is, for a reader.
        detail: String,
    },
}

/// What a stream of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One message.
    Eml,
    /// Many, each behind a line that begins with `From `.
    Mbox,
    /// An archive of a Maildir, or of messages in a file each.
    Tar,
}

/// Tells by the first bytes, 512 of them, and by the name what it is.
pub fn sniff(head: &[u8], name: Option<&str>) -> Kind {
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let is_named = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if tar::is_one(head) {
        Kind::Tar
    } else if head.starts_with(b"From ") && !is_named(&[".eml"]) || is_named(&[".mbox", ".mbx"]) {
        Kind::Mbox
    } else {
        Kind::Eml
    }
}

/// The messages of a mailbox, in their order.
pub struct Messages(Box<dyn Iterator<Item = io::Result<Found>> + Send>);

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl Iterator for Messages {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        self.0.next()
    }
}

/// Opens a file of whatever kind, or the directory of a Maildir, from its beginning or from a mark.
pub fn open(path: &Path, from: Option<Mark>) -> io::Result<Messages> {
    if path.is_dir() {
        // As Apple's Mail exports: a directory around a file.
        let inner = path.join("mbox");
        if inner.is_file() {
            return open(&inner, from);
        }
        return Ok(Messages(Box::new(maildir::Maildir::open(path, from)?)));
    }
    let mut file = File::open(path)?;
    let mut head = Vec::with_capacity(SNIFFED);
    file.by_ref().take(SNIFFED as u64).read_to_end(&mut head)?;
    let kind = sniff(&head, path.file_name().and_then(|name| name.to_str()));
    let from = offset(from)?;
    file.seek(SeekFrom::Start(from))?;
    Ok(messages(file, kind, from))
}

/// Reads a stream of a known kind. It stands at its beginning; what lies before the mark is passed over.
pub fn over(mut reader: impl Read + Send + 'static, kind: Kind, from: Option<Mark>) -> io::Result<Messages> {
    let from = offset(from)?;
    io::copy(&mut reader.by_ref().take(from), &mut io::sink())?;
    Ok(messages(reader, kind, from))
}

fn offset(from: Option<Mark>) -> io::Result<u64> {
    match from {
        None => Ok(0),
        Some(Mark::Offset(offset)) => Ok(offset),
        Some(Mark::Name(name)) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, name + " is a place in a Maildir, and not in a file"))
        }
    }
}

fn messages(reader: impl Read + Send + 'static, kind: Kind, from: u64) -> Messages {
    let source = source::Source::new(Box::new(reader), from);
    Messages(match kind {
        Kind::Eml => Box::new(eml::Eml::new(source)),
        Kind::Mbox => Box::new(mbox::Mbox::new(source)),
        Kind::Tar => Box::new(tar::Tar::new(source)),
    })
}

/// What is told of a message that is too large.
fn too_large(at: Mark, next: Mark) -> Found {
    let detail = format!("the message has more than {} MiB", MESSAGE_BYTES / 1024 / 1024);
    Found::Bad { at, next, code: "too_large", detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_beginning_and_name() {
        let mut block = [0; 512];
        block[257..262].copy_from_slice(b"ustar");
        for (head, name, kind) in [
            (&b"From ada@b Tue Nov 24 10:00:00 2026\n"[..], None, Kind::Mbox),
            (b"From ada@b Tue Nov 24 10:00:00 2026\n", Some("letter.EML"), Kind::Eml),
            (b"Subject: x\n", Some("a.mbox"), Kind::Mbox),
            (b"Subject: x\n", None, Kind::Eml),
            (b"", None, Kind::Eml),
            (&block, Some("mail.bin"), Kind::Tar),
        ] {
            assert_eq!(sniff(head, name), kind, "{name:?}");
        }
    }

    #[test]
    fn marks_are_kept_as_json() {
        for (mark, json) in [(Mark::Offset(7), r#"{"offset":7}"#), (Mark::Name("a/b".into()), r#"{"name":"a/b"}"#)] {
            assert_eq!(serde_json::to_string(&mark).unwrap(), json);
            assert_eq!(serde_json::from_str::<Mark>(json).unwrap(), mark);
        }
    }
}
