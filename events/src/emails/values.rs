//! Values of the emails context.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AttachmentId, ConnectionId, EmailId, FolderId, SubmissionId};

/// Somebody's address, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// At most 320 bytes; empty if what was there could not be read as an address.
    pub email: String,
    /// The name beside it.
    pub name: Option<String>,
}

/// Where bytes lie among the blobs. They are sealed there with the user's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// The pack that holds them: 32 hexadecimal digits, for it is no stream.
    pub pack: String,
    /// Number of the user's key.
    pub key: i16,
    /// Where the first chunk begins in the pack.
    pub offset: u64,
    /// How many bytes they are, unsealed.
    pub length: u64,
    /// Number of the first chunk in the pack.
    pub chunk: u64,
    /// SHA-256 of them, unsealed: base64url without padding, 43 characters.
    pub sha256: String,
}

impl BlobRef {
    /// The pack, unless what is written is none.
    pub fn pack_id(&self) -> Option<Uuid> {
        let is_hex = self.pack.len() == 32 && self.pack.bytes().all(|byte| byte.is_ascii_hexdigit());
        Uuid::try_parse(&self.pack).ok().filter(|_| is_hex)
    }

    /// The digest, unless what is written is none.
    pub fn digest(&self) -> Option<[u8; 32]> {
        digest(&self.sha256)
    }

    /// A digest as facts write it.
    pub fn written(digest: &[u8; 32]) -> String {
        let mut text = String::with_capacity(43);
        for three in digest.chunks(3) {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
            for sextet in 0..=three.len() {
                let value = bits >> (18 - 6 * sextet) & 63;
                text.push(char::from(ALPHABET[usize::try_from(value).unwrap_or(0)]));
            }
        }
        text
    }
}

/// base64url, RFC 4648 section 5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn digest(text: &str) -> Option<[u8; 32]> {
    let sextet =
        |byte: u8| ALPHABET.iter().position(|known| *known == byte).and_then(|value| u32::try_from(value).ok());
    let mut bytes = Vec::with_capacity(33);
    for four in text.as_bytes().chunks(4) {
        let bits =
            four.iter().try_fold(0_u32, |bits, byte| Some(bits << 6 | sextet(*byte)?))? << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    // 43 characters are 32 bytes and two bits, which are naught: a digest has one spelling.
    let rest = bytes.split_off(bytes.len().min(32));
    if text.len() == 43 && rest == [0] { bytes.try_into().ok() } else { None }
}

/// What a folder is for, as RFC 6154 tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What comes in.
    Inbox,
    /// What was sent.
    Sent,
    /// What is being written elsewhere.
    Drafts,
    /// What is done with and kept.
    Archive,
    /// What is to be deleted.
    Trash,
    /// What nobody asked for.
    Junk,
    /// The user's own folders.
    Other,
}

/// Where an e-mail lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Where {
    /// The folder.
    pub folder_id: FolderId,
    /// What the folder was for at that time.
    pub role: Role,
}

/// How a part's bytes are written in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As they are.
    Identity,
    /// In base64.
    Base64,
    /// In quoted-printable.
    QuotedPrintable,
    /// In a way that only reading the whole message resolves.
    Nested,
}

/// A part of a message that is not its text: a file, or something that its HTML shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its place among the parts, as IMAP counts: `2.1`.
    pub path: String,
    /// What the file is called.
    pub filename: Option<String>,
    /// What the sender says it is.
    pub content_type: String,
    /// How many bytes it has, decoded.
    pub size: u64,
    /// SHA-256 of them, decoded, as in [`BlobRef`].
    pub sha256: Option<String>,
    /// Whether the HTML shows it.
    pub inline: bool,
    /// The name by which the HTML shows it.
    pub content_id: Option<String>,
    /// Where its encoded bytes begin in the message.
    pub offset: u64,
    /// How many encoded bytes it has.
    pub length: u64,
    /// How they are encoded.
    pub encoding: Encoding,
}

/// How an e-mail came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// The user brought it in a file.
    Import,
    /// It was found in a mailbox.
    Connection {
        /// The account.
        connection_id: ConnectionId,
        /// Its number in the folder.
        uid: u32,
        /// The numbering that this number belongs to.
        uid_validity: u32,
        /// The server's own id of it (RFC 8474), where it has such.
        email_id: Option<String>,
    },
    /// Orbit sent it.
    Submission {
        /// What was sent.
        submission_id: SubmissionId,
    },
}

/// What a report about delivery (RFC 3464) says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounce {
    /// Message id of what was sent.
    pub original_message_id: Option<String>,
    /// What became of it, for each recipient that the report names.
    pub recipients: Vec<BouncedRecipient>,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BouncedRecipient {
    /// The recipient.
    pub email: String,
    /// What became of it.
    pub action: Action,
    /// Status code of RFC 3463: `5.1.1`.
    pub status: Option<String>,
    /// What the other server said.
    pub diagnostic: Option<String>,
}

/// What became of a message, in the words of RFC 3464.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It could not be delivered.
    Failed,
    /// It is still being tried.
    Delayed,
    /// It was delivered.
    Delivered,
    /// It was passed on to where nobody reports.
    Relayed,
    /// It was passed on to several.
    Expanded,
}

/// What somebody writes, before it is a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The account through which it is to be sent; the user's only one, if absent.
    pub connection_id: Option<ConnectionId>,
    /// The e-mail that it answers.
    pub reply_to_email_id: Option<EmailId>,
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Who gets a copy.
    pub cc: Vec<Address>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Vec<Address>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Files that were uploaded for it.
    pub attachments: Vec<AttachmentId>,
}

impl Content {
    /// Ids of other things that it speaks of.
    pub(super) fn mentioned(&self) -> impl Iterator<Item = Uuid> {
        let account = self.connection_id.map(Uuid::from);
        let answered = self.reply_to_email_id.map(Uuid::from);
        let files = self.attachments.iter().map(|attachment| attachment.0);
        account.into_iter().chain(answered).chain(files)
    }
}

/// A file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The upload.
    pub attachment_id: AttachmentId,
    /// What the file is called.
    pub filename: String,
    /// What it is.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// Where they lie.
    pub raw: BlobRef,
}

/// What the server said about one recipient, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The recipient.
    pub email: String,
    /// Whether the server took the message for them.
    pub accepted: bool,
    /// Its reply code: 250, 550 …
    pub code: Option<u16>,
    /// Its words.
    pub detail: Option<String>,
}
