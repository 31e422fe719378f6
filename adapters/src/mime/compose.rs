//! A message of the user's own, written. The same each time it is written: boundaries come from its id.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use mail_builder::{
    MessageBuilder,
    headers::{
        HeaderType, address, content_type::ContentType, date::Date, message_id::MessageId, raw::Raw, text::Text,
    },
    mime::{BodyPart, MimePart},
};
use sha2::{Digest, Sha256};

use super::Address;

/// What a message says. Who gets it in secret is not among it: that is the envelope's.
#[derive(Debug, Clone, Copy)]
pub struct Compose<'a> {
    /// Without angle brackets.
    pub message_id: &'a str,
    /// When it was written.
    pub date: DateTime<Utc>,
    /// Who wrote it.
    pub from: &'a Address,
    /// Whom it is for.
    pub to: &'a [Address],
    /// Who gets a copy.
    pub cc: &'a [Address],
    /// One line.
    pub subject: &'a str,
    /// Message id of what it answers, without angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// Message ids of what went before, oldest first, without angle brackets.
    pub references: &'a [String],
    /// Plain text.
    pub body: &'a str,
    /// Files beside it.
    pub attachments: &'a [Attachment<'a>],
}

/// A file beside a message.
#[derive(Debug, Clone, Copy)]
pub struct Attachment<'a> {
    /// What it is called.
    pub filename: &'a str,
    /// `type/subtype`.
    pub content_type: &'a str,
    /// What is in it.
    pub content: &'a [u8],
}

/// Writes a message, as it is sent and kept.
pub fn compose(message: &Compose<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut builder = MessageBuilder::new()
        .header("Date", Date::new(message.date.timestamp()))
        .header("Message-ID", MessageId::new(message.message_id))
        .header("From", addresses(std::slice::from_ref(message.from)));
    if message.to.is_empty() && message.cc.is_empty() {
        // Some servers add a field for whoever gets it, if there is none.
        builder = builder.header("To", Raw::new("undisclosed-recipients:;"));
    }
    for (name, all) in [("To", message.to), ("Cc", message.cc)] {
        if !all.is_empty() {
            builder = builder.header(name, addresses(all));
        }
    }
    builder = builder.header("Subject", Text::new(message.subject));
    // Ids of others' messages, which may be anything.
    if let Some(answered) = message.in_reply_to.filter(|id| is_id(id)) {
        builder = builder.header("In-Reply-To", MessageId::new(answered));
    }
    let references: Vec<&str> = message.references.iter().map(String::as_str).filter(|id| is_id(id)).collect();
    if !references.is_empty() {
        builder = builder.header("References", MessageId::from(references));
    }
    builder.body(content(message)).write_to(out)
}

fn addresses<'a>(all: &'a [Address]) -> HeaderType<'a> {
    let one = |one: &'a Address| address::Address::new_address(one.name.as_deref(), one.email.as_str());
    address::Address::new_list(all.iter().map(one).collect()).into()
}

/// What can be written between angle brackets.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
}

/// What a file is said to be, if that can be written and says nothing of the message itself.
fn media(content_type: &str) -> &str {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match content_type.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) && !matches!(kind, "multipart" | "message") => {
            content_type
        }
        Some(_) | None => "application/octet-stream",
    }
}

fn content<'a>(message: &Compose<'a>) -> MimePart<'a> {
    let text = MimePart::new("text/plain", BodyPart::Text(message.body.into()));
    if message.attachments.is_empty() {
        return text;
    }
    let hash = hex::encode(Sha256::digest(message.message_id));
    let mixed = ContentType::new("multipart/mixed").attribute("boundary", format!("=_{}", &hash[..32]));
    let files = message.attachments.iter().map(|file| {
        MimePart::new(media(file.content_type), BodyPart::Binary(file.content.into())).attachment(file.filename)
    });
    MimePart::new(mixed, std::iter::once(text).chain(files).collect::<Vec<_>>())
}
