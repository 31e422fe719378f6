//! From bytes to what a fact says. No waiting here: it runs where computing harms nobody.

use orbit_adapters::{blobs::Place, mime};
use orbit_domain::emails::email::Key;
use orbit_events::emails::{
    Action, Address, BlobRef, Bounce, BouncedRecipient, Encoding, LABEL_CHARS, LABELS, NOTES, Part, email::Received,
};
use sha2::{Digest, Sha256};

use super::{Fault, Incoming};
use crate::blobs::reference;

/// Messages that were read and are not stored yet.
pub struct Prepared(pub(super) Vec<Message>);

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Prepared").field(&self.0.len()).finish()
    }
}

impl Prepared {
    /// Reads messages, on a thread where computing harms nobody.
    pub async fn read(group: Vec<Incoming>) -> Result<Self, Fault> {
        let begun = std::time::Instant::now();
        let reading = move || group.into_iter().map(Message::read).collect();
        let read = tokio::task::spawn_blocking(reading).await.map_err(Fault::Reading)?;
        metrics::histogram!("orbit_mail_ingest_seconds", "stage" => "read").record(begun.elapsed());
        Ok(Self(read))
    }
}

/// A message that was read and is not stored yet.
pub(super) struct Message {
    pub incoming: Incoming,
    pub reading: mime::Reading,
    pub key: Key,
}

impl Message {
    /// Reads a message. Whatever it is, there is a reading.
    pub fn read(incoming: Incoming) -> Self {
        let reading = mime::read(&incoming.raw, incoming.received_at);
        for code in &reading.notes {
            metrics::counter!("orbit_mail_notes_total", "code" => *code).increment(1);
        }
        let key = match &reading.message_id {
            Some(id) => Key::MessageId(id.clone()),
            None => Key::Raw(BlobRef::written(&Sha256::digest(&incoming.raw).into())),
        };
        Self { incoming, reading, key }
    }

    /// What the fact says, once it is known where the bytes lie.
    pub fn received(self, place: &Place) -> Received {
        let Self { incoming, reading, key: _ } = self;
        let addresses = |all: Vec<mime::Address>| all.into_iter().map(address).collect();
        Received {
            message_id: reading.message_id,
            subject: reading.subject,
            from: reading.from.map(address),
            to: addresses(reading.to),
            cc: addresses(reading.cc),
            bcc: addresses(reading.bcc),
            reply_to: addresses(reading.reply_to),
            in_reply_to: reading.in_reply_to,
            references: reading.references,
            date: reading.date,
            date_missing: reading.date_missing,
            received_at: incoming.received_at,
            text: reading.text,
            text_truncated: reading.text_truncated,
            parts: reading.parts.into_iter().map(part).collect(),
            has_html: reading.has_html,
            size: place.length,
            notes: reading.notes.into_iter().take(NOTES).map(str::to_owned).collect(),
            language: reading.language.map(str::to_owned),
            place: incoming.place,
            is_read: incoming.is_read,
            is_starred: incoming.is_starred,
            labels: labels(incoming.labels),
            origin: incoming.origin,
            raw: reference(place),
            bounce: reading.bounce.map(bounce),
        }
    }
}

/// Labels as facts may have them: others wrote them, so nothing is refused.
fn labels(all: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(all.len().min(LABELS));
    for label in all {
        let line = label.chars().filter(|c| !c.is_control()).take(LABEL_CHARS).collect::<String>();
        let line = line.trim();
        if kept.len() < LABELS && !line.is_empty() && !kept.iter().any(|known| known == line) {
            kept.push(line.to_owned());
        }
    }
    kept
}

fn address(mime::Address { email, name }: mime::Address) -> Address {
    Address { email, name }
}

fn part(part: mime::Part) -> Part {
    Part {
        path: part.path,
        filename: part.filename,
        content_type: part.content_type,
        size: part.size,
        sha256: part.sha256.as_ref().map(BlobRef::written),
        inline: part.is_inline,
        content_id: part.content_id,
        offset: part.offset,
        length: part.length,
        encoding: match part.encoding {
            mime::Encoding::Identity => Encoding::Identity,
            mime::Encoding::Base64 => Encoding::Base64,
            mime::Encoding::QuotedPrintable => Encoding::QuotedPrintable,
            mime::Encoding::Nested => Encoding::Nested,
        },
    }
}

fn bounce(mime::Bounce { original_message_id, recipients }: mime::Bounce) -> Bounce {
    let told = |told: mime::BouncedRecipient| BouncedRecipient {
        email: told.email,
        action: match told.action {
            mime::Action::Failed => Action::Failed,
            mime::Action::Delayed => Action::Delayed,
            mime::Action::Delivered => Action::Delivered,
            mime::Action::Relayed => Action::Relayed,
            mime::Action::Expanded => Action::Expanded,
        },
        status: told.status,
        diagnostic: told.diagnostic,
    };
    Bounce { original_message_id, recipients: recipients.into_iter().map(told).collect() }
}
