//! What a backup says about itself. Written last: a directory without a manifest is no backup.
//!
//! ```text
//! DIR/manifest.json      this, about all files
//! DIR/README.txt         what is here and what it takes to restore it
//! DIR/data/orbit.dump    the log (sealed payloads) and the shape of everything else
//! DIR/views/views.dump   rows of the read models: what users wrote, in the clear
//! DIR/blobs/OWNER/PACK   messages and files, sealed as they lie in the store
//! DIR/keys/vault.dump    the users' keys, wrapped by the master key
//! DIR/keys/manifest.json the same about this file alone, so that keys can be kept elsewhere
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use orbit_migrations::MIGRATOR;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::blobs::Packs;

/// The file.
pub const MANIFEST: &str = "manifest.json";
/// The archive of the log.
pub const DATA: &str = "data/orbit.dump";
/// The archive of the read models' rows.
pub const VIEWS: &str = "views/views.dump";
/// The directory of the keys.
pub const KEYS: &str = "keys";
/// The archive of the keys, in their directory.
pub const VAULT: &str = "vault.dump";

/// The layout that this program writes; it also reads those before, which had no blobs.
const FORMAT: u32 = 2;
/// A manifest is far shorter; whatever is longer is none.
const LIMIT: u64 = 1_000_000;

/// What was backed up, and what the files must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub format: u32,
    /// The Orbit that made it.
    pub orbit: String,
    /// When it was begun: everything acknowledged before is in it.
    pub created_at: DateTime<Utc>,
    /// The newest migration of the database.
    pub schema: i64,
    /// Major version of the `pg_dump` that wrote the archives.
    pub pg_dump: u32,
    /// The log's epoch. A restored log gets another one.
    pub epoch: Uuid,
    /// The newest fact's position.
    pub position: i64,
    /// The database user whom the tables belong to.
    pub owner: String,
    /// Path below this directory to what the file must be.
    pub files: BTreeMap<String, Sum>,
    /// What messages and files must be; `None` if they are not in it.
    #[serde(default)]
    pub blobs: Option<Packs>,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// The layout of this program.
    pub const FORMAT: u32 = FORMAT;

    /// Reads the manifest of a directory.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        if !dir.is_dir() {
            bail!("{shown} is no directory: name the directory that `orbit backup` made");
        }
        let path = dir.join(MANIFEST);
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(LIMIT).read_to_string(&mut text)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{shown} has no {MANIFEST}: it is no backup, or one that was not finished");
            }
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        // The format first: what a later Orbit writes may have other fields.
        let value: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: use another backup", path.display()))?;
        match value["format"].as_u64() {
            Some(format) if format > u64::from(FORMAT) => {
                bail!("{shown} was made by a newer Orbit ({}): restore it with that one", value["orbit"])
            }
            _ => serde_json::from_value(value)
                .with_context(|| format!("{} is damaged: use another backup", path.display())),
        }
    }

    /// Writes the manifest of a directory, whole or not at all, after everything else in it is on the disk.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let (draft, path) = (dir.join(".manifest.json.draft"), dir.join(MANIFEST));
        let text = serde_json::to_string_pretty(self)?;
        let written = create_private(&draft)
            .and_then(|mut file| {
                writeln!(file, "{text}")?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, &path))
            .and_then(|()| File::open(dir)?.sync_all());
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Refuses what only a newer Orbit can read.
    pub fn require_known_schema(&self) -> anyhow::Result<()> {
        let newest = newest_migration();
        if self.schema > newest {
            bail!(
                "the backup was made by Orbit {} with migration {}, and this program knows migrations up to {newest}: restore it with the newer Orbit",
                self.orbit,
                self.schema
            );
        }
        Ok(())
    }

    /// Whether the tables are those that this program's queries are made for; older ones are to be migrated first.
    pub fn has_present_schema(&self) -> bool {
        self.schema == newest_migration()
    }

    /// Reads a file of this directory through and compares it with what it must be.
    pub fn verify(&self, dir: &Path, name: &str) -> anyhow::Result<()> {
        let path = dir.join(name);
        let Some(expected) = self.files.get(name) else {
            bail!("{} does not list {name}: it is damaged, use another backup", dir.join(MANIFEST).display());
        };
        let found = match Sum::of(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{} is missing: the backup is not complete", path.display())
            }
            found => found.with_context(|| format!("cannot read {}", path.display()))?,
        };
        if found != *expected {
            bail!("{} is not what was backed up ({found} and not {expected}): use another backup", path.display());
        }
        Ok(())
    }
}

fn newest_migration() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

impl Sum {
    /// Of a file as it is.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self { bytes, sha256: hex::encode(hash.finalize()) })
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes with hash {}…", self.bytes, self.sha256.get(..12).unwrap_or(&self.sha256))
    }
}

/// A new file that only its owner may read.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            orbit: "0.1.0".to_owned(),
            created_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            schema: 1,
            pg_dump: 18,
            epoch: Uuid::from_u128(7),
            position: 4_711,
            owner: "orbit".to_owned(),
            files: BTreeMap::new(),
            blobs: Some(Packs { objects: 1, bytes: 2, sha256: "00".to_owned() }),
        }
    }

    #[test]
    fn a_backup_from_before_there_were_blobs_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = serde_json::to_value(manifest()).unwrap();
        old["format"] = 1.into();
        old.as_object_mut().unwrap().remove("blobs");
        fs::write(dir.path().join(MANIFEST), old.to_string()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), Manifest { format: 1, blobs: None, ..manifest() });
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        manifest().write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), manifest());
        let mode = fs::metadata(dir.path().join(MANIFEST)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, fs::read_dir(dir.path()).unwrap().count()), (0o600, 1), "the draft is gone");
    }

    #[test]
    fn what_is_no_backup_is_one_clear_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let said = |dir: &Path| Manifest::read(dir).unwrap_err().to_string();
        assert!(said(&dir.path().join("nowhere")).contains("is no directory"));
        assert!(said(dir.path()).contains("no backup, or one that was not finished"));
        for garbage in ["", "{", "[]", "{\"format\": 1}", "{\"format\": \"one\"}"] {
            fs::write(dir.path().join(MANIFEST), garbage).unwrap();
            assert!(said(dir.path()).contains("is damaged"), "{garbage}");
        }
        fs::write(dir.path().join(MANIFEST), r#"{"format": 3, "orbit": "9.0.0", "more": 1}"#).unwrap();
        assert!(said(dir.path()).contains("newer Orbit (\"9.0.0\")"));
    }

    #[test]
    fn a_file_that_is_missing_or_another_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "abc").unwrap();
        let sum = Sum::of(&path).unwrap();
        assert_eq!(sum.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut manifest = manifest();
        assert!(manifest.verify(dir.path(), "a").unwrap_err().to_string().contains("does not list a"));
        manifest.files.insert("a".to_owned(), sum);
        manifest.verify(dir.path(), "a").unwrap();
        fs::write(&path, "abd").unwrap();
        assert!(manifest.verify(dir.path(), "a").unwrap_err().to_string().contains("is not what was backed up"));
        fs::remove_file(&path).unwrap();
        assert!(manifest.verify(dir.path(), "a").unwrap_err().to_string().contains("is missing"));
    }

    #[test]
    fn a_schema_that_this_program_does_not_know_is_refused() {
        manifest().require_known_schema().unwrap();
        let newer = Manifest { schema: 9_999, ..manifest() };
        let said = newer.require_known_schema().unwrap_err().to_string();
        assert!(said.contains("migration 9999") && said.contains("with the newer Orbit"), "{said}");
    }
}
