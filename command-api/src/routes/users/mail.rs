//! What only connections to mail servers have, as it is written in bodies.

use orbit_domain::users::connection::{Mail, MailEdit};
use orbit_events::ConnectionId;
use orbit_platform::http::extract::{Faults, Field};

use crate::routes::read;

/// The fields of mail, of a new connection or of a change.
pub struct MailBody {
    pub security: Field<String>,
    pub address: Field<String>,
    pub display_name: Field<String>,
    pub imap_connection_id: Field<String>,
    pub saves_sent: Field<bool>,
}

/// What was written of a new connection.
pub struct MailWritten {
    security: Option<String>,
    address: Option<String>,
    display_name: Option<String>,
    pub imap_connection_id: Option<ConnectionId>,
    saves_sent: Option<bool>,
}

/// What was written of a change. Each field: absent, leave it; `Some(None)`, clear it.
#[allow(clippy::option_option, reason = "the same three cases as in the domain's edit")]
pub struct MailChanges {
    security: Option<Option<String>>,
    address: Option<Option<String>>,
    display_name: Option<Option<String>>,
    pub imap_connection_id: Option<Option<ConnectionId>>,
    saves_sent: Option<Option<bool>>,
}

impl MailBody {
    /// Reads the fields of a new connection. What texts may be is checked with the rest of it.
    pub fn read(self, faults: &mut Faults) -> MailWritten {
        MailWritten {
            security: faults.optional("security", self.security, Faults::any),
            address: faults.optional("address", self.address, Faults::any),
            display_name: faults.optional("display_name", self.display_name, Faults::any),
            imap_connection_id: faults.optional("imap_connection_id", self.imap_connection_id, read::id),
            saves_sent: faults.optional("saves_sent", self.saves_sent, Faults::any),
        }
    }

    /// Reads the fields of a change.
    pub fn read_changes(self, faults: &mut Faults) -> MailChanges {
        MailChanges {
            security: faults.patch("security", self.security, Faults::any),
            address: faults.patch("address", self.address, Faults::any),
            display_name: faults.patch("display_name", self.display_name, Faults::any),
            imap_connection_id: faults.patch("imap_connection_id", self.imap_connection_id, read::id),
            saves_sent: faults.patch("saves_sent", self.saves_sent, Faults::any),
        }
    }
}

impl MailWritten {
    /// As the domain reads it.
    pub fn as_written(&self) -> Mail<'_> {
        Mail {
            security: self.security.as_deref(),
            address: self.address.as_deref(),
            display_name: self.display_name.as_deref(),
            imap_connection_id: self.imap_connection_id,
            saves_sent: self.saves_sent,
        }
    }
}

impl MailChanges {
    /// As the domain reads it.
    pub fn as_written(&self) -> MailEdit<'_> {
        MailEdit {
            security: self.security.as_ref().map(Option::as_deref),
            address: self.address.as_ref().map(Option::as_deref),
            display_name: self.display_name.as_ref().map(Option::as_deref),
            imap_connection_id: self.imap_connection_id,
            saves_sent: self.saves_sent,
        }
    }
}
