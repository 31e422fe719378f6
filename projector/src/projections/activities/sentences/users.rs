//! Sentences about accounts, devices, API tokens and connections.

use orbit_events::users::{
    api_token, connection,
    login::{self, Reason},
    user,
};
use uuid::Uuid;

use super::{Names, Tell, about, followed, quoted};

pub(super) fn without_words(wire_type: &str) -> Option<&'static str> {
    Some(match wire_type {
        "users.registered" => "Opened an account",
        "users.profile_changed" => "Changed the profile",
        "users.preferences_changed" => "Changed the preferences",
        "users.password_changed" => "Changed the password",
        "users.erasure_requested" => "Asked for the account to be erased",
        "users.erasure_cancelled" => "Took back the erasure of the account",
        "users.erased" => "Erased the account",
        "logins.logged_in" => "Logged in",
        "logins.refreshed" => "Stayed logged in",
        "logins.refresh_reuse_detected" => "A refresh token was used twice",
        "logins.logged_out" => "Logged out",
        "api_tokens.issued" => "Issued an API token",
        "api_tokens.revoked" => "Revoked an API token",
        "connections.connected" => "Connected an account",
        "connections.settings_changed" => "Changed a connection",
        "connections.sync_progressed" => "Synchronised an account",
        "connections.sync_failed" => "Could not synchronise an account",
        "connections.disconnected" => "Disconnected an account",
        _ => return None,
    })
}

impl Tell for user::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Registered(registered) => Some(&registered.profile.name),
            Self::ProfileChanged(changed) => Some(&changed.profile.name),
            Self::PreferencesChanged(_)
            | Self::PasswordChanged(_)
            | Self::ErasureRequested(_)
            | Self::ErasureCancelled(_)
            | Self::Erased(_) => None,
        }
    }

    fn sentence(&self, _: Uuid, _: &impl Names) -> Option<String> {
        match self {
            Self::Registered(registered) => Some(format!("Opened an account for {}", quoted(&registered.profile.name))),
            Self::ProfileChanged(_)
            | Self::PreferencesChanged(_)
            | Self::PasswordChanged(_)
            | Self::ErasureRequested(_)
            | Self::ErasureCancelled(_)
            | Self::Erased(_) => None,
        }
    }
}

impl Tell for login::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::LoggedIn(logged_in) => logged_in.device_name.as_deref(),
            Self::Refreshed(_) | Self::RefreshReuseDetected(_) | Self::LoggedOut(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let on = |what: &str| followed(what.to_owned(), "on", names.name(id));
        Some(match self {
            Self::LoggedIn(logged_in) => followed("Logged in".to_owned(), "on", logged_in.device_name.as_deref()),
            Self::Refreshed(_) => on("Stayed logged in"),
            Self::RefreshReuseDetected(_) => on("A refresh token was used twice"),
            Self::LoggedOut(logged_out) => {
                let out = on("Logged out");
                match logged_out.reason {
                    Reason::LoggedOut => out,
                    Reason::LoggedOutEverywhere => format!("{out}, as everywhere"),
                    Reason::PasswordChanged => format!("{out}, because the password changed"),
                    Reason::RefreshReuse => format!("{out}, because a refresh token was used twice"),
                    Reason::AccountErased => format!("{out}, because the account was erased"),
                }
            }
        })
    }
}

impl Tell for api_token::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Issued(issued) => Some(&issued.name),
            Self::Revoked(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        Some(match self {
            Self::Issued(issued) => format!("Issued API token {}", quoted(&issued.name)),
            Self::Revoked(_) => about("Revoked", "an API token", "API token", names.name(id)),
        })
    }
}

impl Tell for connection::Event {
    fn name_given(&self) -> Option<&str> {
        match self {
            Self::Connected(connected) => Some(&connected.settings.name),
            Self::SettingsChanged(changed) => Some(&changed.settings.name),
            Self::SyncProgressed(_) | Self::SyncFailed(_) | Self::Disconnected(_) => None,
        }
    }

    fn sentence(&self, id: Uuid, names: &impl Names) -> Option<String> {
        let verb = |verb: &str| about(verb, "an account", "account", names.name(id));
        Some(match self {
            Self::Connected(connected) => format!("Connected account {}", quoted(&connected.settings.name)),
            Self::SettingsChanged(changed) => format!("Changed connection {}", quoted(&changed.settings.name)),
            Self::SyncProgressed(progressed) => {
                let items =
                    if progressed.items == 1 { "1 item".to_owned() } else { format!("{} items", progressed.items) };
                format!("{}: {items}", verb("Synchronised"))
            }
            Self::SyncFailed(failed) => format!("{}: {}", verb("Could not synchronise"), failed.detail),
            Self::Disconnected(_) => verb("Disconnected"),
        })
    }
}
