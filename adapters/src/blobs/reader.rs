//! A blob as something to read and to seek in, for code that waits.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use super::{STEP, local::Local, seal::CHUNK, seal::Opener};

/// Reads a blob, a megabyte at a time. It waits for the disk, so it is for a thread where waiting is allowed.
pub struct Reader {
    local: Arc<Local>,
    opener: Opener,
    at: u64,
    /// What was read ahead, and where in the blob it begins.
    ahead: Vec<u8>,
    begin: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(local: Arc<Local>, opener: Opener) -> Self {
        Self { local, opener, at: 0, ahead: Vec::new(), begin: 0 }
    }

    /// What was read ahead from where it stands.
    fn rest(&self) -> &[u8] {
        let behind = self.at.checked_sub(self.begin).and_then(|behind| usize::try_from(behind).ok());
        behind.and_then(|behind| self.ahead.get(behind..)).unwrap_or_default()
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest().is_empty() {
            self.begin = self.at / CHUNK * CHUNK;
            self.ahead = self.local.read(&self.opener, self.begin..self.begin + STEP).map_err(io::Error::other)?;
        }
        let rest = self.rest();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.opener.place().length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?.min(self.opener.place().length);
        Ok(self.at)
    }
}
