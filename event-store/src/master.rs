//! Master keys: the keys over the keys. There is one, and while it is replaced there are two.
//!
//! Each has an id, so that what it wrapped says which one to ask for. A process that meets an id it does not know reads
//! its settings again before it gives up: one that was given files need not be started anew for a rotation.

use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use orbit_platform::config::{self, Environment, KeysArgs};
use zeroize::Zeroizing;

use crate::vault::keyed_hash;

/// Bytes of a key's id.
const ID: usize = 8;
/// Most keys that a process keeps: rotations happen once in a while, and processes end.
const KEPT: usize = 16;

/// What a master key is told by: a keyed hash, from which nobody learns the key.
pub(crate) type KeyId = [u8; ID];

/// One master key: 32 bytes that nobody but the operator has.
#[derive(Clone)]
pub(crate) struct Key {
    pub id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
    /// Wraps data keys.
    pub wrapping: Arc<XChaCha20Poly1305>,
}

impl Key {
    fn new(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let derived = |purpose: &str| Zeroizing::new(keyed_hash(&bytes, &[purpose.as_bytes()]));
        let wrapping = Arc::new(XChaCha20Poly1305::new((&*derived("wrap data keys")).into()));
        let mut id = [0; ID];
        id.copy_from_slice(&derived("tell master keys apart")[..ID]);
        Self { id, bytes, wrapping }
    }

    /// A key of its own for one purpose, by HMAC-SHA-256 of the purpose's name.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(keyed_hash(&self.bytes, &[purpose.as_bytes()]))
    }
}

type Reload = Arc<dyn Fn() -> Vec<[u8; 32]> + Send + Sync>;

/// The master keys that a process knows. Clones share them.
#[derive(Clone)]
pub struct MasterKey {
    /// Never empty; the first one is what a rotation rotates to.
    known: Arc<RwLock<Vec<Key>>>,
    reload: Option<Reload>,
}

impl MasterKey {
    /// A master key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { known: Arc::new(RwLock::new(vec![Key::new(bytes)])), reload: None }
    }

    /// The one of the settings, and the one before it while there is one. Files are read again when a key is missed.
    pub fn from_args(keys: &KeysArgs, environment: Environment) -> Result<Self, config::Fault> {
        let mut master = Self::new(*keys.master_key(environment)?.expose());
        if let Some(previous) = keys.previous_master_key(environment)? {
            master = master.accepting(*previous.expose());
        }
        let keys = keys.clone();
        master.reload = Some(Arc::new(move || {
            let both = [keys.master_key(environment).ok(), keys.previous_master_key(environment).ok().flatten()];
            both.into_iter().flatten().map(|key| *key.expose()).collect()
        }));
        Ok(master)
    }

    /// Accepts another one beside it, as while it is replaced.
    #[must_use]
    pub fn accepting(self, bytes: [u8; 32]) -> Self {
        self.learn(vec![bytes]);
        self
    }

    fn learn(&self, found: Vec<[u8; 32]>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for key in found.into_iter().map(Key::new) {
            if known.len() < KEPT && known.iter().all(|other| other.id != key.id) {
                known.push(key);
            }
        }
    }

    /// The one that a rotation rotates to.
    pub(crate) fn first(&self) -> Key {
        self.known.read().unwrap_or_else(PoisonError::into_inner)[0].clone()
    }

    /// All that are known.
    pub(crate) fn all(&self) -> Vec<Key> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one with this id; the settings are read again if it is not known.
    pub(crate) fn find(&self, id: &[u8]) -> Option<Key> {
        let known = |all: Vec<Key>| all.into_iter().find(|key| key.id == id);
        known(self.all()).or_else(|| {
            self.learn((self.reload.as_ref()?)());
            known(self.all())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_each_is_known_once() {
        let master = MasterKey::new([1; 32]).accepting([2; 32]).accepting([1; 32]);
        let ids: Vec<KeyId> = master.all().iter().map(|key| key.id).collect();
        assert_eq!(ids.len(), 2);
        assert_eq!(master.first().id, ids[0]);
        assert!(master.find(&ids[1]).is_some() && master.find(&[0; ID]).is_none());
    }

    #[test]
    fn a_key_that_is_missed_is_looked_for_in_the_settings() {
        let reload: Reload = Arc::new(|| vec![[1; 32], [2; 32]]);
        let master = MasterKey { reload: Some(reload), ..MasterKey::new([1; 32]) };
        assert!(master.find(&Key::new([2; 32]).id).is_some());
        assert_eq!(master.first().id, Key::new([1; 32]).id);
    }
}
