//! The backup that is restored: its parts found, compared with one another, and read through before anything is touched.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::backup::{
    blobs::Pack,
    manifest::{DATA, KEYS, MANIFEST, Manifest, VAULT, VIEWS},
    progress::Progress,
};

/// A backup and the keys that go with it.
#[derive(Debug)]
pub struct Source {
    dir: PathBuf,
    keys: PathBuf,
    /// About data and read models.
    pub manifest: Manifest,
    of_keys: Manifest,
}

impl Source {
    /// Finds the parts. `keys` says where the keys are if they are not in the backup.
    pub fn find(dir: &Path, keys: Option<&Path>) -> anyhow::Result<Self> {
        let manifest = Manifest::read(dir)?;
        manifest.require_known_schema()?;
        let dir = std::path::absolute(dir).with_context(|| format!("cannot find {}", dir.display()))?;
        let keys = match keys {
            // The backup that they belong to will do as well.
            Some(keys) if keys.join(KEYS).join(MANIFEST).exists() => keys.join(KEYS),
            Some(keys) => keys.to_owned(),
            None if dir.join(KEYS).is_dir() => dir.join(KEYS),
            None => bail!(
                "the keys are not in {}: say with --keys where they are, for without them nobody can read the rest",
                dir.display()
            ),
        };
        let keys = std::path::absolute(&keys).with_context(|| format!("cannot find {}", keys.display()))?;
        let of_keys = Manifest::read(&keys)?;
        of_keys.require_known_schema()?;
        if !of_keys.files.contains_key(VAULT) {
            bail!("{} holds no keys: name the directory keys of a backup", keys.display());
        }
        if of_keys.epoch != manifest.epoch {
            bail!("the keys in {} are those of another Orbit, or of another epoch of this one", keys.display());
        }
        if of_keys.position < manifest.position || of_keys.schema != manifest.schema {
            bail!(
                "the keys in {} are of {} and do not fit the data of {}: take those of the same backup, or of a later one with the same schema",
                keys.display(),
                of_keys.created_at.format("%Y-%m-%d %H:%M"),
                manifest.created_at.format("%Y-%m-%d %H:%M")
            );
        }
        Ok(Self { dir, keys, manifest, of_keys })
    }

    /// Reads everything through and compares it with what was written.
    pub async fn verify(&self) -> anyhow::Result<()> {
        let _progress = Progress::begin("Reading the backup through");
        let (dir, keys) = (self.dir.clone(), self.keys.clone());
        let (manifest, of_keys, views) = (self.manifest.clone(), self.of_keys.clone(), self.views().is_some());
        let verify = move || {
            of_keys.verify(&keys, VAULT)?;
            manifest.verify(&dir, DATA)?;
            if let Some(packs) = &manifest.blobs {
                packs.verify(&dir)?;
            }
            if views { manifest.verify(&dir, VIEWS) } else { Ok(()) }
        };
        tokio::task::spawn_blocking(verify).await.context("the reading was cut short")?
    }

    /// Messages and files, with where each pack lies; none if they are not in it.
    pub fn packs(&self) -> anyhow::Result<Vec<(Pack, PathBuf)>> {
        let Some(packs) = &self.manifest.blobs else { return Ok(vec![]) };
        let found = packs.verify(&self.dir)?;
        let at = |pack: Pack| {
            let path = pack.path(&self.dir);
            (pack, path)
        };
        Ok(found.into_iter().map(at).collect())
    }

    /// The archive of the log.
    pub fn data(&self) -> PathBuf {
        self.dir.join(DATA)
    }

    /// The archive of the keys.
    pub fn vault(&self) -> PathBuf {
        self.keys.join(VAULT)
    }

    /// The archive of the read models' rows; `None` if it was taken out, or if the keys are of a later backup. Users may
    /// have been forgotten in between, and what they wrote must not come back through the read models.
    pub fn views(&self) -> Option<PathBuf> {
        let path = self.dir.join(VIEWS);
        let same_moment =
            self.of_keys.position == self.manifest.position && self.of_keys.created_at == self.manifest.created_at;
        let taken_out = path.parent().is_none_or(|views| !views.exists());
        (same_moment && !taken_out).then_some(path)
    }
}
