//! Reports about delivery (RFC 3464): what became of a message that was sent, and for whom.

use super::{
    Action, BOUNCED, BOUNCED_BYTES, Bounce, BouncedRecipient, MESSAGE_ID_BYTES, clean,
    fields::{Fields, Values},
    note::Notes,
    structure::{Entity, Structure},
    text,
};

/// Most bytes of a report that are looked at.
const REPORT_BYTES: usize = 256 * 1024;
/// Most characters of what a server says.
const DIAGNOSTIC_CHARS: usize = 1_000;

/// What a message reports, if it is a report.
pub(super) fn read(structure: &Structure<'_>, notes: &mut Notes) -> Option<Bounce> {
    let is = |entity: &&Entity<'_>, media: &[&str]| media.contains(&entity.media.as_str());
    let find = |media: &[&str]| structure.entities.iter().find(|entity| is(entity, media));
    let status = find(&["message/delivery-status", "message/global-delivery-status"]);
    let recipients = match status {
        Some(status) if structure.root().media == "multipart/report" => {
            let (report, _) = text::decoded(structure, status, REPORT_BYTES, notes);
            reported(&report, notes)
        }
        // Exim before it wrote reports for programs.
        _ => failed(structure, notes),
    };
    if recipients.is_empty() {
        return None;
    }
    let original = find(&["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"]);
    let original_message_id = original.and_then(|original| {
        let (head, _) = text::decoded(structure, original, REPORT_BYTES, notes);
        message_id(Fields::parse(&head).0.first("message-id"), notes)
    });
    // What came back without what was sent answers it, at least.
    let answered = || message_id(structure.root().fields.first("in-reply-to"), &mut Notes::default());
    Some(Bounce { original_message_id: original_message_id.or_else(answered), recipients: cut(recipients) })
}

fn message_id(value: Option<&[u8]>, notes: &mut Notes) -> Option<String> {
    let ids = Values::new(None, notes).ids(value?);
    ids.ids.into_iter().next().filter(|id| id.len() <= MESSAGE_ID_BYTES)
}

/// Groups of fields: one about the message, then one about each recipient.
fn reported(report: &[u8], notes: &mut Notes) -> Vec<BouncedRecipient> {
    let mut recipients = Vec::new();
    let mut rest = report;
    while !rest.is_empty() && recipients.len() < BOUNCED {
        let (fields, end) = Fields::parse(rest);
        recipients.extend(recipient(&fields, notes));
        // A line that is no field ends the report.
        if end.body == 0 || fields.is_empty() && !rest[..end.body].trim_ascii().is_empty() {
            break;
        }
        rest = &rest[end.body..];
    }
    recipients
}

fn recipient(fields: &Fields<'_>, notes: &mut Notes) -> Option<BouncedRecipient> {
    let mut values = Values::new(None, notes);
    let mut text = |name: &str| fields.first(name).and_then(|value| values.text(value, DIAGNOSTIC_CHARS));
    let action = match text("action")?.to_ascii_lowercase().split_whitespace().next()? {
        "failed" => Action::Failed,
        "delayed" => Action::Delayed,
        "delivered" => Action::Delivered,
        "relayed" => Action::Relayed,
        "expanded" => Action::Expanded,
        _ => return None,
    };
    // Whom it was written to, before others passed it on.
    let email = text("original-recipient").or_else(|| text("final-recipient")).as_deref().and_then(behind_type)?;
    let status = text("status").as_deref().and_then(status_code);
    let diagnostic = text("diagnostic-code").map(|told| behind_type(&told).unwrap_or(told));
    Some(BouncedRecipient { email, action, status, diagnostic })
}

/// `rfc822; a@b.example` without the first half.
fn behind_type(value: &str) -> Option<String> {
    let value = value.split_once(';').map_or(value, |(_, value)| value).trim();
    let value = value.trim_start_matches('<').trim_end_matches('>');
    (!value.is_empty()).then(|| value.to_owned())
}

/// `5.1.1`, without what some write behind it.
fn status_code(value: &str) -> Option<String> {
    let code = value.split_whitespace().next()?;
    let is_one = code.split('.').count() == 3 && code.split('.').all(|part| (1..=3).contains(&part.len()));
    (is_one && code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')).then(|| code.to_owned())
}

fn failed(structure: &Structure<'_>, notes: &mut Notes) -> Vec<BouncedRecipient> {
    let mut recipients = Vec::new();
    for value in structure.root().fields.all("x-failed-recipients") {
        for address in Values::new(None, notes).addresses(value) {
            if !address.email.is_empty() && recipients.len() < BOUNCED {
                let email = address.email;
                recipients.push(BouncedRecipient { email, action: Action::Failed, status: None, diagnostic: None });
            }
        }
    }
    recipients
}

/// At most so many bytes of all of them together; what servers say is cut before it is left out.
fn cut(mut recipients: Vec<BouncedRecipient>) -> Vec<BouncedRecipient> {
    let mut left = BOUNCED_BYTES;
    recipients.retain_mut(|recipient| {
        let bytes = recipient.email.len() + recipient.status.as_deref().map_or(0, str::len);
        if bytes > left || recipient.email.len() > super::ADDRESS_BYTES {
            return false;
        }
        left -= bytes;
        if let Some(diagnostic) = &mut recipient.diagnostic {
            let kept = clean::cut(diagnostic, left).len();
            diagnostic.truncate(kept);
            left -= kept;
        }
        true
    });
    recipients
}
