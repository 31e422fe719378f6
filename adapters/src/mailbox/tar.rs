//! A tar archive (POSIX ustar and pax, and GNU's long names) of a Maildir, or of messages in a file each.
//!
//! Our own reading of its blocks: an archive is a stream here that is gone on with at any file, for which its reader must
//! be owned and its offsets known.

use std::io;

use super::{Found, MESSAGE_BYTES, Mark, maildir, marks, source::Source, too_large};

const BLOCK: usize = 512;
/// Most bytes of what is said about a file beside its block.
const EXTENSION: usize = 1024 * 1024;

/// The messages of an archive.
pub(super) struct Tar {
    source: Source,
    is_over: bool,
}

/// What a block says of the file behind it.
struct Header {
    path: String,
    size: u64,
    kind: u8,
}

/// Whether these bytes begin an archive.
pub(super) fn is_one(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

impl Tar {
    pub fn new(source: Source) -> Self {
        Self { source, is_over: false }
    }

    fn read(&mut self) -> io::Result<Option<Found>> {
        let mut at = Mark::Offset(self.source.offset());
        // What blocks before a file say of it.
        let (mut path, mut size) = (None, None);
        loop {
            let block = self.source.peek(BLOCK)?;
            let Some(header) = block.get(..BLOCK).and_then(header) else {
                // The end is blocks of zeros; anything else is another thing.
                let is_end = block.iter().take(BLOCK).all(|byte| *byte == 0);
                let next = Mark::Offset(self.source.offset());
                return Ok((!is_end).then(|| bad(at, next, "the archive is damaged here")));
            };
            self.source.consume(BLOCK);
            let length = size.take().unwrap_or(header.size);
            match header.kind {
                b'L' | b'x' => {
                    let content = self.content(header.size, EXTENSION)?;
                    if header.kind == b'L' {
                        path = Some(text(&content));
                    } else {
                        pax(&content, &mut path, &mut size);
                    }
                }
                b'0' | 0 | b'7' => {
                    let path = path.take().unwrap_or(header.path);
                    if let Some(found) = self.file(at, &path, length)? {
                        return Ok(Some(found));
                    }
                    at = Mark::Offset(self.source.offset());
                }
                // Directories, links, and what is said of all files.
                _ => {
                    self.content(length, 0)?;
                    path = None;
                }
            }
        }
    }

    /// A file's content with the zeros behind it, as far as there is room for it.
    fn content(&mut self, size: u64, at_most: usize) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let there = self.source.take(size, &mut content, at_most)?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        self.source.take(padding, &mut Vec::new(), 0)?;
        if there < size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within a file"));
        }
        Ok(content)
    }

    /// `None` if the file is no message.
    fn file(&mut self, at: Mark, path: &str, size: u64) -> io::Result<Option<Found>> {
        let Some(place) = place(path) else {
            self.content(size, 0)?;
            return Ok(None);
        };
        let raw = self.content(size, MESSAGE_BYTES)?;
        let next = Mark::Offset(self.source.offset());
        if raw.len() > MESSAGE_BYTES {
            return Ok(Some(too_large(at, next)));
        }
        let mut item = marks::item(raw, next);
        if let Place::Maildir { folder, file, is_new } = place {
            maildir::describe(&mut item, file, &folder, is_new, None);
        }
        Ok(Some(Found::Message(item)))
    }
}

impl Iterator for Tar {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        if self.is_over {
            return None;
        }
        let at = Mark::Offset(self.source.offset());
        let found = match self.read() {
            // The upload was cut: what was whole was read.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let next = Mark::Offset(self.source.offset());
                Ok(Some(bad(at, next, "the archive ends within a file")))
            }
            found => found,
        };
        self.is_over = !matches!(found, Ok(Some(Found::Message(_) | Found::Bad { code: "too_large", .. })));
        found.transpose()
    }
}

fn bad(at: Mark, next: Mark, detail: &str) -> Found {
    Found::Bad { at, next, code: "unreadable", detail: detail.to_owned() }
}

/// Where a file of an archive lies.
enum Place<'a> {
    Maildir { folder: String, file: &'a str, is_new: bool },
    Alone,
}

fn place(path: &str) -> Option<Place<'_>> {
    let mut parts = path.rsplit('/');
    let (file, inner) = (parts.next()?, parts.next().unwrap_or_default());
    if file.is_empty() || file.starts_with('.') {
        return None;
    }
    if matches!(inner, "cur" | "new") {
        let folder = parts.next().filter(|name| name.starts_with('.') && name.len() > 1).unwrap_or_default();
        return Some(Place::Maildir { folder: maildir::folder_name(folder), file, is_new: inner == "new" });
    }
    file.to_ascii_lowercase().ends_with(".eml").then_some(Place::Alone)
}

/// Reads a block, if its sum is right.
fn header(block: &[u8]) -> Option<Header> {
    let sum: u64 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    if block.iter().all(|byte| *byte == 0) || number(&block[148..156])? != sum {
        return None;
    }
    let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
    // GNU has other things there.
    let is_posix = &block[257..263] == b"ustar\0";
    let path = if is_posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name };
    Some(Header { path, size: number(&block[124..136])?, kind: block[156] })
}

/// Octal digits, or, marked by the first bit, the bytes of a number.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let bytes = std::iter::once(field[0] & 0x7F).chain(field[1..].iter().copied());
        return bytes.map(u64::from).try_fold(0_u64, |number, byte| number.checked_mul(256)?.checked_add(byte));
    }
    let digits = str::from_utf8(field).ok()?.trim_matches(|c: char| c == ' ' || c == '\0');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// Up to the first zero.
fn text(field: &[u8]) -> String {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// Records such as `23 path=some/where/else\n`, each beginning with its length.
fn pax(content: &[u8], path: &mut Option<String>, size: &mut Option<u64>) {
    let mut rest = content;
    while let Some(space) = memchr::memchr(b' ', rest) {
        let length = str::from_utf8(&rest[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(record) = length.filter(|length| *length > space + 1).and_then(|length| rest.get(..length)) else {
            return;
        };
        rest = &rest[record.len()..];
        let record = String::from_utf8_lossy(&record[space + 1..]);
        match record.trim_end_matches('\n').split_once('=') {
            Some(("path", value)) => *path = Some(value.to_owned()),
            Some(("size", value)) => *size = value.parse().ok(),
            Some(_) | None => {}
        }
    }
}
