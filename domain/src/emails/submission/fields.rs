//! A submission field by field.

use serde_json::json;

use super::{Standing, State};
use crate::Fields;

pub(super) fn fields(state: &State) -> Fields {
    let Some((sheet, standing)) = state.wanted() else { return Fields::new() };
    let (hold_until, scheduled) = match standing {
        Standing::Held { until, scheduled } => (Some(until), *scheduled),
        Standing::Attempting { .. }
        | Standing::Deferred { .. }
        | Standing::Sent { .. }
        | Standing::Failed { .. }
        | Standing::Uncertain { .. }
        | Standing::Cancelled => (None, false),
    };
    let (next_attempt_at, sent_at, failure_code, failure_detail) = match standing {
        Standing::Deferred { until, reason } => (Some(until), None, Some(reason.code.as_str()), Some(&reason.detail)),
        Standing::Sent { sent_at } => (None, Some(sent_at), None, None),
        Standing::Failed { reason } => (None, None, Some(reason.code.as_str()), Some(&reason.detail)),
        Standing::Uncertain { detail } => (None, None, Some("uncertain"), Some(detail)),
        Standing::Held { .. } | Standing::Attempting { .. } | Standing::Cancelled => (None, None, None, None),
    };
    Fields::from([
        ("draft_id", json!(sheet.draft_id)),
        ("connection_id", json!(sheet.content.connection_id)),
        ("reply_to_email_id", json!(sheet.content.reply_to_email_id)),
        ("message_id", json!(sheet.message_id)),
        ("from", json!(sheet.from)),
        ("to", json!(sheet.content.to)),
        ("cc", json!(sheet.content.cc)),
        ("bcc", json!(sheet.content.bcc)),
        ("subject", json!(sheet.content.subject)),
        ("status", json!(standing.name())),
        ("hold_until", json!(hold_until)),
        ("scheduled", json!(scheduled)),
        ("attempts", json!(sheet.attempts)),
        ("next_attempt_at", json!(next_attempt_at)),
        ("sent_at", json!(sent_at)),
        ("failure_code", json!(failure_code)),
        ("failure_detail", json!(failure_detail)),
        ("results", json!(sheet.results)),
        ("bounced", json!(sheet.bounced)),
        ("created_by", json!(sheet.created_by)),
    ])
}
