//! E-mails of tests: facts by which they come in, and messages among the blobs.

use std::io;

use axum::body::Bytes;
use chrono::TimeDelta;
use futures_util::stream;
use orbit_adapters::{
    blobs::{Key, Place},
    mime,
};
use orbit_events::{
    EmailId, FolderId,
    emails::{Address, BlobRef, Encoding, Origin, Part, Role, Where, email, email::Received, folder},
};
use uuid::Uuid;

use crate::world::{ADA, World, at};

/// Ada's folders.
pub const INBOX: FolderId = FolderId(Uuid::from_u128(0xf1));
pub const SENT: FolderId = FolderId(Uuid::from_u128(0xf2));
pub const TRASH: FolderId = FolderId(Uuid::from_u128(0xf3));
pub const ARCHIVE: FolderId = FolderId(Uuid::from_u128(0xf4));
pub const PROJECTS: FolderId = FolderId(Uuid::from_u128(0xf5));

/// The id of an e-mail: those with greater numbers are younger.
pub fn email_id(n: u128) -> EmailId {
    EmailId(Uuid::from_u128((0xe3a11 << 64) + n))
}

pub fn address(email: &str, name: &str) -> Address {
    Address { email: email.to_owned(), name: (!name.is_empty()).then(|| name.to_owned()) }
}

pub fn place(folder_id: FolderId, role: Role) -> Where {
    Where { folder_id, role }
}

/// A digest as facts write it, of nothing in particular.
pub fn nowhere() -> BlobRef {
    let pack = "0197f0a0000070008000000000000001".to_owned();
    BlobRef { pack, key: 1, offset: 0, length: 100, chunk: 0, sha256: BlobRef::written(&[0xab; 32]) }
}

/// An e-mail of plain text from Bob to Ada.
pub fn plain(n: u128) -> Received {
    let date = at("2026-11-01T12:00:00Z") + TimeDelta::hours(i64::try_from(n).unwrap());
    Received {
        message_id: Some(format!("{n}@example.org")),
        subject: Some(format!("E-mail {n}")),
        from: Some(address("bob@example.org", "Bob Builder")),
        to: vec![address("ada@example.org", "Ada")],
        cc: vec![],
        bcc: vec![],
        reply_to: vec![],
        in_reply_to: vec![],
        references: vec![],
        date,
        date_missing: false,
        received_at: date,
        text: "As agreed.".to_owned(),
        text_truncated: false,
        parts: vec![],
        has_html: false,
        size: 1_000,
        notes: vec![],
        language: Some("en".to_owned()),
        place: place(INBOX, Role::Inbox),
        is_read: false,
        is_starred: false,
        labels: vec![],
        origin: Origin::Import,
        raw: nowhere(),
        bounce: None,
    }
}

impl World {
    /// Ada with her folders.
    pub async fn with_mailbox(self) -> Self {
        let world = self.with_ada().await;
        for (id, path, role) in [
            (INBOX, "inbox", Role::Inbox),
            (SENT, "sent", Role::Sent),
            (TRASH, "trash", Role::Trash),
            (ARCHIVE, "archive", Role::Archive),
            (PROJECTS, "Work/Projects", Role::Other),
        ] {
            let name = path.rsplit('/').next().unwrap().to_owned();
            let delimiter = Some("/".to_owned());
            let observed = folder::Observed { connection_id: None, path: path.to_owned(), name, role, delimiter };
            world.record(ADA, id.0, 1, folder::Event::from(observed)).await;
        }
        world
    }

    /// An e-mail comes in.
    pub async fn mail(&self, n: u128, change: impl FnOnce(&mut Received)) -> i64 {
        let mut received = plain(n);
        change(&mut received);
        self.record(ADA, email_id(n).0, 1, email::Event::from(received)).await
    }

    pub async fn on_mail(&self, n: u128, version: i64, event: impl Into<email::Event>) -> i64 {
        self.record(ADA, email_id(n).0, version, event.into()).await
    }

    /// An e-mail comes in as this message, which is kept among the blobs.
    pub async fn message(&self, n: u128, raw: &[u8]) -> Received {
        let mut received = plain(n);
        let reading = mime::read(raw, received.received_at);
        received.message_id = reading.message_id;
        received.subject = reading.subject;
        received.text = reading.text;
        received.has_html = reading.has_html;
        received.size = raw.len() as u64;
        received.parts = reading.parts.into_iter().map(part).collect();
        received.raw = self.store(raw).await;
        self.record(ADA, email_id(n).0, 1, email::Event::from(received.clone())).await;
        received
    }

    /// Keeps bytes among Ada's blobs.
    pub async fn store(&self, raw: &[u8]) -> BlobRef {
        let vault = self.vault();
        vault.create_key(ADA).await.unwrap();
        let key = vault.blob_key(ADA).await.unwrap();
        let key = Key { number: key.number, bytes: key.bytes };
        let content = stream::iter([Ok::<_, io::Error>(Bytes::copy_from_slice(raw))]);
        let place = self.blobs.0.put(ADA.0, &key, content, 1 << 30).await.unwrap();
        let Place { pack, key, offset, length, chunk, sha256 } = place;
        BlobRef { pack: pack.simple().to_string(), key, offset, length, chunk, sha256: BlobRef::written(&sha256) }
    }
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

pub fn ids(expected: &[u128]) -> Vec<Uuid> {
    expected.iter().map(|n| email_id(*n).0).collect()
}
