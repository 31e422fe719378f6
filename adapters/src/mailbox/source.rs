//! A stream with a buffer of its own, in which one can look ahead as far as a message may be long.

use std::io::{self, Read};

/// What is read at a time.
const AT_ONCE: usize = 256 * 1024;

/// A stream, and how far it was read.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// Where in the buffer it stands.
    at: usize,
    /// Where in the stream that is.
    offset: u64,
    is_ended: bool,
}

impl Source {
    /// A stream that stands at this offset.
    pub fn new(reader: Box<dyn Read + Send>, offset: u64) -> Self {
        Self { reader, buffer: Vec::new(), at: 0, offset, is_ended: false }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What comes next: so many bytes or more, unless the stream ends before.
    pub fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.at < wanted && !self.is_ended {
            // Moving what is left costs no more than what was taken since.
            if self.at > self.buffer.len() / 2 {
                self.buffer.drain(..self.at);
                self.at = 0;
            }
            let read = self.reader.by_ref().take(AT_ONCE as u64).read_to_end(&mut self.buffer)?;
            self.is_ended = read == 0;
        }
        Ok(&self.buffer[self.at..])
    }

    /// Passes over what was looked at.
    pub fn consume(&mut self, length: usize) {
        let length = length.min(self.buffer.len() - self.at);
        self.at += length;
        self.offset += length as u64;
    }

    /// Takes the rest of the line, with its end, as far as there is room for it; all of it is passed over.
    pub fn take_line(&mut self, into: &mut Vec<u8>, at_most: usize) -> io::Result<()> {
        loop {
            let ahead = self.peek(1)?;
            let end = memchr::memchr(b'\n', ahead).map(|at| at + 1);
            let length = end.unwrap_or(ahead.len());
            // One more than fits says that it did not fit.
            let room = (at_most + 1).saturating_sub(into.len());
            into.extend_from_slice(&ahead[..length.min(room)]);
            self.consume(length);
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }

    /// Takes so many bytes, as far as there is room for them and as they are there; says how many were there.
    pub fn take(&mut self, length: u64, into: &mut Vec<u8>, at_most: usize) -> io::Result<u64> {
        let mut left = length;
        while left > 0 {
            let ahead = self.peek(1)?;
            let now = usize::try_from(left).map_or(ahead.len(), |left| left.min(ahead.len()));
            if now == 0 {
                break;
            }
            let room = (at_most + 1).saturating_sub(into.len());
            into.extend_from_slice(&ahead[..now.min(room)]);
            self.consume(now);
            left -= now as u64;
        }
        Ok(length - left)
    }
}
