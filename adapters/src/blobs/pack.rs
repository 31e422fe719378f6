//! Packs: many blobs in one object, made in memory; and one blob in an object of its own, as it comes.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Fault, Key, PACK_AT_MOST, Place,
    fault::blocking,
    local::Local,
    seal::{CHUNK, PLAIN, Sealer, TAG},
};

/// Blobs that will lie in one object. Dropped without [`Pack::finish`], nothing of it was ever there.
pub struct Pack {
    local: Arc<Local>,
    owner: Uuid,
    id: Uuid,
    key: i16,
    sealer: Sealer,
    sealed: Vec<u8>,
    plain: u64,
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("id", &self.id).field("bytes", &self.sealed.len()).finish_non_exhaustive()
    }
}

impl Pack {
    pub(super) fn new(local: Arc<Local>, owner: Uuid, id: Uuid, key: &Key) -> Self {
        let sealer = Sealer::new(owner, id, key);
        Self { local, owner, id, key: key.number, sealer, sealed: Vec::new(), plain: 0 }
    }

    /// Adds a blob, and says where it will be found once the pack is finished.
    pub fn add(&mut self, content: &[u8]) -> Place {
        let place = Place {
            pack: self.id,
            key: self.key,
            offset: self.sealed.len() as u64,
            length: content.len() as u64,
            chunk: self.sealer.next(),
            sha256: Sha256::digest(content).into(),
        };
        let chunks = content.len().div_ceil(PLAIN).max(1);
        self.sealed.reserve(content.len() + chunks * TAG);
        for number in 0..chunks {
            let begin = number * PLAIN;
            let chunk = &content[begin..content.len().min(begin + PLAIN)];
            self.sealer.seal(chunk, number + 1 == chunks, &mut self.sealed);
        }
        self.plain += place.length;
        place
    }

    /// How many bytes it holds, sealed.
    pub fn bytes(&self) -> usize {
        self.sealed.len()
    }

    /// Stores the pack: it is on the disk, under its name, before this returns. An empty one is nothing.
    pub async fn finish(self) -> Result<(), Fault> {
        let Self { local, owner, id, sealed, plain, .. } = self;
        if sealed.is_empty() {
            return Ok(());
        }
        if sealed.len() > PACK_AT_MOST {
            return Err(Fault::TooLarge);
        }
        let write = move || {
            let mut file = local.begin(owner, id)?;
            file.write(&sealed)?;
            file.commit()
        };
        blocking("write a pack", write).await.inspect_err(Fault::count)?;
        metrics::counter!("orbit_blob_bytes_total", "direction" => "in").increment(plain);
        Ok(())
    }
}

/// One blob that is sealed as it comes. A chunk is held back until it is known whether it is the last.
pub(super) struct Piecewise {
    sealer: Sealer,
    pack: Uuid,
    key: i16,
    held: Vec<u8>,
    sealed: Vec<u8>,
    length: u64,
    sha256: Sha256,
}

impl Piecewise {
    pub fn new(owner: Uuid, pack: Uuid, key: &Key) -> Self {
        let sealer = Sealer::new(owner, pack, key);
        Self { sealer, pack, key: key.number, held: vec![], sealed: vec![], length: 0, sha256: Sha256::new() }
    }

    /// Takes the next bytes; gives what is sealed by now and was not given before.
    pub fn push(&mut self, mut bytes: &[u8]) -> &[u8] {
        self.sealed.clear();
        self.sha256.update(bytes);
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.held.len() == PLAIN {
                self.sealer.seal(&self.held, false, &mut self.sealed);
                self.held.clear();
            }
            let (now, later) = bytes.split_at(bytes.len().min(PLAIN - self.held.len()));
            self.held.extend_from_slice(now);
            bytes = later;
        }
        &self.sealed
    }

    /// Where it lies, and what is still to be written.
    pub fn finish(&mut self) -> (Place, &[u8]) {
        self.sealed.clear();
        self.sealer.seal(&self.held, true, &mut self.sealed);
        debug_assert_eq!(self.sealer.next(), self.length.div_ceil(CHUNK).max(1));
        let sha256 = self.sha256.finalize_reset().into();
        let place = Place { pack: self.pack, key: self.key, offset: 0, length: self.length, chunk: 0, sha256 };
        (place, &self.sealed)
    }
}
