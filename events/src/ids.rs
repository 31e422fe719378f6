//! Typed ids. All are UUIDs (version 7 when Orbit makes them), written as hyphenated lower-case strings.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not a hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: a hyphenated UUID is expected")]
pub struct ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                // Uuid also reads braces, URNs and bare hex; an id has one spelling.
                if text.len() != 36 {
                    return Err(ParseIdError);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

ids! {
    /// A recorded fact.
    EventId;
    /// A user; also the stream of that user's account.
    UserId;
    /// A login: one device, one family of refresh tokens.
    LoginId;
    /// An API token.
    ApiTokenId;
    /// A connection to an account elsewhere (IMAP, SMTP, `CalDAV`, n8n).
    ConnectionId;
    /// A list of tasks (a Kanban column).
    ListId;
    /// A task.
    TaskId;
    /// A label of tasks.
    LabelId;
    /// An e-mail.
    EmailId;
    /// A draft of an e-mail.
    DraftId;
    /// A message that is to be sent.
    SubmissionId;
    /// A decision about threads.
    ThreadId;
    /// A folder of e-mails.
    FolderId;
    /// A file that was uploaded to be sent.
    AttachmentId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "0197f0a0-0000-7000-8000-000000000001";
        let id: TaskId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for other in ["", "x", "{0197f0a0-0000-7000-8000-000000000001}", "0197f0a0000070008000000000000001"] {
            assert_eq!(other.parse::<TaskId>(), Err(ParseIdError), "{other}");
        }
    }
}
