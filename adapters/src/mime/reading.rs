//! The reading of a message: what a fact keeps of it, within the limits that facts have.

use chrono::{DateTime, Utc};

use super::{
    ADDRESSES_BYTES, ADDRESSES_EACH, MESSAGE_ID_BYTES, REFERENCES, REFERENCES_BYTES, SUBJECT_CHARS, bounce, clean,
    fields::Values,
    language::language,
    note::{Note, Notes},
    parts,
    structure::Structure,
    text::{self, Chosen},
};

/// Somebody's address, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// At most [`super::ADDRESS_BYTES`]; empty if what was there could not be read as an address.
    pub email: String,
    /// The name beside it.
    pub name: Option<String>,
}

/// How a part's bytes are written in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place among the parts, as IMAP counts: `2.1`.
    pub path: String,
    /// What the file is called.
    pub filename: Option<String>,
    /// What the sender says it is, in small letters.
    pub content_type: String,
    /// How many bytes it has, decoded.
    pub size: u64,
    /// SHA-256 of them, decoded.
    pub sha256: Option<[u8; 32]>,
    /// Whether the HTML shows it.
    pub is_inline: bool,
    /// The name by which the HTML shows it.
    pub content_id: Option<String>,
    /// Where its encoded bytes begin in the message.
    pub offset: u64,
    /// How many encoded bytes it has.
    pub length: u64,
    /// How they are encoded.
    pub encoding: Encoding,
}

/// What a report about delivery (RFC 3464) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounce {
    /// Message id of what was sent.
    pub original_message_id: Option<String>,
    /// What became of it, for each recipient that the report names.
    pub recipients: Vec<BouncedRecipient>,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Without angle brackets.
    pub message_id: Option<String>,
    /// One line.
    pub subject: Option<String>,
    /// Who wrote it.
    pub from: Option<Address>,
    /// Whom it is for.
    pub to: Vec<Address>,
    /// Who got a copy.
    pub cc: Vec<Address>,
    /// Who got a copy that the others do not know of.
    pub bcc: Vec<Address>,
    /// Where answers are wanted.
    pub reply_to: Vec<Address>,
    /// Message ids of what it answers.
    pub in_reply_to: Vec<String>,
    /// Message ids of what went before, oldest first.
    pub references: Vec<String>,
    /// When it says that it was written; when it came in, if it does not say.
    pub date: DateTime<Utc>,
    /// Whether it does not say.
    pub date_missing: bool,
    /// Its text, derived from the HTML if there is no other.
    pub text: String,
    /// Whether there is more of it.
    pub text_truncated: bool,
    /// Files and what the HTML shows; not the text and the HTML themselves.
    pub parts: Vec<Part>,
    /// Whether there is HTML.
    pub has_html: bool,
    /// What was odd about it, as codes.
    pub notes: Vec<&'static str>,
    /// What language the text is in (ISO 639-1), if that can be told.
    pub language: Option<&'static str>,
    /// What it says about something that was sent, if it is a report.
    pub bounce: Option<Bounce>,
}

/// Reads a message. Whatever it is, there is a reading: of what cannot be read, notes tell.
pub fn read(raw: &[u8], received_at: DateTime<Utc>) -> Reading {
    let mut notes = Notes::default();
    let raw = clean::line_ends(raw, &mut notes);
    let structure = Structure::parse(&raw, &mut notes);
    notes.add_if(structure.root().fields.is_empty(), Note::NoHeaders);
    let chosen = Chosen::of(&structure);
    let text = text::read(&structure, &chosen, &mut notes);
    let parts = parts::list(&structure, &chosen, &text, &mut notes);
    let bounce = bounce::read(&structure, &mut notes);
    let charset = structure.entities.iter().find_map(|entity| entity.charset.as_deref());
    let mut head = Head { structure: &structure, values: Values::new(charset, &mut notes), left: ADDRESSES_BYTES };
    let date = head.date();
    let (in_reply_to, references) = head.references();
    // Who wrote it comes first, lest the others take its room.
    let from = head.from();
    let (to, cc) = (head.addresses("to"), head.addresses("cc"));
    let (bcc, reply_to) = (head.addresses("bcc"), head.addresses("reply-to"));
    let (message_id, subject) = (head.message_id(), head.subject());
    Reading {
        message_id,
        subject,
        from,
        to,
        cc,
        bcc,
        reply_to,
        in_reply_to,
        references,
        date: date.unwrap_or(received_at),
        date_missing: date.is_none(),
        language: language(&text.content),
        text: text.content,
        text_truncated: text.is_cut,
        parts,
        has_html: chosen.has_html(),
        notes: notes.codes(),
        bounce,
    }
}

/// The head of a message, as it is being read.
struct Head<'s, 'n> {
    structure: &'s Structure<'s>,
    values: Values<'n>,
    /// How many bytes addresses may still take.
    left: usize,
}

impl<'s> Head<'s, '_> {
    fn first(&self, name: &str) -> Option<&'s [u8]> {
        self.structure.root().fields.first(name)
    }

    fn subject(&mut self) -> Option<String> {
        self.first("subject").and_then(|value| self.values.text(value, SUBJECT_CHARS))
    }

    fn message_id(&mut self) -> Option<String> {
        let Some(value) = self.first("message-id").filter(|value| !value.trim_ascii().is_empty()) else {
            self.values.notes.add(Note::NoMessageId);
            return None;
        };
        let found = self.values.ids(value);
        // Without brackets, and without an `@`, it may still be the only thing by which others speak of it.
        let whole = || String::from_utf8_lossy(value).split_whitespace().collect::<String>();
        let id = found.ids.first().cloned().unwrap_or_else(whole);
        let id = clean::line(id.trim_matches(['<', '>']), id.len(), self.values.notes);
        let is_one = !id.is_empty() && id.len() <= MESSAGE_ID_BYTES;
        self.values.notes.add_if(!found.is_bracketed || found.ids.len() > 1 || !is_one, Note::BadMessageId);
        is_one.then_some(id)
    }

    fn date(&mut self) -> Option<DateTime<Utc>> {
        let Some(value) = self.first("date").filter(|value| !value.trim_ascii().is_empty()) else {
            self.values.notes.add(Note::NoDate);
            return None;
        };
        let date = self.values.date(value);
        self.values.notes.add_if(date.is_none(), Note::BadDate);
        date
    }

    fn from(&mut self) -> Option<Address> {
        let mut all = self.addresses("from");
        self.values.notes.add_if(all.len() > 1, Note::ManyFrom);
        if all.is_empty() {
            self.values.notes.add(Note::NoFrom);
            all = self.addresses("sender");
        }
        // Of several the first that can be written to.
        let readable = all.iter().position(|address| !address.email.is_empty());
        (!all.is_empty()).then(|| all.swap_remove(readable.unwrap_or(0)))
    }

    fn addresses(&mut self, name: &str) -> Vec<Address> {
        let mut kept = Vec::new();
        let fields: Vec<&[u8]> = self.structure.root().fields.all(name).collect();
        for address in fields.into_iter().flat_map(|value| self.values.addresses(value)) {
            let bytes = address.email.len() + address.name.as_deref().map_or(0, str::len);
            if kept.len() == ADDRESSES_EACH || bytes > self.left {
                self.values.notes.add(Note::AddressesCut);
                break;
            }
            self.left -= bytes;
            kept.push(address);
        }
        kept
    }

    /// `In-Reply-To` and `References`: of too many the first, with which it began, and the last.
    fn references(&mut self) -> (Vec<String>, Vec<String>) {
        let mut left = REFERENCES_BYTES;
        let mut ids = |name: &str| {
            let fields: Vec<&[u8]> = self.structure.root().fields.all(name).collect();
            let mut all: Vec<String> = fields.into_iter().flat_map(|value| self.values.ids(value).ids).collect();
            let told = all.len();
            all.retain(|id| id.len() <= MESSAGE_ID_BYTES);
            if all.len() > REFERENCES {
                all.drain(1..=all.len() - REFERENCES);
            }
            // The newest are what a thread hangs on.
            let mut kept: Vec<String> = Vec::with_capacity(all.len());
            for id in all.into_iter().rev() {
                if id.len() > left {
                    break;
                }
                left -= id.len();
                kept.push(id);
            }
            kept.reverse();
            self.values.notes.add_if(kept.len() < told, Note::ReferencesCut);
            kept
        };
        (ids("in-reply-to"), ids("references"))
    }
}
