//! What can be parsed as a value of the emails context, and what cannot.

use uuid::Uuid;

use super::*;

fn codes(refused: &[(Option<usize>, Invalid)]) -> Vec<(Option<usize>, &'static str)> {
    refused.iter().map(|(index, invalid)| (*index, invalid.code)).collect()
}

#[test]
fn a_subject_is_one_line_and_may_be_empty() {
    assert_eq!(Subject::parse("  ").unwrap().as_str(), "");
    assert!(Subject::parse(&"ä".repeat(500)).is_ok());
    assert_eq!(Subject::parse(&"ä".repeat(501)).unwrap_err().code, "too_long");
    assert_eq!(Subject::parse("a\r\nBcc: eve@example.org").unwrap_err().code, "control_character");
}

#[test]
fn a_body_has_at_most_100_000_characters() {
    assert!(Body::parse(&"ä".repeat(100_000)).is_ok());
    assert_eq!(Body::parse(&"a".repeat(100_001)).unwrap_err().code, "too_long");
    assert_eq!(Body::parse("a\0").unwrap_err().code, "nul_character");
}

#[test]
fn recipients_are_read_once_each_without_regard_to_case() {
    let read =
        Recipients::parse([("ada@example.org", Some("Ada")), ("ADA@example.org", None), ("b@example.org", Some(" "))]);
    let addresses: Vec<Address> = read.unwrap().into();
    let told: Vec<_> = addresses.iter().map(|address| (address.email.as_str(), address.name.as_deref())).collect();
    assert_eq!(told, [("ada@example.org", Some("Ada")), ("b@example.org", None)]);
}

#[test]
fn a_recipient_that_is_none_is_refused_with_its_place() {
    let written = [("ada@example.org", None), ("nobody", None), ("b@example.org", Some("B\r\nBcc: c@example.org"))];
    let refused = Recipients::parse(written).unwrap_err();
    assert_eq!(codes(&refused), [(Some(1), "invalid_email"), (Some(2), "control_character")]);
}

#[test]
fn a_field_has_at_most_50_recipients() {
    let many: Vec<String> = (0..51).map(|n| format!("a{n}@example.org")).collect();
    let written = |count| many.iter().take(count).map(|email| (email.as_str(), None));
    assert!(Recipients::parse(written(50)).is_ok());
    assert_eq!(codes(&Recipients::parse(written(51)).unwrap_err()), [(None, "too_many")]);
    assert!(Recipients::parse(written(50).chain(written(50))).is_ok(), "the same twice is not more");
}

#[test]
fn a_message_has_at_most_10_files() {
    let ids = |count| (0..count).map(|n| AttachmentId(Uuid::from_u128(n)));
    assert!(AttachmentIds::parse(ids(10).chain(ids(10))).is_ok());
    assert_eq!(AttachmentIds::parse(ids(11)).unwrap_err().code, "too_many");
}

#[test]
fn a_content_type_has_no_parameters_and_nothing_that_breaks_a_header() {
    assert_eq!(ContentType::parse("Text/Plain; charset=utf-8").unwrap().as_str(), "text/plain");
    assert_eq!(ContentType::parse("image/svg+xml").unwrap().as_str(), "image/svg+xml");
    for text in ["", "text", "text/", "/plain", "text/pl ain", "text/plain\r\nX: y", "te\u{e4}xt/plain", "a/b/c"] {
        assert_eq!(ContentType::parse(text).unwrap_err().code, "invalid_content_type", "{text:?}");
    }
}

#[test]
fn a_message_fits_with_its_files_encoded() {
    assert!(fits_a_message("Hello", [ATTACHMENT_BYTES]));
    assert!(!fits_a_message("Hello", [ATTACHMENT_BYTES, ATTACHMENT_BYTES / 2]));
    assert!(!fits_a_message("Hello", [u64::MAX, u64::MAX]));
    assert!(fits_a_message(&"ä".repeat(100_000), []));
}

#[test]
fn the_names_of_roles_are_those_on_the_wire() {
    for (name, role) in ROLES {
        assert_eq!(serde_json::to_value(role).unwrap(), name);
        assert_eq!(parse_role(name), Ok(role));
    }
    assert_eq!(parse_role("Inbox").unwrap_err().code, "unknown_value");
}

#[test]
fn what_others_wrote_is_cut_to_one_line() {
    assert_eq!(cut(" a\nb\u{1}c\0 ", 9), "a bc");
    assert_eq!(cut(&"ü".repeat(300), 200).chars().count(), 200);
}
