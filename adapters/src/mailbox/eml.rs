//! One message in a file.

use std::io;

use super::{Found, MESSAGE_BYTES, Mark, marks, source::Source, too_large};

/// A file that is a message. Behind it there is nothing.
pub(super) struct Eml {
    source: Source,
    is_read: bool,
}

impl Eml {
    pub fn new(source: Source) -> Self {
        // Who goes on behind the beginning has had it.
        Self { is_read: source.offset() > 0, source }
    }

    fn read(&mut self) -> io::Result<Option<Found>> {
        let mut raw = Vec::new();
        self.source.take(u64::MAX, &mut raw, MESSAGE_BYTES)?;
        let next = Mark::Offset(self.source.offset());
        if raw.is_empty() {
            return Ok(None);
        }
        if raw.len() > MESSAGE_BYTES {
            return Ok(Some(too_large(Mark::Offset(0), next)));
        }
        Ok(Some(Found::Message(marks::item(raw, next))))
    }
}

impl Iterator for Eml {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        if std::mem::replace(&mut self.is_read, true) {
            return None;
        }
        self.read().transpose()
    }
}
