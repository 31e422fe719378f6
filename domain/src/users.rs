//! Rules of the users context: accounts, logins (one per device), API tokens, connections to accounts elsewhere.

pub mod api_token;
pub mod connection;
pub mod login;
mod preferences;
mod schedule;
pub mod user;
mod values;

pub use api_token::ApiToken;
pub use connection::Connection;
pub use login::Login;
pub use preferences::PreferencesPatch;
pub use schedule::{InvalidEntry, WorkingHours};
pub use user::User;
pub use values::{
    AvatarUrl, ConnectionName, DeviceName, Email, Locale, Name, Password, SCOPES, Scopes, TimeZone, TokenName,
    UserAgent,
};

use crate::Taken;

/// What to tell a caller whose command lost a claim of this context.
pub fn taken(scope: &str) -> Option<Taken> {
    let taken = |code, field, detail| Some(Taken { code, field, detail });
    match scope {
        user::ERASURE_DUE => taken("erasure_requested", None, "the erasure of this account was requested already"),
        user::EMAIL => taken("email_taken", Some("email"), "an account with this e-mail address exists already"),
        login::USER => taken("login_exists", None, "a login with this id exists already"),
        api_token::USER => taken("api_token_exists", None, "an API token with this id exists already"),
        connection::USER => taken("connection_exists", None, "a connection with this id exists already"),
        _ => None,
    }
}
