//! What a vault keeps beside data keys: which master key wraps new ones, and the secrets that outlive it.

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use orbit_events::UserId;
use zeroize::Zeroizing;

use super::{Vault, WRAPPED, decrypt, wrapping_context};
use crate::{Fault, master::Key};

/// Behind keyed hashes: without it no claim would be found again.
const HASHING: &str = "hash claims";
/// Seals answers that are nobody's.
const ANSWERS: &str = "seal answers";
/// Behind the cursors of lists.
const CURSORS: &str = "orbit list cursors v1";
/// What must outlive a master key. Each was derived from the first one, by its name.
pub(crate) const SECRETS: [&str; 3] = [HASHING, ANSWERS, CURSORS];

/// The secrets of a vault, unwrapped.
pub(super) struct Secrets {
    pub hashing: Zeroizing<[u8; 32]>,
    pub answers: XChaCha20Poly1305,
    pub cursors: Zeroizing<[u8; 32]>,
}

impl Secrets {
    /// As the first master key makes them.
    pub fn derived(key: &Key) -> Self {
        let answers = XChaCha20Poly1305::new((&*key.derive(ANSWERS)).into());
        Self { hashing: key.derive(HASHING), answers, cursors: key.derive(CURSORS) }
    }
}

impl Vault {
    /// Refuses master keys that are not those the keys in the database were wrapped with: nothing could be read, and what
    /// is written could not be read by others. Reads the vault's secrets. To be asked before a process begins.
    pub async fn require_fit(&self) -> Result<(), Fault> {
        // Reads all keys once, to find the first one that says another name than ours, or none.
        let known: Vec<Vec<u8>> = self.master.all().iter().map(|key| key.id.to_vec()).collect();
        let doubtful = sqlx::query!(
            r#"SELECT user_id, key_no, wrapped AS "wrapped!", wrapped_by FROM vault.keys
               WHERE wrapped IS NOT NULL AND (wrapped_by IS NULL OR NOT wrapped_by = ANY($1))
               ORDER BY user_id, key_no LIMIT 1"#,
            &known
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("look for a key of another master key"))?;
        if let Some(key) = doubtful {
            let unwrapped = self.unwrap(UserId(key.user_id), key.key_no, Some(&key.wrapped), key.wrapped_by.as_deref());
            unwrapped.map(drop).map_err(|_| Fault::WrongMasterKey)?;
        }
        let incumbent = self.incumbent().await?;
        let secrets = match self.read_secrets().await? {
            Some(secrets) => secrets,
            None => Secrets::derived(&incumbent),
        };
        // Whoever was faster has read the same.
        let _ = self.secrets.set(secrets);
        Ok(())
    }

    /// Writes down which master key wraps new keys, and the secrets that are to outlive it; nothing, if that was done.
    pub async fn establish(&self) -> Result<(), Fault> {
        const ATTEMPT: &str = "establish the vault";
        let key = self.incumbent().await?;
        let wrapped: Vec<Vec<u8>> =
            SECRETS.iter().map(|name| key.wrap(&key.derive(name)[..], &secret_context(name))).collect();
        let mut transaction = self.pool.begin().await.map_err(Fault::database(ATTEMPT))?;
        sqlx::query!(
            "INSERT INTO vault.secrets (name, wrapped, wrapped_by)
             SELECT n.name, n.wrapped, $3 FROM unnest($1::text[], $2::bytea[]) AS n (name, wrapped)
             WHERE NOT EXISTS (SELECT FROM vault.master) ORDER BY n.name ON CONFLICT DO NOTHING",
            &SECRETS.map(str::to_owned),
            &wrapped,
            &key.id[..]
        )
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        sqlx::query!(
            "INSERT INTO vault.master (key_id, since) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &key.id[..],
            self.clock.now()
        )
        .execute(&mut *transaction)
        .await
        .map_err(Fault::database(ATTEMPT))?;
        transaction.commit().await.map_err(Fault::database(ATTEMPT))
    }

    /// The master key that wraps new keys.
    pub(super) async fn incumbent(&self) -> Result<Key, Fault> {
        if let Some(id) = self.named().await? {
            return self.master.find(&id).ok_or(Fault::WrongMasterKey);
        }
        // Before it was written down: whichever fits what there is.
        let oldest = sqlx::query!(
            r#"SELECT user_id, key_no, wrapped AS "wrapped!" FROM vault.keys WHERE wrapped IS NOT NULL
               ORDER BY user_id, key_no LIMIT 1"#
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("read a wrapped key"))?;
        let Some(oldest) = oldest else { return Ok(self.master.first()) };
        let context = wrapping_context(UserId(oldest.user_id), oldest.key_no);
        let fits = |key: &Key| decrypt(&key.wrapping, &oldest.wrapped, &context, WRAPPED).is_ok();
        self.master.all().into_iter().find(fits).ok_or(Fault::WrongMasterKey)
    }

    pub(super) async fn named(&self) -> Result<Option<Vec<u8>>, Fault> {
        sqlx::query_scalar!("SELECT key_id FROM vault.master LIMIT 1")
            .fetch_optional(&self.pool)
            .await
            .map_err(Fault::database("ask which master key wraps new keys"))
    }

    /// The secrets as the database has them; `None` before they were written down.
    async fn read_secrets(&self) -> Result<Option<Secrets>, Fault> {
        let rows = sqlx::query!("SELECT name, wrapped, wrapped_by FROM vault.secrets ORDER BY name LIMIT 100")
            .fetch_all(&self.pool)
            .await
            .map_err(Fault::database("read the vault's secrets"))?;
        let read = |name: &str| -> Result<Option<Zeroizing<[u8; 32]>>, Fault> {
            let Some(row) = rows.iter().find(|row| row.name == name) else { return Ok(None) };
            let plain = self.unwrap_bytes(&row.wrapped, Some(&row.wrapped_by), &secret_context(name))?;
            let bytes = plain.as_slice().try_into().map_err(|_| Fault::Corrupt {
                what: "a secret of the vault",
                source: "it has another length".into(),
            })?;
            Ok(Some(Zeroizing::new(bytes)))
        };
        let (Some(hashing), Some(answers), Some(cursors)) = (read(HASHING)?, read(ANSWERS)?, read(CURSORS)?) else {
            return Ok(None);
        };
        Ok(Some(Secrets { hashing, answers: XChaCha20Poly1305::new((&*answers).into()), cursors }))
    }

    pub(super) fn secrets(&self) -> &Secrets {
        self.secrets.get().unwrap_or(&self.derived)
    }

    /// What the cursors of lists are made under: the same in all processes, whatever the master key is.
    pub fn cursor_secret(&self) -> [u8; 32] {
        *self.secrets().cursors
    }
}

/// The associated data of a wrapped secret.
pub(crate) fn secret_context(name: &str) -> Vec<u8> {
    [b"secret of the vault\0", name.as_bytes()].concat()
}
