//! What every handler has at hand.

use std::{ops::Deref, sync::Arc};

use chrono::TimeDelta;
use orbit_adapters::blobs::Blobs;
use orbit_event_store::EventStore;
use orbit_platform::{
    auth::{Admins, TokenSigner},
    problem::ApiError,
};

use crate::{
    erasures, exports, mail_servers::MailServers, passwords::Passwords, reactor::Reactor, routes::FirstLists,
    sessions::Sessions,
};

/// How long a message is held before it is sent, where nobody says otherwise.
const SEND_HOLD: TimeDelta = TimeDelta::seconds(10);
/// The largest mailbox in bytes, where nobody says otherwise.
const IMPORT_LIMIT: u64 = 4 * 1024 * 1024 * 1024;

/// What every handler has at hand. Clones share it.
#[derive(Clone)]
pub struct AppState(Arc<Inner>, Mail);

/// What e-mail needs beside the log.
#[derive(Clone)]
pub struct Mail {
    /// Messages and files; none if it was not said where they lie.
    pub blobs: Option<Blobs>,
    /// How long a message is held before it is sent.
    pub send_hold: TimeDelta,
    /// The largest mailbox that is taken in, in bytes.
    pub import_limit: u64,
    /// How mail servers of users are spoken with.
    pub servers: MailServers,
}

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
    /// Told of mailboxes that are to be taken in, and of messages that are to be sent.
    pub reactor: Reactor,
}

impl AppState {
    /// Shares the parts.
    pub fn new(inner: Inner, servers: MailServers) -> Self {
        Self(Arc::new(inner), Mail { blobs: None, send_hold: SEND_HOLD, import_limit: IMPORT_LIMIT, servers })
    }

    /// What e-mail needs beside the log.
    pub fn mail(&self) -> &Mail {
        &self.1
    }

    /// The same, to be set while nobody has it yet.
    pub fn mail_mut(&mut self) -> &mut Mail {
        &mut self.1
    }

    /// Where messages and files are stored; 501 if nobody said where.
    pub fn blobs(&self) -> Result<&Blobs, ApiError> {
        self.1.blobs.as_ref().ok_or_else(|| ApiError::not_configured("ORBIT_BLOBS"))
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
