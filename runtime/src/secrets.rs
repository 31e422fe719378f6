//! Generated secrets: one file each in `.orbit/secrets`, readable by their owner only.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    fault::{Attempt, Fault},
    home::Home,
};

/// Password of the database's user `orbit`.
pub const POSTGRES_PASSWORD: &str = "postgres-password";
/// Password of the broker's user `orbit`.
pub const NATS_PASSWORD: &str = "nats-password";
/// [`GENERATED`] and 32 random bytes in Base64: seals the users' keys.
pub const MASTER_KEY: &str = "master-key";
/// The master key that a rotation rotates to, until it takes the place of the other.
pub const NEXT_MASTER_KEY: &str = "master-key-next";
/// What signs access tokens; made by the caller of [`Secrets::get_or_create`], who knows the algorithm.
pub const SIGNING_KEY: &str = "signing-key";
/// What signs checkpoints of the log; made like [`SIGNING_KEY`].
pub const PROOF_KEY: &str = "proof-key";

/// What a generated key begins with, so that a process in production can refuse it wherever it was copied to.
pub const GENERATED: &str = "orbit-generated:";

/// The secrets of one [`Home`].
#[derive(Clone, Debug)]
pub struct Secrets {
    dir: PathBuf,
}

impl Secrets {
    /// Opens the secrets, creating passwords and master key on a fresh home.
    ///
    /// Refuses when there are data and a secret is gone: a new master key could not read them.
    pub fn open(home: &Home) -> Result<Self, Fault> {
        let secrets = Self { dir: home.secrets_dir() };
        let complete = [POSTGRES_PASSWORD, MASTER_KEY].iter().all(|name| secrets.path(name).exists());
        if home.has_data() && !complete {
            return Err(Fault::SecretsGone { data: home.data_dir(), secrets: secrets.dir });
        }
        home.create()?;
        let created = fs::create_dir_all(&secrets.dir)
            .and_then(|()| fs::set_permissions(&secrets.dir, fs::Permissions::from_mode(0o700)));
        created.attempt(|| format!("create {}", secrets.dir.display()))?;
        secrets.get_or_create(POSTGRES_PASSWORD, || Ok(hex::encode(random::<24>()?)))?;
        secrets.get_or_create(NATS_PASSWORD, || Ok(hex::encode(random::<24>()?)))?;
        secrets.get_or_create(MASTER_KEY, || Ok(format!("{GENERATED}{}", STANDARD.encode(random::<32>()?))))?;
        Ok(secrets)
    }

    /// The secret of this name, made by `make` if there is none. Two processes at once get the same one.
    pub fn get_or_create(&self, name: &str, make: impl FnOnce() -> Result<String, Fault>) -> Result<String, Fault> {
        let path = self.path(name);
        if !path.exists() {
            // Complete before it has its name: a crash in between leaves no half secret.
            let draft = self.dir.join(format!(".{name}.{}", hex::encode(random::<4>()?)));
            let mut content = make()?;
            content.truncate(content.trim_end().len());
            let created =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
                    writeln!(file, "{content}")?;
                    file.sync_all()
                });
            created.attempt(|| format!("write {}", draft.display()))?;
            let linked = fs::hard_link(&draft, &path);
            let _ = fs::remove_file(&draft);
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Fault::Io { attempted: format!("create {}", path.display()), source: error });
                }
                _ => {}
            }
        }
        let text = fs::read_to_string(&path).attempt(|| format!("read {}", path.display()))?;
        Ok(text.trim_end().to_owned())
    }

    /// Gives one secret the place of another, which is gone then. There is no moment at which neither is there.
    pub fn take_over(&self, from: &str, place: &str) -> Result<(), Fault> {
        let (from, to) = (self.path(from), self.path(place));
        let moved = fs::rename(&from, &to).and_then(|()| fs::File::open(&self.dir)?.sync_all());
        moved.attempt(|| format!("move {} to {}", from.display(), to.display()))
    }

    /// The file of this secret.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Random bytes from the system, fit for keys.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    let filled = fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    filled.attempt(|| "read /dev/urandom".to_owned())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join(".orbit"));
        (dir, home)
    }

    #[test]
    fn secrets_are_made_once_and_only_their_owner_may_read_them() {
        let (_dir, home) = home();
        let secrets = Secrets::open(&home).unwrap();
        let first = secrets.get_or_create(MASTER_KEY, || unreachable!("open made it")).unwrap();
        assert_eq!(STANDARD.decode(first.strip_prefix(GENERATED).unwrap()).unwrap().len(), 32);
        let again = Secrets::open(&home).unwrap().get_or_create(MASTER_KEY, || unreachable!("it is there")).unwrap();
        assert_eq!(first, again);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.secrets_dir()), 0o700);
        let files: Vec<_> = fs::read_dir(home.secrets_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 3, "{files:?}");
        assert!(files.into_iter().all(|file| mode(file) == 0o600));
    }

    #[test]
    fn a_secret_of_several_lines_comes_back_as_it_was() {
        let (_dir, home) = home();
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----";
        let made = Secrets::open(&home).unwrap().get_or_create(SIGNING_KEY, || Ok(format!("{pem}\n"))).unwrap();
        assert_eq!(made, pem);
    }

    #[test]
    fn data_whose_secrets_are_gone_are_not_given_new_ones() {
        let (_dir, home) = home();
        Secrets::open(&home).unwrap();
        fs::create_dir_all(home.data_dir().join("postgres")).unwrap();
        fs::write(home.data_dir().join("postgres/PG_VERSION"), "18").unwrap();
        Secrets::open(&home).unwrap();
        fs::remove_file(home.secrets_dir().join(MASTER_KEY)).unwrap();
        let refused = Secrets::open(&home).unwrap_err();
        assert!(matches!(refused, Fault::SecretsGone { .. }), "{refused}");
    }
}
