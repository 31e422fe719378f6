//! Sealing: a blob's chunks, each with XChaCha20-Poly1305 under the owner's key.
//!
//! The nonce (24 bytes) is the pack's id (16) and the chunk's number in the pack (8, big endian): unique under a key, since
//! packs are never changed, and nothing to store. Associated data are the owner's id and whether the chunk is the last of
//! its blob: a chunk that was cut off, moved, or taken from another blob or owner does not open.

use std::ops::Range;

use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use uuid::Uuid;

use super::{Fault, Key, Place, READ_AT_MOST};

/// How many bytes of a blob are sealed at a time: what is read, at the least, for one byte of it.
pub const CHUNK: u64 = 65_536;
/// The same, as the length of a slice.
pub(super) const PLAIN: usize = 65_536;
/// What the tag adds to each.
pub(super) const TAG: usize = 16;
/// What a full chunk takes in a pack.
pub(super) const SEALED: u64 = CHUNK + TAG as u64;

/// Seals the chunks of one pack, in their order.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    owner: Uuid,
    pack: Uuid,
    next: u64,
}

impl Sealer {
    pub fn new(owner: Uuid, pack: Uuid, key: &Key) -> Self {
        Self { cipher: XChaCha20Poly1305::new((&*key.bytes).into()), owner, pack, next: 0 }
    }

    /// The number that the next chunk gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Seals a chunk to the end of `out`.
    pub fn seal(&mut self, plain: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(plain);
        let (nonce, data) = (nonce(self.pack, self.next), data(self.owner, is_last));
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &data, (&mut out[begin..]).into())
            .expect("XChaCha20-Poly1305 seals anything shorter than 256 GiB");
        out.extend_from_slice(&tag);
        self.next += 1;
    }
}

/// Opens the chunks of one blob.
pub(super) struct Opener {
    cipher: XChaCha20Poly1305,
    owner: Uuid,
    place: Place,
}

/// What must be read of a pack for a range of a blob.
pub(super) struct Span {
    /// Where the reading begins in the pack.
    pub offset: u64,
    /// How many bytes are read.
    pub length: usize,
    first: u64,
    range: Range<u64>,
}

impl Opener {
    /// Opens what was sealed with this key: another number is another key.
    pub fn new(owner: Uuid, key: &Key, place: Place) -> Result<Self, Fault> {
        if key.number != place.key {
            return Err(Fault::Corrupt);
        }
        Ok(Self { cipher: XChaCha20Poly1305::new((&*key.bytes).into()), owner, place })
    }

    pub fn owner(&self) -> Uuid {
        self.owner
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Which bytes of the pack hold this range; `None` if it is empty.
    pub fn span(&self, range: Range<u64>) -> Result<Option<Span>, Fault> {
        let range = range.start..range.end.min(self.place.length);
        if range.start >= range.end {
            return Ok(None);
        }
        if range.end - range.start > READ_AT_MOST {
            return Err(Fault::TooLarge);
        }
        let first = range.start / CHUNK;
        let end = (range.end.div_ceil(CHUNK) * CHUNK).min(self.place.length);
        let sealed = end - first * CHUNK + (end.div_ceil(CHUNK) - first) * TAG as u64;
        // A place that was made up overflows here, or is not found.
        let offset = first.checked_mul(SEALED).and_then(|ahead| self.place.offset.checked_add(ahead));
        let length = usize::try_from(sealed).map_err(|_| Fault::TooLarge)?;
        Ok(Some(Span { offset: offset.ok_or(Fault::Corrupt)?, length, first, range }))
    }

    /// Opens what was read of a span, in place, and leaves just the range.
    pub fn open(&self, span: &Span, mut sealed: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let last = self.place.length.div_ceil(CHUNK).saturating_sub(1);
        let (mut from, mut to, mut number) = (0, 0, span.first);
        while from < sealed.len() {
            let length = (sealed.len() - from).min(PLAIN + TAG);
            let (text, tag) = sealed[from..from + length].split_last_chunk_mut::<TAG>().ok_or(Fault::Corrupt)?;
            let plain = text.len();
            let nonce = nonce(self.place.pack, self.place.chunk.checked_add(number).ok_or(Fault::Corrupt)?);
            self.cipher
                .decrypt_inout_detached(&nonce, &data(self.owner, number == last), text.into(), &Tag::from(*tag))
                .map_err(|_| Fault::Corrupt)?;
            sealed.copy_within(from..from + plain, to);
            (from, to, number) = (from + length, to + plain, number + 1);
        }
        sealed.truncate(to);
        // Both lie within what was read: the range decided how much that was.
        let (head, length) = (span.range.start - span.first * CHUNK, span.range.end - span.range.start);
        let (head, length) = (usize::try_from(head), usize::try_from(length));
        let (Ok(head), Ok(length)) = (head, length) else { return Err(Fault::TooLarge) };
        sealed.drain(..head.min(to));
        sealed.truncate(length);
        Ok(sealed)
    }
}

fn nonce(pack: Uuid, chunk: u64) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(pack.as_bytes());
    nonce[16..].copy_from_slice(&chunk.to_be_bytes());
    nonce.into()
}

fn data(owner: Uuid, is_last: bool) -> [u8; 17] {
    let mut data = [0; 17];
    data[..16].copy_from_slice(owner.as_bytes());
    data[16] = is_last.into();
    data
}
