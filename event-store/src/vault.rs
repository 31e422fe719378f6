//! The vault: one data key per user, wrapped by the master key; sealing and opening; keyed hashes.
//!
//! Sealed bytes are `1 | key number (2, big endian) | nonce (24) | XChaCha20-Poly1305 ciphertext and tag`, with the
//! user's id, the fact's id and its wire type as associated data: a payload moved to another fact does not open.
//! Nonces are random (24 bytes: no birthday worth fearing). Source: draft-irtf-cfrg-xchacha-03.
//!
//! What a user's blobs are sealed with is derived from their data key ([`BlobKey`]), so that messages and files are
//! forgotten with it, wherever their bytes lie.
//!
//! Answers that are kept for repetitions are sealed in the same way (scope and idempotency key as associated data). Those
//! that are no user's, because there is none yet, are sealed with a secret of the vault, as format 0.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Arc, OnceLock},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, AeadInOut, Payload},
};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use orbit_events::{EventId, UserId};
use orbit_platform::{clock::Clock, postgres::Pool, random};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Fault, MasterKey, master::Key};

mod secrets;

use secrets::Secrets;
pub(crate) use secrets::{SECRETS, secret_context};

const FORMAT: u8 = 1;
/// Sealed with a key that is no user's.
const NOBODYS: u8 = 0;
const HEADER: usize = 1 + 2;
const NONCE: usize = 24;
const TAG: usize = 16;
/// How long a process may go on opening facts of a user whose key another process destroyed.
const CACHE_TTL: TimeDelta = TimeDelta::seconds(60);
const CACHED_KEYS: usize = 100_000;
/// How often a user's key is wrapped anew because the master key was just rotated.
const ROTATED_MEANWHILE: u32 = 3;

/// Under which name the key of a user's blobs is derived from their data key.
const BLOBS: &[u8] = b"orbit.blobs.v1";

/// A user's data key, or the knowledge that it was destroyed.
#[derive(Clone)]
enum DataKey {
    Present(Arc<Present>),
    Destroyed,
}

/// What a data key is used for: by itself it is not kept.
struct Present {
    cipher: XChaCha20Poly1305,
    blobs: Zeroizing<[u8; 32]>,
}

/// What a user's messages and files are sealed with, outside the log: derived from their data key of the same number.
#[derive(Clone)]
pub struct BlobKey {
    /// Which of the user's data keys it is of.
    pub number: i16,
    /// The key.
    pub bytes: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobKey").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Keys of users, sealing and opening. Clones share the cache.
#[derive(Clone)]
pub struct Vault {
    pool: Pool,
    clock: Clock,
    master: MasterKey,
    /// Of the database, once they were read; until then as the master key makes them.
    secrets: Arc<OnceLock<Secrets>>,
    derived: Arc<Secrets>,
    keys: Keys<(Uuid, i16), DataKey>,
    /// The key that seals a user's next fact, with its number.
    newest: Keys<Uuid, (i16, DataKey)>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault whose keys lie in the database of `pool`.
    pub fn new(pool: Pool, master: &MasterKey, clock: Clock) -> Self {
        Self {
            pool,
            derived: Arc::new(Secrets::derived(&master.first())),
            secrets: Arc::default(),
            master: master.clone(),
            keys: Keys::new(&clock),
            newest: Keys::new(&clock),
            clock,
        }
    }

    /// Gives a new user a data key. A user who has one keeps it.
    pub async fn create_key(&self, user: UserId) -> Result<(), Fault> {
        let key = Zeroizing::new(random::bytes::<32>());
        for _ in 0..ROTATED_MEANWHILE {
            let master = self.incumbent().await?;
            // Locked, so that a rotation either comes first or sees this key.
            let made = sqlx::query!(
                "INSERT INTO vault.keys (user_id, key_no, wrapped, wrapped_by, created_at)
                 SELECT $1, 0, $2, m.key_id, $3 FROM vault.master m WHERE m.key_id = $4 FOR SHARE
                 ON CONFLICT DO NOTHING",
                user.0,
                master.wrap(&key[..], &wrapping_context(user, 0)),
                self.clock.now(),
                &master.id[..]
            )
            .execute(&self.pool)
            .await
            .map_err(Fault::database("create a user's key"))?;
            if made.rows_affected() == 1 {
                break;
            }
            match self.named().await? {
                // They have one.
                Some(id) if id == master.id => break,
                Some(_) => {}
                None => self.establish().await?,
            }
        }
        self.newest.remove(&user.0);
        Ok(())
    }

    /// Destroys a user's keys: what they sealed is forgotten, here, in `JetStream` and in every backup of the log.
    ///
    /// Says whether there was one to destroy.
    pub async fn destroy_keys(&self, user: UserId) -> Result<bool, Fault> {
        let done = sqlx::query!(
            "UPDATE vault.keys SET wrapped = NULL, destroyed_at = $2 WHERE user_id = $1 AND destroyed_at IS NULL",
            user.0,
            self.clock.now()
        )
        .execute(&self.pool)
        .await
        .map_err(Fault::database("destroy a user's keys"))?;
        self.newest.remove(&user.0);
        self.keys.clear();
        Ok(done.rows_affected() > 0)
    }

    /// Users who asked to be forgotten and still have a key: a process died between the fact and the destruction.
    pub async fn unfinished_erasures(&self) -> Result<Vec<UserId>, Fault> {
        let users = sqlx::query_scalar!(
            "SELECT DISTINCT k.user_id FROM log.events e JOIN vault.keys k ON k.user_id = e.stream_id
             WHERE e.type = 'users.erased' AND k.destroyed_at IS NULL ORDER BY k.user_id LIMIT 100"
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("look for unfinished erasures"))?;
        Ok(users.into_iter().map(UserId).collect())
    }

    /// Those of these users who were forgotten: they had keys, and all are destroyed.
    pub async fn forgotten(&self, users: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
        sqlx::query_scalar!(
            "SELECT user_id FROM vault.keys WHERE user_id = ANY($1)
             GROUP BY user_id HAVING bool_and(destroyed_at IS NOT NULL) ORDER BY user_id",
            users
        )
        .fetch_all(&self.pool)
        .await
        .map_err(Fault::database("look for users who were forgotten"))
    }

    /// Seals a fact's payload with the user's newest key.
    pub async fn seal(&self, user: UserId, event: EventId, wire_type: &str, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        let (key_no, DataKey::Present(key)) = self.newest_key(user).await? else { return Err(Fault::Forgotten) };
        let [high, low] = key_no.to_be_bytes();
        Ok(encrypt_behind(&[FORMAT, high, low], &key.cipher, payload, &fact_context(user, event, wire_type)))
    }

    /// Opens a fact's payload; `None` if the user was forgotten.
    pub async fn open(
        &self,
        user: UserId,
        event: EventId,
        wire_type: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, Fault> {
        let key_no = key_number(sealed)?;
        match self.key(user, key_no).await? {
            DataKey::Destroyed => Ok(None),
            DataKey::Present(key) => {
                decrypt(&key.cipher, &sealed[HEADER..], &fact_context(user, event, wire_type), "a sealed payload")
                    .map(Some)
            }
        }
    }

    /// What the user's next blob is sealed with. [`Fault::Forgotten`] if they have no key any more.
    pub async fn blob_key(&self, user: UserId) -> Result<BlobKey, Fault> {
        match self.newest_key(user).await? {
            (number, DataKey::Present(key)) => Ok(BlobKey { number, bytes: key.blobs.clone() }),
            (_, DataKey::Destroyed) => Err(Fault::Forgotten),
        }
    }

    /// What a blob under the user's key of this number was sealed with; `None` if the user was forgotten.
    pub async fn blob_key_of(&self, user: UserId, number: i16) -> Result<Option<BlobKey>, Fault> {
        match self.key(user, number).await? {
            DataKey::Present(key) => Ok(Some(BlobKey { number, bytes: key.blobs.clone() })),
            DataKey::Destroyed => Ok(None),
        }
    }

    /// Seals an answer that is kept for the repetition of a command: with the key of the user whose scope it is, so that
    /// it is forgotten with them, in backups too.
    pub(crate) async fn seal_answer(&self, scope: Uuid, key: &str, answer: &[u8]) -> Result<Vec<u8>, Fault> {
        let context = answer_context(scope, key);
        match self.newest_key(UserId(scope)).await {
            Ok((key_no, DataKey::Present(key))) => {
                let [high, low] = key_no.to_be_bytes();
                Ok(encrypt_behind(&[FORMAT, high, low], &key.cipher, answer, &context))
            }
            Ok((_, DataKey::Destroyed)) | Err(Fault::Forgotten) => {
                Ok(encrypt_behind(&[NOBODYS], &self.secrets().answers, answer, &context))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Opens a kept answer.
    pub(crate) async fn open_answer(&self, scope: Uuid, key: &str, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        const WHAT: &str = "a kept answer";
        let context = answer_context(scope, key);
        if let [NOBODYS, sealed @ ..] = sealed {
            return decrypt(&self.secrets().answers, sealed, &context, WHAT);
        }
        match self.key(UserId(scope), key_number(sealed)?).await? {
            DataKey::Destroyed => Err(Fault::Forgotten),
            DataKey::Present(key) => decrypt(&key.cipher, &sealed[HEADER..], &context, WHAT),
        }
    }

    /// A keyed hash of something personal: equal for equal input, and nothing to guess from without the master key.
    pub fn hash(&self, scope: &str, value: &[u8]) -> [u8; 32] {
        keyed_hash(&self.secrets().hashing, &[scope.as_bytes(), b"\0", value])
    }

    /// Loads the keys of many users in one round trip, so that opening a batch does not ask one by one.
    pub(crate) async fn warm(&self, wanted: impl Iterator<Item = (UserId, i16)>) -> Result<(), Fault> {
        let missing: HashSet<Uuid> = wanted
            .filter(|(user, key_no)| self.keys.get(&(user.0, *key_no)).is_none())
            .map(|(user, _)| user.0)
            .collect();
        if !missing.is_empty() {
            self.read_keys(&missing.into_iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// All keys of these users; those that can be unwrapped are also remembered.
    async fn read_keys(&self, users: &[Uuid]) -> Result<Vec<((Uuid, i16), Result<DataKey, Fault>)>, Fault> {
        let rows =
            sqlx::query!("SELECT user_id, key_no, wrapped, wrapped_by FROM vault.keys WHERE user_id = ANY($1)", users)
                .fetch_all(&self.pool)
                .await
                .map_err(Fault::database("read users' keys"))?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            // One that does not unwrap is the matter of who needs it: the others' facts can be read all the same.
            let (wrapped, wrapped_by) = (row.wrapped.as_deref(), row.wrapped_by.as_deref());
            let key = self.unwrap(UserId(row.user_id), row.key_no, wrapped, wrapped_by);
            if let Ok(key) = &key {
                self.keys.insert((row.user_id, row.key_no), key.clone());
            }
            keys.push(((row.user_id, row.key_no), key));
        }
        Ok(keys)
    }

    /// [`Fault::Forgotten`] if the user was forgotten, here or (for longer than [`CACHE_TTL`]) by another process.
    pub(crate) async fn remembers(&self, user: UserId) -> Result<(), Fault> {
        match self.newest_key(user).await? {
            (_, DataKey::Present(_)) => Ok(()),
            (_, DataKey::Destroyed) => Err(Fault::Forgotten),
        }
    }

    async fn newest_key(&self, user: UserId) -> Result<(i16, DataKey), Fault> {
        if let Some(newest) = self.newest.get(&user.0) {
            return Ok(newest);
        }
        let key_no = sqlx::query_scalar!(
            "SELECT key_no FROM vault.keys WHERE user_id = $1 AND destroyed_at IS NULL ORDER BY key_no DESC LIMIT 1",
            user.0
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(Fault::database("find a user's newest key"))?
        .ok_or(Fault::Forgotten)?;
        let newest = (key_no, self.key(user, key_no).await?);
        self.newest.insert(user.0, newest.clone());
        Ok(newest)
    }

    async fn key(&self, user: UserId, key_no: i16) -> Result<DataKey, Fault> {
        if let Some(key) = self.keys.get(&(user.0, key_no)) {
            return Ok(key);
        }
        let keys = self.read_keys(&[user.0]).await?;
        let found = keys.into_iter().find(|(pair, _)| *pair == (user.0, key_no)).map(|(_, key)| key);
        found.unwrap_or_else(|| {
            Err(Fault::Corrupt { what: "the key of a sealed payload", source: "the vault has no such key".into() })
        })
    }

    fn unwrap(
        &self,
        user: UserId,
        key_no: i16,
        wrapped: Option<&[u8]>,
        wrapped_by: Option<&[u8]>,
    ) -> Result<DataKey, Fault> {
        let Some(wrapped) = wrapped else { return Ok(DataKey::Destroyed) };
        let key = self.unwrap_bytes(wrapped, wrapped_by, &wrapping_context(user, key_no))?;
        let key: Zeroizing<[u8; 32]> = key
            .as_slice()
            .try_into()
            .map(Zeroizing::new)
            .map_err(|_| Fault::Corrupt { what: "a wrapped key", source: "it has another length".into() })?;
        let blobs = Zeroizing::new(keyed_hash(&key, &[BLOBS]));
        Ok(DataKey::Present(Arc::new(Present { cipher: XChaCha20Poly1305::new((&*key).into()), blobs })))
    }

    /// Opens what a master key wrapped. That the key which did it is not known here says nothing against the bytes:
    /// nobody is to be parked for it.
    pub(crate) fn unwrap_bytes(
        &self,
        wrapped: &[u8],
        by: Option<&[u8]>,
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let keys = match by {
            Some(id) => vec![self.master.find(id).ok_or(Fault::WrongMasterKey)?],
            // From before keys had ids.
            None => self.master.all(),
        };
        let mut refused = Fault::WrongMasterKey;
        for key in keys {
            match decrypt(&key.wrapping, wrapped, context, WRAPPED) {
                Ok(plain) => return Ok(Zeroizing::new(plain)),
                Err(fault) => refused = fault,
            }
        }
        Err(refused)
    }

    pub(crate) fn master(&self) -> &MasterKey {
        &self.master
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Key {
    /// Wraps a key or a secret for its place.
    pub(crate) fn wrap(&self, plain: &[u8], context: &[u8]) -> Vec<u8> {
        encrypt(&self.wrapping, plain, context)
    }
}

/// How faults call what a master key wrapped.
const WRAPPED: &str = "a wrapped key (is the master key the right one?)";

/// Which of the user's keys sealed these bytes.
pub(crate) fn key_number(sealed: &[u8]) -> Result<i16, Fault> {
    match sealed {
        [FORMAT, high, low, rest @ ..] if rest.len() >= NONCE + TAG => Ok(i16::from_be_bytes([*high, *low])),
        _ => Err(Fault::Corrupt { what: "a sealed payload", source: "it has an unknown format".into() }),
    }
}

/// A bounded cache whose entries are believed for [`CACHE_TTL`]. Clones share it.
struct Keys<K, V> {
    known: Arc<quick_cache::sync::Cache<K, (DateTime<Utc>, V)>>,
    clock: Clock,
}

impl<K, V> Clone for Keys<K, V> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), clock: self.clock.clone() }
    }
}

impl<K: Hash + Eq, V: Clone> Keys<K, V> {
    fn new(clock: &Clock) -> Self {
        Self { known: Arc::new(quick_cache::sync::Cache::new(CACHED_KEYS)), clock: clock.clone() }
    }

    fn get(&self, key: &K) -> Option<V> {
        let (since, value) = self.known.get(key)?;
        let age = self.clock.now() - since;
        // Should the clock go back, nothing is believed for longer.
        (TimeDelta::zero()..CACHE_TTL).contains(&age).then_some(value)
    }

    fn insert(&self, key: K, value: V) {
        self.known.insert(key, (self.clock.now(), value));
    }

    fn remove(&self, key: &K) {
        drop(self.known.remove(key));
    }

    fn clear(&self) {
        self.known.clear();
    }
}

pub(crate) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn encrypt(cipher: &XChaCha20Poly1305, plain: &[u8], context: &[u8]) -> Vec<u8> {
    encrypt_behind(&[], cipher, plain, context)
}

/// `header | nonce | ciphertext and tag`, in one buffer.
fn encrypt_behind(header: &[u8], cipher: &XChaCha20Poly1305, plain: &[u8], context: &[u8]) -> Vec<u8> {
    let nonce = random::nonce::<NONCE>();
    let mut sealed = Vec::with_capacity(header.len() + NONCE + plain.len() + TAG);
    sealed.extend_from_slice(header);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(nonce), context, (&mut sealed[header.len() + NONCE..]).into())
        .expect("XChaCha20-Poly1305 seals anything shorter than 256 GiB");
    sealed.extend_from_slice(&tag);
    sealed
}

fn decrypt(cipher: &XChaCha20Poly1305, sealed: &[u8], context: &[u8], what: &'static str) -> Result<Vec<u8>, Fault> {
    let corrupt = |why: &'static str| Fault::Corrupt { what, source: why.into() };
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>().ok_or_else(|| corrupt("it is too short"))?;
    cipher
        .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: context })
        .map_err(|_| corrupt("it was sealed with another key, for another place, or changed since"))
}

fn fact_context(user: UserId, event: EventId, wire_type: &str) -> Vec<u8> {
    [user.0.as_bytes(), event.0.as_bytes(), wire_type.as_bytes()].concat()
}

pub(crate) fn wrapping_context(user: UserId, key_no: i16) -> Vec<u8> {
    [&user.0.as_bytes()[..], &key_no.to_be_bytes()].concat()
}

fn answer_context(scope: Uuid, key: &str) -> Vec<u8> {
    [scope.as_bytes(), key.as_bytes()].concat()
}
