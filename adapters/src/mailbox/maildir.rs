//! A Maildir: a file for each message, in `cur` and `new`, and folders beside as directories that begin with a dot.
//!
//! Messages are read folder by folder in the order of their names, without what tells their marks: those change, and a
//! reading that was cut short must find where it was.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use base64::{Engine, alphabet, engine::general_purpose::GeneralPurpose, engine::general_purpose::NO_PAD};
use chrono::{DateTime, Utc};

use super::{Found, Item, MESSAGE_BYTES, Mark, marks, too_large};

/// The messages of a directory.
pub(super) struct Maildir {
    root: PathBuf,
    /// Folders that are still to be read, the last first.
    folders: Vec<String>,
    /// Messages of the folder that is being read, the last first.
    messages: Vec<Message>,
    /// Nothing up to here is wanted.
    from: Option<(String, String)>,
}

/// A message's file.
struct Message {
    /// As its directory is named, empty for the inbox.
    folder: String,
    /// Without its marks.
    name: String,
    path: PathBuf,
    is_new: bool,
}

impl Maildir {
    pub fn open(root: &Path, from: Option<Mark>) -> io::Result<Self> {
        if !["cur", "new"].iter().any(|inner| root.join(inner).is_dir()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the directory is no Maildir: it has no cur and no new",
            ));
        }
        let from = match from {
            None => None,
            Some(Mark::Name(name)) => {
                let (folder, name) = name.rsplit_once('/').unwrap_or(("", &name));
                Some((folder.to_owned(), name.to_owned()))
            }
            Some(Mark::Offset(_)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the mark is none of a Maildir"));
            }
        };
        let mut folders = vec![String::new()];
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().filter(|name| name.starts_with('.') && name.len() > 1);
            folders.extend(name.filter(|_| entry.path().join("cur").is_dir()));
        }
        if let Some((folder, _)) = &from {
            folders.retain(|name| name >= folder);
        }
        folders.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self { root: root.to_owned(), folders, messages: Vec::new(), from })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for (inner, is_new) in [("cur", false), ("new", true)] {
            let directory = self.root.join(folder).join(inner);
            if !directory.is_dir() {
                continue;
            }
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                let file = entry.file_name().to_string_lossy().into_owned();
                if file.starts_with('.') {
                    continue;
                }
                let name = parted(&file).0.to_owned();
                messages.push(Message { folder: folder.to_owned(), name, path: entry.path(), is_new });
            }
        }
        if let Some((from, name)) = self.from.as_ref().filter(|(from, _)| from == folder) {
            debug_assert_eq!(from, folder);
            messages.retain(|message| message.name > *name);
        }
        messages.sort_unstable_by(|one, other| other.name.cmp(&one.name).then_with(|| other.path.cmp(&one.path)));
        Ok(messages)
    }

    fn find_next(&mut self) -> io::Result<Option<Found>> {
        loop {
            if let Some(message) = self.messages.pop() {
                if let Some(found) = message.read() {
                    return Ok(Some(found));
                }
            } else if let Some(folder) = self.folders.pop() {
                self.messages = self.list(&folder)?;
            } else {
                return Ok(None);
            }
        }
    }
}

impl Iterator for Maildir {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        let found = self.find_next();
        if found.is_err() {
            self.folders.clear();
            self.messages.clear();
        }
        found.transpose()
    }
}

impl Message {
    /// `None` if it is no file, or gone: whoever uses the Maildir has moved or deleted it.
    fn read(&self) -> Option<Found> {
        let mark = Mark::Name(format!("{}/{}", self.folder, self.name));
        let unreadable = |error: &io::Error| {
            let detail = format!("the file could not be read: {error}");
            Found::Bad { at: mark.clone(), next: mark.clone(), code: "unreadable", detail }
        };
        let found = match fs::metadata(&self.path) {
            Ok(found) if found.is_file() => found,
            Ok(_) => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(unreadable(&error)),
        };
        if found.len() > MESSAGE_BYTES as u64 {
            return Some(too_large(mark.clone(), mark));
        }
        let raw = match fs::read(&self.path) {
            Ok(raw) => raw,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(unreadable(&error)),
        };
        let file = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let mut item = marks::item(raw, mark);
        let touched = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let touched = touched.and_then(|since| DateTime::from_timestamp(i64::try_from(since.as_secs()).ok()?, 0));
        describe(&mut item, &file, &folder_name(&self.folder), self.is_new, touched);
        Some(Found::Message(item))
    }
}

/// What a file's name and place say of a message.
pub(super) fn describe(item: &mut Item, file: &str, folder: &str, is_new: bool, touched: Option<DateTime<Utc>>) {
    let (name, flags) = parted(file);
    item.read = Some(!is_new && flags.contains('S'));
    item.starred = Some(!is_new && flags.contains('F'));
    item.trashed |= !is_new && flags.contains('T');
    item.folder = (!folder.is_empty()).then(|| folder.to_owned()).or(item.folder.take());
    // Names begin with the second in which the message came.
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let second = name[..digits].parse().ok().filter(|_| (9..=10).contains(&digits));
    let came = second.and_then(|second| DateTime::from_timestamp(second, 0));
    item.received_at = came.or(touched).or(item.received_at);
}

/// A file's name without its marks, and the marks: `1700000000.M1P2.host:2,FS`. Where a colon is not allowed it is
/// another character.
fn parted(file: &str) -> (&str, &str) {
    let found = [":2,", ";2,", "!2,"].iter().find_map(|mark| file.rsplit_once(mark));
    found.unwrap_or((file, ""))
}

/// `.Work.Old&APw-` as `Work/Oldü`: the names of IMAP's folders (RFC 3501, 5.1.3), with a dot between them.
pub(super) fn folder_name(directory: &str) -> String {
    let name = directory.strip_prefix('.').unwrap_or(directory);
    let parts: Vec<String> = name.split('.').map(decoded).collect();
    parts.join("/")
}

/// The alphabet of IMAP's names has a comma for the slash.
fn decoded(name: &str) -> String {
    let Ok(letters) = alphabet::Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,")
    else {
        return name.to_owned();
    };
    let engine = GeneralPurpose::new(&letters, NO_PAD);
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let Some((encoded, next)) = behind.split_once('-') else { return name.to_owned() };
        rest = next;
        if encoded.is_empty() {
            out.push('&');
            continue;
        }
        let Ok(bytes) = engine.decode(encoded) else { return name.to_owned() };
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        out.push_str(&String::from_utf16_lossy(&units));
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_read_as_imap_writes_them() {
        for (directory, name) in [
            ("", ""),
            (".Sent", "Sent"),
            (".Work.2026", "Work/2026"),
            (".Entw&APw-rfe", "Entwürfe"),
            (".R&-D", "R&D"),
            (".&ZeVnLIqe-", "日本語"),
            (".&broken", "&broken"),
        ] {
            assert_eq!(folder_name(directory), name, "{directory}");
        }
    }

    #[test]
    fn names_of_files_have_their_marks_behind_them() {
        assert_eq!(parted("1700000000.M1.host:2,FS"), ("1700000000.M1.host", "FS"));
        assert_eq!(parted("1700000000.M1.host"), ("1700000000.M1.host", ""));
        assert_eq!(parted("a:2,b;2,S"), ("a", "b;2,S"));
    }
}
