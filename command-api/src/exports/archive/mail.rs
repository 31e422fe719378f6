//! Messages and files in an archive: their bytes are read from the blobs, one after the other.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use orbit_adapters::{
    blobs::{self, Blobs},
    mailbox,
};
use orbit_event_store::{Fault, Opened, Stored, Which};
use orbit_events::{
    Event, Recorded, UserId,
    emails::{BlobRef, attachment, email},
};
use uuid::Uuid;

use super::{Archive, FACTS, broken};
use crate::files;

/// Most bytes of messages and files in an archive: it lies in the database.
const RAW_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Most that are told of as left out.
const LEFT_OUT: usize = 100_000;
/// Most characters of a file's name.
const FILENAME_CHARS: usize = 100;

/// Which messages and files are there at the end of the history.
#[derive(Default)]
pub(super) struct Kept {
    /// E-mails that were deleted, with the position of the fact by which they came back, if they did.
    deleted: HashMap<Uuid, Option<i64>>,
    /// Uploads that were discarded.
    discarded: HashSet<Uuid>,
}

impl Kept {
    /// Hears of every fact, in order.
    pub fn note(&mut self, fact: &Recorded) {
        let (id, event) = (fact.envelope.stream_id, fact.event());
        if matches!(event, Some(Event::Email(email::Event::Deleted(_)))) {
            self.deleted.insert(id, None);
        } else if matches!(event, Some(Event::Email(email::Event::Received(_)))) {
            self.deleted.entry(id).and_modify(|back| *back = Some(fact.envelope.position));
        } else if matches!(event, Some(Event::Attachment(attachment::Event::Discarded(_)))) {
            self.discarded.insert(id);
        }
    }

    /// Whether a message is still there as this fact says it.
    fn has_email(&self, id: Uuid, position: i64) -> bool {
        self.deleted.get(&id).is_none_or(|back| *back == Some(position))
    }
}

/// What became of the bytes of a message or a file.
enum Bytes {
    There(Vec<u8>),
    LeftOut(&'static str),
}

/// Bytes that go into an archive.
pub(super) struct Raw<'a> {
    blobs: Option<&'a Blobs>,
    room: u64,
    left_out: String,
    count: usize,
}

impl<'a> Raw<'a> {
    pub fn new(blobs: Option<&'a Blobs>) -> Self {
        Self { blobs, room: RAW_BYTES, left_out: String::new(), count: 0 }
    }

    fn leave_out(&mut self, what: &str, id: Uuid, why: &str) {
        self.count += 1;
        if self.count <= LEFT_OUT {
            // A text takes whatever is written into it.
            let _ = writeln!(self.left_out, "{what} {id}: {why}");
        }
    }
}

impl Archive<'_> {
    /// The messages that are there, as they came, and the files that wait to be sent.
    pub(super) async fn mail(&mut self, kept: &Kept, mut raw: Raw<'_>) -> Result<bool, Fault> {
        if !self.messages(kept, &mut raw).await? || !self.uploads(kept, &mut raw).await? {
            return Ok(false);
        }
        if raw.count > 0 {
            self.begin("left-out.txt")?;
            self.write(raw.left_out.as_bytes())?;
            if raw.count > LEFT_OUT {
                self.write(format!("and {} more\n", raw.count - LEFT_OUT).as_bytes())?;
            }
            self.end();
        }
        Ok(true)
    }

    async fn messages(&mut self, kept: &Kept, raw: &mut Raw<'_>) -> Result<bool, Fault> {
        self.begin("emails.mbox")?;
        let mut after = 0;
        loop {
            let facts = self.facts_of("emails.received", after).await?;
            let Some(last) = facts.last().map(position) else { break };
            after = last;
            for fact in facts.into_iter().flatten() {
                let id = fact.envelope.stream_id;
                let Some(Event::Email(email::Event::Received(received))) = fact.event() else { continue };
                if !kept.has_email(id, fact.envelope.position) {
                    continue;
                }
                match self.bytes(raw, &received.raw).await? {
                    Bytes::LeftOut(why) => raw.leave_out("e-mail", id, why),
                    Bytes::There(bytes) => {
                        let mut entry = Vec::with_capacity(bytes.len() + 128);
                        mailbox::append(&bytes, received.received_at, &mut entry).map_err(broken)?;
                        self.write(&entry)?;
                    }
                }
                if !self.store_pieces(false).await? {
                    return Ok(false);
                }
            }
        }
        self.end();
        Ok(true)
    }

    async fn uploads(&mut self, kept: &Kept, raw: &mut Raw<'_>) -> Result<bool, Fault> {
        let mut after = 0;
        loop {
            let facts = self.facts_of("attachments.uploaded", after).await?;
            let Some(last) = facts.last().map(position) else { return Ok(true) };
            after = last;
            for fact in facts.into_iter().flatten() {
                let id = fact.envelope.stream_id;
                let Some(Event::Attachment(attachment::Event::Uploaded(uploaded))) = fact.event() else { continue };
                if kept.discarded.contains(&id) {
                    continue;
                }
                match self.bytes(raw, &uploaded.raw).await? {
                    Bytes::LeftOut(why) => raw.leave_out("file", id, why),
                    Bytes::There(bytes) => {
                        self.begin(&format!("files/{id}-{}", safe(&uploaded.filename)))?;
                        self.write(&bytes)?;
                        self.end();
                    }
                }
                if !self.store_pieces(false).await? {
                    return Ok(false);
                }
            }
        }
    }

    async fn facts_of(&self, wire_type: &str, after: i64) -> Result<Vec<Opened>, Fault> {
        let user = Some(UserId(self.export.user_id));
        let which = Which { user, wire_type: Some(wire_type.to_owned()), ..Which::default() };
        let page = self.store.log().replay(&which, after, self.export.upto, FACTS).await?;
        Stored::open_all(page, self.store.vault()).await
    }

    async fn bytes(&self, raw: &mut Raw<'_>, of: &BlobRef) -> Result<Bytes, Fault> {
        let Some(blobs) = raw.blobs else { return Ok(Bytes::LeftOut("its bytes are stored elsewhere")) };
        if of.length > raw.room {
            return Ok(Bytes::LeftOut("the archive is full"));
        }
        let Some(place) = files::place(of) else { return Ok(Bytes::LeftOut("where its bytes lie cannot be read")) };
        let user = UserId(self.export.user_id);
        let key = self.store.vault().blob_key_of(user, of.key).await?.ok_or(Fault::Forgotten)?;
        let key = files::key(key);
        match blobs.read(user.0, &key, &place, 0..of.length).await {
            Ok(bytes) => {
                raw.room -= of.length;
                Ok(Bytes::There(bytes))
            }
            Err(blobs::Fault::Missing) => Ok(Bytes::LeftOut("its bytes are missing")),
            Err(blobs::Fault::Corrupt) => Ok(Bytes::LeftOut("its bytes are not what was stored")),
            Err(blobs::Fault::TooLarge) => Ok(Bytes::LeftOut("it is too large")),
            Err(fault @ (blobs::Fault::Io { .. } | blobs::Fault::Content(_))) => Err(broken(fault)),
        }
    }
}

fn position(fact: &Opened) -> i64 {
    match fact {
        Ok(fact) => fact.envelope.position,
        Err((envelope, _)) => envelope.position,
    }
}

/// A name that is one in every archive: no way to another folder, nothing that some system gives a meaning.
fn safe(name: &str) -> String {
    let fine = |c: char| if c.is_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let name: String = name.chars().map(fine).take(FILENAME_CHARS).collect();
    name.trim_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn a_file_in_an_archive_leads_nowhere_else() {
        for (name, expected) in [
            ("Übersicht 2026.pdf", "Übersicht 2026.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("C:\\temp\\a?.txt ", "C__temp_a_.txt"),
            ("...", ""),
        ] {
            assert_eq!(safe(name), expected);
        }
    }
}
