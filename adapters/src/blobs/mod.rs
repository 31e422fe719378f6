//! Blobs: messages and files, sealed with a key of whoever owns them, in packs that are never changed.
//!
//! A blob is cut into chunks of [`CHUNK`] bytes, each sealed by itself, so that a range is read without the rest. Many
//! blobs lie in one pack, so that an import costs one file and one `fsync` for hundreds of messages. An object is
//! `{owner}/{pack as 32 hex digits}` and holds nothing but sealed chunks; where in it a blob lies says its [`Place`],
//! which is kept by whoever stored it. Why so: docs/adr/0016-blobs-in-sealed-packs.md.

mod fault;
mod local;
mod pack;
mod reader;
mod seal;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, TryStreamExt},
};
use orbit_platform::{
    config::{self, BlobArgs},
    ids,
};
use tokio::sync::mpsc;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use fault::Fault;
pub use pack::Pack;
pub use reader::Reader;
pub use seal::CHUNK;

use fault::blocking;
use local::Local;
use pack::Piecewise;
use seal::Opener;

/// What a pack is filled to before another one is begun: large enough for its `fsync` not to count, small enough to be
/// held in memory several times.
pub const PACK_BYTES: usize = 4 * 1024 * 1024;
/// What a pack in memory may hold: a message of the largest size beside a full pack.
pub const PACK_AT_MOST: usize = 80 * 1024 * 1024;
/// What is read into memory at once.
pub const READ_AT_MOST: u64 = 80 * 1024 * 1024;
/// What a stream reads at a time: a round trip to the thread pool for each chunk would cost more than the reading.
const STEP: u64 = 16 * CHUNK;
/// Pieces of an upload that wait for the disk.
const PIECES: usize = 4;

/// Where blobs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a directory of this machine.
    Directory(PathBuf),
}

/// A text that names no place for blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a directory is expected, as a path or as file:///path")]
pub struct NotALocation;

impl Location {
    /// The place that the settings name, if they name one.
    pub fn from_args(args: &BlobArgs) -> Result<Option<Self>, config::Fault> {
        let named = args.blobs.as_deref().filter(|text| !text.is_empty());
        let location = named.map(Self::from_str).transpose();
        location.map_err(|_| config::Fault::Malformed {
            setting: "ORBIT_BLOBS",
            expected: "a directory, as a path or as file:///path",
        })
    }
}

impl FromStr for Location {
    type Err = NotALocation;

    fn from_str(text: &str) -> Result<Self, NotALocation> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.is_empty() || path.contains("://") || path.len() != text.len() && !path.starts_with('/') {
            return Err(NotALocation);
        }
        Ok(Self::Directory(path.into()))
    }
}

/// What an owner's blobs are sealed with, and under which number it is found again.
#[derive(Clone)]
pub struct Key {
    /// Its number.
    pub number: i16,
    /// The key.
    pub bytes: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Where a blob lies, and what it is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The pack it is in.
    pub pack: Uuid,
    /// The number of the key it is sealed with.
    pub key: i16,
    /// Where in the pack its first chunk begins.
    pub offset: u64,
    /// How many bytes it has, before sealing.
    pub length: u64,
    /// Which of the pack's chunks its first one is.
    pub chunk: u64,
    /// The SHA-256 of its bytes, before sealing.
    pub sha256: [u8; 32],
}

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    local: Arc<Local>,
}

impl Blobs {
    /// The store at this place, which is made if it is not there.
    pub fn open(location: &Location) -> Result<Self, Fault> {
        let Location::Directory(path) = location;
        Ok(Self { local: Arc::new(Local::open(path)?) })
    }

    /// A pack to fill with an owner's blobs.
    pub fn pack(&self, owner: Uuid, key: &Key) -> Pack {
        Pack::new(self.local.clone(), owner, ids::new_event_id(), key)
    }

    /// Stores one blob as it comes, in a pack of its own, without holding it in memory. It is on the disk when its place
    /// is known; whatever goes wrong before leaves nothing.
    pub async fn put(
        &self,
        owner: Uuid,
        key: &Key,
        content: impl Stream<Item = io::Result<Bytes>>,
        at_most: u64,
    ) -> Result<Place, Fault> {
        const ATTEMPTED: &str = "write a blob";
        let (pieces, mut waiting) = mpsc::channel::<Piece>(PIECES);
        let (local, key) = (self.local.clone(), key.clone());
        let storing = blocking(ATTEMPTED, move || {
            let pack = ids::new_event_id();
            let mut file = local.begin(owner, pack)?;
            let mut blob = Piecewise::new(owner, pack, &key);
            loop {
                match waiting.blocking_recv() {
                    Some(Piece::Bytes(bytes)) => file.write(blob.push(&bytes))?,
                    Some(Piece::End) => break,
                    // Whoever sent it has gone: what is written is dropped with the file.
                    None => return Err(Fault::io(ATTEMPTED)(io::ErrorKind::Interrupted.into())),
                }
            }
            let (place, rest) = blob.finish();
            file.write(rest)?;
            file.commit()?;
            Ok(place)
        });
        let sending = async {
            let mut content = std::pin::pin!(content);
            let mut length = 0;
            while let Some(bytes) = content.next().await {
                let bytes = bytes.map_err(Fault::Content)?;
                length += bytes.len() as u64;
                if length > at_most {
                    return Err(Fault::TooLarge);
                }
                if pieces.send(Piece::Bytes(bytes)).await.is_err() {
                    // The writer has given up, and says why.
                    break;
                }
            }
            // If nobody takes it, the writer has given up.
            let _ = pieces.send(Piece::End).await;
            drop(pieces);
            Ok(())
        };
        let (sent, written) = futures_util::join!(sending, storing);
        sent?;
        let place = written.inspect_err(Fault::count)?;
        metrics::counter!("orbit_blob_bytes_total", "direction" => "in").increment(place.length);
        Ok(place)
    }

    /// A part of a blob, at most [`READ_AT_MOST`] bytes. What is beyond its end is left out.
    pub async fn read(&self, owner: Uuid, key: &Key, place: &Place, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let (local, opener) = (self.local.clone(), Opener::new(owner, key, *place)?);
        let read = blocking("read a blob", move || local.read(&opener, range)).await.inspect_err(Fault::count)?;
        metrics::counter!("orbit_blob_bytes_total", "direction" => "out").increment(read.len() as u64);
        Ok(read)
    }

    /// A part of a blob, piece by piece.
    pub fn stream(
        &self,
        owner: Uuid,
        key: &Key,
        place: &Place,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, Fault>> + Send + 'static + use<> {
        let (blobs, key, place) = (self.clone(), key.clone(), *place);
        let end = range.end.min(place.length);
        stream::try_unfold(range.start, move |at| {
            let (blobs, key) = (blobs.clone(), key.clone());
            async move {
                if at >= end {
                    return Ok(None);
                }
                // To the end of a chunk, so that none is opened twice.
                let next = (at / CHUNK * CHUNK + STEP).min(end);
                let bytes = blobs.read(owner, &key, &place, at..next).await?;
                Ok(Some((Bytes::from(bytes), next)))
            }
        })
    }

    /// A blob to be read and sought in by code that waits: on a thread where waiting is allowed.
    pub fn reader(&self, owner: Uuid, key: &Key, place: &Place) -> Result<Reader, Fault> {
        Ok(Reader::new(self.local.clone(), Opener::new(owner, key, *place)?))
    }

    /// Deletes one pack; says whether it was there. For what has one of its own: an upload that was worked off.
    pub async fn remove(&self, owner: Uuid, pack: Uuid) -> Result<bool, Fault> {
        let local = self.local.clone();
        blocking("delete a blob", move || local.remove(owner, pack)).await.inspect_err(Fault::count)
    }

    /// Deletes everything of an owner; says how many packs there were.
    pub async fn forget(&self, owner: Uuid) -> Result<u64, Fault> {
        let local = self.local.clone();
        blocking("delete an owner's blobs", move || local.forget(owner)).await.inspect_err(Fault::count)
    }

    /// Deletes what writers that died have left behind, which nobody can find: files that are no object and were not
    /// touched for a day. Says how many there were.
    pub async fn clear_leftovers(&self) -> Result<u64, Fault> {
        let local = self.local.clone();
        blocking("delete what dead writers left", move || local.clear_leftovers(local::LEFT_ALONE)).await
    }

    /// Who has anything stored.
    pub async fn owners(&self) -> Result<Vec<Uuid>, Fault> {
        let local = self.local.clone();
        blocking("list who has blobs", move || local.owners()).await.inspect_err(Fault::count)
    }

    /// Every pack: its owner, its id and its size in bytes.
    pub fn objects(&self) -> impl Stream<Item = Result<(Uuid, Uuid, u64), Fault>> + Send + 'static + use<> {
        let blobs = self.clone();
        let owners = stream::once(async move { blobs.owners().await }).map_ok(|all| stream::iter(all).map(Ok));
        let local = self.local.clone();
        let packs = owners.try_flatten().and_then(move |owner| {
            let local = local.clone();
            async move {
                let packs = blocking("list an owner's blobs", move || local.packs(owner)).await?;
                Ok(stream::iter(packs).map(move |(pack, bytes)| Ok((owner, pack, bytes))))
            }
        });
        packs.try_flatten()
    }

    /// Copies a pack out as it is, sealed, to a file: as a hard link where that can be. Says how many bytes it has.
    pub async fn copy_out(&self, owner: Uuid, pack: Uuid, to: &Path) -> Result<u64, Fault> {
        let (local, to) = (self.local.clone(), to.to_owned());
        blocking("copy a pack out", move || local.copy_out(owner, pack, &to)).await
    }

    /// Copies a pack in from a file, as it is; says whether it was missing.
    pub async fn copy_in(&self, owner: Uuid, pack: Uuid, from: &Path) -> Result<bool, Fault> {
        let (local, from) = (self.local.clone(), from.to_owned());
        blocking("copy a pack in", move || local.copy_in(owner, pack, &from)).await
    }
}

/// What travels from whoever brings a blob to the thread that writes it.
enum Piece {
    Bytes(Bytes),
    /// All of it was sent. Without this it was cut short.
    End,
}
