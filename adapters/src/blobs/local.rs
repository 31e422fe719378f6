//! Packs as files of a directory: `{owner}/{pack}`, written beside under `.{pack}` and renamed when they are on the disk.
//!
//! A pack is there when its name is: the file is synced before it is renamed, the directory after, and so is the root
//! when it got a new directory. A crash in between leaves a file whose name says that it is none.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    io::{self, Write},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::{Fault, seal::Opener};

/// How long a file that is no object was not touched before nobody writes it any more.
pub(super) const LEFT_ALONE: Duration = Duration::from_hours(24);
/// Directories that are remembered to be on the disk. Beyond, all are forgotten, and synced once more.
const REMEMBERED: usize = 10_000;
/// How often a directory is emptied while somebody goes on writing into it.
const EMPTIED: u32 = 5;

/// What is done to the disk for a pack, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The bytes go into a file of another name.
    Write,
    /// They are on the disk.
    SyncFile,
    /// It gets its name.
    Rename,
    /// The name is on the disk.
    SyncDirectory,
}

/// Told of every step before it is done; an error takes its place. Tests count and cut with it.
pub(super) type Watch = Arc<dyn Fn(Step) -> io::Result<()> + Send + Sync>;

/// The directory.
pub(super) struct Local {
    root: PathBuf,
    /// Owners whose directory is known to be on the disk.
    synced: Mutex<HashSet<Uuid>>,
    watch: Watch,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Local {
    pub fn open(root: &Path) -> Result<Self, Fault> {
        Self::watched(root, Arc::new(|_| Ok(())))
    }

    pub fn watched(root: &Path, watch: Watch) -> Result<Self, Fault> {
        fs::create_dir_all(root).map_err(Fault::io("make the directory of the blobs"))?;
        Ok(Self { root: root.to_owned(), synced: Mutex::default(), watch })
    }

    fn directory(&self, owner: Uuid) -> PathBuf {
        self.root.join(owner.hyphenated().to_string())
    }

    fn object(&self, owner: Uuid, pack: Uuid) -> PathBuf {
        self.directory(owner).join(pack.simple().to_string())
    }

    /// A pack to write. It is there once it is committed.
    pub fn begin(&self, owner: Uuid, pack: Uuid) -> Result<Incoming<'_>, Fault> {
        let directory = self.directory(owner);
        self.make(owner, &directory).map_err(Fault::io("make a directory for blobs"))?;
        let beside = directory.join(format!(".{}", pack.simple()));
        let file = File::create_new(&beside).map_err(Fault::io("make a file for a pack"))?;
        Ok(Incoming { local: self, file, beside, object: self.object(owner, pack), directory, is_kept: false })
    }

    fn make(&self, owner: Uuid, directory: &Path) -> io::Result<()> {
        let synced = || self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        match fs::create_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Another process may have made it and died before it was on the disk.
                if synced().contains(&owner) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
        self.sync(&self.root)?;
        let mut synced = synced();
        if synced.len() >= REMEMBERED {
            synced.clear();
        }
        synced.insert(owner);
        Ok(())
    }

    fn sync(&self, directory: &Path) -> io::Result<()> {
        (self.watch)(Step::SyncDirectory)?;
        File::open(directory)?.sync_all()
    }

    /// Reads and opens a range of a blob.
    pub fn read(&self, opener: &Opener, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        const ATTEMPTED: &str = "read a blob";
        let Some(span) = opener.span(range)? else { return Ok(Vec::new()) };
        let path = self.object(opener.owner(), opener.place().pack);
        let file = File::open(path).map_err(Fault::or_missing(ATTEMPTED))?;
        let mut sealed = vec![0; span.length];
        file.read_exact_at(&mut sealed, span.offset).map_err(|source| match source.kind() {
            // Cut: whoever wrote it has synced it whole.
            io::ErrorKind::UnexpectedEof => Fault::Corrupt,
            _ => Fault::Io { attempted: ATTEMPTED, source },
        })?;
        opener.open(&span, sealed)
    }

    pub fn remove(&self, owner: Uuid, pack: Uuid) -> Result<bool, Fault> {
        const ATTEMPTED: &str = "delete a pack";
        match fs::remove_file(self.object(owner, pack)) {
            Ok(()) => {
                self.sync(&self.directory(owner)).map_err(Fault::io(ATTEMPTED))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Fault::io(ATTEMPTED)(error)),
        }
    }

    pub fn forget(&self, owner: Uuid) -> Result<u64, Fault> {
        const ATTEMPTED: &str = "delete an owner's packs";
        let mut packs = 0;
        for attempt in 1.. {
            packs += self.packs(owner)?.len() as u64;
            match fs::remove_dir_all(self.directory(owner)) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(packs),
                // Somebody has just written one more.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && attempt < EMPTIED => {}
                Err(error) => return Err(Fault::io(ATTEMPTED)(error)),
            }
        }
        self.sync(&self.root).map_err(Fault::io(ATTEMPTED))?;
        Ok(packs)
    }

    pub fn owners(&self) -> Result<Vec<Uuid>, Fault> {
        let names = names(&self.root).map_err(Fault::io("list who has packs"))?;
        let mut owners: Vec<Uuid> = names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect();
        owners.sort_unstable();
        Ok(owners)
    }

    /// An owner's packs with their sizes, by id.
    pub fn packs(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, Fault> {
        const ATTEMPTED: &str = "list an owner's packs";
        let directory = self.directory(owner);
        let names = match names(&directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Fault::io(ATTEMPTED)(error)),
        };
        let mut packs = Vec::with_capacity(names.len());
        for name in names {
            let Some(pack) = pack_of(&name) else { continue };
            match fs::metadata(directory.join(&name)) {
                Ok(found) => packs.push((pack, found.len())),
                // Deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::io(ATTEMPTED)(error)),
            }
        }
        packs.sort_unstable();
        Ok(packs)
    }

    pub fn clear_leftovers(&self, left_alone: Duration) -> Result<u64, Fault> {
        let io = Fault::io("delete what dead writers left");
        let mut cleared = 0;
        for owner in self.owners()? {
            let directory = self.directory(owner);
            // An owner who is forgotten meanwhile leaves nothing.
            for name in names(&directory).unwrap_or_default() {
                let path = directory.join(&name);
                let beside = name.strip_prefix('.').and_then(pack_of).is_some();
                let touched = fs::metadata(&path).and_then(|found| found.modified()).ok();
                let age = touched.and_then(|at| at.elapsed().ok()).unwrap_or_default();
                if beside && age >= left_alone {
                    fs::remove_file(&path).map_err(&io)?;
                    cleared += 1;
                }
            }
        }
        Ok(cleared)
    }

    pub fn copy_out(&self, owner: Uuid, pack: Uuid, to: &Path) -> Result<u64, Fault> {
        const ATTEMPTED: &str = "copy a pack out";
        let from = self.object(owner, pack);
        let bytes = fs::metadata(&from).map_err(Fault::or_missing(ATTEMPTED))?.len();
        // Packs never change, so one copied before is the same.
        if fs::metadata(to).is_ok_and(|there| there.len() == bytes) {
            return Ok(bytes);
        }
        // Another file system, or one without links: then byte by byte.
        if fs::hard_link(&from, to).is_err() {
            fs::copy(&from, to).map_err(Fault::io(ATTEMPTED))?;
            File::open(to).and_then(|file| file.sync_all()).map_err(Fault::io(ATTEMPTED))?;
        }
        Ok(bytes)
    }

    pub fn copy_in(&self, owner: Uuid, pack: Uuid, from: &Path) -> Result<bool, Fault> {
        const ATTEMPTED: &str = "copy a pack in";
        let bytes = fs::metadata(from).map_err(Fault::io(ATTEMPTED))?.len();
        if fs::metadata(self.object(owner, pack)).is_ok_and(|there| there.len() == bytes) {
            return Ok(false);
        }
        let mut source = File::open(from).map_err(Fault::io(ATTEMPTED))?;
        let mut file = self.begin(owner, pack)?;
        io::copy(&mut source, &mut file.file).map_err(Fault::io(ATTEMPTED))?;
        file.commit()?;
        Ok(true)
    }
}

/// A pack that is being written, under another name. Dropped before it is committed, it is deleted.
pub(super) struct Incoming<'a> {
    local: &'a Local,
    file: File,
    beside: PathBuf,
    object: PathBuf,
    directory: PathBuf,
    is_kept: bool,
}

impl Incoming<'_> {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let written = (self.local.watch)(Step::Write).and_then(|()| self.file.write_all(bytes));
        written.map_err(Fault::io("write a pack"))
    }

    /// Puts it in place. When this returns it outlives a loss of power.
    pub fn commit(mut self) -> Result<(), Fault> {
        let watch = &self.local.watch;
        let committed = watch(Step::SyncFile)
            .and_then(|()| self.file.sync_all())
            .and_then(|()| watch(Step::Rename))
            .and_then(|()| fs::rename(&self.beside, &self.object));
        committed.map_err(Fault::io("put a pack in place"))?;
        self.is_kept = true;
        self.local.sync(&self.directory).map_err(Fault::io("put a pack in place"))
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // If that fails too, it is cleared away with other leftovers.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// The names in a directory that are texts; ours are.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(directory)?;
    entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
}

/// Exactly how we write it: 32 hex digits in small letters.
fn pack_of(name: &str) -> Option<Uuid> {
    Uuid::try_parse(name).ok().filter(|pack| pack.simple().to_string() == name)
}
