//! Facts of the users context: accounts, logins (one per device), API tokens, connections to accounts elsewhere.
//!
//! Password hashes and secrets are not printed by `Debug`: facts end up in error messages and test output.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::codec::facts;

pub mod connection;

/// When a user works on one day of the week, in the user's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkingHours {
    /// 1 is Monday, 7 is Sunday (ISO 8601).
    pub weekday: u8,
    /// `HH:MM`
    pub from: String,
    /// `HH:MM`, after `from`.
    pub to: String,
}

/// How a user wants to be seen and served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What to call the user.
    pub name: String,
    /// An https address.
    pub avatar_url: Option<String>,
    /// IANA zone, `Europe/Berlin`.
    pub time_zone: String,
    /// BCP 47 tag, `de-DE`.
    pub locale: String,
    /// When the user works.
    pub working_hours: Vec<WorkingHours>,
}

/// An account.
pub mod user {
    use std::fmt;

    use super::{DateTime, Deserialize, Profile, Serialize, Utc, Uuid, Value, facts};

    facts! {
        /// What happens to an account.
        category "users"
        #[doc = "Somebody opened an account."]
        Registered(Registered) = "users.registered" 1 []
        #[doc = "A user's profile became this."]
        ProfileChanged(ProfileChanged) = "users.profile_changed" 1 []
        #[doc = "A user's preferences became this."]
        PreferencesChanged(PreferencesChanged) = "users.preferences_changed" 1 []
        #[doc = "A user got another password."]
        PasswordChanged(PasswordChanged) = "users.password_changed" 1 []
        #[doc = "A user asked to be forgotten, which happens when the time of grace is over."]
        ErasureRequested(ErasureRequested) = "users.erasure_requested" 1 []
        #[doc = "A user wants to stay after all."]
        ErasureCancelled(ErasureCancelled) = "users.erasure_cancelled" 1 []
        #[doc = "A user asked to be forgotten; the key is destroyed next."]
        Erased(Erased) = "users.erased" 1 []
    }

    /// Somebody opened an account.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Registered {
        /// As the user wrote it; unique without regard to case.
        pub email: String,
        /// Argon2id, PHC string.
        pub password_hash: String,
        /// The profile the account starts with.
        pub profile: Profile,
    }

    impl fmt::Debug for Registered {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Registered")
                .field("email", &self.email)
                .field("password_hash", &"(secret)")
                .field("profile", &self.profile)
                .finish()
        }
    }

    /// A user's profile became this.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct ProfileChanged {
        /// All of it, changed or not.
        pub profile: Profile,
    }

    /// A user's preferences became this.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct PreferencesChanged {
        /// A JSON object, the clients' own.
        pub preferences: Value,
    }

    /// A user got another password.
    #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct PasswordChanged {
        /// Argon2id, PHC string.
        pub password_hash: String,
    }

    impl fmt::Debug for PasswordChanged {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("PasswordChanged").field("password_hash", &"(secret)").finish()
        }
    }

    /// A user asked to be forgotten, which happens when the time of grace is over.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct ErasureRequested {
        /// When the grace is over.
        pub due_at: DateTime<Utc>,
    }

    /// A user wants to stay after all.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct ErasureCancelled {}

    /// A user asked to be forgotten; the key is destroyed next.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Erased {}

    impl Event {
        fn mentioned(&self) -> Vec<Uuid> {
            match self {
                Self::Registered(_)
                | Self::ProfileChanged(_)
                | Self::PreferencesChanged(_)
                | Self::PasswordChanged(_)
                | Self::ErasureRequested(_)
                | Self::ErasureCancelled(_)
                | Self::Erased(_) => Vec::new(),
            }
        }
    }
}

/// A login: one device and its family of refresh tokens.
pub mod login {
    use super::{DateTime, Deserialize, Serialize, Utc, Uuid, facts};

    /// Why a login ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Reason {
        /// The user logged out on this device, or ended this device from another.
        LoggedOut,
        /// The user logged out everywhere.
        LoggedOutEverywhere,
        /// The password changed.
        PasswordChanged,
        /// A refresh token was used twice.
        RefreshReuse,
        /// The account was erased.
        AccountErased,
    }

    facts! {
        /// What happens to a login.
        category "logins"
        #[doc = "A user logged in on a device."]
        LoggedIn(LoggedIn) = "logins.logged_in" 1 []
        #[doc = "A device exchanged its refresh token for the next one."]
        Refreshed(Refreshed) = "logins.refreshed" 1 []
        #[doc = "A refresh token was used a second time; somebody may have stolen it."]
        RefreshReuseDetected(RefreshReuseDetected) = "logins.refresh_reuse_detected" 1 []
        #[doc = "A device was logged out."]
        LoggedOut(LoggedOut) = "logins.logged_out" 1 []
    }

    /// A user logged in on a device.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct LoggedIn {
        /// SHA-256 of the first refresh token, hexadecimal.
        pub refresh_hash: String,
        /// What the user calls the device.
        pub device_name: Option<String>,
        /// The client's `User-Agent`, cut to 512 characters.
        pub user_agent: Option<String>,
        /// The client's address.
        pub address: Option<String>,
        /// When the refresh token stops working.
        pub expires_at: DateTime<Utc>,
    }

    /// A device exchanged its refresh token for the next one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Refreshed {
        /// SHA-256 of the next refresh token, hexadecimal.
        pub refresh_hash: String,
        /// When that stops working.
        pub expires_at: DateTime<Utc>,
    }

    /// A refresh token was used a second time; somebody may have stolen it.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct RefreshReuseDetected {}

    /// A device was logged out.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct LoggedOut {
        /// Why.
        pub reason: Reason,
    }

    impl Event {
        fn mentioned(&self) -> Vec<Uuid> {
            match self {
                Self::LoggedIn(_) | Self::Refreshed(_) | Self::RefreshReuseDetected(_) | Self::LoggedOut(_) => {
                    Vec::new()
                }
            }
        }
    }
}

/// An API token.
pub mod api_token {
    use super::{DateTime, Deserialize, Serialize, Utc, Uuid, facts};

    facts! {
        /// What happens to an API token.
        category "api_tokens"
        #[doc = "An API token was issued."]
        Issued(Issued) = "api_tokens.issued" 1 []
        #[doc = "An API token was revoked."]
        Revoked(Revoked) = "api_tokens.revoked" 1 []
    }

    /// An API token was issued.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Issued {
        /// What the user calls it.
        pub name: String,
        /// SHA-256 of the secret, hexadecimal.
        pub secret_hash: String,
        /// What it may do.
        pub scopes: Vec<String>,
        /// When it stops working; never, if absent.
        pub expires_at: Option<DateTime<Utc>>,
    }

    /// An API token was revoked.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Revoked {}

    impl Event {
        fn mentioned(&self) -> Vec<Uuid> {
            match self {
                Self::Issued(_) | Self::Revoked(_) => Vec::new(),
            }
        }
    }
}
