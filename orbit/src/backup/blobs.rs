//! Messages and files in a backup: their packs as they are, sealed, below `blobs/{owner}/{pack}`.
//!
//! They are copied behind the moment of the database: packs are written before a fact speaks of them, so all that the
//! facts of that moment speak of is there, and perhaps more. Packs never change: where it can be, they are hard links.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use futures_util::TryStreamExt;
use orbit_adapters::blobs::{Blobs, Fault};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::progress::Progress;

/// Their directory in a backup.
pub const BLOBS: &str = "blobs";

/// What the packs must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packs {
    /// How many there are.
    pub objects: u64,
    /// How many bytes all of them have.
    pub bytes: u64,
    /// SHA-256 of the sorted list of `owner/pack bytes`, in hexadecimal. What is in a pack, its seals tell.
    pub sha256: String,
}

/// A pack in a backup.
pub struct Pack {
    /// Whose it is.
    pub owner: Uuid,
    /// Its id.
    pub id: Uuid,
    bytes: u64,
}

impl Pack {
    /// Where it lies in the backup.
    pub fn path(&self, dir: &Path) -> PathBuf {
        dir.join(BLOBS).join(self.owner.to_string()).join(self.id.simple().to_string())
    }
}

impl Packs {
    fn of(packs: &[Pack]) -> Self {
        let mut lines: Vec<_> =
            packs.iter().map(|pack| format!("{}/{} {}\n", pack.owner, pack.id.simple(), pack.bytes)).collect();
        lines.sort_unstable();
        Self {
            objects: packs.len() as u64,
            bytes: packs.iter().map(|pack| pack.bytes).sum(),
            sha256: hex::encode(Sha256::digest(lines.concat())),
        }
    }

    /// Lists the packs of a backup, and compares them with what they must be.
    pub fn verify(&self, dir: &Path) -> anyhow::Result<Vec<Pack>> {
        let place = dir.join(BLOBS);
        let found = list(&place).with_context(|| format!("cannot read {}", place.display()))?;
        let sum = Self::of(&found);
        if sum != *self {
            bail!(
                "{} is not what was backed up ({} packs with {} bytes and not {} with {}): use another backup",
                place.display(),
                sum.objects,
                sum.bytes,
                self.objects,
                self.bytes
            );
        }
        Ok(found)
    }
}

/// Copies every pack.
pub async fn copy(blobs: &Blobs, dir: &Path, progress: &Progress) -> anyhow::Result<Packs> {
    let place = dir.join(BLOBS);
    let made = |path: &Path| {
        let attempted = || format!("cannot make the directory {}", path.display());
        fs::create_dir_all(path).with_context(attempted)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).with_context(attempted)
    };
    made(&place)?;
    let mut objects = std::pin::pin!(blobs.objects());
    let (mut packs, mut bytes) = (vec![], 0);
    while let Some((owner, id, _)) = objects.try_next().await.context("cannot list messages and files")? {
        let directory = place.join(owner.to_string());
        if packs.last().is_none_or(|last: &Pack| last.owner != owner) {
            made(&directory)?;
        }
        match blobs.copy_out(owner, id, &directory.join(id.simple().to_string())).await {
            Ok(size) => {
                bytes += size;
                packs.push(Pack { owner, id, bytes: size });
                progress.bytes(bytes);
            }
            // Worked off or forgotten meanwhile.
            Err(Fault::Missing) => {}
            Err(fault) => return Err(fault).context("cannot copy messages and files"),
        }
    }
    fs::File::open(&place).and_then(|place| place.sync_all()).context("cannot write messages and files")?;
    Ok(Packs::of(&packs))
}

fn list(place: &Path) -> std::io::Result<Vec<Pack>> {
    let mut packs = vec![];
    for owner in fs::read_dir(place)? {
        let owner = owner?;
        let Ok(id) = Uuid::try_parse(&owner.file_name().to_string_lossy()) else { continue };
        for pack in fs::read_dir(owner.path())? {
            let pack = pack?;
            let Ok(pack_id) = Uuid::try_parse(&pack.file_name().to_string_lossy()) else { continue };
            packs.push(Pack { owner: id, id: pack_id, bytes: pack.metadata()?.len() });
        }
    }
    Ok(packs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_is_missing_or_another_one_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let pack =
            |owner: u128, id: u128, bytes| Pack { owner: Uuid::from_u128(owner), id: Uuid::from_u128(id), bytes };
        let packs = [pack(2, 1, 3), pack(1, 9, 4)];
        for pack in &packs {
            let path = pack.path(dir.path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; usize::try_from(pack.bytes).unwrap()]).unwrap();
        }
        let sum = Packs::of(&packs);
        assert_eq!(sum.verify(dir.path()).unwrap().len(), 2);
        fs::write(packs[0].path(dir.path()), b"sh").unwrap();
        let said = sum.verify(dir.path()).err().unwrap().to_string();
        assert!(said.contains("is not what was backed up (2 packs with 6 bytes and not 2 with 7)"), "{said}");
        fs::remove_file(packs[0].path(dir.path())).unwrap();
        assert!(sum.verify(dir.path()).is_err());
    }
}
