//! An e-mail whole, as its page shows it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use orbit_adapters::mime::Sanitised;
use orbit_events::emails::{BlobRef, Part};
use orbit_platform::http::openapi::parsed;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{Address, Email, Recipients};

/// An e-mail with all that is in it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = WholeEmail, example = json!(parsed(r#"{
    "id": "0197f0a0-0000-7000-8000-0000000000c1", "thread_id": "0197f0a0-0000-7000-8000-0000000000c1",
    "message_id": "1@example.org", "subject": "Lunch?", "from_email": "bob@example.org", "from_name": "Bob",
    "to_emails": ["ada@example.org"], "cc_emails": [], "bcc_emails": [], "snippet": "Are you free at noon?",
    "has_attachments": true, "is_read": false, "is_starred": false, "is_archived": false, "folder": "inbox",
    "folder_id": "0197f0a0-0000-7000-8000-0000000000d1", "labels": ["friends"], "size": 2048,
    "date": "2026-11-22T20:28:00Z", "synced_at": "2026-11-22T20:28:05Z", "trashed_at": null, "snoozed_until": null,
    "created_at": "2026-11-22T20:28:05Z", "updated_at": "2026-11-22T20:28:05Z", "version": 1,
    "received_at": "2026-11-22T20:28:01Z", "body_text": "Are you free at noon?", "text_truncated": false,
    "html_available": true, "body_html": "<p>Are you free at noon?</p>", "blocked_images": 0,
    "to": [{"email": "ada@example.org", "name": "Ada"}], "cc": [], "bcc": [], "reply_to": [], "in_reply_to": [],
    "references": [], "attachments": [{
        "n": 1, "path": "2", "filename": "menu.pdf", "content_type": "application/pdf", "size": 1024,
        "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "inline": false, "content_id": null
    }],
    "notes": [], "language": "en", "raw_sha256": "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"
}"#)))]
pub struct Whole {
    /// What lists show of it.
    #[serde(flatten)]
    pub email: Email,
    /// When it came in where it was sent to.
    pub received_at: DateTime<Utc>,
    /// Its text, derived from the HTML if there is no other.
    pub body_text: String,
    /// Whether there is more of it than `body_text` holds: `raw` has all.
    pub text_truncated: bool,
    /// Whether there is HTML in the message.
    pub html_available: bool,
    /// The HTML, made harmless: a piece of a page without scripts, forms and styles that load or cover anything. Null
    /// if there is none, and where it was not said where messages lie (with `images` that is a 501).
    pub body_html: Option<String>,
    /// How many images were not let in, since whoever sent them would know that and when they are looked at. Each keeps
    /// its place in `data-blocked-src`.
    pub blocked_images: u32,
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
    /// Message ids of what went before it, oldest first.
    pub references: Vec<String>,
    /// Files, and what the HTML shows of its own.
    pub attachments: Vec<Attachment>,
    /// What was odd about the message, as codes.
    pub notes: Vec<String>,
    /// The language of its text (ISO 639-1), if that could be told.
    pub language: Option<String>,
    /// SHA-256 of the message as it came, in hexadecimal digits.
    pub raw_sha256: Option<String>,
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EmailAttachment, example = json!(parsed(r#"{
    "n": 1, "path": "2", "filename": "menu.pdf", "content_type": "application/pdf", "size": 1024,
    "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "inline": false, "content_id": null
}"#)))]
pub struct Attachment {
    /// Its number: `GET /emails/{id}/attachments/{n}` has its content.
    pub n: usize,
    /// Its place among the parts: `GET /emails/{id}/parts/{path}` has its content too.
    pub path: String,
    /// What it is called.
    pub filename: Option<String>,
    /// What the sender says it is.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Whether the HTML shows it.
    pub inline: bool,
    /// The name by which the HTML shows it.
    pub content_id: Option<String>,
}

/// An e-mail as it is read, before its HTML is.
#[derive(Clone, Debug)]
pub struct Read {
    pub email: Email,
    pub recipients: Recipients,
    pub received_at: DateTime<Utc>,
    pub body_text: String,
    pub text_truncated: bool,
    pub has_html: bool,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    pub notes: Vec<String>,
    pub language: Option<String>,
    pub parts: Vec<Part>,
    pub raw: BlobRef,
}

impl Read {
    /// The e-mail with its HTML.
    pub fn with(self, html: Option<Sanitised>) -> Whole {
        let Recipients { to, cc, bcc, reply_to } = self.recipients;
        let (body_html, blocked_images) = html.map_or((None, 0), |html| (Some(html.html), html.blocked));
        Whole {
            email: self.email,
            received_at: self.received_at,
            body_text: self.body_text,
            text_truncated: self.text_truncated,
            html_available: self.has_html,
            body_html,
            blocked_images,
            to,
            cc,
            bcc,
            reply_to,
            in_reply_to: self.in_reply_to,
            references: self.references,
            attachments: (1..).zip(self.parts).map(|(n, part)| Attachment::of(n, part)).collect(),
            notes: self.notes,
            language: self.language,
            raw_sha256: hex_digest(&self.raw.sha256),
        }
    }
}

impl Attachment {
    fn of(n: usize, part: Part) -> Self {
        let Part { path, filename, content_type, size, inline, content_id, .. } = part;
        let sha256 = part.sha256.as_deref().and_then(hex_digest);
        Self { n, path, filename, content_type, size, sha256, inline, content_id }
    }
}

/// A digest as facts write it, in hexadecimal digits.
pub fn hex_digest(written: &str) -> Option<String> {
    let digest = URL_SAFE_NO_PAD.decode(written).ok().filter(|digest| digest.len() == 32)?;
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Some(digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_told_as_everybody_else_writes_it() {
        let written = BlobRef::written(&[0xab; 32]);
        assert_eq!(hex_digest(&written).unwrap(), "ab".repeat(32));
        assert_eq!(hex_digest("YWJj"), None);
        assert_eq!(hex_digest("?"), None);
    }
}
