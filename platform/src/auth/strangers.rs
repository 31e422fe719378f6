//! Addresses that send API tokens which nobody knows. To look a token up costs the database a question, and the limit per
//! user does not count who is no user: so the failures are counted here, by address.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{http::address::ClientAddress, problem::ApiError, recent::Recent};

/// Unknown tokens that an address may send within [`WINDOW`]: more than a forgotten script with a revoked token needs to
/// show itself, far fewer than would be felt.
pub(super) const FAILURES: u32 = 30;
const WINDOW: Duration = Duration::from_mins(1);
/// Addresses that are remembered. Whoever has more of them than that is not to be stopped by counting.
const ADDRESSES: usize = 100_000;
/// Tokens that were seen to be right, and for how long after that they are looked up whatever their address has done.
const KNOWN: usize = 10_000;
const KNOWN_FOR: Duration = Duration::from_hours(1);

/// The count.
pub(super) struct Strangers {
    failures: Recent<IpAddr, Arc<Failures>>,
    /// SHA-256 of tokens. Only whether they are looked up depends on it, never whether they are accepted.
    known: Recent<[u8; 32], ()>,
}

struct Failures {
    count: AtomicU32,
    since: Instant,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self { failures: Recent::new(ADDRESSES, WINDOW), known: Recent::new(KNOWN, KNOWN_FOR) }
    }

    /// Refuses (429) to look a token up for an address that has sent too many that nobody knows. One that was right
    /// lately is looked up all the same: many may share an address, and one of them must not shut the others out.
    pub(super) fn admit(&self, address: ClientAddress, token: &str) -> Result<(), ApiError> {
        let Some(failures) = self.failures.get(&address.network()) else { return Ok(()) };
        if failures.count.load(Ordering::Relaxed) < FAILURES || self.known.get(&digest(token)).is_some() {
            return Ok(());
        }
        metrics::counter!("orbit_http_rate_limited_total", "policy" => "api_token").increment(1);
        Err(ApiError::rate_limited(WINDOW.saturating_sub(failures.since.elapsed())))
    }

    /// Takes note of a token that is right.
    pub(super) fn succeeded(&self, token: &str) {
        let token = digest(token);
        if self.known.get(&token).is_none() {
            self.known.insert(token, ());
        }
    }

    /// Counts a token that is not.
    pub(super) fn failed(&self, address: ClientAddress, token: &str) {
        self.known.forget(&digest(token));
        let new = || Arc::new(Failures { count: AtomicU32::new(0), since: Instant::now() });
        self.failures.get_or_insert(&address.network(), new).count.fetch_add(1, Ordering::Relaxed);
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
