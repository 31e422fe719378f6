//! A login: one device and its family of refresh tokens, each good for one use.

use std::{collections::VecDeque, net::IpAddr};

use chrono::{DateTime, Utc};
use orbit_events::{
    UserId,
    users::login::{Event, LoggedIn, LoggedOut, Reason, RefreshReuseDetected, Refreshed},
};
use serde_json::json;
use uuid::Uuid;

use super::{DeviceName, UserAgent};
use crate::{Aggregate, Claim, Context, Fields, Secret, aggregate::rejections, undo::Reversal};

/// Scope of the claim on a login's id; scanned by user, it gives the devices that are logged in.
pub const USER: &str = "logins.user";

/// How many used refresh tokens are remembered: more than a device needs that refreshes its access token every quarter
/// of an hour for the 30 days that a refresh token lives. Older ones are refused without more ado.
pub const USED_REMEMBERED: usize = 3_000;

/// The aggregate.
#[derive(Debug)]
pub struct Login;

/// What is known of a login.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Before the first fact.
    #[default]
    Absent,
    /// Logged in.
    Active(Box<Active>),
    /// Logged out, for good.
    LoggedOut(Reason),
}

/// A device that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// SHA-256 of the refresh token that is good now, hexadecimal.
    pub refresh_hash: Secret,
    /// When that stops working.
    pub expires_at: DateTime<Utc>,
    /// What the user calls the device.
    pub device_name: Option<String>,
    /// What the client says it is.
    pub user_agent: Option<String>,
    /// Where the client was when it logged in.
    pub address: Option<String>,
    /// Fingerprints of the tokens used so far, oldest first.
    used: VecDeque<u64>,
}

impl State {
    /// The device, while it is logged in.
    pub fn active(&self) -> Option<&Active> {
        match self {
            Self::Active(login) => Some(login),
            Self::Absent | Self::LoggedOut(_) => None,
        }
    }
}

/// What can be asked of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Log in on a device. The caller has checked the password.
    LogIn {
        /// SHA-256 of the first refresh token, hexadecimal.
        refresh_hash: Secret,
        /// When that stops working.
        expires_at: DateTime<Utc>,
        /// What the user calls the device.
        device_name: Option<DeviceName>,
        /// What the client says it is.
        user_agent: Option<UserAgent>,
        /// Where the client is.
        address: Option<IpAddr>,
    },
    /// Exchange a refresh token for the next one.
    ///
    /// A token that was used before is answered with facts, not with a rejection, because the family ends with it:
    /// afterwards [`State::active`] is none, and the caller gives out no token.
    Refresh {
        /// SHA-256 of the token that the client showed, hexadecimal.
        presented: Secret,
        /// SHA-256 of the next one, hexadecimal.
        next: Secret,
        /// When the next one stops working.
        expires_at: DateTime<Utc>,
    },
    /// Log out.
    LogOut {
        /// Why.
        reason: Reason,
    },
}

rejections! {
    /// Why a login may say no.
    NotFound = "login_not_found", NotFound, "there is no such login";
    Exists = "login_exists", Conflict, "a login with this id exists already";
    InvalidToken = "invalid_refresh_token", Unauthorised, "the refresh token is not valid; log in again";
    TokenExpired = "refresh_token_expired", Unauthorised, "the refresh token has expired; log in again";
    LoggedOut = "logged_out", Unauthorised, "this device was logged out; log in again";
}

impl Aggregate for Login {
    type Event = Event;
    type State = State;
    type Command = Command;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command, context: &Context) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::LogIn { refresh_hash, expires_at, device_name, user_agent, address } => {
                let logged_in = LoggedIn {
                    refresh_hash: refresh_hash.expose().to_owned(),
                    device_name: device_name.map(String::from),
                    user_agent: user_agent.map(String::from),
                    address: address.map(|address| address.to_string()),
                    expires_at,
                };
                log_in(state, logged_in)
            }
            Command::Refresh { presented, next, expires_at } => {
                let next = Refreshed { refresh_hash: next.expose().to_owned(), expires_at };
                refresh(state, &presented, next, context.now)
            }
            Command::LogOut { reason } => match state {
                State::Absent => Err(Rejection::NotFound),
                State::Active(_) => Ok(vec![LoggedOut { reason }.into()]),
                State::LoggedOut(_) => Ok(vec![]),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::LoggedIn(logged_in) => State::Active(Box::new(Active {
                refresh_hash: Secret::new(&logged_in.refresh_hash),
                expires_at: logged_in.expires_at,
                device_name: logged_in.device_name.clone(),
                user_agent: logged_in.user_agent.clone(),
                address: logged_in.address.clone(),
                used: VecDeque::new(),
            })),
            Event::Refreshed(refreshed) => match state {
                State::Active(mut login) => {
                    login.rotate(refreshed);
                    State::Active(login)
                }
                State::Absent | State::LoggedOut(_) => state,
            },
            Event::RefreshReuseDetected(RefreshReuseDetected {}) => state,
            Event::LoggedOut(LoggedOut { reason }) => State::LoggedOut(*reason),
        }
    }

    fn claims(state: &State, id: Uuid, user: UserId) -> Vec<Claim> {
        let claim = |_: &Active| Claim::ordered(USER, &[user.0.as_bytes(), id.as_bytes()]);
        state.active().map(claim).into_iter().collect()
    }

    fn fields(state: &State) -> Fields {
        let Some(Active { expires_at, device_name, user_agent, address, .. }) = state.active() else {
            return Fields::new();
        };
        Fields::from([
            ("device_name", json!(device_name)),
            ("user_agent", json!(user_agent)),
            ("address", json!(address)),
            ("expires_at", json!(expires_at)),
        ])
    }

    fn reversal(event: &Event) -> Reversal {
        match event {
            // Whoever held a token has used it, and a token that was given out is out.
            Event::LoggedIn(_) => Reversal::Never("a login ends by logging out"),
            Event::Refreshed(_) => Reversal::Never("a refresh token that was used is used up"),
            Event::RefreshReuseDetected(_) => Reversal::Never("what was noticed about a token stays noticed"),
            Event::LoggedOut(_) => Reversal::Never("a device that was logged out has to log in again"),
        }
    }
}

impl Active {
    fn rotate(&mut self, refreshed: &Refreshed) {
        self.used.push_back(fingerprint(self.refresh_hash.expose()));
        if self.used.len() > USED_REMEMBERED {
            self.used.pop_front();
        }
        self.refresh_hash = Secret::new(&refreshed.refresh_hash);
        self.expires_at = refreshed.expires_at;
    }
}

/// A hash is 64 characters, thousands of them would fill the cache of folded states; 64 bits (FNV-1a) of what is a
/// cryptographic hash already tell tokens apart as well, and a chance hit would only log a device out.
fn fingerprint(hash: &str) -> u64 {
    hash.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |print, byte| (print ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn log_in(state: &State, logged_in: LoggedIn) -> Result<Vec<Event>, Rejection> {
    match state {
        State::Absent => Ok(vec![logged_in.into()]),
        State::Active(login) if login.refresh_hash.expose() == logged_in.refresh_hash => Ok(vec![]),
        State::Active(_) => Err(Rejection::Exists),
        State::LoggedOut(_) => Err(Rejection::LoggedOut),
    }
}

fn refresh(state: &State, presented: &Secret, next: Refreshed, now: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
    let login = match state {
        State::Absent => return Err(Rejection::InvalidToken),
        State::LoggedOut(_) => return Err(Rejection::LoggedOut),
        State::Active(login) => login,
    };
    // Nobody but we knows the next token before it is given out: this is our own command once more.
    if login.refresh_hash.expose() == next.refresh_hash {
        return Ok(vec![]);
    }
    if login.used.contains(&fingerprint(presented.expose())) {
        return Ok(vec![RefreshReuseDetected {}.into(), LoggedOut { reason: Reason::RefreshReuse }.into()]);
    }
    if login.refresh_hash != *presented {
        return Err(Rejection::InvalidToken);
    }
    if login.expires_at <= now {
        return Err(Rejection::TokenExpired);
    }
    Ok(vec![next.into()])
}

#[cfg(test)]
mod tests;
