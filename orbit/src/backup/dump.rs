//! Writing the archives of one moment into a directory, and the manifest when they are there.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use orbit_adapters::blobs::Blobs;

use super::{
    blobs::{self, BLOBS},
    manifest::{DATA, KEYS, MANIFEST, Manifest, Sum, VAULT, VIEWS, create_private},
    progress::{LOOK, Progress},
    snapshot::Snapshot,
    tools::{Login, Tool},
};

const README: &str = include_str!("README.txt");
/// Payloads are sealed and do not compress; but an archive holds bytes as hexadecimal digits, which halve at any level.
const COMPRESSION: &str = "--compress=gzip:1";

/// A directory that is becoming a backup. Dropped before it is one, it is emptied again.
#[derive(Debug)]
pub struct Draft {
    dir: PathBuf,
    made: bool,
    complete: bool,
}

impl Draft {
    /// Makes the directory, or takes one that is empty; nobody else may look into it.
    pub fn begin(dir: &Path) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir).with_context(|| format!("cannot find {}", dir.display()))?;
        let shown = dir.display();
        let made = !dir.exists();
        if !made {
            if !dir.is_dir() {
                bail!("{shown} is no directory: name a new one");
            }
            let mut entries = fs::read_dir(&dir).with_context(|| format!("cannot read {shown}"))?;
            if entries.next().is_some() {
                bail!("{shown} is not empty: name a new directory for each backup");
            }
        }
        let draft = Self { dir, made, complete: false };
        let attempted = || format!("cannot make the directory {}", draft.dir.display());
        fs::create_dir_all(&draft.dir).with_context(attempted)?;
        fs::set_permissions(&draft.dir, fs::Permissions::from_mode(0o700)).with_context(attempted)?;
        Ok(draft)
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Writes everything of the moment.
    pub async fn write(
        &mut self,
        snapshot: &Snapshot,
        created_at: DateTime<Utc>,
        pg_dump: &Tool,
        login: &Login,
        store: Option<&Blobs>,
    ) -> anyhow::Result<Manifest> {
        let progress = Progress::begin("Copying the users' keys");
        let mut writer = Writer { dir: &self.dir, snapshot, pg_dump, login, progress: &progress, bytes: 0 };
        let keys = Path::new(KEYS).join(VAULT);
        let keys = keys.to_str().unwrap_or_default();
        writer.archive(keys, vec!["--schema=vault".into()]).await?;
        progress.now("Copying the log");
        let mut everything = vec![OsString::from("--exclude-schema=vault")];
        everything
            .extend(snapshot.readable.iter().map(|name| format!("--exclude-table-data={}.*", quote(name)).into()));
        writer.archive(DATA, everything).await?;
        progress.now("Copying read models");
        let mut rows = vec![OsString::from("--data-only")];
        rows.extend(snapshot.readable.iter().map(|name| format!("--schema={}", quote(name)).into()));
        writer.archive(VIEWS, rows).await?;

        let packs = match store {
            Some(store) => {
                progress.now("Copying messages and files");
                Some(blobs::copy(store, &self.dir, &progress).await?)
            }
            None => None,
        };

        progress.now("Reading through");
        let dir = self.dir.clone();
        let names = [DATA.to_owned(), VIEWS.to_owned(), keys.to_owned()];
        let sums = tokio::task::spawn_blocking(move || -> std::io::Result<BTreeMap<String, Sum>> {
            names.into_iter().map(|name| Ok((name.clone(), Sum::of(&dir.join(name))?))).collect()
        });
        let files = sums.await.context("the reading was cut short")?.context("cannot read what was written")?;
        let manifest = Manifest {
            format: Manifest::FORMAT,
            orbit: env!("CARGO_PKG_VERSION").to_owned(),
            created_at,
            schema: snapshot.schema,
            pg_dump: pg_dump.version,
            epoch: snapshot.epoch,
            position: snapshot.position,
            owner: snapshot.owner.clone(),
            files,
            blobs: packs,
        };
        self.finish(&manifest, keys)?;
        Ok(manifest)
    }

    /// The files that make it a backup, the one that says so last.
    fn finish(&mut self, manifest: &Manifest, keys: &str) -> anyhow::Result<()> {
        let readme = self.dir.join("README.txt");
        fs::write(&readme, README).with_context(|| format!("cannot write {}", readme.display()))?;
        let mut of_keys = Manifest { blobs: None, ..manifest.clone() };
        of_keys.files = manifest.files.get(keys).map(|sum| (VAULT.to_owned(), sum.clone())).into_iter().collect();
        of_keys.write(&self.dir.join(KEYS))?;
        manifest.write(&self.dir)?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        // What cannot be removed has no manifest, and is no backup either way. That goes first.
        let _ = fs::remove_file(self.dir.join(MANIFEST));
        for part in ["data", "views", KEYS, BLOBS] {
            let _ = fs::remove_dir_all(self.dir.join(part));
        }
        let _ = fs::remove_file(self.dir.join("README.txt"));
        let _ = fs::remove_file(self.dir.join(".manifest.json.draft"));
        if self.made {
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// Runs `pg_dump` for one archive after the other.
struct Writer<'a> {
    dir: &'a Path,
    snapshot: &'a Snapshot,
    pg_dump: &'a Tool,
    login: &'a Login,
    progress: &'a Progress,
    /// In the archives that are complete.
    bytes: u64,
}

impl Writer<'_> {
    async fn archive(&mut self, name: &str, what: Vec<OsString>) -> anyhow::Result<()> {
        let path = self.dir.join(name);
        let attempted = || format!("cannot write {}", path.display());
        let parent = path.parent().unwrap_or(self.dir);
        fs::create_dir_all(parent).with_context(attempted)?;
        fs::set_permissions(parent, fs::Permissions::from_mode(0o700)).with_context(attempted)?;
        // pg_dump keeps the mode of a file that is there.
        drop(create_private(&path).with_context(attempted)?);
        let mut arguments: Vec<OsString> =
            ["--format=custom", COMPRESSION, "--no-password", "--no-tablespaces"].map(Into::into).to_vec();
        arguments.push(format!("--snapshot={}", self.snapshot.id).into());
        arguments.push([OsString::from("--file="), path.clone().into()].into_iter().collect());
        arguments.extend(what);
        let work = self.pg_dump.run(self.login, arguments);
        tokio::pin!(work);
        let mut look = tokio::time::interval(LOOK);
        let size = || fs::metadata(&path).map_or(0, |about| about.len());
        loop {
            tokio::select! {
                done = &mut work => break done?,
                _ = look.tick() => self.progress.bytes(self.bytes + size()),
            }
        }
        self.bytes += size();
        // pg_dump has flushed the file; its name is the directory's.
        File::open(parent).and_then(|dir| dir.sync_all()).with_context(attempted)
    }
}

/// A name that `pg_dump` takes as it is and not as a pattern.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_given_up_leaves_nothing_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let (new, empty) = (place.path().join("new"), place.path().join("empty"));
        fs::create_dir(&empty).unwrap();
        for dir in [&new, &empty] {
            let draft = Draft::begin(dir).unwrap();
            assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
            fs::create_dir(dir.join("data")).unwrap();
            fs::write(dir.join(DATA), "half").unwrap();
            drop(draft);
        }
        assert!(!new.exists());
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("mine"), "").unwrap();
        assert!(Draft::begin(place.path()).unwrap_err().to_string().contains("is not empty"));
        assert!(Draft::begin(&place.path().join("mine")).unwrap_err().to_string().contains("is no directory"));
        assert!(place.path().join("mine").exists());
    }
}
