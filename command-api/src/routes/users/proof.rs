//! Passwords shown as proof: at a login, and for changes that need the present one.

use axum::http::StatusCode;
use orbit_domain::Secret;
use orbit_event_store::Lock;
use orbit_platform::{http::address::ClientAddress, problem::ApiError};

use crate::{
    error::{Error, Result, refusal},
    routes::read::Refusal,
    state::AppState,
};

/// Most bytes of a password that is compared. Rules for new ones are stricter, and may become so.
const MAX_BYTES: usize = 1_024;

/// The rule of a password that is compared.
pub fn presented(text: String) -> Result<Secret, Refusal> {
    match text.len() {
        0 => Err(("empty", "must not be empty".to_owned())),
        1..=MAX_BYTES => Ok(Secret::new(text)),
        _ => Err(("too_long", format!("must have at most {MAX_BYTES} bytes"))),
    }
}

/// Somebody who shows a password for an account from an address. Five failures lock that pair for 15 minutes.
pub struct Proof<'a> {
    app: &'a AppState,
    account: String,
    address: String,
}

impl<'a> Proof<'a> {
    /// `account` is the e-mail address without regard to case. Refused (429) while the pair is locked.
    pub async fn begin(app: &'a AppState, account: String, address: ClientAddress) -> Result<Self> {
        let proof = Self { app, account, address: address.network().to_string() };
        proof.require_unlocked().await?;
        Ok(proof)
    }

    async fn require_unlocked(&self) -> Result<()> {
        refuse(self.app.store.attempts().locked(&self.account, &self.address).await?)
    }

    /// Compares; a failure is counted and answered with `refused`.
    pub async fn verify(
        &self,
        password: Secret,
        hash: Option<Secret>,
        refused: impl FnOnce() -> ApiError,
    ) -> Result<(), Error> {
        // Guesses that are made side by side all found it unlocked at first: they must not learn more than five do.
        if self.app.passwords.verify(password, hash).await? {
            return self.require_unlocked().await;
        }
        refuse(self.app.store.attempts().failed(&self.account, &self.address).await?)?;
        Err(refused().into())
    }

    /// Forgets earlier failures.
    pub async fn succeeded(&self) -> Result<()> {
        Ok(self.app.store.attempts().succeeded(&self.account, &self.address).await?)
    }
}

fn refuse(lock: Option<Lock>) -> Result<()> {
    let Some(lock) = lock else { return Ok(()) };
    let detail = "too many failed attempts for this account from this address";
    let answer = refusal(StatusCode::TOO_MANY_REQUESTS, "login_locked", None, detail);
    Err(answer.with_retry_after(lock.remaining).into())
}

/// The answer to a present password that is not right.
pub fn wrong_password(field: &str) -> ApiError {
    let pointer = Some(format!("/{field}"));
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "wrong_password", pointer, "the password is not right")
}
