//! Values of the tasks context.

use chrono::{Datelike, NaiveDate};
use orbit_events::{
    EntityRef,
    tasks::{Priority, Status},
};
use uuid::Uuid;

use crate::{
    Invalid, Text,
    values::{one_of, reads_as_text, texts},
};

texts! {
    /// What a task is called: one line of 1 to 500 characters.
    Title = Text::line(500);
    /// What a list is called: one line of 1 to 100 characters.
    ListName = Text::line(100);
    /// What a label is called: one line of 1 to 100 characters.
    LabelName = Text::line(100);
    /// Why a task was turned down: at most 2,000 characters.
    Reason = Text { required: true, max_chars: 2_000, multiline: true };
}

/// What a task is about, in Markdown: at most 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Most bytes, in UTF-8.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads it; an empty one is the same as none, see [`Description::into_text`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_BYTES {
            let detail = format!("must have at most {} bytes, has {}", Self::MAX_BYTES, text.len());
            return Err(Invalid::new("too_long", detail));
        }
        Text::block(Self::MAX_BYTES).parse(text).map(Self)
    }

    /// The text, unless it is empty.
    pub fn into_text(self) -> Option<String> {
        Some(self.0).filter(|text| !text.is_empty())
    }
}

reads_as_text!(Description);

/// The day by which a task is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueDate(NaiveDate);

impl DueDate {
    /// Reads `YYYY-MM-DD` from 1970 to 9999.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let expected = || Invalid::new("invalid_date", "must be a date like 2026-12-31");
        // chrono also reads `2026-1-2` and `+2026-01-02`; a date has one spelling.
        let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if !shape {
            return Err(expected());
        }
        let date = text.parse::<NaiveDate>().map_err(|_| expected())?;
        if !(1970..=9999).contains(&date.year()) {
            return Err(Invalid::new("out_of_range", "must lie between 1970-01-01 and 9999-12-31"));
        }
        Ok(Self(date))
    }

    /// The day.
    pub const fn date(self) -> NaiveDate {
        self.0
    }
}

/// Every priority by its name.
pub const PRIORITIES: [(&str, Priority); 3] =
    [("low", Priority::Low), ("medium", Priority::Medium), ("high", Priority::High)];

/// Reads a priority; the refusal names those there are.
pub fn parse_priority(text: &str) -> Result<Priority, Invalid> {
    one_of(text, &PRIORITIES)
}

/// Every status by its name.
pub const STATUSES: [(&str, Status); 7] = [
    ("backlog", Status::Backlog),
    ("open", Status::Open),
    ("in_progress", Status::InProgress),
    ("waiting", Status::Waiting),
    ("done", Status::Done),
    ("pending", Status::Pending),
    ("dismissed", Status::Dismissed),
];

/// Reads a status; the refusal names those there are.
pub fn parse_status(text: &str) -> Result<Status, Invalid> {
    one_of(text, &STATUSES)
}

/// What a task can be read out of.
pub const SOURCE_KINDS: [&str; 6] = ["email", "task", "calendar", "document", "message", "person"];

/// Reads what a task was read out of; the refusal names the kinds there are.
pub fn parse_source(kind: &str, id: Uuid) -> Result<EntityRef, Invalid> {
    let kind = one_of(kind, &SOURCE_KINDS.map(|kind| (kind, kind)))?;
    Ok(EntityRef { kind: kind.to_owned(), id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_at_most_500_characters() {
        assert!(Title::parse(&"ä".repeat(500)).is_ok());
        assert_eq!(Title::parse(&"ä".repeat(501)).unwrap_err().code, "too_long");
        assert_eq!(Title::parse("a\nb").unwrap_err().code, "control_character");
        assert_eq!(Title::parse("  ").unwrap_err().code, "empty");
    }

    #[test]
    fn a_description_is_counted_in_bytes() {
        assert!(Description::parse(&"a".repeat(65_536)).is_ok());
        assert_eq!(Description::parse(&"a".repeat(65_537)).unwrap_err().code, "too_long");
        assert_eq!(Description::parse(&"ä".repeat(32_769)).unwrap_err().code, "too_long");
        assert_eq!(Description::parse("").unwrap().into_text(), None);
    }

    #[test]
    fn a_due_date_has_one_spelling_and_a_sane_range() {
        assert_eq!(DueDate::parse("2024-02-29").unwrap().date(), NaiveDate::from_ymd_opt(2024, 2, 29).unwrap());
        assert!(DueDate::parse("1970-01-01").is_ok());
        assert!(DueDate::parse("9999-12-31").is_ok());
        assert_eq!(DueDate::parse("1969-12-31").unwrap_err().code, "out_of_range");
        for text in ["", "2026-1-02", "2026-02-30", "2025-02-29", "26-01-01", "+2026-01-0", "2026-01-02T00:00:00Z"] {
            assert_eq!(DueDate::parse(text).unwrap_err().code, "invalid_date", "{text}");
        }
    }

    #[test]
    fn an_unknown_priority_or_status_is_refused_with_the_known_ones() {
        assert_eq!(parse_priority("high"), Ok(Priority::High));
        assert_eq!(parse_priority("High").unwrap_err().detail, "must be one of low, medium, high");
        assert_eq!(parse_status("in_progress"), Ok(Status::InProgress));
        let detail = parse_status("").unwrap_err().detail;
        assert_eq!(detail, "must be one of backlog, open, in_progress, waiting, done, pending, dismissed");
    }

    #[test]
    fn the_names_are_those_on_the_wire() {
        for (name, priority) in PRIORITIES {
            assert_eq!(serde_json::to_value(priority).unwrap(), name);
        }
        for (name, status) in STATUSES {
            assert_eq!(serde_json::to_value(status).unwrap(), name);
        }
    }

    #[test]
    fn a_source_has_a_known_kind() {
        assert_eq!(parse_source("email", Uuid::nil()).unwrap().kind, "email");
        assert_eq!(parse_source("e-mail", Uuid::nil()).unwrap_err().code, "unknown_value");
    }
}
