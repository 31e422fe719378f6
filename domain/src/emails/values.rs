//! Values of the emails context.

use std::collections::HashSet;

use orbit_events::{
    AttachmentId, ConnectionId, EmailId,
    emails::{Address, Content, FILENAME_CHARS, LABEL_CHARS, Role},
};

use crate::{
    Invalid, Text,
    users::{self, Name},
    values::{one_of, reads_as_text, texts},
};

texts! {
    /// What a message is about: one line of at most 500 characters.
    Subject = Text { required: false, max_chars: 500, multiline: false };
    /// What a message says: plain text of at most 100,000 characters.
    Body = Text::block(100_000);
    /// A label on an e-mail: one line of 1 to 100 characters.
    Label = Text::line(LABEL_CHARS);
    /// What a folder is called: one line of 1 to 255 characters.
    FolderName = Text::line(255);
    /// What a file is called: one line of 1 to 255 characters.
    FileName = Text::line(FILENAME_CHARS);
}

/// Most bytes of one uploaded file.
pub const ATTACHMENT_BYTES: u64 = 25 * 1024 * 1024;
/// Most bytes of a message that is sent, its files encoded.
pub const MESSAGE_BYTES: u64 = 35 * 1024 * 1024;
/// How many days ahead a message may be scheduled.
pub const SCHEDULE_DAYS: i64 = 365;

/// Whether a message with this text and files of these sizes has at most [`MESSAGE_BYTES`].
pub fn fits_a_message(body: &str, sizes: impl IntoIterator<Item = u64>) -> bool {
    // Of base64, 76 characters and a line break say 57 bytes. Each part has a head, and so has the message; a body that
    // is not ASCII grows threefold.
    let encoded = |size: u64| size.div_ceil(57).saturating_mul(78).saturating_add(1024);
    let body = u64::try_from(body.len()).unwrap_or(u64::MAX).saturating_mul(3);
    let files = sizes.into_iter().map(encoded).fold(0, u64::saturating_add);
    files.saturating_add(body).saturating_add(64 * 1024) <= MESSAGE_BYTES
}

/// What kind of file it is, as RFC 2045 writes it: `type/subtype`, without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType(String);

impl ContentType {
    /// Most bytes; RFC 4288 allows no longer names.
    pub const MAX_LEN: usize = 255;

    /// Reads it; parameters behind a semicolon go.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
        };
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.split_once('/') {
            Some((kind, subtype)) if is_token(kind) && is_token(subtype) && essence.len() <= Self::MAX_LEN => {
                Ok(Self(essence))
            }
            _ => Err(Invalid::new("invalid_content_type", "must be a media type like application/pdf")),
        }
    }
}

impl Default for ContentType {
    fn default() -> Self {
        Self("application/octet-stream".to_owned())
    }
}

reads_as_text!(ContentType);

/// Whom a message is for, in one of its fields: at most 50 addresses, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipients(Vec<Address>);

impl Recipients {
    /// Most addresses in one field.
    pub const AT_MOST: usize = 50;

    /// Reads addresses and the names beside them; a refusal comes with the place in the list that it is about, if it is
    /// about one. An address that is there already, without regard to case, is not there again.
    pub fn parse<'a>(
        written: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, Vec<(Option<usize>, Invalid)>> {
        let (mut known, mut read, mut refused) = (HashSet::new(), vec![], vec![]);
        for (index, (email, name)) in written.into_iter().enumerate() {
            let email = users::Email::parse(email);
            let name = name.filter(|name| !name.trim().is_empty()).map(Name::parse).transpose();
            match (email, name) {
                (Ok(email), Ok(name)) if known.insert(email.folded()) => {
                    read.push(Address { email: email.into(), name: name.map(String::from) });
                }
                (Ok(_), Ok(_)) => {}
                (email, name) => {
                    refused.extend([email.err(), name.err()].into_iter().flatten().map(|why| (Some(index), why)));
                }
            }
        }
        if read.len() > Self::AT_MOST {
            let detail = format!("must have at most {} addresses, has {}", Self::AT_MOST, read.len());
            refused.push((None, Invalid::new("too_many", detail)));
        }
        if refused.is_empty() { Ok(Self(read)) } else { Err(refused) }
    }
}

impl From<Recipients> for Vec<Address> {
    fn from(recipients: Recipients) -> Self {
        recipients.0
    }
}

/// Files that go with a message: at most 10, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachmentIds(Vec<AttachmentId>);

impl AttachmentIds {
    /// Most files with one message.
    pub const AT_MOST: usize = 10;

    /// Reads them; one that is there already is not there again.
    pub fn parse(ids: impl IntoIterator<Item = AttachmentId>) -> Result<Self, Invalid> {
        let mut once = vec![];
        for id in ids {
            // One more than allowed is enough to refuse; what a caller sends may be very long.
            if once.len() <= Self::AT_MOST && !once.contains(&id) {
                once.push(id);
            }
        }
        if once.len() > Self::AT_MOST {
            return Err(Invalid::new("too_many", format!("must have at most {} files", Self::AT_MOST)));
        }
        Ok(Self(once))
    }
}

impl From<AttachmentIds> for Vec<AttachmentId> {
    fn from(ids: AttachmentIds) -> Self {
        ids.0
    }
}

/// What somebody writes, before it is a message. The caller has looked whether account, e-mail and files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compose {
    /// The account through which it is to be sent.
    pub connection_id: Option<ConnectionId>,
    /// The e-mail that it answers.
    pub reply_to_email_id: Option<EmailId>,
    /// Whom it is for.
    pub to: Recipients,
    /// Who gets a copy.
    pub cc: Recipients,
    /// Who gets a copy that the others do not know of.
    pub bcc: Recipients,
    /// One line.
    pub subject: Subject,
    /// Plain text.
    pub body: Body,
    /// Files that were uploaded for it.
    pub attachments: AttachmentIds,
}

impl From<Compose> for Content {
    fn from(compose: Compose) -> Self {
        Self {
            connection_id: compose.connection_id,
            reply_to_email_id: compose.reply_to_email_id,
            to: compose.to.into(),
            cc: compose.cc.into(),
            bcc: compose.bcc.into(),
            subject: compose.subject.into(),
            body: compose.body.into(),
            attachments: compose.attachments.into(),
        }
    }
}

/// Every role of a folder by its name.
pub const ROLES: [(&str, Role); 7] = [
    ("inbox", Role::Inbox),
    ("sent", Role::Sent),
    ("drafts", Role::Drafts),
    ("archive", Role::Archive),
    ("trash", Role::Trash),
    ("junk", Role::Junk),
    ("other", Role::Other),
];

/// Reads a role; the refusal names those there are.
pub fn parse_role(text: &str) -> Result<Role, Invalid> {
    one_of(text, &ROLES)
}

/// The beginning of a text that somebody else wrote, as one line: control characters go, nothing is refused.
pub(super) fn cut(text: &str, chars: usize) -> String {
    let line = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control());
    line.take(chars).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests;
