//! What every handler has at hand.

use std::{ops::Deref, sync::Arc};

use chrono::TimeDelta;
use orbit_event_store::EventStore;
use orbit_platform::auth::{Admins, TokenSigner};

use crate::{erasures, exports, passwords::Passwords, routes::FirstLists, sessions::Sessions};

/// What every handler has at hand. Clones share it.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of an [`AppState`].
pub struct Inner {
    /// The log.
    pub store: EventStore,
    /// Makes access tokens.
    pub signer: TokenSigner,
    /// Makes and checks password hashes.
    pub passwords: Passwords,
    /// Logins that were seen to be active.
    pub sessions: Sessions,
    /// Who may administer.
    pub admins: Admins,
    /// Where tasks go that name no list.
    pub first_lists: FirstLists,
    /// How long a refresh token lives.
    pub refresh_ttl: TimeDelta,
    /// How long who asked to be forgotten may change their mind.
    pub erasure_grace: TimeDelta,
    /// Told of requested erasures.
    pub erasures: erasures::Wake,
    /// Told of archives that were asked for.
    pub exports: exports::Wake,
}

impl AppState {
    /// Shares the parts.
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
