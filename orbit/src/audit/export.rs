//! The log as files for a witness: checkpoint, tiles and entries as in C2SP tlog-tiles, the key, and how to check them.
//!
//! Entries are the bytes that are sealed (`event_store::proof::leaf`): envelopes, and the hash of each sealed payload.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use orbit_event_store::proof::{
    Seal,
    leaf::Leaf,
    note::Checkpoint,
    prove,
    tiles::{HASH, TileId, Tiles, WIDTH, entries, path_of},
    tree::leaf_hash,
};
use sqlx::PgConnection;

/// Tiles read at once: half a megabyte.
const PAGE: u64 = 64;

const README: &str = include_str!("README.txt");

/// What was written.
pub struct Exported {
    /// Facts that were there.
    pub before: u64,
    /// Facts that are there now.
    pub size: u64,
    /// The log's name.
    pub origin: String,
}

/// Writes what the directory does not have yet. Its checkpoint comes last: a reader finds everything that it covers.
pub async fn export(connection: &mut PgConnection, directory: &Path) -> anyhow::Result<Exported> {
    let Some(seal) = Seal::newest(connection).await? else {
        bail!("nothing is sealed yet: a command-api (or `orbit up`) seals within two seconds");
    };
    let now = Checkpoint::peek(&seal.note).context("the newest checkpoint is not readable: run orbit verify")?;
    let before = kept(connection, directory, &now).await?;
    for level in (0..).take_while(|level| entries(*level, now.size) > 0) {
        tiles(connection, directory, level, before, now.size).await?;
    }
    bundles(connection, directory, before, now.size).await?;
    write(&directory.join("README.txt"), README.as_bytes())?;
    write(&directory.join("verifier-key"), format!("{}\n", seal.verifier).as_bytes())?;
    write(&directory.join("checkpoint"), seal.note.as_bytes())?;
    Ok(Exported { before, size: now.size, origin: now.origin })
}

/// How many facts the directory holds, after a look whether the log still begins with them.
async fn kept(connection: &mut PgConnection, directory: &Path, now: &Checkpoint) -> anyhow::Result<u64> {
    let path = directory.join("checkpoint");
    if !path.exists() {
        fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        return Ok(0);
    }
    let note = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let Some(then) = Checkpoint::peek(&note) else { bail!("{} holds no checkpoint", path.display()) };
    if then.origin != now.origin {
        bail!(
            "{} holds another log, {}, and this one is {}: the database was restored or is another one; choose an empty directory",
            directory.display(),
            then.origin,
            now.origin
        );
    }
    if then.size > now.size {
        bail!("{} holds {} facts, and the log is sealed up to {}: facts are gone", path.display(), then.size, now.size);
    }
    if then.size > 0 && prove::root(connection, then.size.cast_signed()).await? != then.root {
        bail!(
            "the log no longer begins with the {} facts of {}: something was changed; `orbit verify --checkpoint {}` says where",
            then.size,
            directory.display(),
            path.display()
        );
    }
    Ok(then.size)
}

/// The tiles of a level that are new or have grown.
async fn tiles(
    connection: &mut PgConnection,
    directory: &Path,
    level: u32,
    before: u64,
    size: u64,
) -> anyhow::Result<()> {
    let (width, all) = (WIDTH as u64, entries(level, size));
    let mut index = entries(level, before) / width;
    while index < all.div_ceil(width) {
        let page = index..all.div_ceil(width).min(index + PAGE);
        let wanted: BTreeSet<_> = page.clone().map(|index| TileId { level, index }).collect();
        let read = Tiles::read_these(connection, &wanted).await?;
        for id in wanted {
            let hashes = held(all, id.index);
            let tile = read.get(id).and_then(|tile| tile.get(..hashes * HASH));
            let tile =
                tile.with_context(|| format!("tile {} is missing or too short: run orbit verify", id.path(WIDTH)))?;
            let place = directory.join("tile");
            write(&place.join(id.path(hashes)), tile)?;
            forget_partial(&place.join(format!("{}.p", id.path(WIDTH))), hashes)?;
        }
        index = page.end;
    }
    Ok(())
}

/// The entries behind the leaves, each held to its leaf.
async fn bundles(connection: &mut PgConnection, directory: &Path, before: u64, size: u64) -> anyhow::Result<()> {
    let width = WIDTH as u64;
    for index in before / width..size.div_ceil(width) {
        let (first, count) = (index * width, held(size, index));
        if before == size {
            break;
        }
        let tile = Tiles::read_these(connection, &BTreeSet::from([TileId { level: 0, index }])).await?;
        let leaves = Leaf::read(connection, first.cast_signed(), i64::try_from(count)?).await?;
        let mut bundle = Vec::with_capacity(count * 512);
        for (place, position) in (first..).zip(first + 1..).take(count) {
            let leaf =
                leaves.get(usize::try_from(place - first)?).filter(|leaf| leaf.position.unsigned_abs() == position);
            let entry = leaf.and_then(Leaf::bytes);
            let Some(entry) = entry.filter(|entry| tile.entry(0, place) == Some(leaf_hash(entry))) else {
                bail!("position {position} is not what was sealed: nothing of it was exported; run orbit verify");
            };
            let length =
                u16::try_from(entry.len()).with_context(|| format!("position {position} is too long to export"))?;
            bundle.extend_from_slice(&length.to_be_bytes());
            bundle.extend_from_slice(&entry);
        }
        let place = directory.join("tile/entries");
        write(&place.join(path_of(index, count)), &bundle)?;
        forget_partial(&place.join(format!("{}.p", path_of(index, WIDTH))), count)?;
    }
    Ok(())
}

/// How many of `all` the tile of this index holds.
fn held(all: u64, index: u64) -> usize {
    usize::try_from(all - index * WIDTH as u64).unwrap_or(WIDTH).min(WIDTH)
}

/// Earlier widths of a tile: a full one stands for all of them, a wider one for narrower ones of the checkpoint before.
fn forget_partial(folder: &Path, width: usize) -> anyhow::Result<()> {
    let Ok(files) = fs::read_dir(folder) else { return Ok(()) };
    for file in files {
        let path = file?.path();
        if path.file_name().is_none_or(|name| name.to_string_lossy() != width.to_string()) {
            fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
    }
    if width == WIDTH {
        fs::remove_dir(folder).with_context(|| format!("{} cannot be removed", folder.display()))
    } else {
        Ok(())
    }
}

/// A file as a whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft: PathBuf = path.with_added_extension("part");
    let written = fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| fs::write(&draft, bytes))
        .and_then(|()| fs::rename(&draft, path));
    written.with_context(|| format!("{} cannot be written", path.display()))
}
