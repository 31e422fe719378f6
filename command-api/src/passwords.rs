//! Password hashes: Argon2id, verified aside from the threads that serve, a few at a time.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use orbit_domain::{Secret, users::Password};
use orbit_platform::{problem::ApiError, random};
use tokio::sync::Semaphore;

/// Memory in KiB, passes and lanes: the first of OWASP's equivalent choices with 19 MiB (Password Storage Cheat Sheet).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes computed at the same time: each takes 19 MiB and a core for some 20 ms. Without a bound, many logins at once
/// would take all memory and every thread that blocking work has.
const AT_ONCE: usize = 4;

/// Makes and checks password hashes. Clones share the bound.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// Verified when there is no account, so that its absence takes as long as a wrong password.
    decoy: Secret,
}

impl Passwords {
    /// With the parameters that OWASP recommends.
    pub fn new() -> Result<Self, ApiError> {
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| ApiError::internal(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash(&argon2, &random::token())?;
        Ok(Self { argon2, turns: Arc::new(Semaphore::new(AT_ONCE)), decoy })
    }

    /// The hash of a new password, as a PHC string.
    pub async fn hash(&self, password: Password) -> Result<Secret, ApiError> {
        let argon2 = self.argon2.clone();
        self.aside(move || hash(&argon2, password.expose())).await?
    }

    /// Whether the password is the one that was hashed. Without a hash it is not, and that takes as long.
    pub async fn verify(&self, password: Secret, hash: Option<Secret>) -> Result<bool, ApiError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let argon2 = self.argon2.clone();
        let fits = move || {
            let hash = PasswordHash::new(hash.expose()).map_err(|error| ApiError::internal(error.to_string()))?;
            Ok::<_, ApiError>(argon2.verify_password(password.expose().as_bytes(), &hash).is_ok())
        };
        Ok(self.aside(fits).await?? && known)
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        // Held by the work itself: a caller who hangs up does not make room for another one before it is done.
        let turn = self.turns.clone().acquire_owned().await.map_err(ApiError::internal)?;
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<Secret, ApiError> {
    let hash = argon2.hash_password_with_salt(password.as_bytes(), &random::bytes::<16>());
    let hash = hash.map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Secret::new(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(Password::parse("Correct horse 1").unwrap()).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert!(passwords.verify(Secret::new("Correct horse 1"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(Secret::new("correct horse 1"), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn without_an_account_no_password_fits() {
        let passwords = Passwords::new().unwrap();
        assert!(!passwords.verify(passwords.decoy.clone(), None).await.unwrap());
    }
}
