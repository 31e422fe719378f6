//! The message itself, the same at each attempt.

use orbit_adapters::mime::{Address, Attachment, Compose, compose};
use orbit_domain::emails::submission::Sheet;
use orbit_events::{UserId, emails};

use super::Sender;
use crate::blobs::{key, place};

/// Why a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Log(#[from] orbit_event_store::Fault),
    /// A file is not there, or is not what was stored.
    #[error("a file could not be read")]
    File(#[source] orbit_adapters::blobs::Fault),
    /// Where a file lies is not written as it should be.
    #[error("where a file lies cannot be read")]
    Place,
    /// Writing to memory failed.
    #[error("the message could not be written")]
    Compose(#[from] std::io::Error),
}

impl Sender {
    /// The bytes of a message with its files.
    pub(super) async fn write(&self, user: UserId, sheet: &Sheet) -> Result<Vec<u8>, Fault> {
        let mut files = Vec::with_capacity(sheet.attachments.len());
        for file in &sheet.attachments {
            let known = self.deps.store.vault().blob_key_of(user, file.raw.key).await?;
            let key = key(known.ok_or(orbit_event_store::Fault::Forgotten)?);
            let place = place(&file.raw).ok_or(Fault::Place)?;
            files.push(self.deps.blobs.read(user.0, &key, &place, 0..place.length).await.map_err(Fault::File)?);
        }
        let attachments: Vec<_> = sheet
            .attachments
            .iter()
            .zip(&files)
            .map(|(file, content)| Attachment { filename: &file.filename, content_type: &file.content_type, content })
            .collect();
        let (from, to, cc) = (address(&sheet.from), addresses(&sheet.content.to), addresses(&sheet.content.cc));
        let message = Compose {
            message_id: &sheet.message_id,
            date: sheet.date,
            from: &from,
            to: &to,
            cc: &cc,
            subject: &sheet.content.subject,
            in_reply_to: sheet.in_reply_to.as_deref(),
            references: &sheet.references,
            body: &sheet.content.body,
            attachments: &attachments,
        };
        let mut bytes = Vec::new();
        compose(&message, &mut bytes)?;
        Ok(bytes)
    }
}

fn addresses(all: &[emails::Address]) -> Vec<Address> {
    all.iter().map(address).collect()
}

fn address(address: &emails::Address) -> Address {
    Address { email: address.email.clone(), name: address.name.clone() }
}
