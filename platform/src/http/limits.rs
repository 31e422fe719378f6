//! Rate limits: how often a user or an address may call, told in `RateLimit` headers before it comes to a 429.
//!
//! Headers as in draft-ietf-httpapi-ratelimit-headers-10. Each process counts for itself: behind several of them the
//! limit is so many times higher, which bounds misuse as well and needs no shared store.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    Quota,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use uuid::Uuid;

use super::address::ClientAddress;
use crate::{auth::Caller, config::Rate, problem::ApiError};

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Keys that nobody used for a window are forgotten each time so many checks were made.
const FORGET_EVERY: usize = 10_000;

type Limiter = governor::RateLimiter<Key, DashMapStateStore<Key>, DefaultClock, StateInformationMiddleware>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    User(Uuid),
    Address(IpAddr),
}

/// One limit. Clones count together.
#[derive(Clone, Debug)]
pub struct RateLimiter(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    times: u32,
    window: Duration,
    limiter: Limiter,
    checks: AtomicUsize,
}

/// What a check came to.
#[derive(Debug)]
pub struct Verdict {
    headers: Option<(HeaderValue, HeaderValue)>,
    refused: Option<Duration>,
}

impl RateLimiter {
    /// A limit under a name that callers see. [`Rate::Off`] is none.
    ///
    /// # Panics
    /// Never: every window is longer than the nanoseconds that a `u32` can divide it into.
    pub fn new(name: &'static str, rate: Rate) -> Self {
        let Rate::Limit { times, window } = rate else { return Self(None) };
        let window = window.duration();
        let quota = Quota::with_period(window / times.get()).map(|quota| quota.allow_burst(times));
        let quota = quota.expect("a window of a second or more, divided by a u32, is not nothing");
        let limiter = governor::RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>();
        Self(Some(Arc::new(Inner { name, times: times.get(), window, limiter, checks: AtomicUsize::new(0) })))
    }

    /// Counts a request of a user.
    pub fn check_user(&self, user_id: Uuid) -> Verdict {
        self.check(Key::User(user_id))
    }

    /// Counts a request from an address.
    pub fn check_address(&self, address: ClientAddress) -> Verdict {
        self.check(Key::Address(address.network()))
    }

    fn check(&self, key: Key) -> Verdict {
        let Some(inner) = &self.0 else { return Verdict { headers: None, refused: None } };
        if inner.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            inner.limiter.retain_recent();
            inner.limiter.shrink_to_fit();
        }
        let (left, refused) = match inner.limiter.check_key(&key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(inner.limiter.clock().now()))),
        };
        if refused.is_some() {
            metrics::counter!("orbit_http_rate_limited_total", "policy" => inner.name).increment(1);
        }
        let full_again = (inner.window * (inner.times - left.min(inner.times)) / inner.times).as_secs_f64().ceil();
        let name = inner.name;
        let policy = HeaderValue::try_from(format!("\"{name}\";q={};w={}", inner.times, inner.window.as_secs()));
        let state = HeaderValue::try_from(format!("\"{name}\";r={left};t={full_again:.0}"));
        Verdict { headers: policy.ok().zip(state.ok()), refused }
    }
}

impl Verdict {
    /// Refuses (429) if it came to that: for a handler that counts by itself.
    pub fn ok(&self) -> Result<(), ApiError> {
        self.refused.map_or(Ok(()), |wait| Err(ApiError::rate_limited(wait)))
    }

    /// Lets the request through or refuses it, and tells the caller what is left.
    pub async fn run(self, request: Request, next: Next) -> Response {
        let mut response = match self.ok() {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        };
        self.tell(response.headers_mut());
        response
    }

    /// Several limits may count one request: each appends its own to the lists.
    fn tell(self, headers: &mut HeaderMap) {
        if let Some((policy, state)) = self.headers {
            headers.append(RATE_LIMIT_POLICY.clone(), policy);
            headers.append(RATE_LIMIT.clone(), state);
        }
    }
}

/// The middleware for a limit per address, such as that of logins:
/// `from_fn_with_state(limiter, limits::per_address)`.
pub async fn per_address(
    State(limiter): State<RateLimiter>,
    address: ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    limiter.check_address(address).run(request, next).await
}

/// The middleware for a further limit per user, such as that of searches; behind the guard.
pub async fn per_user(State(limiter): State<RateLimiter>, caller: Caller, request: Request, next: Next) -> Response {
    limiter.check_user(caller.user_id).run(request, next).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(rate: &str) -> RateLimiter {
        RateLimiter::new("login", rate.parse().unwrap())
    }

    #[test]
    fn each_address_has_its_own_limit() {
        let limiter = limiter("2/min");
        let check = |address: &str| limiter.check_address(ClientAddress(address.parse().unwrap())).ok().is_ok();
        assert!(check("10.0.0.1") && check("10.0.0.1") && !check("10.0.0.1"));
        assert!(check("10.0.0.2"));
        assert!(check("2001:db8::1") && check("2001:db8::2") && !check("2001:db8::3"));
    }

    #[test]
    fn off_is_no_limit_and_no_header() {
        let limiter = limiter("off");
        for _ in 0..1_000 {
            let verdict = limiter.check_user(Uuid::nil());
            assert!(verdict.headers.is_none() && verdict.ok().is_ok());
        }
    }

    #[test]
    fn a_refusal_says_how_long_to_wait() {
        let limiter = limiter("1/h");
        assert!(limiter.check_user(Uuid::nil()).ok().is_ok());
        let verdict = limiter.check_user(Uuid::nil());
        assert!(verdict.refused.unwrap() > Duration::from_mins(59));
        let (policy, state) = verdict.headers.unwrap();
        assert_eq!(policy, "\"login\";q=1;w=3600");
        assert_eq!(state, "\"login\";r=0;t=3600");
    }
}
