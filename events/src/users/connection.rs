//! A connection to an account elsewhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{ConnectionId, codec::facts};

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mailbox to read.
    Imap,
    /// A server to send through.
    Smtp,
    /// A calendar.
    Caldav,
    /// An n8n instance.
    N8n,
}

/// How the way to a mail server is kept from the eyes of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// In the clear until both agree on TLS.
    Starttls,
    /// Not at all.
    Plain,
}

/// How to reach the account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What the user calls it.
    pub name: String,
    /// Host name, or the base URL of a `CalDAV` server or n8n instance.
    pub endpoint: String,
    /// TCP port, for IMAP and SMTP.
    pub port: Option<u16>,
    /// Whom to log in as.
    pub username: Option<String>,
    /// The password or token. Sealed with everything else of the payload; never in a read model.
    pub secret: Option<String>,
    /// How the way there is kept, for IMAP and SMTP; what is usual at the port, if absent.
    pub security: Option<Security>,
    /// The address that e-mail is sent from.
    pub address: Option<String>,
    /// The name beside it.
    pub display_name: Option<String>,
    /// Of an account to send through: the account whose mailbox keeps what was sent.
    pub imap_connection_id: Option<ConnectionId>,
    /// Whether the server itself keeps a copy of what is sent through it; found out, if absent.
    pub saves_sent: Option<bool>,
}

impl Settings {
    /// How the way there is kept: as it is set, else as is usual at the port, else with TLS.
    pub fn security(&self) -> Security {
        self.security.unwrap_or(match self.port {
            Some(143 | 587) => Security::Starttls,
            Some(_) | None => Security::Tls,
        })
    }

    /// The TCP port of a mail server: as it is set, else as is usual for how the way there is kept.
    pub fn port(&self, kind: Kind) -> u16 {
        self.port.unwrap_or(match (kind, self.security()) {
            (Kind::Smtp, Security::Tls) => 465,
            (Kind::Smtp, Security::Starttls) => 587,
            (Kind::Smtp, Security::Plain) => 25,
            (Kind::Imap | Kind::Caldav | Kind::N8n, Security::Tls) => 993,
            (Kind::Imap | Kind::Caldav | Kind::N8n, Security::Starttls | Security::Plain) => 143,
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("secret", &self.secret.as_ref().map(|_| "(secret)"))
            .field("security", &self.security)
            .field("address", &self.address)
            .field("display_name", &self.display_name)
            .field("imap_connection_id", &self.imap_connection_id)
            .field("saves_sent", &self.saves_sent)
            .finish()
    }
}

facts! {
    /// What happens to a connection.
    category "connections"
    #[doc = "An account elsewhere was connected."]
    Connected(Connected) = "connections.connected" 2 [settings_for_mail]
    #[doc = "A connection's settings became this."]
    SettingsChanged(SettingsChanged) = "connections.settings_changed" 2 [settings_for_mail]
    #[doc = "A synchronisation got this far."]
    SyncProgressed(SyncProgressed) = "connections.sync_progressed" 1 []
    #[doc = "A synchronisation failed."]
    SyncFailed(SyncFailed) = "connections.sync_failed" 1 []
    #[doc = "An account elsewhere was disconnected."]
    Disconnected(Disconnected) = "connections.disconnected" 1 []
}

/// Version 1 knew nothing of what only mail needs.
fn settings_for_mail(mut value: Value) -> Value {
    if let Some(settings) = value.get_mut("settings").and_then(Value::as_object_mut) {
        for field in ["security", "address", "display_name", "imap_connection_id", "saves_sent"] {
            settings.insert(field.to_owned(), Value::Null);
        }
    }
    value
}

/// An account elsewhere was connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// What is at the other end.
    pub kind: Kind,
    /// How to reach it.
    pub settings: Settings,
}

/// A connection's settings became this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsChanged {
    /// All of them, changed or not.
    pub settings: Settings,
}

/// A synchronisation got this far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProgressed {
    /// The other side's marker of how far (UIDVALIDITY and MODSEQ, a sync token …).
    pub cursor: String,
    /// How many items came in with this step.
    pub items: u64,
}

/// A synchronisation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailed {
    /// A stable code: `unreachable`, `authentication_failed` …
    pub code: String,
    /// One sentence for the user.
    pub detail: String,
}

/// An account elsewhere was disconnected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {}

impl Event {
    fn mentioned(&self) -> Vec<Uuid> {
        match self {
            Self::Connected(Connected { settings, .. }) | Self::SettingsChanged(SettingsChanged { settings }) => {
                settings.imap_connection_id.map(Uuid::from).into_iter().collect()
            }
            Self::SyncProgressed(_) | Self::SyncFailed(_) | Self::Disconnected(_) => Vec::new(),
        }
    }
}
